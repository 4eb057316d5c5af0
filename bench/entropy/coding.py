"""Lossless coding of quantiser indices: fixed length, zlib, arithmetic coding.

Decoders take the number of indices from the caller and refuse streams that hold another number or
that the encoder cannot have written; they keep no state and write no headers.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bench.errors import BitstreamError

Indices = NDArray[np.int64]
Floats = NDArray[np.float64]
Model = object
"""A distribution of constriction, which tells no types."""
_GRAIN = 2.0**-20
"""Cell probabilities are rounded to multiples of this, at least one: every index can be coded, and
the last bits of a platform's arithmetic cannot change a stream."""


class Coder(Protocol):
    """What is used here of constriction's AnsCoder."""

    def encode_reverse(self, symbols: object, model: Model, *parameters: object) -> None: ...

    def decode(self, model: Model, *parameters: object) -> Any:
        """The next symbol, or an array of as many as the parameters say."""

    def get_compressed(self) -> NDArray[np.uint32]: ...


def pack_fixed(indices: Indices, bits: int) -> bytes:
    """Each index in ``bits`` bits, most significant first, padded to whole bytes with zeros."""
    shifts = np.arange(bits - 1, -1, -1)
    return np.packbits((indices.reshape(-1, 1) >> shifts & 1).astype(np.uint8)).tobytes()


def unpack_fixed(payload: bytes, bits: int, count: int) -> Indices:
    """The inverse of ``pack_fixed``. Raises BitstreamError for a wrong length."""
    expected = (count * bits + 7) // 8
    if len(payload) != expected:
        raise BitstreamError(
            f"fixed-length stream: {len(payload)} bytes instead of {expected} for {count} indices "
            f"of {bits} bits; the stream is truncated or damaged"
        )
    raw = np.unpackbits(np.frombuffer(payload, np.uint8))
    if raw[count * bits :].any():
        raise BitstreamError("fixed-length stream: padding is not zero; the stream is damaged")
    return raw[: count * bits].reshape(-1, bits).astype(np.int64) @ (1 << np.arange(bits)[::-1])


def deflate(indices: Indices) -> bytes:
    """zlib level 9 on the indices as bytes (0–255)."""
    return zlib.compress(indices.astype(np.uint8).tobytes(), 9)


def inflate(payload: bytes, levels: int, count: int) -> Indices:
    """The inverse of ``deflate``; never produces more than ``count`` indices."""
    indices = np.frombuffer(inflated(payload, count, count), np.uint8).astype(np.int64)
    if indices.size and int(indices.max()) >= levels:
        raise BitstreamError(f"zlib stream: index {indices.max()} of {levels} levels; damaged")
    return indices


def inflated(payload: bytes, size: int, count: int) -> bytes:
    """The ``size`` bytes of ``count`` indices; BitstreamError where the stream holds others."""
    engine = zlib.decompressobj()
    try:
        raw = engine.decompress(payload, size + 1)
    except zlib.error as error:
        raise BitstreamError(f"zlib stream: {error}; it is truncated or damaged") from error
    if len(raw) != size or not engine.eof or engine.unused_data:
        raise BitstreamError(f"zlib stream: does not hold {count} indices; truncated or damaged")
    return raw


def categorical(probabilities: NDArray[np.float64]) -> Model:
    """The entropy model of constriction for cell probabilities: symbol 0 is never sent, index i is
    symbol i + 1.

    The first symbol of a model costs nothing in an ANS state below 2²⁴ and leaves no trace there:
    were it a cell, a cut stream could decode to it for ever.
    """
    import constriction

    safe = np.maximum(np.round(probabilities / _GRAIN), 1.0)
    with_guard = np.concatenate([[1.0], safe])
    return constriction.stream.model.Categorical(with_guard / with_guard.sum(), perfect=False)


def family() -> Model:
    """Models by a table of probabilities, each symbol with its own."""
    import constriction

    return constriction.stream.model.Categorical(perfect=False)


def tabled(logarithms: Floats, parts: int, table: Floats) -> Floats:
    """Probabilities ``(n, K)`` of logarithms ``(n, K)``, each up to a constant, which are rounded
    to multiples of 1/``parts``; ``table`` has the powers of the base at 0, −1/parts, −2/parts, …"""
    units = np.rint(logarithms * parts)
    below = np.minimum(units.max(1, keepdims=True) - units, len(table) - 1).astype(np.intp)
    weights = table[below]
    shares: Floats = weights / weights.sum(1, keepdims=True)
    return shares


def encode_arithmetic(indices: Indices, probabilities: NDArray[np.float64]) -> bytes:
    """Independent indices with the given cell probabilities, by constriction's ANS coder.

    ANS has the rate of an arithmetic coder (within two bytes a stream) and, unlike it, ends in a
    known state: a decoder notices a cut and nearly all other damage without a checksum.
    """
    coder = open_coder()
    if indices.size:
        coder.encode_reverse(indices.astype(np.int32).ravel() + 1, categorical(probabilities))
    return close_coder(coder)


def decode_arithmetic(payload: bytes, probabilities: NDArray[np.float64], count: int) -> Indices:
    """The inverse of ``encode_arithmetic``. Raises BitstreamError for a damaged payload."""
    if not count:
        return decode_with(payload, lambda coder: np.empty(0, np.int64))
    model = categorical(probabilities)
    return decode_with(payload, lambda coder: np.asarray(coder.decode(model, count), np.int64) - 1)


def open_coder() -> Coder:
    """A new AnsCoder in the state that decoding must end in: not the empty one, from which first
    symbols would cost nothing and leave no trace."""
    import constriction

    coder: Coder = constriction.stream.stack.AnsCoder(np.array([1], np.uint32))
    return coder


def close_coder(coder: Coder) -> bytes:
    """The bytes of an AnsCoder: little-endian words without trailing zero bytes."""
    return bytes(coder.get_compressed().astype("<u4").tobytes().rstrip(b"\0"))


def decode_with(payload: bytes, decode: Callable[[Coder], Indices], *, lowest: int = 0) -> Indices:
    """What ``decode`` reads from an AnsCoder over the payload, which must then be back in
    the state of ``open_coder``. No index is below ``lowest``.

    Raises BitstreamError if it is not, or if the payload is no message of the model.
    """
    import constriction

    padded = payload + bytes(-len(payload) % 4)
    try:
        coder = constriction.stream.stack.AnsCoder(np.frombuffer(padded, "<u4").astype(np.uint32))
        indices = decode(coder)
    except (AssertionError, ValueError) as error:
        raise BitstreamError(f"arithmetic-coded stream: {error}; damaged") from error
    guarded = indices.size > 0 and int(indices.min()) < lowest
    if guarded or coder.get_compressed().tolist() != [1] or payload.endswith(b"\0"):
        raise BitstreamError(
            f"arithmetic-coded stream of {len(payload)} bytes: not one message of this length; "
            "it is truncated or damaged"
        )
    return indices
