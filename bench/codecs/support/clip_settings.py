"""Settings that all video codecs share, in the same words: which frames refer to which, how many
there are from one intra picture to the next, and at how many bits samples are compared; and
``params``, options of an encoder's own library."""

from __future__ import annotations

import re
from collections.abc import Mapping

from bench.codecs.base import Allowed, Choice, Passing, Range
from bench.records import Value

ONCE = -1
"""One intra picture a clip, whatever its length and its scenes."""
_FRAMES = Range(1, 100000)
_COLON = re.compile(r"(?<!\\):")
# as x264 and x265 read a switch
_SWITCH = {"true": "1", "yes": "1", "false": "0", "no": "0"}
_WITHOUT_HYPHEN = ("lossless", "scenecut", "open-gop", "psy", "mbtree", "cabac", "deblock")


KEYINT = Passing(
    f"{_FRAMES}, or {ONCE} for one intra picture a clip",
    lambda value: value == ONCE or value in _FRAMES,
)
STRUCTURE = Choice(("low-delay", "random-access", "intra"))
"""Frames coded in the order of display; B-frames that refer to later ones; each frame by itself."""
CLIP_SETTINGS: Mapping[str, Allowed] = {
    "structure": STRUCTURE,
    "keyint": KEYINT,
    "depth": Choice((10,)),
}
"""With ``depth`` YUV of fewer bits is coded and compared at so many, RGB and gray coded."""


def frames_between(keyint: int, frames: int) -> int:
    """The interval in frames that a clip of ``frames`` needs, for encoders without a word for
    ``ONCE``."""
    return frames if keyint == ONCE else keyint


def intra_interval(settings: Mapping[str, Value]) -> int | None:
    """The interval that ``structure`` or ``keyint`` asks for; None where neither does."""
    if settings.get("structure") == "intra":
        return 1
    found = settings.get("keyint")
    return None if found is None else int(found)


def conflicts(settings: Mapping[str, Value]) -> Mapping[str, str]:
    """Of ``structure`` and ``keyint`` what does not count beside the other."""
    keyint = settings.get("keyint", 1)
    if settings.get("structure") != "intra" or keyint == 1:
        return {}
    return {"structure": f"keyint={keyint}", "keyint": "structure=intra"}


def library_parameters(example: str = "bframes=0:ref=1") -> Passing:
    """``key=value`` joined by colons, each key once: of two the last would count alone."""
    return Passing(
        f"key=value joined by colons, each key once, such as {example}",
        lambda value: isinstance(value, str) and read_parameters(value) is not None,
    )


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
