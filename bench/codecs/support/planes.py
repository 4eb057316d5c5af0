"""Frames as the planes that YUV encoders take, and back: colour, subsampling, depth, padding.

The conversion is the harness's own (bench.colour), so that no encoder's scaler takes part in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import IO, Literal

import numpy as np

from bench import colour
from bench.codecs.support.frame_buffer import FrameBuffer
from bench.codecs.support.spool import Data, mapped, spooled
from bench.codecs.support.stopwatch import untimed
from bench.signals import Frame, Layout, Samples, Signal, split_planes

Chroma = Literal["400", "420", "444"]


@dataclass(frozen=True, slots=True)
class PlaneFormat:
    """Coded frames: chroma format, bits per sample, the padded luma size, and how RGB gets there.

    ``shifted``: samples of more bits are 8-bit ones times a power of two, as reference encoders
    make them of 8-bit input, rather than scaled so that white stays white. ``truncated``: the
    samples of Y'CbCr are cut to whole numbers, as CompressAI does, rather than rounded.
    """

    chroma: Chroma
    depth: int
    width: int
    height: int
    shifted: bool = False
    truncated: bool = False

    @property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """(height, width) of each plane."""
        luma = (self.height, self.width)
        if self.chroma == "400":
            return (luma,)
        if self.chroma == "444":
            return (luma, luma, luma)
        half = ((self.height + 1) // 2, (self.width + 1) // 2)
        return (luma, half, half)

    @property
    def sample_bytes(self) -> int:
        return 1 if self.depth == 8 else 2

    @property
    def frame_bytes(self) -> int:
        return self.sample_bytes * sum(height * width for height, width in self.shapes)

    @property
    def pix_fmt(self) -> str:
        """ffmpeg's name of the format."""
        base = {"400": "gray", "420": "yuv420p", "444": "yuv444p"}[self.chroma]
        return base if self.depth == 8 else f"{base}{self.depth}le"

    def holds(self, samples: Samples, width: int, height: int) -> bool:
        """Whether the samples of such a frame are these planes, byte for byte."""
        same = (self.depth, self.width, self.height) == (8, width, height)
        return same and (samples, self.chroma) in (("yuv420", "420"), ("gray", "400"))


def coded_planes(signal: Signal, coded: PlaneFormat) -> Iterator[Data]:
    """The planes of each frame for an encoder. Where they have to be converted that is done when
    this returns, and is not timed."""
    layout = signal.layout
    written = (write_planes(frame, layout, coded) for frame in signal.frames())
    if coded.holds(layout.samples, layout.width, layout.height):
        return written
    with untimed():
        return spooled(written)


def write_planes(frame: Frame, layout: Layout, coded: PlaneFormat) -> Data:
    """One frame as planar samples, little endian, edges repeated into the padding.

    RGB becomes BT.709 full range; gray in a format with chroma gets neutral chroma; 4:2:0 planes
    stay as they are.
    """
    if coded.holds(layout.samples, layout.width, layout.height):
        return np.ascontiguousarray(frame).data.cast("B")
    planes = _to_planes(frame, layout, coded)
    full_range = layout.samples != "yuv420" and not coded.shifted
    written = []
    for index, (plane, (height, width)) in enumerate(zip(planes, coded.shapes, strict=True)):
        if plane.shape != (height, width):
            grow = ((0, height - plane.shape[0]), (0, width - plane.shape[1]))
            plane = np.pad(plane, grow, mode="edge")
        plane = _to_depth(plane, coded.depth, full_range, is_chroma=index > 0)
        written.append(np.ascontiguousarray(plane).tobytes())
    return b"".join(written)


def _to_planes(frame: Frame, layout: Layout, coded: PlaneFormat) -> list[Frame]:
    """Planes on the 8-bit scale: those of RGB in single precision, not yet rounded."""
    chroma = coded.chroma
    if layout.samples == "yuv420":
        return list(split_planes(frame, layout))
    if layout.samples == "gray":
        if chroma == "400":
            return [frame]
        height, width = frame.shape
        size = (height, width) if chroma == "444" else ((height + 1) // 2, (width + 1) // 2)
        neutral = np.full(size, 128, np.uint8)
        return [frame, neutral, neutral]
    yuv = colour.rgb_to_yuv_truncated(frame) if coded.truncated else colour.rgb_to_yuv_float(frame)
    y, u, v = (yuv[..., index] for index in range(3))
    if chroma == "420":
        return [y, colour.halve_chroma(u), colour.halve_chroma(v)]
    return [y, u, v]


def read_planes(data: Data, coded: PlaneFormat, samples: Samples, width: int, height: int) -> Frame:
    """The frame of ``samples`` that was coded as the planes in ``data``, cropped to size; a view
    of the data where they are its samples."""
    dtype = np.dtype(np.uint8 if coded.depth == 8 else "<u2")
    flat, planes, start = np.frombuffer(data, dtype), [], 0
    if coded.holds(samples, width, height):
        return flat if samples == "yuv420" else flat.reshape(height, width)
    for rows, columns in coded.shapes:
        planes.append(flat[start : start + rows * columns].reshape(rows, columns))
        start += rows * columns
    if samples == "gray":
        luma = _to_8_bit(planes[0][:height, :width], coded.depth, not coded.shifted)
        return colour.round_to_uint8(luma)
    if samples == "yuv420":
        half = ((height + 1) // 2, (width + 1) // 2)
        cropped = [planes[0][:height, :width], *(p[: half[0], : half[1]] for p in planes[1:])]
        return np.concatenate(
            [colour.round_to_uint8(_to_8_bit(p, coded.depth, False)).ravel() for p in cropped]
        )
    return _to_rgb(planes, coded, width, height)


def decoded_signal(
    file: IO[bytes], places: Sequence[int], coded: PlaneFormat, layout: Layout
) -> Signal:
    """The frames whose planes begin at ``places`` of a file that nobody writes to any more: its own
    bytes where those are the samples, else converted here and not timed."""
    data, size = mapped(file), coded.frame_bytes
    facts = (coded, layout.samples, layout.width, layout.height)

    def frames() -> Iterator[Frame]:
        return (read_planes(data[start : start + size], *facts) for start in places)

    if coded.holds(*facts[1:]):
        return Signal(replace(layout, frames=len(places)), frames)
    with untimed():
        buffer = FrameBuffer(layout)
        buffer.extend(frames())
        return buffer.signal()


def through_planes(signal: Signal, coded: PlaneFormat) -> Signal:
    """An RGB signal through the conversion to planes and back, without coding."""
    layout = signal.layout

    def convert() -> Iterator[Frame]:
        for frame in signal.frames():
            planes = write_planes(frame, layout, coded)
            yield read_planes(planes, coded, "rgb", layout.width, layout.height)

    return Signal(layout, convert)


def _to_rgb(planes: list[Frame], coded: PlaneFormat, width: int, height: int) -> Frame:
    y, u, v = planes
    if coded.chroma == "420":
        # in double precision from here on, so that the one rounding is that of exact arithmetic
        u, v = (colour.double_chroma(plane, height, width) for plane in (u, v))
        y = y.astype(np.float64)
    parts = [
        _to_8_bit(plane[:height, :width], coded.depth, not coded.shifted, is_chroma=index > 0)
        for index, plane in enumerate((y, u, v))
    ]
    yuv = np.stack(parts, axis=2)
    return colour.truncated_yuv_to_rgb(yuv) if coded.truncated else colour.yuv_to_rgb(yuv)


def _to_depth(plane: Frame, depth: int, full_range: bool, *, is_chroma: bool) -> Frame:
    """Samples on the 8-bit scale, rounded once at their depth: shifted in limited range, scaled so
    that white stays white in full range (ITU-T H.273, equations 20–31)."""
    if depth == 8:
        return colour.round_to_uint8(plane)
    samples, high = plane.astype(np.float32), (1 << depth) - 1
    if not full_range:
        scaled = samples * (1 << (depth - 8))
    elif is_chroma:
        scaled = (samples - 128) * (high / 255) + (1 << (depth - 1))
    else:
        scaled = samples * (high / 255)
    rounded: Frame = np.clip(np.rint(scaled), 0, high)
    return rounded.astype("<u2")


def _to_8_bit(plane: Frame, depth: int, full_range: bool, *, is_chroma: bool = False) -> Frame:
    """Samples on the 8-bit scale, not yet rounded; the inverse of `_to_depth`."""
    if depth == 8:
        return plane
    samples: Frame = plane if plane.dtype == np.float64 else plane.astype(np.float32)
    if not full_range:
        return samples / np.float32(1 << (depth - 8))
    scale, middle = 255 / ((1 << depth) - 1), 1 << (depth - 1)
    return (samples - middle) * scale + 128 if is_chroma else samples * scale
