"""FFV1, lossless, through ffmpeg: packed or planar samples as they are, no colour conversion."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import ffmpeg
import numpy as np

from bench.bitstreams.containers import read_avi, write_ivf
from bench.codecs.base import Allowed, Choice, CodecBase, Encoded, refuse_large
from bench.codecs.support import ffmpeg_binary
from bench.codecs.support.clip_settings import KEYINT, frames_between
from bench.codecs.support.coded_frames import frames_of_packets
from bench.codecs.support.framing import SideInfo, join_frames, read_side_info, split_frames
from bench.codecs.support.process import run_to_file
from bench.codecs.support.programs import places_of_program
from bench.codecs.support.spool import Data, kept, mapped, pieces_of, spooled
from bench.codecs.support.stopwatch import untimed
from bench.errors import BitstreamError, CodecError
from bench.records import CodedFrames, Point
from bench.signals import FORMATS, RGB, Frame, Layout, PixelFormat, Signal

_GBR = [1, 2, 0]
"""Places of the planes of RGB, as ffmpeg orders them, in a pixel."""


def _pix_fmt(kind: PixelFormat) -> str:
    """How ffmpeg's encoder takes samples."""
    return "bgr0" if kind == RGB else kind.name


class Ffv1(CodecBase):
    """FFV1 version 1 (RFC 9043): it needs no configuration record, but does not hold the size,
    which therefore goes ahead of the frames."""

    lossless = True
    formats = tuple(FORMATS)
    ladder_keys = ()
    parameters: ClassVar[Mapping[str, Allowed]] = {
        "context": Choice((0, 1)),
        "keyint": KEYINT,
    }

    def refusal(self, layout: Layout) -> str | None:
        return refuse_large(self.card.id, layout)

    def check_available(self) -> None:
        ffmpeg_binary.check_encoder(self.card.id, "ffv1")

    def reads(self) -> tuple[Path, ...]:
        return tuple(places_of_program(Path(ffmpeg_binary.find_ffmpeg())))

    def versions(self) -> Mapping[str, str]:
        return ffmpeg_binary.versions("ffv1")

    def encode(self, signal: Signal, point: Point) -> Encoded:
        layout = signal.layout
        source = ffmpeg.input(
            "pipe:0",
            format="rawvideo",
            pix_fmt=_pix_fmt(layout.format),
            s=f"{layout.width}x{layout.height}",
        )
        output = ffmpeg.output(
            source,
            "pipe:1",
            format="avi",
            fps_mode="passthrough",
            threads=1,
            level=1,
            coder=1,
            context=self.settings.get("context", 1),
            g=frames_between(self.settings.get("keyint", 250), layout.frames),
            **{"c:v": "ffv1"},
        )
        with run_to_file(ffmpeg_binary.command_of(output), _samples(signal)) as written:
            file = written.read()
        frames = read_avi(file)
        if len(frames) != layout.frames:
            raise CodecError(f"{self.card.id}: ffv1 coded {len(frames)} frames of {layout.frames}")
        side = SideInfo(layout.format, layout.width, layout.height).write()
        payload, framing = join_frames(frames)
        return Encoded(
            side + payload,
            header_bytes=len(side) + framing,
            discarded_bytes=len(file) - len(payload),
        )

    def coded_frames(self, payload: bytes) -> CodedFrames | None:
        info, stream = read_side_info(payload)
        size = (info and info.width) or 0, (info and info.height) or 0
        return frames_of_packets(split_frames(stream), "ffv1", size)

    def decode(self, payload: bytes) -> Signal:
        info, stream = read_side_info(payload)
        if info is None or info.width is None or info.height is None:
            raise BitstreamError(f"no FFV1 payload: it starts with {payload[:4].hex()}")
        frames = split_frames(stream)
        layout = Layout(
            "image" if len(frames) == 1 else "video", info.format, info.width, info.height
        )
        pix_fmt = _pix_fmt(info.format)
        if info.format.name not in self.formats:
            raise BitstreamError(f"no FFV1 payload: it claims {info.format} samples")
        source = ffmpeg.input("pipe:0", format="ivf", threads=1, err_detect="crccheck+explode")
        output = ffmpeg.output(
            source,
            "pipe:1",
            format="rawvideo",
            pix_fmt=pix_fmt,
            fps_mode="passthrough",
        )

        file = write_ivf(frames, b"FFV1", info.width, info.height)
        command = ffmpeg_binary.command_of(output.global_args("-xerror"))
        with run_to_file(command, [file]) as written:
            return _decoded(mapped(written), replace(layout, frames=len(frames)), self.card.id)


def _samples(signal: Signal) -> Iterator[Data]:
    """Frames as ffmpeg takes them; packing RGB is not timed."""
    kind = signal.layout.format
    if kind.samples != "rgb" or kind.depth == 16:
        return (np.ascontiguousarray(frame).data.cast("B") for frame in signal.frames())
    with untimed():
        return spooled(_pack(frame, kind.depth) for frame in signal.frames())


def _pack(frame: Frame, depth: int) -> bytes:
    if depth > 8:
        return frame.transpose(2, 0, 1)[_GBR].tobytes()
    packed = np.zeros((*frame.shape[:2], 4), np.uint8)
    packed[..., :3] = frame[..., ::-1]
    return packed.tobytes()


def _unpack(packed: Frame) -> Frame:
    if packed.dtype == np.uint8:
        return np.ascontiguousarray(packed[..., 2::-1])
    return np.ascontiguousarray(packed[np.argsort(_GBR)].transpose(1, 2, 0))


def _decoded(data: memoryview, layout: Layout, codec: str) -> Signal:
    """The signal of all that ffmpeg wrote, which is its samples but for packed RGB."""
    packed = layout.samples == "rgb" and layout.depth < 16
    shape, dtype = layout.frame_shape, np.dtype(layout.frame_dtype)
    if packed:
        size_of = (layout.height, layout.width)
        shape = (*size_of, 4) if layout.depth == 8 else (3, *size_of)
    size = math.prod(shape) * dtype.itemsize
    if len(data) % size:
        raise BitstreamError("the decoder stopped inside a frame")
    if len(data) != size * layout.frames:
        raise BitstreamError(f"{codec}: decoded {len(data) // size} frames of {layout.frames}")

    def frames() -> Iterator[Frame]:
        pieces = pieces_of(data, range(0, len(data), size), size)
        return (np.frombuffer(piece, dtype).reshape(shape) for piece in pieces)

    if not packed:
        return Signal(layout, frames)
    with untimed():
        return kept(map(_unpack, frames()), layout)
