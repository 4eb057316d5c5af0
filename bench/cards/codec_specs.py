"""Parses codec specs, as ``A,B:key=v+v`` on the command line: lists, variations and values.

Knows the syntax, not which codecs and settings exist.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bench.errors import UsageError, plain
from bench.records import Point, Value, read_number

# a plus that is neither the sign of a number nor that of an exponent
_PLUS = re.compile(r"(?<!^)(?<![\d.][eE])\+|(?<!^)\+(?!\d)")


def split_codecs(words: str) -> list[str]:
    """The codec specs of ``A,B:key=v+v,key=v,C``.

    A part with an equals sign before any colon belongs to the codec before it, even if its value
    has colons: no codec's id has an equals sign.
    """
    specs: list[str] = []
    for part in filter(None, (piece.strip() for piece in words.split(","))):
        if "=" in part.partition(":")[0]:
            if not specs or ":" not in specs[-1]:
                raise UsageError(f"--codecs: {part!r} belongs to no codec; write codec:{part}")
            specs[-1] += f",{part}"
        else:
            specs.append(part)
    if not specs:
        raise UsageError("--codecs names no codec; see `bench list codecs`")
    return specs


def parse_value(word: str) -> Value:
    """An int, float, bool or word as in TOML; bools also capitalised, as ids have them. Words with
    an underscore are words."""
    if word in ("true", "True", "false", "False"):
        return word in ("true", "True")
    try:
        number = read_number(word)
        return int(word) if word.strip("+- ").isdigit() else number
    except ValueError:
        return word


def parse_point(word: str) -> Point:
    """A point as records name it, ``crf=27``."""
    key, _, value = word.partition("=")
    return Point(key, parse_value(value))


def split_values(words: str) -> list[str]:
    """The values of a ladder ``v+v``; a plus can be part of a number, as in ``+3`` and ``1e+3``."""
    return _PLUS.split(words)


def parse_settings(spec: str, pairs: Iterable[str]) -> dict[str, str]:
    """The settings of words ``key=value`` or ``key=v+v``, as written; errors name ``spec``."""
    found: dict[str, str] = {}
    for pair in pairs:
        key, equals, words = (part.strip() for part in pair.partition("="))
        if not equals or not key or not words:
            raise UsageError(f"codec {spec!r}: {pair!r} is not key=value; write key=value,key=v+v")
        if plain(pair) != pair:
            raise UsageError(f"codec {spec!r}: {pair!r} holds characters that cannot be shown")
        if key in found:
            raise UsageError(f"codec {spec!r}: {key} is given twice")
        found[key] = words
    return found


def titled(pattern: str, settings: Mapping[str, Any], words: Sequence[str] = ()) -> str:
    """A title whose placeholders, such as ``{preset}``, are replaced by settings.

    The ``words`` of a variation that the title does not name follow in parentheses. Chroma is
    written with colons: 4:2:0.
    """

    def shown(slot: re.Match[str]) -> str:
        key = slot[1]
        value = str(settings.get(key, slot[0]))
        return ":".join(value) if key == "chroma" and value.isdecimal() else value

    title = re.sub(r"\{([\w-]+)\}", shown, pattern)
    unsaid = [word for word in words if f"{{{word.partition('=')[0]}}}" not in pattern]
    return f"{title} ({', '.join(unsaid)})" if unsaid else title
