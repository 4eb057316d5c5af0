"""What users write of codecs on the command line: lists, variations and their values.

Knows the syntax, not which codecs and settings there are.
"""

from __future__ import annotations

from bench.errors import UsageError
from bench.records import Value


def split_codecs(words: str) -> list[str]:
    """The codecs of ``A,B:key=v+v,key=v,C``; ``key=v`` alone belongs to the codec before it."""
    specs: list[str] = []
    for part in filter(None, (piece.strip() for piece in words.split(","))):
        if "=" in part and ":" not in part:
            if not specs or ":" not in specs[-1]:
                raise UsageError(f"--codecs: {part!r} belongs to no codec; write codec:{part}")
            specs[-1] += f",{part}"
        else:
            specs.append(part)
    if not specs:
        raise UsageError("--codecs names no codec; see `bench list codecs`")
    return specs


def parse_value(word: str) -> Value:
    """An int, float, bool or word as TOML would read it."""
    if word in ("true", "false"):
        return word == "true"
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            continue
    return word


def parse_settings(spec: str, tail: str) -> dict[str, list[Value]]:
    """The settings of ``key=value,key=v+v``, which stand behind the id in ``spec``."""
    found: dict[str, list[Value]] = {}
    for pair in tail.split(","):
        key, equals, words = pair.partition("=")
        if not equals or not key or not words:
            raise UsageError(f"codec {spec!r}: {pair!r} is not key=value")
        if key in found:
            raise UsageError(f"codec {spec!r}: {key} is given twice")
        found[key] = [parse_value(word) for word in words.split("+")]
    return found
