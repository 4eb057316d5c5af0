"""Still-image codecs as codecs of signals: a picture is one file, a clip is a list of files.

A subclass codes one picture; this module frames clips and counts the framing. It never opens
files on disk.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import ClassVar

import numpy as np

from bench.bitstreams import Stripped
from bench.codecs.base import CodecBase, Encoded
from bench.codecs.support.framing import (
    SideInfo,
    is_clip,
    join_frames,
    read_side_info,
    split_frames,
)
from bench.codecs.support.spool import kept
from bench.codecs.support.stopwatch import untimed
from bench.colour import round_to_uint8
from bench.records import CodedFrames, Point
from bench.signals import GRAY, RGB, Frame, Layout, Signal, image

_LUMA = np.array([0.299, 0.587, 0.114])
"""BT.601, the luma of JFIF and WebP: what a gray picture in a colour format was coded as."""


class StillCodec(CodecBase):
    """Frames coded one by one, without prediction between them.

    An image's payload is exactly the file, so that published sizes are comparable; gray in a
    format that knows only colour is preceded by one counted byte that says so.
    """

    formats: ClassVar[Sequence[str]] = ("gray", "rgb24")
    max_side: ClassVar[int] = 65535
    codes_gray: ClassVar[bool] = True

    def encode_picture(self, pixels: Frame, point: Point) -> Stripped:
        """One picture, ``(H, W)`` or ``(H, W, 3)`` uint8, as a file with its ledger."""
        raise NotImplementedError

    def decode_picture(self, file: bytes) -> Frame:
        """The picture of one file, uint8 ``(H, W)`` or ``(H, W, 3)``. Raises BitstreamError."""
        raise NotImplementedError

    def refusal(self, layout: Layout) -> str | None:
        if layout.samples not in ("gray", "rgb"):
            return f"{self.card.id} codes gray or RGB pictures, not {layout.samples} samples"
        if max(layout.width, layout.height) > self.max_side:
            return (
                f"{self.card.id} codes at most {self.max_side} pixels a side, "
                f"not {layout.width}x{layout.height}"
            )
        return None

    def encode(self, signal: Signal, point: Point) -> Encoded:
        side = b""
        if signal.layout.samples == "gray" and not self.codes_gray:
            side = SideInfo(GRAY).write()
        pictures = [self.encode_picture(frame, point) for frame in signal.frames()]
        if signal.layout.media == "image":
            payload, framing = pictures[0].payload, 0
        else:
            payload, framing = join_frames(picture.payload for picture in pictures)
        return Encoded(
            side + payload,
            header_bytes=len(side) + framing + sum(picture.header_bytes for picture in pictures),
            discarded_bytes=sum(picture.discarded_bytes for picture in pictures),
        )

    def coded_frames(self, payload: bytes) -> CodedFrames | None:
        stream = read_side_info(payload)[1]
        sizes = tuple(map(len, split_frames(stream))) if is_clip(stream) else ()
        return CodedFrames(sizes, "I" * len(sizes))

    def decode(self, payload: bytes) -> Signal:
        side, stream = read_side_info(payload)
        gray = side is not None and side.format == GRAY
        if not is_clip(stream):
            return image(self._decode_frame(stream, gray))
        files = split_frames(stream)
        first = self._decode_frame(files[0], gray)
        height, width = first.shape[:2]
        layout = Layout("video", GRAY if first.ndim == 2 else RGB, width, height, len(files))
        others = (self._decode_frame(file, gray) for file in files[1:])
        return kept(chain([first], others), layout)

    def _decode_frame(self, file: bytes, gray: bool) -> Frame:
        pixels = self.decode_picture(file)
        if gray and pixels.ndim == 3:
            with untimed():
                return round_to_uint8(pixels @ _LUMA)
        return pixels
