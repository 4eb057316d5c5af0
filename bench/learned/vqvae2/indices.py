"""Streams of codebook indices without a learned prior: fixed length, zlib twice, order 0.

Decoders take the number of indices from the caller; they keep no state and write no headers.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bench.entropy.coding import Model, inflated, pack_fixed, unpack_fixed
from bench.errors import BitstreamError

Indices = NDArray[np.int64]
_STEP = 64
"""The adaptive model learns after so many indices, and sooner at the start of a stream."""


class IndexCoder(Protocol):
    """Codes indices 0 … ``codes − 1``."""

    def encode(self, indices: Indices) -> tuple[bytes, float | None]:
        """The stream and its estimated bits, None where the coder has no probabilities."""

    def decode(self, stream: bytes, count: int) -> Indices:
        """``count`` indices. Raises BitstreamError for a stream that holds something else."""


class FixedLength:
    """⌈log2 codes⌉ bits an index."""

    def __init__(self, codes: int) -> None:
        self.codes = codes
        self.bits = max(1, (codes - 1).bit_length())

    def encode(self, indices: Indices) -> tuple[bytes, float | None]:
        return pack_fixed(indices, self.bits), float(indices.size * self.bits)

    def decode(self, stream: bytes, count: int) -> Indices:
        return _checked(unpack_fixed(stream, self.bits, count), self.codes)


class Deflate:
    """zlib level 9 over 16-bit little-endian indices (section 3.4 of the rebuilt report)."""

    def __init__(self, codes: int) -> None:
        self.codes = codes

    def encode(self, indices: Indices) -> tuple[bytes, float | None]:
        return zlib.compress(self._laid_out(indices.ravel()), 9), None

    def decode(self, stream: bytes, count: int) -> Indices:
        size = len(self._laid_out(np.zeros(count, np.int64)))
        return _checked(self._read(inflated(stream, size, count), count), self.codes)

    def _laid_out(self, indices: Indices) -> bytes:
        return indices.astype("<u2").tobytes()

    def _read(self, raw: bytes, count: int) -> Indices:
        return np.frombuffer(raw, "<u2").astype(np.int64)


class DeflateBytes(Deflate):
    """zlib level 9 over the low bytes of all indices, then their high bits, packed.

    Deflate codes bytes: of 16-bit indices every other byte says next to nothing and breaks up the
    strings that repeat, here its Huffman code follows how often a code is used.
    """

    def _laid_out(self, indices: Indices) -> bytes:
        return (indices & 255).astype(np.uint8).tobytes() + pack_fixed(indices >> 8, self._high)

    def _read(self, raw: bytes, count: int) -> Indices:
        low = np.frombuffer(raw[:count], np.uint8).astype(np.int64)
        return low | unpack_fixed(raw[count:], self._high, count) << 8 if self._high else low

    @property
    def _high(self) -> int:
        """Bits of an index above the low byte."""
        return max(0, (self.codes - 1).bit_length() - 8)


class Adaptive:
    """Arithmetic coding with the frequencies of the indices before: order 0, Laplace's rule.

    The model starts uniform and is renewed after 1, 2, 4 … 64 and then every 64 indices.
    """

    def __init__(self, codes: int) -> None:
        self.codes = codes

    def encode(self, indices: Indices) -> tuple[bytes, float | None]:
        import constriction

        encoder = constriction.stream.queue.RangeEncoder()
        counts = np.full(self.codes, _PRIOR)
        bits = 0.0
        for part in _parts(indices.size):
            symbols = indices[part]
            probabilities = counts / counts.sum()
            bits -= float(np.log2(probabilities[symbols]).sum())
            encoder.encode(symbols.astype(np.int32), _model(counts))
            np.add.at(counts, symbols, 1.0)
        return encoder.get_compressed().astype("<u4").tobytes(), bits

    def decode(self, stream: bytes, count: int) -> Indices:
        import constriction

        words = np.frombuffer(stream + bytes(-len(stream) % 4), "<u4").astype(np.uint32)
        decoder = constriction.stream.queue.RangeDecoder(words)
        counts = np.full(self.codes, _PRIOR)
        indices = np.empty(count, np.int64)
        for part in _parts(count):
            try:
                indices[part] = decoder.decode(_model(counts), part.stop - part.start)
            except AssertionError as error:  # how constriction says it
                raise BitstreamError(f"arithmetic-coded stream: {error}; damaged") from error
            np.add.at(counts, indices[part], 1.0)
        if not decoder.maybe_exhausted():
            raise BitstreamError(f"arithmetic-coded stream: more than {count} indices; damaged")
        return indices


_PRIOR = 0.25
"""Counts before the first index; below 1, because most streams use a part of the codebook."""


def _model(counts: NDArray[np.float64]) -> Model:
    """Dyadic counts are exact in float64, so encoder and decoder build the same model."""
    import constriction

    return constriction.stream.model.Categorical(counts / counts.sum(), perfect=False)


def _parts(count: int) -> Iterator[slice]:
    start, size = 0, 1
    while start < count:
        stop = min(count, start + size)
        yield slice(start, stop)
        start, size = stop, min(2 * size, _STEP)


def _checked(indices: Indices, codes: int) -> Indices:
    if indices.size and int(indices.max()) >= codes:
        raise BitstreamError(f"index {indices.max()} in a codebook of {codes}; damaged")
    return indices
