"""Frames as the planes that YUV encoders take, and back: colour, subsampling, depth, padding.

The conversion is the harness's own (bench.colour), so that no encoder's scaler takes part in it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import IO, cast

import numpy as np

from bench import colour
from bench.bitstreams import y4m
from bench.codecs.support.spool import Data, kept, mapped, pieces_of, spooled
from bench.codecs.support.stopwatch import untimed
from bench.errors import BitstreamError
from bench.signals import Chroma, Frame, Layout, PixelFormat, Samples, Signal, split_planes

_Y4M_CHROMA: dict[str, Chroma] = {"mono": "400", "420": "420", "422": "422", "444": "444"}


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
        chroma = _chroma_shape(self.chroma, self.width, self.height)
        return (luma, chroma, chroma)

    @property
    def sample_bytes(self) -> int:
        return 1 if self.depth == 8 else 2

    @property
    def frame_bytes(self) -> int:
        return self.sample_bytes * sum(height * width for height, width in self.shapes)

    @property
    def pix_fmt(self) -> str:
        """ffmpeg's name of the format."""
        base = "gray" if self.chroma == "400" else f"yuv{self.chroma}p"
        return base if self.depth == 8 else f"{base}{self.depth}le"

    def holds(self, layout: Layout) -> bool:
        """Whether the samples of such a frame are these planes, byte for byte."""
        facts = (layout.format.chroma, layout.depth, layout.width, layout.height)
        same = (self.chroma, self.depth, self.width, self.height) == facts
        return same and (layout.is_yuv or layout.samples == "gray")


def coded_planes(signal: Signal, coded: PlaneFormat) -> Iterator[Data]:
    """The planes of each frame for an encoder. Where they have to be converted that is done when
    this returns, and is not timed."""
    layout = signal.layout
    written = (write_planes(frame, layout, coded) for frame in signal.frames())
    if coded.holds(layout):
        return written
    with untimed():
        return spooled(written)


def write_planes(frame: Frame, layout: Layout, coded: PlaneFormat) -> Data:
    """One frame as planar samples, little endian, edges repeated into the padding.

    RGB becomes BT.709 full range; gray in a format with chroma gets neutral chroma; planes of YUV
    stay as they are.
    """
    if coded.holds(layout):
        return np.ascontiguousarray(frame).data.cast("B")
    full_range = not layout.is_yuv and not coded.shifted
    planes = _to_planes(frame, layout, coded)
    depth = 8 if layout.samples == "rgb" else layout.depth
    written = []
    for index, (plane, (height, width)) in enumerate(zip(planes, coded.shapes, strict=True)):
        if plane.shape != (height, width):
            grow = ((0, height - plane.shape[0]), (0, width - plane.shape[1]))
            plane = np.pad(plane, grow, mode="edge")
        plane = colour.at_depth(plane, depth, coded.depth, full_range, is_chroma=index > 0)
        written.append(np.ascontiguousarray(plane).tobytes())
    return b"".join(written)


def _to_planes(frame: Frame, layout: Layout, coded: PlaneFormat) -> list[Frame]:
    """Planes at the source's depth: those of RGB in single precision on the 8-bit scale, not yet
    rounded."""
    chroma = coded.chroma
    if layout.is_yuv:
        return list(split_planes(frame, layout))
    if layout.samples == "gray":
        if chroma == "400":
            return [frame]
        size = _chroma_shape(chroma, layout.width, layout.height)
        neutral = np.full(size, 1 << (layout.depth - 1), frame.dtype)
        return [frame, neutral, neutral]
    if layout.depth > 8:
        frame = frame * np.float32(255 / layout.format.peak)
    yuv = colour.rgb_to_yuv_truncated(frame) if coded.truncated else colour.rgb_to_yuv_float(frame)
    y, u, v = (yuv[..., index] for index in range(3))
    if chroma == "420":
        return [y, colour.halve_chroma(u), colour.halve_chroma(v)]
    return [y, u, v]


def _chroma_shape(chroma: Chroma, width: int, height: int) -> tuple[int, int]:
    """(height, width) of U and V."""
    columns = width if chroma == "444" else (width + 1) // 2
    return ((height + 1) // 2 if chroma == "420" else height, columns)


def read_planes(data: Data, coded: PlaneFormat, layout: Layout) -> Frame:
    """The frame of ``layout`` that was coded as the planes in ``data``, cropped to its size and
    rounded once to its depth; a view of the data where they are its samples."""
    dtype = np.dtype(np.uint8 if coded.depth == 8 else "<u2")
    flat, planes, start = np.frombuffer(data, dtype), [], 0
    if coded.holds(layout):
        return flat.reshape(layout.frame_shape)
    for rows, columns in coded.shapes:
        planes.append(flat[start : start + rows * columns].reshape(rows, columns))
        start += rows * columns
    if layout.samples == "rgb":
        return _to_rgb(planes, coded, layout.width, layout.height)
    full_range = not layout.is_yuv and not coded.shifted
    found = [
        colour.at_depth(plane[:rows, :columns], coded.depth, layout.depth, full_range)
        for plane, (rows, columns) in zip(planes, layout.plane_shapes, strict=False)
    ]
    return np.concatenate([plane.ravel() for plane in found]) if layout.is_yuv else found[0]


def decoded_signal(
    file: IO[bytes], places: Sequence[int], coded: PlaneFormat, layout: Layout
) -> Signal:
    """The frames whose planes begin at ``places`` of a file that nobody writes to any more: its own
    bytes where those are the samples, else converted here and not timed."""
    data, size = mapped(file), coded.frame_bytes

    def frames() -> Iterator[Frame]:
        return (read_planes(piece, coded, layout) for piece in pieces_of(data, places, size))

    if coded.holds(layout):
        return Signal(replace(layout, frames=len(places)), frames)
    with untimed():
        return kept(frames(), layout)


def planes_layout(coded: PlaneFormat, frames: int) -> Layout:
    """The layout of the planes themselves, padding included."""
    name = "gray" if coded.chroma == "400" else f"yuv{coded.chroma}"
    kind = PixelFormat(cast(Samples, name), coded.depth)
    return Layout("image" if frames == 1 else "video", kind, coded.width, coded.height)


def through_planes(signal: Signal, coded: PlaneFormat) -> Signal:
    """An RGB signal through the conversion to planes and back, without coding."""
    layout = signal.layout

    def convert() -> Iterator[Frame]:
        for frame in signal.frames():
            yield read_planes(write_planes(frame, layout, coded), coded, layout)

    return Signal(layout, convert)


def _to_rgb(planes: list[Frame], coded: PlaneFormat, width: int, height: int) -> Frame:
    y, u, v = planes
    if coded.chroma == "420":
        # in double precision from here on, so that the one rounding is that of exact arithmetic
        u, v = (colour.full_chroma(plane, "420", height, width) for plane in (u, v))
        y = y.astype(np.float64)
    parts = [
        colour.on_8_bits(
            plane[:height, :width], coded.depth, not coded.shifted, is_chroma=index > 0
        )
        for index, plane in enumerate((y, u, v))
    ]
    yuv = np.stack(parts, axis=2)
    return colour.truncated_yuv_to_rgb(yuv) if coded.truncated else colour.yuv_to_rgb(yuv)


@dataclass(frozen=True, slots=True)
class DecodedFormat:
    """Format of the frames of YUV4MPEG2 and whether the decoder says that they are full range."""

    planes: PlaneFormat
    full_range: bool


def read_y4m_format(file: IO[bytes]) -> DecodedFormat:
    """From the header that a decoder wrote: 8 to 16 bits, 4:0:0 to 4:4:4. Raises BitstreamError if
    there is none, as when it decoded nothing."""
    try:
        header = y4m.read_header(file)
    except BitstreamError as error:
        raise BitstreamError(f"the decoder returned no frame: {error}") from error
    if header.chroma not in _Y4M_CHROMA:
        raise BitstreamError(f"the decoder returned frames of an unknown format: C{header.colour}")
    planes = PlaneFormat(_Y4M_CHROMA[header.chroma], header.depth, header.width, header.height)
    return DecodedFormat(planes, header.range == "full")


def y4m_places(file: IO[bytes], coded: PlaneFormat) -> list[int]:
    """Where in a file, at the end of its header, the samples of each frame begin. Raises
    BitstreamError if it ends inside one."""
    places, end = [], os.fstat(file.fileno()).st_size
    while y4m.read_marker(file):
        places.append(file.tell())
        if file.seek(coded.frame_bytes, os.SEEK_CUR) > end:
            raise BitstreamError("the decoder stopped inside a frame")
    return places
