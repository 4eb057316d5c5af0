"""A clip of small pictures as one large picture: how an image codec codes a batch in one stream.

Owns the arrangement and its header; another card's adapter does the coding.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from bench.bitstreams.leb128 import read_varints, write_varint
from bench.cards import read_codec
from bench.codecs.base import Allowed, AnyValue, Choice, Codec, CodecBase, Encoded, Range
from bench.codecs.build import build_codec
from bench.errors import BitstreamError, CardError
from bench.records import Point
from bench.signals import Frame, Layout, Signal, clip, image

if TYPE_CHECKING:
    from bench.cards import CodecCard

_MOST_PIXELS = 2**28


class Mosaic(CodecBase):
    """Frames in rows of ⌈√n⌉, the last repeated to fill the grid, coded by the card ``codec``
    in the same folder. The header holds count, width and height."""

    ladder_keys = ("quality",)
    parameters: ClassVar[Mapping[str, Allowed]] = {
        "codec": Choice(("jpeg", "webp", "jxl", "avif", "png")),
        "quality": Range(0, 100),
    }

    @classmethod
    def overridden(cls, card: CodecCard) -> Mapping[str, str]:
        lossless = card.settings.get("codec") == "png"
        return {"quality": "codec=png"} if lossless and card.rate_key == "quality" else {}

    @cached_property
    def _inner(self) -> Codec:
        path = self.card.folder / f"{self.settings['codec']}.toml"
        if not path.is_file():
            raise CardError(f"codecs/{self.card.path.name}: no card {path} to code the mosaic")
        inner: Codec = build_codec(read_codec(path), device=self.device)
        allowed = inner.parameters.get("quality", AnyValue())
        for point in () if self.card.searched else self.card.ladder:
            if point.value not in allowed:
                raise CardError(
                    f"codec {self.card.id}: {point} is outside {allowed} of {path.stem}"
                )
        return inner

    def refusal(self, layout: Layout) -> str | None:
        if layout.samples not in ("gray", "rgb"):
            return f"{self.card.id} arranges gray or RGB pictures, not {layout.samples} samples"
        if layout.pixels > _MOST_PIXELS:
            return f"{self.card.id} arranges at most {_MOST_PIXELS} pixels"
        return self._inner.refusal(_mosaic_layout(layout))

    def check_available(self) -> None:
        self._inner.check_available()

    def encode(self, signal: Signal, point: Point) -> Encoded:
        layout = signal.layout
        mosaic = arrange(signal.array())
        coded = self._inner.encode(image(mosaic), point)
        numbers = (layout.frames, layout.width, layout.height)
        head = b"".join(write_varint(number) for number in numbers)
        return Encoded(
            head + coded.payload,
            header_bytes=len(head) + (coded.header_bytes or 0),
            discarded_bytes=coded.discarded_bytes,
        )

    def decode(self, payload: bytes) -> Signal:
        numbers, position = read_varints(payload, 0, 3)
        count, width, height = numbers
        if not all(numbers) or count * width * height > _MOST_PIXELS:
            raise BitstreamError(f"header: {count} pictures of {width}×{height}; damaged")
        mosaic = self._inner.decode(payload[position:])
        columns, rows = grid(count)
        if (mosaic.layout.width, mosaic.layout.height) != (columns * width, rows * height):
            raise BitstreamError(
                f"a mosaic of {mosaic.layout.width}×{mosaic.layout.height} does not hold {count} "
                f"pictures of {width}×{height}; the stream is damaged"
            )
        return clip(take_apart(mosaic.array()[0], count, width, height))

    def versions(self) -> Mapping[str, str]:
        return self._inner.versions()


def grid(count: int) -> tuple[int, int]:
    """Columns and rows of the mosaic of ``count`` pictures."""
    columns = math.isqrt(count - 1) + 1
    return columns, -(-count // columns)


def arrange(frames: Frame) -> Frame:
    """``(n, H, W[, 3])`` to one picture ``(rows·H, columns·W[, 3])``."""
    count, height, width, *channels = frames.shape
    columns, rows = grid(count)
    filler = np.repeat(frames[-1:], columns * rows - count, axis=0)
    cells = np.concatenate([frames, filler]).reshape(rows, columns, height, width, *channels)
    return np.ascontiguousarray(
        cells.swapaxes(1, 2).reshape(rows * height, columns * width, *channels)
    )


def take_apart(mosaic: Frame, count: int, width: int, height: int) -> Frame:
    """The inverse of ``arrange``."""
    columns, rows = grid(count)
    channels = mosaic.shape[2:]
    cells = mosaic.reshape(rows, height, columns, width, *channels).swapaxes(1, 2)
    return np.ascontiguousarray(cells.reshape(-1, height, width, *channels)[:count])


def _mosaic_layout(layout: Layout) -> Layout:
    columns, rows = grid(layout.frames)
    return Layout("image", layout.format, columns * layout.width, rows * layout.height)
