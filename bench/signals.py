"""What goes into a codec and what comes out of it: frames of samples with their layout.

A still image is a signal of one frame. Frames are produced on demand, so that a long clip
never has to be in memory; nothing here opens files or knows a codec.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Frame = NDArray[Any]
"""One frame: uint8 ``(H, W)`` for gray, uint8 ``(H, W, 3)`` for rgb, the 1-D uint8 bytes of the
planes Y, U, V in this order for yuv420, float64 ``(H, W)`` for real."""

Samples = Literal["gray", "rgb", "yuv420", "real"]
Media = Literal["image", "video", "vector"]
Range = Literal["full", "limited"]
"""Where black and white lie: 0–255, or 16–235 with chroma in 16–240 (ITU-T H.273, 8.3)."""
Matrix = Literal["bt709", "bt601", "bt2020"]
"""Which luma weights Y', Cb and Cr of a source were made with."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Kind and size of a signal; width and height are in pixels, for a vector source one row is
    one vector and one pixel is one source symbol."""

    media: Media
    samples: Samples
    width: int
    height: int
    frames: int = 1
    fps: Fraction = Fraction(25)
    range: Range | None = None
    """What a source says of its gray or yuv420 samples. A decoded signal need not say it: its
    samples are of the source's range."""
    matrix: Matrix | None = None
    """What a source says of the meaning of its yuv420 planes."""

    @property
    def full_range(self) -> bool:
        """Where nothing is said, gray and RGB are of full range, yuv420 of limited."""
        return self.samples != "yuv420" if self.range is None else self.range == "full"

    @property
    def pixels(self) -> int:
        """width · height · frames, the denominator of bits per pixel."""
        return self.width * self.height * self.frames

    @property
    def channels(self) -> int:
        return 3 if self.samples in ("rgb", "yuv420") else 1

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """Shape of the array of one frame."""
        if self.samples == "rgb":
            return (self.height, self.width, 3)
        if self.samples == "yuv420":
            return (sum(h * w for h, w in self.plane_shapes),)
        return (self.height, self.width)

    @property
    def frame_dtype(self) -> type[np.uint8] | type[np.float64]:
        return np.float64 if self.samples == "real" else np.uint8

    @property
    def frame_bytes(self) -> int:
        """Size of one frame in memory, in bytes."""
        return math.prod(self.frame_shape) * np.dtype(self.frame_dtype).itemsize

    @property
    def plane_shapes(self) -> tuple[tuple[int, int], ...]:
        """(height, width) of the Y, U and V planes of a 4:2:0 frame; odd sizes round up."""
        chroma = ((self.height + 1) // 2, (self.width + 1) // 2)
        return ((self.height, self.width), chroma, chroma)


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
        digest = hashlib.sha256(repr((self.layout.samples, self.layout.frame_shape)).encode())
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
    fps: Fraction = Fraction(25),
) -> Signal:
    """The signal of frames in memory: ``(T, H, W)`` gray or real, ``(T, H, W, 3)`` RGB."""
    if samples is None:
        samples = "rgb" if frames.ndim == 4 else "gray"
    count, height, width = frames.shape[:3]
    layout = Layout(media, samples, int(width), int(height), int(count), fps)
    return Signal(layout, lambda: iter(frames))


def vectors(rows: NDArray[np.float64]) -> Signal:
    """The signal of real source vectors: float64 ``(n, length)``, one row a vector."""
    return clip(np.asarray(rows, np.float64)[np.newaxis], media="vector", samples="real")


def split_planes(frame: Frame, layout: Layout) -> tuple[Frame, Frame, Frame]:
    """Y, U and V of one yuv420 frame as views: ``(H, W)``, ``(⌈H/2⌉, ⌈W/2⌉)`` twice."""
    planes, start = [], 0
    for height, width in layout.plane_shapes:
        planes.append(frame[start : start + height * width].reshape(height, width))
        start += height * width
    return planes[0], planes[1], planes[2]
