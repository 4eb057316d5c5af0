"""Uncompressed video files: Y4M and headerless YUV, gray or RGB; 8-bit, 4:2:0 planes as they are.

Reads frame by frame; decodes nothing and converts nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import numpy as np

from bench.datasets.sources import Refusal, file_digest
from bench.errors import DataError
from bench.signals import Frame, Layout, Samples

RAW_FORMATS: dict[str, Samples] = {
    "yuv420p": "yuv420",
    "i420": "yuv420",
    "gray": "gray",
    "rgb24": "rgb",
}
_MAGIC = b"YUV4MPEG2"
_LINE_LIMIT = 1024
_Y4M_420 = ("420", "420jpeg", "420mpeg2", "420paldv")


@dataclass(frozen=True, slots=True)
class Y4mFile:
    """A YUV4MPEG2 file, 8-bit 4:2:0 or mono (mjpegtools, yuv4mpeg(5))."""

    path: Path

    def layout(self) -> Layout:
        size = self.path.stat().st_size
        with self.path.open("rb") as file:
            header = _y4m_header(file)
            count = 0
            while file.tell() < size:
                _frame_line(file, count + 1)
                file.seek(header.frame_bytes, 1)
                count += 1
                if file.tell() > size:
                    raise Refusal(f"truncated in frame {count}; get it again")
        if count == 0:
            raise Refusal("no frames after its header; get it again")
        return Layout("video", header.samples, header.width, header.height, count, header.fps)

    def digest(self) -> str:
        return file_digest(self.path)

    def frames(self) -> Iterator[Frame]:
        with self.path.open("rb") as file:
            header = _y4m_header(file)
            count = 0
            while file.peek(1):
                count += 1
                _frame_line(file, count)
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
        one = self.template
        return Layout("video", one.samples, one.width, one.height, size // frame, one.fps)

    def digest(self) -> str:
        return file_digest(self.path)

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
    return Layout("video", RAW_FORMATS[pixel_format], int(width), int(height), 1, fps)


def _read_frame(file: BinaryIO, layout: Layout, number: int) -> Frame:
    content = file.read(layout.frame_bytes)
    if len(content) != layout.frame_bytes:
        raise Refusal(f"truncated in frame {number}; get it again")
    return np.frombuffer(content, np.uint8).reshape(layout.frame_shape)


def _frame_line(file: BinaryIO, number: int) -> None:
    line = file.readline(_LINE_LIMIT)
    if not line.startswith(b"FRAME") or not line.endswith(b"\n"):
        raise Refusal(f"truncated or corrupt at frame {number}: no FRAME marker; get it again")


def _y4m_header(file: BinaryIO) -> Layout:
    line = file.readline(_LINE_LIMIT)
    if not line:
        raise Refusal("empty (0 bytes); get it again")
    if not line.startswith(_MAGIC) or not line.endswith(b"\n"):
        raise Refusal("no YUV4MPEG2 header; rename it if it is raw YUV, and give --size, --format")
    words = line.decode("ascii", errors="replace").split()[1:]
    fields = {word[0]: word[1:] for word in words if not word.startswith("X")}
    if not (fields.get("W", "").isdigit() and fields.get("H", "").isdigit()):
        raise Refusal("its YUV4MPEG2 header has no width and height; write it again")
    if fields.get("I", "p") not in ("p", "?"):
        raise Refusal("interlaced; deinterlace it first")
    samples = _y4m_samples(fields.get("C", "420"))
    width, height = int(fields["W"]), int(fields["H"])
    return Layout("video", samples, width, height, 1, _rate(fields.get("F", "25:1")))


def _y4m_samples(colour: str) -> Samples:
    if colour in _Y4M_420:
        return "yuv420"
    if colour == "mono":
        return "gray"
    if any(depth in colour for depth in ("p9", "p10", "p12", "p14", "p16", "mono9", "mono1")):
        raise Refusal(f"more than 8 bits per sample (C{colour}); convert it to 8 bits")
    raise Refusal(f"C{colour}, neither 4:2:0 nor mono; convert it to 4:2:0 or to RGB PNG frames")


def _rate(text: str) -> Fraction:
    numerator, _, denominator = text.partition(":")
    if not (numerator.isdigit() and denominator.isdigit()) or not int(numerator):
        return Fraction(25)
    return Fraction(int(numerator), max(1, int(denominator)))
