"""The setting ``params``: options of an encoder's own library, as ffmpeg hands them over."""

from __future__ import annotations

import re
from dataclasses import dataclass

_COLON = re.compile(r"(?<!\\):")


@dataclass(frozen=True, slots=True)
class LibraryParameters:
    """``key=value`` joined by colons, each key once: of two the last would count alone."""

    example: str = "bframes=0:ref=1"

    def __contains__(self, value: object) -> bool:
        return isinstance(value, str) and read_parameters(value) is not None

    def __str__(self) -> str:
        return f"key=value joined by colons, each key once, such as {self.example}"


def read_parameters(text: str) -> dict[str, str] | None:
    """The values by key, as the libraries read them (``no-scenecut=1`` is ``scenecut=0``); None
    for what is not ``key=value`` or names a key twice."""
    found: dict[str, str] = {}
    for pair in _COLON.split(text) if text else ():
        key, _, value = pair.partition("=")
        key = key.replace("_", "-")
        if key.startswith("no-"):
            key, value = key.removeprefix("no-"), value and str(int(value == "0"))
        if not key or not value or key in found:
            return None
        found[key] = value
    return found
