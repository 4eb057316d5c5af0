"""What the names of raw clips say of them, as data sets of video name their files.

``Beauty_1920x1080_120fps_420_8bit_YUV``, ``BasketballPass_416x240_50``: size, frames a second, bits
and chroma. Opens nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from bench.signals import FORMATS, FULL_RANGE

_EDGE = r"(?<![A-Za-z0-9])"
_SIZE = re.compile(r"(?<!\d)(\d{2,5})[xX×](\d{2,5})(?!\d)")
_NTSC = {"23.976": 24000, "23.98": 24000, "29.97": 30000, "59.94": 60000, "119.88": 120000}
"""Rates that are written as decimals of n·1000/1001, or without the point: ``5994fps``."""
_POINTLESS = {rate.replace(".", ""): rate for rate in _NTSC}
_RATE = re.compile(
    rf"(?<![\d.])({'|'.join(_POINTLESS)}|\d{{1,3}}(?:[.p]\d{{1,3}})?)[ _-]?(?:fps|[hH]z)"
    r"(?![A-Za-z])"
)
_AFTER_SIZE = re.compile(
    rf"^(?:p?[_-]|p)({'|'.join(_POINTLESS)}|\d{{2,3}}(?:\.\d{{1,3}})?)(?=[_-]|$)"
)
_BITS = re.compile(r"(?<![\d.])(8|9|10|12|14|16)[ _-]?b(?:its?)?(?![A-Za-z])", re.IGNORECASE)
_CHROMA = re.compile(
    rf"{_EDGE}(?:yuv|p)?(4:?0:?0|4:?2:?0|4:?2:?2|4:?4:?4|mono)(?:p(\d*)(?:le)?)?(?![A-Za-z0-9])",
    re.I,
)
_FORMAT = re.compile(
    rf"{_EDGE}({'|'.join(sorted({*FORMATS, *FULL_RANGE, 'nv12', 'p010le'}, key=len)[::-1])})"
    r"(?![A-Za-z0-9])"
)
_UNREAD = re.compile(
    rf"{_EDGE}(nv(?:16|20|21|24|42)|yv12|uyvy(?:422)?|yuyv(?:422)?|yvyu422|yuy2|v210|y210(?:le)?|"
    r"p[24]1[026](?:le|be)?|\w*\d+be|yuva\w+|yuv4(?:10|11|40)p\w*|\d{2,3}i|rgba?|bgra?|bgr24|gbrp?|argb)"
    r"(?![A-Za-z0-9])",
    re.IGNORECASE,
)
"""Formats that are not read, fields of interlaced video, and RGB without a word of how its samples
lie."""
_DIGITS = {"400": "gray", "mono": "gray", "420": "yuv420", "422": "yuv422", "444": "yuv444"}


@dataclass(frozen=True, slots=True)
class SaidByName:
    """What a name says; None where it says nothing."""

    size: tuple[int, int] | None = None
    fps: Fraction | None = None
    format: str | None = None
    """By ffmpeg's name, where the name has that."""
    samples: str | None = None
    depth: int | None = None
    unread: str | None = None
    """A format or a depth that is not read."""

    def contradicts(self, name: str) -> bool:
        """Whether it speaks of other samples than the format of this name."""
        kind = FORMATS.get(name) or FULL_RANGE.get(name)
        samples = kind.samples if kind else "yuv420"
        depth = kind.depth if kind else 10 if name == "p010le" else 8
        if self.unread is not None and not (self.unread[:3] in ("rgb", "gbr") and samples == "rgb"):
            return True
        differs = self.format is not None and self.format != name
        return (
            differs
            or (self.samples or samples) != samples
            or (self.depth is not None and self.depth != depth)
        )

    @property
    def words(self) -> str:
        """What it says of the samples."""
        return self.unread or self.said_format or f"{self.depth} bits"

    @property
    def said_format(self) -> str | None:
        """The format that samples and depth together name; 8 bits of 4:2:0 where one is missing,
        None where both are."""
        if self.format is not None or (self.samples is None and self.depth is None):
            return self.format
        samples, depth = self.samples or "yuv420", self.depth or 8
        named = [
            name for name, kind in FORMATS.items() if (kind.samples, kind.depth) == (samples, depth)
        ]
        return named[0] if named else None


def read_name(stem: str) -> SaidByName:
    """What a file's name without its suffix says."""
    size = _SIZE.search(stem)
    rate = _RATE.search(stem) or (size and _AFTER_SIZE.match(stem[size.end() :]))
    if rate and rate[1] in _DIGITS:
        rate = None
    bits, chroma, named = _BITS.search(stem), _CHROMA.search(stem), _FORMAT.search(stem)
    unread = None if named else _UNREAD.search(stem)
    depth = int(bits[1]) if bits else int(chroma[2]) if chroma and chroma[2] else None
    strange = depth is not None and depth not in {kind.depth for kind in FORMATS.values()}
    return SaidByName(
        (int(size[1]), int(size[2])) if size else None,
        _fps(rate[1]) if rate else None,
        named[1] if named else None,
        _DIGITS[chroma[1].replace(":", "").lower()] if chroma and not named else None,
        None if strange else depth,
        f"{depth} bits" if strange else unread[0] if unread else None,
    )


def _fps(word: str) -> Fraction | None:
    word = _POINTLESS.get(word, word.replace("p", "."))
    if word in _NTSC:
        return Fraction(_NTSC[word], 1001)
    return Fraction(word) or None
