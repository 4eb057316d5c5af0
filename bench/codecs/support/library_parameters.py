"""The setting ``params``: options of an encoder's own library, as ffmpeg hands them over."""

from __future__ import annotations

import re
from dataclasses import dataclass

_COLON = re.compile(r"(?<!\\):")
# as x264 and x265 read a switch
_SWITCH = {"true": "1", "yes": "1", "false": "0", "no": "0"}
_WITHOUT_HYPHEN = ("lossless", "scenecut", "open-gop", "psy", "mbtree", "cabac", "deblock")


@dataclass(frozen=True, slots=True)
class LibraryParameters:
    """``key=value`` joined by colons, each key once: of two the last would count alone."""

    example: str = "bframes=0:ref=1"

    def __contains__(self, value: object) -> bool:
        return isinstance(value, str) and read_parameters(value) is not None

    def __str__(self) -> str:
        return f"key=value joined by colons, each key once, such as {self.example}"


def read_parameters(text: str) -> dict[str, str] | None:
    """The values by key, as the libraries read them (``no-scenecut=1`` and ``noscenecut=true`` are
    ``scenecut=0``); None for what is not ``key=value`` or names a key twice."""
    found: dict[str, str] = {}
    for pair in _COLON.split(text) if text else ():
        key, _, value = pair.partition("=")
        key, value = key.replace("_", "-"), _SWITCH.get(value.lower(), value)
        negated = key.startswith("no") and key[2:] in _WITHOUT_HYPHEN
        if negated or key.startswith("no-"):
            key, value = key[2:].removeprefix("-"), value and ("1" if value == "0" else "0")
        if not key or not value or key in found:
            return None
        found[key] = value
    return found
