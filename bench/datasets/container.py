"""Compressed video files (MP4, MKV, WebM, MOV, AVI) as sources, decoded by PyAV.

4:2:0 stays planes as they are, gray stays gray, RGB stays RGB; nothing is converted or scaled.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from bench.datasets.sources import Refusal, file_digest
from bench.signals import Frame, Layout, Matrix, Range, Samples

SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi")
_SAMPLES: dict[str, Samples] = {
    "yuv420p": "yuv420",
    "yuvj420p": "yuv420",
    "gray": "gray",
    "rgb24": "rgb",
    "bgr24": "rgb",
    "gbrp": "rgb",
    "rgb0": "rgb",
    "bgr0": "rgb",
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
            samples = _samples(stream)
            range_ = _range(stream, samples)
            width, height = stream.codec_context.width, stream.codec_context.height
            count = _count(container, stream)
            fps = stream.average_rate or stream.guessed_rate or Fraction(25)
            matrix = _MATRICES.get(int(stream.codec_context.colorspace or 0))
        return Layout("video", samples, width, height, count, Fraction(fps), range_, matrix)

    def digest(self) -> str:
        return file_digest(self.path)

    def places(self) -> tuple[Path, ...]:
        return (self.path,)

    def frames(self) -> Iterator[Frame]:
        from av.error import FFmpegError

        with _opened(self.path) as container:
            stream = _stream(container)
            samples = _samples(stream)
            stream.thread_type = "NONE"
            try:
                for frame in container.decode(stream):
                    yield _pixels(frame, samples)
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


def _samples(stream: Any) -> Samples:
    context = stream.codec_context
    if context is None:  # of a codec that this build does not have
        raise Refusal("its video stream cannot be decoded; convert it with ffmpeg")
    transfer = int(context.color_trc or 0)
    if transfer in _HDR_TRANSFERS:
        raise Refusal(f"HDR ({_HDR_TRANSFERS[transfer]}); tone-map it to 8-bit SDR first")
    kind = context.format
    if kind is None:
        raise Refusal("its video stream cannot be decoded; convert it with ffmpeg")
    bits = max(component.bits for component in kind.components)
    if bits > 8:
        raise Refusal(f"{bits}-bit ({kind.name}); convert it to 8 bits")
    if kind.name not in _SAMPLES:
        raise Refusal(
            f"{kind.name}, neither 4:2:0, gray nor RGB; convert it to 4:2:0 or to RGB PNG frames"
        )
    return _SAMPLES[kind.name]


def _range(stream: Any, samples: Samples) -> Range | None:
    """What the stream says of its luma and chroma; RGB is taken as of full range."""
    if samples == "rgb":
        return None
    if stream.codec_context.format.name.startswith("yuvj"):
        return "full"
    return _RANGES.get(int(stream.codec_context.color_range or 0))


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


def _pixels(frame: Any, samples: Samples) -> Frame:
    if frame.interlaced_frame:
        raise Refusal("interlaced; deinterlace it first")
    if samples == "rgb":
        return np.asarray(frame.to_ndarray(format="rgb24"))
    planes = [
        np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]
        for plane in frame.planes
    ]
    if samples == "gray":
        return planes[0].copy()
    return np.concatenate([plane.ravel() for plane in planes])
