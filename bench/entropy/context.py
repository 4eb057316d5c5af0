"""Coding of symbols whose probabilities a context model gives as logarithms to base 2.

Logarithms become integer weights by a table of integers, so that encoder and decoder have the same
probabilities on every machine if the logarithms are the same. Knows no network.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, localcontext

import numpy as np
from numpy.typing import NDArray

from bench.entropy.coding import family, tabled
from bench.errors import BitstreamError

Indices = NDArray[np.int64]
Floats = NDArray[np.float64]
_PARTS = 16
"""Logarithms are rounded to 1/16: costs less than 0.0002 bit a symbol."""
_BITS = 20
"""The likeliest symbol has weight 2²⁰, none has less than 1."""


def _weights() -> Floats:
    with localcontext() as context:
        context.prec = 40
        root = Decimal(2) ** (Decimal(-1) / _PARTS)
        steps = range(_BITS * _PARTS + 1)
        return np.array([float(round(2**_BITS * root**step)) for step in steps])


_TABLE = _weights()


def probabilities(logarithms: Floats) -> Floats:
    """Probabilities ``(n, K)`` of logarithms to base 2 ``(n, K)``, each up to a constant."""
    return tabled(logarithms, _PARTS, _TABLE)


def shannon_bits(shares: Floats, symbols: Indices) -> float:
    """Negative log2 probability of the symbols ``(n,)``."""
    return float(-np.log2(shares[np.arange(len(symbols)), symbols]).sum())


def encode_steps(steps: Sequence[tuple[Floats, Indices]]) -> bytes:
    """The stream of symbols ``(n,)`` with probabilities ``(n, K)``, step after step."""
    import constriction

    coder = constriction.stream.stack.AnsCoder()
    model = family()
    for shares, symbols in reversed(steps):
        coder.encode_reverse(symbols.astype(np.int32), model, shares)
    return bytes(coder.get_compressed().astype("<u4").tobytes().rstrip(b"\0"))


class StepDecoder:
    """The inverse of ``encode_steps``: one step at a time, whose probabilities may depend on the
    steps before. Damage that is not seen at the end is for a checksum of the caller."""

    def __init__(self, stream: bytes) -> None:
        import constriction

        padded = stream + bytes(-len(stream) % 4)
        try:
            words = np.frombuffer(padded, "<u4").astype(np.uint32)
            self._coder = constriction.stream.stack.AnsCoder(words)
        except ValueError as error:
            raise BitstreamError(f"context-coded stream: {error}; damaged") from error

    def decode(self, shares: Floats) -> Indices:
        """The symbols ``(n,)`` of the next step."""
        return np.asarray(self._coder.decode(family(), shares), np.int64)

    def finish(self) -> None:
        """Raises BitstreamError unless all of the stream was read."""
        if not self._coder.is_empty():
            raise BitstreamError("context-coded stream: more than its symbols; it is damaged")
