"""Samples as they are, plain (``none``) or through zlib: the harness's own container.

The container is a counted header of a few bytes, then the samples of all frames.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import ClassVar

import numpy as np

from bench.bitstreams.leb128 import read_varints, write_varint
from bench.codecs.base import Allowed, CodecBase, Encoded, Range, refuse_large
from bench.codecs.support.framing import read_format, write_format
from bench.codecs.support.spool import kept
from bench.errors import BitstreamError
from bench.records import Point
from bench.signals import FORMATS, Frame, Layout, Media, Signal

_MAGIC = 0xA0
_MOST_SAMPLES = 1 << 40
_MEDIA: tuple[Media, ...] = ("image", "video", "vector")
_FORMAT = len(_MEDIA)
"""Stands in place of the medium where both it and the pixel format have bytes of their own."""


def write_layout(layout: Layout) -> bytes:
    """Kind, width, height and, but for images, frames and frame rate of a signal."""
    medium = _MEDIA.index(layout.media)
    flag, more = write_format(layout.format)
    head = [_MAGIC | medium << 2 | flag] if flag is not None else [_MAGIC | _FORMAT << 2, medium]
    numbers = [layout.width, layout.height]
    if layout.media != "image":
        numbers += [layout.frames, layout.fps.numerator, layout.fps.denominator]
    return bytes(head) + more + b"".join(map(write_varint, numbers))


def read_layout(payload: bytes) -> tuple[Layout, int]:
    """The layout and where the samples begin. Raises BitstreamError for any other payload."""
    if not payload:
        raise BitstreamError("the payload is empty")
    kind = payload[0]
    medium, flag, position = kind >> 2 & 3, kind & 3, 1
    if medium == _FORMAT and len(payload) > 1:
        medium, position = payload[1], 2
    if kind & 0xF0 != _MAGIC or medium >= len(_MEDIA):
        raise BitstreamError(f"not raw samples: the payload starts with {payload[:4].hex()}")
    media = _MEDIA[medium]
    found, position = read_format(flag if position == 1 else None, payload, position)
    numbers, position = read_varints(payload, position, 2 if media == "image" else 5)
    if not all(numbers) or math.prod(numbers[:3]) > _MOST_SAMPLES:
        raise BitstreamError(f"the payload's header gives an impossible size: {numbers}")
    width, height, *clip = numbers
    frames, fps = (clip[0], Fraction(clip[1], clip[2])) if clip else (1, Fraction(25))
    return Layout(media, found, width, height, frames, fps), position


class Raw(CodecBase):
    """Raw samples in, raw samples out: what it costs is the harness itself."""

    formats = (*FORMATS, "float64")
    lossless = True

    def refusal(self, layout: Layout) -> str | None:
        return refuse_large(self.card.id, layout)

    def encode(self, signal: Signal, point: Point) -> Encoded:
        header = write_layout(signal.layout)
        frames = (np.ascontiguousarray(frame).data for frame in signal.frames())
        payload = b"".join((header, *frames))
        return Encoded(payload, header_bytes=len(header))

    def decode(self, payload: bytes) -> Signal:
        layout, start = read_layout(payload)
        expected = layout.frames * layout.frame_bytes
        if len(payload) - start != expected:
            raise BitstreamError(
                f"{len(payload) - start} bytes of samples where {layout.width}x{layout.height} "
                f"{layout.samples} with {layout.frames} frame(s) take {expected}"
            )
        samples = np.frombuffer(payload, layout.frame_dtype, offset=start)
        return Signal(layout, lambda: iter(samples.reshape(-1, *layout.frame_shape)))


class Zlib(Raw):
    """DEFLATE over the samples of all frames (RFC 1950), no prediction."""

    ladder_keys = ()
    parameters: ClassVar[Mapping[str, Allowed]] = {"level": Range(0, 9)}

    def encode(self, signal: Signal, point: Point) -> Encoded:
        header = write_layout(signal.layout)
        compressor = zlib.compressobj(int(self.settings.get("level", 9)))
        pieces = [header]
        pieces += [
            compressor.compress(np.ascontiguousarray(frame).tobytes()) for frame in signal.frames()
        ]
        pieces.append(compressor.flush())
        return Encoded(b"".join(pieces), header_bytes=len(header))

    def decode(self, payload: bytes) -> Signal:
        layout, start = read_layout(payload)
        return kept(self._frames(layout, payload[start:]), layout)

    def _frames(self, layout: Layout, rest: bytes) -> Iterator[Frame]:
        expander = zlib.decompressobj()
        for index in range(layout.frames):
            samples = bytearray()
            while len(samples) < layout.frame_bytes:
                try:
                    piece = expander.decompress(rest, layout.frame_bytes - len(samples))
                except zlib.error as error:
                    raise BitstreamError(f"frame {index}: {error}") from error
                rest = expander.unconsumed_tail
                if not piece:
                    raise BitstreamError(f"zlib data end in frame {index} of {layout.frames}")
                samples += piece
            flat = np.frombuffer(bytes(samples), layout.frame_dtype)
            yield flat.reshape(layout.frame_shape)
        try:  # the checksum at the end of the stream is read only now
            surplus = expander.decompress(rest, 1)
        except zlib.error as error:
            raise BitstreamError(f"after the last frame: {error}") from error
        if surplus or not expander.eof or expander.unused_data:
            raise BitstreamError("zlib data do not end with the last frame")

    def versions(self) -> Mapping[str, str]:
        return {"zlib": zlib.ZLIB_RUNTIME_VERSION}
