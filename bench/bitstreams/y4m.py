"""The header of YUV4MPEG2 files and pipes (mjpegtools, yuv4mpeg(5)), and the marker of each frame.

Reads every depth and chroma format; what of them may be used is the caller's to say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import IO, Literal

from bench.errors import BitstreamError

_MAGIC = b"YUV4MPEG2"
_LINE_LIMIT = 1024
_RANGES: dict[str, Literal["full", "limited"]] = {
    "XCOLORRANGE=FULL": "full",
    "XCOLORRANGE=LIMITED": "limited",
}
_NO_RATE = ("", "0:0")
_COLOUR = re.compile(r"(mono|4\d\d)(?:jpeg|mpeg2|paldv)?(?:p?(\d+))?")


@dataclass(frozen=True, slots=True)
class Y4mHeader:
    """What the header line says of the frames.

    ``chroma`` is ``mono``, ``420``, ``444`` …, wherever its samples lie; a colour word of another
    form stands there as it is.
    """

    width: int
    height: int
    fps: Fraction
    chroma: str
    depth: int
    colour: str
    """The word that chroma and depth were read from."""
    progressive: bool
    range: Literal["full", "limited"] | None
    """As ``XCOLORRANGE`` says; None where it says nothing."""
    pixel_shape: Fraction = Fraction(1)
    """Width over height of a pixel; 1 where nothing is known of it."""
    says_rate: bool = True


def read_header(file: IO[bytes]) -> Y4mHeader:
    """The header at the file's place. Raises BitstreamError if there is none."""
    line = file.readline(_LINE_LIMIT)
    if not line:
        raise BitstreamError("empty (0 bytes)")
    if not line.startswith(_MAGIC) or not line.endswith(b"\n"):
        raise BitstreamError(f"no YUV4MPEG2 header but {line[:20]!r}")
    words = line.decode("ascii", errors="replace").split()[1:]
    fields = {word[0]: word[1:] for word in words if not word.startswith("X")}
    width, height = fields.get("W", ""), fields.get("H", "")
    if not (width.isdigit() and height.isdigit() and int(width) and int(height)):
        raise BitstreamError(f"its YUV4MPEG2 header has no width and height: {line!r}")
    colour = fields.get("C", "420")
    match = _COLOUR.fullmatch(colour)
    return Y4mHeader(
        width=int(width),
        height=int(height),
        fps=_rate(fields.get("F", "")),
        chroma=match[1] if match else colour,
        depth=int(match[2] or 8) if match else 8,
        colour=colour,
        progressive=fields.get("I", "p") in ("p", "?"),
        range=next((kind for word, kind in _RANGES.items() if word in words), None),
        pixel_shape=_shape(fields.get("A", "")),
        says_rate=fields.get("F", "") not in _NO_RATE,
    )


def _shape(text: str) -> Fraction:
    width, _, height = text.partition(":")
    known = width.isdecimal() and height.isdecimal() and len(text) <= 32
    return (
        Fraction(int(width), int(height)) if known and int(width) and int(height) else Fraction(1)
    )


def _rate(text: str) -> Fraction:
    """Frames a second; 25 where the header does not say or says "unknown", which is F0:0. Raises
    BitstreamError for what is no rate."""
    if text in _NO_RATE:
        return Fraction(25)
    numerator, _, denominator = text.partition(":")
    digits = numerator.isdecimal() and denominator.isdecimal() and len(text) <= 32
    if not digits or not int(numerator) or not int(denominator):
        raise BitstreamError(f"its frame rate is F{text}, which is none; write one such as F25:1")
    return Fraction(int(numerator), int(denominator))


def read_marker(file: IO[bytes]) -> bool:
    """Goes to the samples of the next frame; False at the end of the file. Raises BitstreamError
    where something else follows."""
    line = file.readline(_LINE_LIMIT)
    if line and not (line.startswith(b"FRAME") and line.endswith(b"\n")):
        raise BitstreamError(f"no FRAME marker but {line[:20]!r}")
    return bool(line)
