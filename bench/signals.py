"""What goes into a codec and what comes out of it: frames of samples with their layout.

A still image is a signal of one frame. Frames are produced on demand, so that a long clip
never has to be in memory; nothing here opens files or knows a codec.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Frame = NDArray[Any]
"""One frame, uint8 or of more than 8 bits uint16: ``(H, W)`` for gray, ``(H, W, 3)`` for rgb, 1-D
the samples of the planes Y, U, V in this order for YUV; float64 ``(H, W)`` for real."""

Samples = Literal["gray", "rgb", "yuv420", "yuv422", "yuv444", "real"]
Chroma = Literal["400", "420", "422", "444"]
Media = Literal["image", "video", "vector"]
Range = Literal["full", "limited"]
"""Where black and white lie: 0–255, or 16–235 with chroma in 16–240 (ITU-T H.273, 8.3), each times
2^(depth − 8)."""
Matrix = Literal["bt709", "bt601", "bt2020"]
"""Which luma weights Y', Cb and Cr of a source were made with."""
_NAMES = {"rgb": "rgb24", "real": "float64"}
_CHROMA_STEPS = {"yuv420": (2, 2), "yuv422": (1, 2), "yuv444": (1, 1)}
_CHROMAS: dict[Samples, Chroma] = {
    "gray": "400", "real": "400", "yuv420": "420", "yuv422": "422", "yuv444": "444", "rgb": "444",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class PixelFormat:
    """What the samples of a signal are."""

    samples: Samples
    depth: int = 8
    """Bits a sample; of real samples without meaning."""
    matrix: Matrix | None = None
    """What a source says of the meaning of its YUV planes."""
    range: Range | None = None
    """What a source says of its gray or YUV samples. A decoded signal need not say it: its
    samples are of the source's range."""

    @property
    def name(self) -> str:
        """As ffmpeg has it, such as ``yuv420p10le``."""
        base = f"{self.samples}p" if self.is_yuv else self.samples
        if self.depth == 8:
            return _NAMES.get(self.samples, base)
        if self.samples == "rgb":
            base = "rgb48" if self.depth == 16 else f"gbrp{self.depth}"
            return f"{base}le"
        return f"{base}{self.depth}le"

    def __str__(self) -> str:
        """The name and what is said of matrix and range."""
        return " ".join(filter(None, (self.name, self.matrix, self.range)))

    @property
    def is_yuv(self) -> bool:
        return self.samples in _CHROMA_STEPS

    @property
    def chroma(self) -> Chroma:
        """Of the planes that hold such samples, or that RGB becomes where nothing is halved."""
        return _CHROMAS[self.samples]

    @property
    def peak(self) -> int:
        """The largest sample, 2^depth − 1."""
        return (1 << self.depth) - 1

    @property
    def full_range(self) -> bool:
        """Where nothing is said, gray and RGB are of full range, YUV of limited."""
        return not self.is_yuv if self.range is None else self.range == "full"

    def plane_shapes(self, width: int, height: int) -> tuple[tuple[int, int], ...]:
        """(height, width) of the Y, U and V planes of YUV, of all else of the one plane; halves of
        odd sizes round up."""
        if not self.is_yuv:
            return ((height, width),)
        rows, columns = _CHROMA_STEPS[self.samples]
        chroma = (-(-height // rows), -(-width // columns))
        return ((height, width), chroma, chroma)


GRAY, RGB, REAL = PixelFormat("gray"), PixelFormat("rgb"), PixelFormat("real")
YUV420 = PixelFormat("yuv420")
_EVERY: tuple[Samples, ...] = ("gray", "rgb", "yuv420", "yuv422", "yuv444")
FORMATS: Mapping[str, PixelFormat] = {
    kind.name: kind
    for depth in (8, 10, 12, 16)
    for kind in (PixelFormat(samples, depth) for samples in _EVERY)
    if depth < 16 or not kind.is_yuv
}
"""What a source may have, by name."""
FULL_RANGE: Mapping[str, PixelFormat] = {
    name.replace("yuv", "yuvj"): PixelFormat(kind.samples, range="full")
    for name, kind in FORMATS.items()
    if kind.is_yuv and kind.depth == 8
}
"""ffmpeg's older names of YUV in full range."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Kind and size of a signal; width and height are in pixels, for a vector source one row is
    one vector and one pixel is one source symbol."""

    media: Media
    format: PixelFormat
    """In codecs of one's own also the samples alone, such as "rgb", which are then of 8 bits."""
    width: int
    height: int
    frames: int = 1
    fps: Fraction = Fraction(25)

    def __post_init__(self) -> None:
        if isinstance(self.format, str):
            object.__setattr__(self, "format", PixelFormat(self.format))

    @property
    def samples(self) -> Samples:
        return self.format.samples

    @property
    def depth(self) -> int:
        return self.format.depth

    @property
    def is_yuv(self) -> bool:
        return self.format.is_yuv

    @property
    def pixels(self) -> int:
        """width · height · frames, the denominator of bits per pixel."""
        return self.width * self.height * self.frames

    @property
    def channels(self) -> int:
        return 3 if self.samples == "rgb" or self.is_yuv else 1

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """Shape of the array of one frame."""
        if self.samples == "rgb":
            return (self.height, self.width, 3)
        if self.is_yuv:
            return (sum(h * w for h, w in self.plane_shapes),)
        return (self.height, self.width)

    @property
    def frame_dtype(self) -> type[np.uint8] | type[np.uint16] | type[np.float64]:
        if self.samples == "real":
            return np.float64
        return np.uint8 if self.depth == 8 else np.uint16

    @property
    def frame_bytes(self) -> int:
        """Size of one frame in memory, in bytes."""
        return math.prod(self.frame_shape) * np.dtype(self.frame_dtype).itemsize

    @property
    def plane_shapes(self) -> tuple[tuple[int, int], ...]:
        """(height, width) of each plane of a frame."""
        return self.format.plane_shapes(self.width, self.height)


@dataclass(frozen=True, slots=True)
class Signal:
    """A layout and a way to produce its frames, as often as asked."""

    layout: Layout
    open: Callable[[], Iterator[Frame]]
    name: str = ""
    """The item's name, for codecs that look up what was made of it elsewhere; no other may ask."""

    def frames(self) -> Iterator[Frame]:
        """The frames in order, each of ``layout.frame_shape``."""
        return self.open()

    def array(self) -> Frame:
        """All frames in one array: ``(T, *frame_shape)``."""
        return np.stack(list(self.frames()))

    def sha256(self) -> str:
        """Hash of layout and samples: equal for equal pixels, whatever produced them."""
        facts: tuple[object, ...] = (self.layout.samples, self.layout.frame_shape)
        facts += (self.layout.depth,) if self.layout.depth != 8 else ()
        digest = hashlib.sha256(repr(facts).encode())
        for frame in self.frames():
            digest.update(np.ascontiguousarray(frame).data)
        return digest.hexdigest()


def image(pixels: NDArray[np.uint8]) -> Signal:
    """The signal of one still image: uint8 ``(H, W)`` gray or ``(H, W, 3)`` RGB."""
    return clip(pixels[np.newaxis], media="image")


def clip(
    frames: Frame,
    *,
    media: Media = "video",
    samples: Samples | None = None,
    depth: int = 8,
    fps: Fraction = Fraction(25),
) -> Signal:
    """The signal of frames in memory: ``(T, H, W)`` gray or real, ``(T, H, W, 3)`` RGB."""
    if samples is None:
        samples = "rgb" if frames.ndim == 4 else "gray"
    count, height, width = frames.shape[:3]
    layout = Layout(media, PixelFormat(samples, depth), int(width), int(height), int(count), fps)
    return Signal(layout, lambda: iter(frames))


def vectors(rows: NDArray[np.float64]) -> Signal:
    """The signal of real source vectors: float64 ``(n, length)``, one row a vector."""
    return clip(np.asarray(rows, np.float64)[np.newaxis], media="vector", samples="real")


def split_planes(frame: Frame, layout: Layout) -> tuple[Frame, Frame, Frame]:
    """Y, U and V of one frame of YUV as views of ``layout.plane_shapes``."""
    planes, start = [], 0
    for height, width in layout.plane_shapes:
        planes.append(frame[start : start + height * width].reshape(height, width))
        start += height * width
    return planes[0], planes[1], planes[2]
