"""Compressed video files (MP4, MKV, WebM, MOV, AVI) as sources, decoded by PyAV.

4:2:0 stays planes as they are, gray stays gray, RGB stays RGB; nothing is converted or scaled.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from bench.datasets.sources import Refusal, file_digest
from bench.signals import FORMATS, FULL_RANGE, RGB, Frame, Layout, Matrix, PixelFormat, Range

SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi")
_FORMATS: dict[str, PixelFormat] = {
    **FORMATS,
    **dict.fromkeys(("bgr24", "gbrp", "rgb0", "bgr0"), RGB),
    **FULL_RANGE,
}
# ITU-T H.273, table 4: matrix coefficients of BT.709, of BT.601 (two systems) and of BT.2020
_MATRICES: dict[int, Matrix] = {1: "bt709", 5: "bt601", 6: "bt601", 9: "bt2020"}
# AVCOL_RANGE_MPEG and AVCOL_RANGE_JPEG of libavutil/pixfmt.h
_RANGES: dict[int, Range] = {1: "limited", 2: "full"}
# ITU-T H.273, table 3: transfer characteristics of SMPTE ST 2084 (PQ) and ARIB STD-B67 (HLG)
_HDR_TRANSFERS = {16: "PQ", 18: "HLG"}


@dataclass(frozen=True, slots=True)
class ContainerFile:
    """The first video stream of a container: 8-bit, constant frame rate, progressive."""

    path: Path

    def layout(self) -> Layout:
        with _opened(self.path) as container:
            stream = _stream(container)
            kind = _format(stream)
            width, height = stream.codec_context.width, stream.codec_context.height
            count = _count(container, stream)
            fps = stream.average_rate or stream.guessed_rate or Fraction(25)
        return Layout("video", kind, width, height, count, Fraction(fps))

    def digest(self) -> str:
        return file_digest(self.path)

    def places(self) -> tuple[Path, ...]:
        return (self.path,)

    def frames(self) -> Iterator[Frame]:
        from av.error import FFmpegError

        with _opened(self.path) as container:
            stream = _stream(container)
            kind = _format(stream)
            stream.thread_type = "NONE"
            try:
                for frame in container.decode(stream):
                    yield _pixels(frame, kind)
            except FFmpegError as error:
                raise Refusal(f"truncated or corrupt: {error.strerror}; get it again") from error


def _opened(path: Path) -> Any:
    import av

    if path.stat().st_size == 0:
        raise Refusal("empty (0 bytes); get it again")
    # metadata of any encoding, of which nothing is used; from PyAV 19 on that is no option
    old = int(av.__version__.partition(".")[0]) < 19
    words: dict[str, Any] = {"metadata_errors": "replace"} if old else {}
    try:
        return av.open(str(path), **words)
    except av.error.FFmpegError as error:
        raise Refusal(
            f"truncated or no video container ({error.strerror}); get it again"
        ) from error


def _stream(container: Any) -> Any:
    if not container.streams.video:
        raise Refusal("has no video stream")
    return container.streams.video[0]


def _format(stream: Any) -> PixelFormat:
    context = stream.codec_context
    if context is None:  # of a codec that this build does not have
        raise Refusal("its video stream cannot be decoded; convert it with ffmpeg")
    transfer = int(context.color_trc or 0)
    if transfer in _HDR_TRANSFERS:
        raise Refusal(f"HDR ({_HDR_TRANSFERS[transfer]}); tone-map it to SDR first")
    kind = context.format
    if kind is None:
        raise Refusal("its video stream cannot be decoded; convert it with ffmpeg")
    if kind.name not in _FORMATS:
        raise Refusal(f"{kind.name}, which is not read; convert it to {', '.join(FORMATS)}")
    found = _FORMATS[kind.name]
    if found.samples == "rgb":  # taken as of full range
        return found
    range_ = found.range or _RANGES.get(int(context.color_range or 0))
    matrix = _MATRICES.get(int(context.colorspace or 0)) if found.is_yuv else None
    return replace(found, matrix=matrix, range=range_)


def _count(container: Any, stream: Any) -> int:
    """Number of frames from the packets, without decoding. Raises Refusal for truncated files and
    variable frame rate."""
    from av.error import FFmpegError

    stamps: list[int] = []
    try:
        for packet in container.demux(stream):
            if packet.size == 0:
                continue
            if packet.is_corrupt:
                raise Refusal(f"truncated or corrupt after {len(stamps)} frames; get it again")
            if packet.pts is not None:
                stamps.append(packet.pts)
    except FFmpegError as error:
        raise Refusal(f"truncated or corrupt: {error.strerror}; get it again") from error
    if not stamps:
        raise Refusal("no frames with time stamps; remux it with ffmpeg")
    if stream.frames and len(stamps) < stream.frames:
        raise Refusal(f"truncated: {len(stamps)} of {stream.frames} frames; get it again")
    _check_rate(sorted(stamps))
    missing = _announced_seconds(stream) - float(
        (max(stamps) - min(stamps)) * stream.time_base + 1 / (stream.average_rate or 1)
    )
    if len(stamps) > 1 and missing > 2 / float(stream.average_rate or 1):
        raise Refusal(f"truncated: its last {missing:.1f} s are missing; get it again")
    return len(stamps)


def _check_rate(stamps: list[int]) -> None:
    """Steps between frames may differ by the rounding of the time base, no more."""
    steps = np.diff(np.array(stamps, np.int64))
    if len(steps) and steps.max() - steps.min() > max(1, 0.02 * float(np.median(steps))):
        raise Refusal(
            "variable frame rate; convert it to a constant one (ffmpeg -i IN -fps_mode cfr OUT)"
        )


def _announced_seconds(stream: Any) -> float:
    """The stream's duration as its header says it, or 0. Matroska keeps it in a tag."""
    if stream.duration is not None:
        return float(stream.duration * stream.time_base)
    parts = stream.metadata.get("DURATION", "").split(":")
    if len(parts) != 3:
        return 0.0
    try:
        hours, minutes, seconds = (float(part) for part in parts)
    except ValueError:
        return 0.0
    return 3600 * hours + 60 * minutes + seconds


def _pixels(frame: Any, kind: PixelFormat) -> Frame:
    if frame.interlaced_frame:
        raise Refusal("interlaced; deinterlace it first")
    if kind.samples == "rgb":
        return np.asarray(frame.to_ndarray(format="rgb24" if kind.depth == 8 else kind.name))
    dtype = np.dtype(np.uint8 if kind.depth == 8 else "<u2")
    planes = [
        np.frombuffer(plane, dtype).reshape(-1, plane.line_size // dtype.itemsize)[
            : plane.height, : plane.width
        ]
        for plane in frame.planes
    ]
    if kind.samples == "gray":
        return planes[0].copy()
    return np.concatenate([plane.ravel() for plane in planes])
