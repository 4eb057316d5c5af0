"""What all codecs of real vectors share: the header of their streams and the checks of samples.

Owns no quantiser and no entropy coder.
"""

from __future__ import annotations

import struct
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from bench.bitstreams.leb128 import read_varints, write_varint
from bench.codecs.base import CodecBase, Encoded
from bench.errors import BitstreamError, CodecError
from bench.signals import vectors

if TYPE_CHECKING:
    from bench.records import Point
    from bench.signals import Layout, Signal

Floats = NDArray[np.float64]
_MOST = 2**24
"""Samples in one stream, at most."""


@dataclass(frozen=True, slots=True)
class VectorHeader:
    """Shape of the block of vectors and the operating point as a float32."""

    rows: int
    length: int
    point: float

    @property
    def count(self) -> int:
        return self.rows * self.length

    def pack(self) -> bytes:
        return write_varint(self.rows) + write_varint(self.length) + struct.pack("<f", self.point)


def _unpack_header(payload: bytes) -> tuple[VectorHeader, bytes]:
    """The header and the body after it. Raises BitstreamError for what no encoder writes."""
    (rows, length), position = read_varints(payload, 0, 2)
    if len(payload) < position + 4:
        raise BitstreamError("header: cut off; the stream is truncated")
    (point,) = struct.unpack_from("<f", payload, position)
    if not rows or not length or rows * length > _MOST or not np.isfinite(point):
        raise BitstreamError(f"header: {rows} vectors of {length} at {point}; damaged")
    return VectorHeader(rows, length, float(point)), payload[position + 4 :]


class VectorCodec(CodecBase):
    """Base of the codecs of real vectors: streams of a header and one body."""

    formats: ClassVar[Sequence[str]] = ("float64",)

    @abstractmethod
    def code(self, block: Floats, header: VectorHeader) -> tuple[bytes, float | None]:
        """The body of a block ``(n, length)`` at the header's point, which is rounded as the stream
        holds it, and the estimate of its bits where there is one."""

    @abstractmethod
    def reproduce(self, header: VectorHeader, body: bytes) -> Floats:
        """The block, of any shape with its samples in order. Raises BitstreamError."""

    def encode(self, signal: Signal, point: Point) -> Encoded:
        block = self.rows(signal)
        header = VectorHeader(len(block), block.shape[1], float(np.float32(point.value)))
        body, bits = self.code(block, header)
        head = header.pack()
        return Encoded(head + body, header_bytes=len(head), bits_estimated=bits)

    def decode(self, payload: bytes) -> Signal:
        header, body = _unpack_header(payload)
        return vectors(self.reproduce(header, body).reshape(header.rows, header.length))

    def refusal(self, layout: Layout) -> str | None:
        if layout.samples != "real":
            return f"{self.card.id} codes real vectors, not {layout.samples} samples"
        if layout.frames != 1 or layout.pixels > _MOST:
            return f"{self.card.id} codes one block of at most {_MOST} samples in a stream"
        return None

    def warm_up(self, signal: Signal, point: Point) -> None:
        """Loads weights and compiles what is compiled, on the first vectors."""
        few = vectors(self.rows(signal)[:2])
        self.decode(self.encode(few, point).payload)

    def rows(self, signal: Signal) -> Floats:
        """The block ``(n, length)``. Raises CodecError naming the first sample that is not
        finite."""
        block: Floats = np.asarray(signal.array()[0], np.float64)
        bad = np.argwhere(~np.isfinite(block))
        if len(bad):
            row, column = bad[0]
            raise CodecError(
                f"{self.card.id}: sample {column} of vector {row} is {block[row, column]}; only "
                "finite samples can be coded"
            )
        return block
