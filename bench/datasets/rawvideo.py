"""Uncompressed video files: Y4M and headerless YUV, gray or RGB, at their own depth and chroma.

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
from bench.signals import FORMATS, FULL_RANGE, YUV420, Frame, Layout, PixelFormat, Samples

RAW_FORMATS: dict[str, PixelFormat] = {
    **{name: kind for name, kind in FORMATS.items() if not name.startswith("gbrp")},
    **FULL_RANGE,
    "i420": YUV420,
    "nv12": YUV420,
    "p010le": PixelFormat("yuv420", 10),
}
"""The names of ``--format``, as ffmpeg has them: ``yuvj420p`` is 4:2:0 in full range."""
_INTERLEAVED = {"nv12": 0, "p010le": 6}
"""Formats whose U and V lie beside each other, and how many bits their samples are shifted by."""
_Y4M_SAMPLES: dict[str, Samples] = {
    "mono": "gray", "420": "yuv420", "422": "yuv422", "444": "yuv444"
}  # fmt: skip
_Y4M_DEPTHS = (8, 10, 12)


@dataclass(frozen=True, slots=True)
class Y4mFile:
    """A YUV4MPEG2 file: mono, 4:2:0, 4:2:2 or 4:4:4 of 8, 10 or 12 bits."""

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
    shift: int | None = None
    """Of U and V that lie beside each other: by how many bits their samples are shifted."""

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
                frame = _read_frame(file, self.template, count)
                yield frame if self.shift is None else self._planar(frame)

    def _planar(self, frame: Frame) -> Frame:
        """Y, U and V one after the other."""
        luma = self.template.width * self.template.height
        both = frame[luma:]
        planar: Frame = np.concatenate([frame[:luma], both[0::2], both[1::2]]) >> self.shift
        return planar


def raw_file(path: Path, size: str | None, pixel_format: str | None, fps: Fraction) -> RawFile:
    """The file as ``--size`` and ``--format`` describe it. Raises DataError as `raw_template`."""
    template = raw_template(size, pixel_format, fps)
    return RawFile(path, template, _INTERLEAVED.get(str(pixel_format)))


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
        raise DataError(f"--format {pixel_format!r} is not one of {', '.join(RAW_FORMATS)}")
    return Layout("video", RAW_FORMATS[pixel_format], int(width), int(height), 1, fps)


def _read_frame(file: BinaryIO, layout: Layout, number: int) -> Frame:
    content = file.read(layout.frame_bytes)
    if len(content) != layout.frame_bytes:
        raise Refusal(f"truncated in frame {number}; get it again")
    return np.frombuffer(content, layout.frame_dtype).reshape(layout.frame_shape)


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
    if header.chroma not in _Y4M_SAMPLES or header.depth not in _Y4M_DEPTHS:
        raise Refusal(
            f"C{header.colour}, which is not read; convert it to mono, 4:2:0, 4:2:2 or 4:4:4 of 8, "
            "10 or 12 bits"
        )
    kind = PixelFormat(_Y4M_SAMPLES[header.chroma], header.depth, range=header.range)
    return Layout("video", kind, header.width, header.height, 1, header.fps)
