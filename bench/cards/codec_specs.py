"""What users write of codecs on the command line: lists, variations and their values.

Knows the syntax, not which codecs and settings there are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from bench.errors import UsageError
from bench.records import Value

# neither the sign of a number nor that of an exponent
_PLUS = re.compile(r"(?<!^)(?<![\d.][eE])\+|(?<!^)\+(?!\d)")


def split_codecs(words: str) -> list[str]:
    """The codecs of ``A,B:key=v+v,key=v,C``; ``key=v`` alone belongs to the codec before it, also
    where the value has colons, since no codec's id has an equals sign."""
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
    """An int, float, bool or word as TOML would read it; bools also as ids spell them."""
    if word in ("true", "True", "false", "False"):
        return word in ("true", "True")
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            continue
    return word


def split_values(words: str) -> list[str]:
    """The values of a ladder ``v+v``; a plus may be part of a number, as in ``+3`` and ``1e+3``."""
    return _PLUS.split(words)


def parse_settings(spec: str, tail: str) -> dict[str, str]:
    """The settings of ``key=value,key=v+v``, which stand behind the id in ``spec``, as written."""
    found: dict[str, str] = {}
    for pair in tail.split(","):
        key, equals, words = (part.strip() for part in pair.partition("="))
        if not equals or not key or not words:
            raise UsageError(f"codec {spec!r}: {pair!r} is not key=value; write key=value,key=v+v")
        if key in found:
            raise UsageError(f"codec {spec!r}: {key} is given twice")
        found[key] = words
    return found


def titled(pattern: str, settings: Mapping[str, Any], words: Sequence[str] = ()) -> str:
    """A title with the settings that it names in braces, ``{preset}``, and behind it those of a
    variation that it does not name. Chroma is written as people do: 4:2:0."""

    def shown(slot: re.Match[str]) -> str:
        key = slot[1]
        value = str(settings.get(key, slot[0]))
        return ":".join(value) if key == "chroma" and value.isdecimal() else value

    title = re.sub(r"\{([\w-]+)\}", shown, pattern)
    unsaid = [word for word in words if f"{{{word.partition('=')[0]}}}" not in pattern]
    return f"{title} ({', '.join(unsaid)})" if unsaid else title
