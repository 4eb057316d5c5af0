"""Uncompressed video files: Y4M and headerless YUV, gray or RGB; 8-bit, 4:2:0 planes as they are.

Reads frame by frame; decodes nothing and converts nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import numpy as np

from bench.bitstreams import y4m
from bench.datasets.sources import Refusal, file_digest
from bench.errors import BitstreamError, DataError
from bench.signals import Frame, Layout, Range, Samples

RAW_FORMATS: dict[str, tuple[Samples, Range | None]] = {
    "yuv420p": ("yuv420", None),
    "yuvj420p": ("yuv420", "full"),
    "i420": ("yuv420", None),
    "gray": ("gray", None),
    "rgb24": ("rgb", None),
}
"""The names of ``--format``, as ffmpeg has them: ``yuvj420p`` is 4:2:0 in full range."""
_Y4M_SAMPLES: dict[str, Samples] = {"420": "yuv420", "mono": "gray"}


@dataclass(frozen=True, slots=True)
class Y4mFile:
    """A YUV4MPEG2 file, 8-bit 4:2:0 or mono."""

    path: Path

    def layout(self) -> Layout:
        size = self.path.stat().st_size
        with self.path.open("rb") as file:
            header = _y4m_layout(file)
            count = 0
            while _to_frame(file, count + 1):
                file.seek(header.frame_bytes, 1)
                count += 1
                if file.tell() > size:
                    raise Refusal(f"truncated in frame {count}; get it again")
        if count == 0:
            raise Refusal("no frames after its header; get it again")
        return replace(header, frames=count)

    def digest(self) -> str:
        return file_digest(self.path)

    def places(self) -> tuple[Path, ...]:
        return (self.path,)

    def frames(self) -> Iterator[Frame]:
        with self.path.open("rb") as file:
            header = _y4m_layout(file)
            count = 0
            while _to_frame(file, count + 1):
                count += 1
                yield _read_frame(file, header, count)


@dataclass(frozen=True, slots=True)
class RawFile:
    """Headerless frames one after the other; ``template`` says their size and kind."""

    path: Path
    template: Layout

    def layout(self) -> Layout:
        size, frame = self.path.stat().st_size, self.template.frame_bytes
        if size == 0:
            raise Refusal("empty (0 bytes); get it again")
        if size % frame:
            raise Refusal(
                f"{size} bytes are {size / frame:.2f} frames of {frame} bytes "
                f"({self.template.width}×{self.template.height}); correct --size or --format, or "
                "get it again"
            )
        return replace(self.template, frames=size // frame)

    def digest(self) -> str:
        return file_digest(self.path)

    def places(self) -> tuple[Path, ...]:
        return (self.path,)

    def frames(self) -> Iterator[Frame]:
        with self.path.open("rb") as file:
            count = 0
            while file.peek(1):
                count += 1
                yield _read_frame(file, self.template, count)


def raw_template(size: str | None, pixel_format: str | None, fps: Fraction) -> Layout:
    """The layout of one frame from ``--size`` and ``--format``. Raises DataError, which says how
    to give them, if one is missing or not understood."""
    if size is None or pixel_format is None:
        raise DataError(
            "raw video has no header; give --size, such as 416x240, and --format: "
            f"{', '.join(RAW_FORMATS)}"
        )
    width, _, height = size.lower().replace("×", "x").partition("x")
    if not (width.isdigit() and height.isdigit() and int(width) and int(height)):
        raise DataError(f"--size {size!r} is not WIDTHxHEIGHT, such as 416x240")
    if pixel_format not in RAW_FORMATS:
        deep = " (more than 8 bits are refused)" if "1" in pixel_format[-4:] else ""
        raise DataError(f"--format {pixel_format!r} is not one of {', '.join(RAW_FORMATS)}{deep}")
    samples, range_ = RAW_FORMATS[pixel_format]
    return Layout("video", samples, int(width), int(height), 1, fps, range_)


def _read_frame(file: BinaryIO, layout: Layout, number: int) -> Frame:
    content = file.read(layout.frame_bytes)
    if len(content) != layout.frame_bytes:
        raise Refusal(f"truncated in frame {number}; get it again")
    return np.frombuffer(content, np.uint8).reshape(layout.frame_shape)


def _to_frame(file: BinaryIO, number: int) -> bool:
    """Whether there is a frame of this number; the file is then at its samples."""
    try:
        return y4m.read_marker(file)
    except BitstreamError as error:
        raise Refusal(f"truncated or corrupt at frame {number}: {error}; get it again") from error


def _y4m_layout(file: BinaryIO) -> Layout:
    """The layout of one frame, from the header."""
    try:
        header = y4m.read_header(file)
    except BitstreamError as error:
        raise Refusal(
            f"{error}; get it again, or rename it if it is raw YUV and give --size, --format"
        ) from error
    if not header.progressive:
        raise Refusal("interlaced; deinterlace it first")
    if header.depth > 8:
        raise Refusal(f"more than 8 bits per sample (C{header.colour}); convert it to 8 bits")
    if header.chroma not in _Y4M_SAMPLES:
        raise Refusal(
            f"C{header.colour}, neither 4:2:0 nor mono; convert it to 4:2:0 or to RGB PNG frames"
        )
    samples = _Y4M_SAMPLES[header.chroma]
    return Layout("video", samples, header.width, header.height, 1, header.fps, header.range)
