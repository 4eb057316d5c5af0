"""Text, TOML and JSON files that anybody may have written: with or without a byte order mark, and
nested as deeply as they like. Knows nothing of what they say.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

_DEEPEST = 100
"""Levels of a value that is read: what copies or prints one calls itself for each level."""


def read_text(path: Path) -> str:
    """The text of a UTF-8 file, without its byte order mark. Raises OSError or ValueError."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        kind = "UTF-16" if error.object[:2] in (b"\xff\xfe", b"\xfe\xff") else "no UTF-8"
        raise ValueError(f"its text is {kind} (byte {error.start}); save it as UTF-8") from error


def read_toml(path: Path) -> dict[str, Any]:
    """The table of a TOML file. Raises OSError or ValueError, whatever is wrong with it."""
    table: dict[str, Any] = _parsed(read_text(path), tomllib.loads)
    return table


def read_json(path: Path) -> Any:
    """The value of a JSON file. Raises OSError or ValueError, whatever is wrong with it."""
    text = read_text(path)
    value = _parsed(text, json.loads)
    if "\\ud" in text.lower():  # half a character, which no file can be written with
        json.dumps(value, ensure_ascii=False).encode()
    return value


def _parsed(text: str, parse: Callable[[str], Any]) -> Any:
    try:
        value = parse(text)
    except RecursionError as error:
        raise ValueError("its values are nested too deeply") from error
    _refuse_deep(value)
    return value


def _refuse_deep(value: object) -> None:
    level = [value]
    for _ in range(_DEEPEST):
        if not level:
            return
        level = [list(one.values()) if isinstance(one, dict) else one for one in level]
        level = [inner for one in level if isinstance(one, list) for inner in one]
    raise ValueError(f"its values are nested more than {_DEEPEST} levels deep")
