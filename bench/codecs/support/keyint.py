"""The setting ``keyint``: how many frames there are from one intra picture to the next."""

from __future__ import annotations

from dataclasses import dataclass

from bench.codecs.base import Range

ONCE = -1
"""One intra picture a clip, whatever its length and its scenes."""
_FRAMES = Range(1, 100000)


@dataclass(frozen=True, slots=True)
class KeyInterval:
    """A number of frames, or ``ONCE``."""

    def __contains__(self, value: object) -> bool:
        return value == ONCE or value in _FRAMES

    def __str__(self) -> str:
        return f"{_FRAMES}, or {ONCE} for one intra picture a clip"


KEYINT = KeyInterval()


def frames_between(keyint: int, frames: int) -> int:
    """The interval in frames that a clip of ``frames`` needs, for encoders without a word for
    ``ONCE``."""
    return frames if keyint == ONCE else keyint
