"""Compressed video files and streams as sources, decoded by PyAV: the frames that players show.

Every pixel format stays as it is; nothing is converted, turned or scaled.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from bench.datasets.cut import (
    RATE_TOLERANCE,
    refuse_cut_file,
    refuse_cut_picture,
    refuse_fewer,
    steady_rate,
)
from bench.datasets.sources import UNSAID_RATE, OneFile, Refusal, pixel_shape
from bench.signals import FORMATS, FULL_RANGE, RGB, Frame, Layout, Matrix, PixelFormat, Range

SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".m2ts", ".mts", ".mpg", ".mpeg"),
    *(".m2v", ".mxf", ".flv", ".ogv", ".3gp", ".264", ".h264", ".avc", ".265", ".h265", ".hevc"),
    *(".266", ".h266", ".vvc", ".ivf", ".obu"),
)
_TOLD_BY_PACKETS = ("mov", "matroska")
"""Containers in which a packet is a frame and says when, and whether, it is shown."""
_BARE = ("h264", "hevc", "vvc", "mpegvideo", "m4v", "obu")
"""Streams without container, whose demuxers say 25 frames a second whatever the stream says."""
_ENDLESS = ("h264", "hevc", "mpegts", "mpeg")
"""Where nothing but the coded pictures says how long the last picture is."""
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
_COVER = 0x400
"""AV_DISPOSITION_ATTACHED_PIC of libavformat/avformat.h."""


@dataclass(frozen=True, slots=True)
class ContainerFile(OneFile):
    """The video stream that players choose: constant frame rate, progressive, not to be turned."""

    path: Path

    def layout(self) -> Layout:
        with _opened(self.path) as container:
            stream = _stream(container)
            kind = _format(stream)
            width, height = stream.codec_context.width, stream.codec_context.height
            refuse_cut_file(self.path, container.format.name)
            packets = _Packets.of(container, stream)
            fps = packets.rate or _said_rate(container, stream) or Fraction(25)
            packets.refuse_cut_picture(stream.codec_context)
        count = packets.shown
        if not container.format.name.startswith(_TOLD_BY_PACKETS) or not packets.are_stamped:
            count = sum(1 for _ in self.frames())
        next(self.frames(), None)  # refuses what only a decoded frame says
        return Layout("video", kind, width, height, count, fps)

    def facts(self) -> tuple[str, ...]:
        """What of it is measured as stored, though a player would show it otherwise, and which of
        several streams it is."""
        with _opened(self.path) as container:
            stream, streams = _stream(container), _streams(container)
            kind, shape = _format(stream), stream.sample_aspect_ratio
            rate = _said_rate(container, stream)
        found = [pixel_shape(shape)] if shape else []
        found += [f"matrix {kind.matrix}"] if kind.matrix not in (None, "bt709") else []
        found += ["full range"] if kind.is_yuv and kind.full_range else []
        found += [] if rate else [UNSAID_RATE]
        if len(streams) > 1:
            place = streams.index(stream) + 1
            found.append(f"video stream {place} of {len(streams)}, the others left out")
        return tuple(filter(None, found))

    def frames(self) -> Iterator[Frame]:
        from av.error import FFmpegError

        with _opened(self.path) as container:
            stream = _stream(container)
            kind = _format(stream)
            size = (stream.codec_context.width, stream.codec_context.height)
            stream.thread_type = "NONE"
            # without it decoders hide damage, and checksums in the stream are not looked at
            stream.codec_context.options = {"err_detect": "crccheck+explode"}
            try:
                for number, frame in enumerate(container.decode(stream), start=1):
                    _refuse_turned(frame)
                    if frame.is_corrupt:
                        raise Refusal(f"corrupt in frame {number}; get it again")
                    _refuse_other_samples(frame.format.name, kind, number)
                    if size != (frame.width, frame.height):
                        raise Refusal(
                            f"frame {number} is {frame.width}×{frame.height}, the clip {size[0]}×"
                            f"{size[1]}; split it where that changes"
                        )
                    yield _pixels(frame, kind)
            except FFmpegError as error:
                raise Refusal(f"truncated or corrupt: {error.strerror}; get it again") from error


def _refuse_other_samples(name: str, kind: PixelFormat, number: int) -> None:
    found = _FORMATS.get(name)
    if found is None or (found.samples, found.depth) != (kind.samples, kind.depth):
        raise Refusal(
            f"frame {number} is {name}, the clip {kind.name}; split it where that changes"
        )


def _refuse_turned(frame: Any) -> None:
    """Raises Refusal for a display matrix that turns or mirrors, scaled by 2^16 or, in its last
    column, 2^30 (libavutil/display.h)."""
    kept = next((data for data in frame.side_data if data.type.name == "DISPLAYMATRIX"), None)
    if kept is None:
        return
    a, b, _, c, d, *_ = np.frombuffer(kept, np.int32, 9).tolist()
    if b or c or a <= 0 or d <= 0:
        mirrored = a * d < b * c
        how, cure = ("mirrored", "flip") if mirrored else (f"turned by {frame.rotation}°", "turn")
        raise Refusal(f"to be {how} (display matrix); {cure} the frames and remove the mark")


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


def _streams(container: Any) -> list[Any]:
    """The video streams but for cover pictures."""
    return [one for one in container.streams.video if not one.disposition.value & _COVER]


def _stream(container: Any) -> Any:
    found = _streams(container)
    if not found:
        raise Refusal("has no video stream")
    best = container.streams.best("video")
    return best if best in found else found[0]


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
    says_alpha = any(key.lower() == "alpha_mode" and value == "1" for key, value in
                     stream.metadata.items())  # fmt: skip
    if says_alpha or any(component.is_alpha for component in kind.components):
        raise Refusal("with an alpha channel; flatten it first")
    if kind.name not in _FORMATS:
        raise Refusal(f"{kind.name}, which is not read; convert it to one of {', '.join(FORMATS)}")
    found = _FORMATS[kind.name]
    if found.samples == "rgb":  # taken as of full range
        return found
    range_ = found.range or _RANGES.get(int(context.color_range or 0))
    matrix = _MATRICES.get(int(context.colorspace or 0)) if found.is_yuv else None
    return replace(found, matrix=matrix, range=range_)


def _said_rate(container: Any, stream: Any) -> Fraction | None:
    """Frames a second as container or stream say them."""
    by_stream = stream.codec_context.framerate
    if container.format.name in _BARE:
        return by_stream or None
    return stream.average_rate or by_stream or stream.guessed_rate or None


@dataclass(frozen=True, slots=True)
class _Packets:
    """What the packets of a stream say without being decoded: how many frames are shown, which
    those of an edit list that only serve decoding are not."""

    shown: int
    are_stamped: bool
    rate: Fraction | None
    """What the time stamps say where header and stream say another or none."""
    ending: Sequence[bytes]
    """The packets from the last key frame on, where nothing says how long the last one is."""

    @classmethod
    def of(cls, container: Any, stream: Any) -> _Packets:
        """Raises Refusal for truncated files and variable frame rate."""
        from av.error import FFmpegError

        # AVI keeps the times of decoding alone
        decoding = container.format.name == "avi"
        stamps: list[int | None] = []
        shown: list[bool] = []
        ending: list[bytes] = []
        try:
            for packet in container.demux(stream):
                if packet.size == 0:
                    continue
                if packet.is_corrupt:
                    raise Refusal(f"truncated or corrupt after {len(stamps)} frames; get it again")
                stamps.append(packet.dts if decoding or packet.pts is None else packet.pts)
                shown.append(not packet.is_discard)
                if container.format.name in _ENDLESS:
                    ending = [*([] if packet.is_keyframe else ending), bytes(packet)]
        except FFmpegError as error:
            raise Refusal(f"truncated or corrupt: {error.strerror}; get it again") from error
        if not stamps:
            raise Refusal("holds no frame; get it again")
        told = [stamp for stamp in stamps if stamp is not None]
        stamped = len(told) == len(stamps)
        rate = steady_rate(told, stream.time_base) if stamped else None
        said = _said_rate(container, stream)
        _refuse_fewer(len(stamps), told, rate, said or Fraction(25), stream)
        if rate and said and abs(rate / said - 1) < RATE_TOLERANCE:
            rate = None
        return cls(sum(shown), stamped, rate, ending)

    def refuse_cut_picture(self, context: Any) -> None:
        if not self.ending:
            return
        *before, last = self.ending
        refuse_cut_picture(context.name, last, lambda data: _decoded(context, [*before, data]))


def _decoded(context: Any, packets: Sequence[bytes]) -> list[bytes] | None:
    """The digest of each frame; None where decoding fails."""
    import av

    decoder = av.CodecContext.create(context.name, "r")
    decoder.extradata, decoder.thread_type = context.extradata, "NONE"
    digests = []
    try:
        for packet in (*map(av.Packet, packets), None):
            for frame in decoder.decode(packet):
                digests.append(sha256(b"".join(map(bytes, frame.planes))).digest())
    except av.error.FFmpegError:
        return None
    return digests


def _refuse_fewer(
    count: int, stamps: Sequence[int], rate: Fraction | None, said: Fraction, stream: Any
) -> None:
    announced = stream.frames
    if rate is not None and abs(rate / said - 1) >= RATE_TOLERANCE:
        said, announced = rate, round(announced * rate / said)
    missing = 0.0
    if len(stamps) > 1:
        there = float((max(stamps) - min(stamps)) * stream.time_base + 1 / said)
        missing = _announced_seconds(stream) - there
    refuse_fewer(count, announced, float(1 / said), missing)


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
