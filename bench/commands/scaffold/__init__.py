"""What `bench new` writes: a card and a commented adapter that run as they are.

The templates lie beside this file; an existing file is never overwritten.
"""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from bench.cards import load_registry
from bench.errors import UsageError

Template = Literal["python", "command", "model"]
_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Scaffold:
    """The files that were written and the command that shows them at work."""

    files: tuple[Path, ...]
    next_command: str


def new_codec(name: str, template: Template, folder: Path) -> Scaffold:
    """Writes ``cards/NAME.toml`` in ``folder`` and, but for commands, ``NAME.py`` beside ``cards``.

    Raises UsageError for a name that is no id, one of a codec or module, or a file that is there.
    """
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,40}", name):
        raise UsageError(
            f"{name!r} is no codec id: small letters, digits and hyphens, a letter first"
        )
    module = name.replace("-", "_")
    _refuse_taken(name, module, python=template != "command")
    words = {"NAME": name, "MODULE": module, "CLASS": "".join(map(str.title, name.split("-")))}
    files = {folder / "cards" / f"{name}.toml": f"{template}.toml.in"}
    code = _HERE / f"{template}.py.in"
    if code.is_file():
        files[folder / f"{module}.py"] = code.name
    for path in files:
        if path.exists():
            raise UsageError(f"{path} exists; take another name or folder")
    for path, source in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        text = (_HERE / source).read_text(encoding="utf-8")
        for word, value in words.items():
            text = text.replace(f"@{word}@", value)
        path.write_text(text, encoding="utf-8")
    where = "" if folder == Path() else f"cd {folder} && "
    command = f"{where}python -m bench try {name} PICTURE.png --cards cards"
    return Scaffold(tuple(files), command)


def _refuse_taken(name: str, module: str, *, python: bool) -> None:
    if name in load_registry().codecs:
        raise UsageError(f"codec {name!r} is there already; take another name, such as my-{name}")
    if python and (keyword.iskeyword(module.title()) or find_spec(module) is not None):
        raise UsageError(f"Python has its own {module!r}; take another name, such as my-{name}")
