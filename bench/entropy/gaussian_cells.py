"""Codes integers under Gaussians, each with a mean and scale of its own, with fixed tables.

The cell of an integer is the interval of half a step around it; its probability is the mass of the
Gaussian in it. Probabilities are integers from stored tables, never computed from real numbers, so
that they are the same on every machine. Knows no network.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

from bench.entropy.coding import Coder, Model, categorical, close_coder, open_coder
from bench.errors import BitstreamError

# means are multiples of an eighth
FRACTIONS = 8
# probabilities are multiples of 2⁻²⁰
_BITS = 20

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


def cumulative_table(scales: Floats) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """The radius of each scale, and 2²⁰·Φ(i / 8σ) for i from 0 on, for all scales in one array.

    The radius is how far an integer may be from the rounded mean; Φ is the normal distribution.
    """
    radius = np.maximum(8, np.ceil(6 * scales)).astype(np.int32)
    rows = [
        [0.5 * math.erfc(-i / FRACTIONS / scale / 2**0.5) for i in range(_row_size(int(reach)))]
        for scale, reach in zip(scales, radius, strict=True)
    ]
    return radius, np.rint(2**_BITS * np.concatenate(rows)).astype(np.int32)


def _row_size(radius: int) -> int:
    return FRACTIONS * (radius + 1) + 1


class CellTable:
    """The cells around each mean, with their coder models and their costs in bits.

    ``radius`` and ``cumulative`` come from ``cumulative_table`` and were stored with the weights. A
    *level* is an index into the list of scales.
    """

    def __init__(self, radius: NDArray[np.int32], cumulative: NDArray[np.int32]) -> None:
        self.radius: Integers = radius.astype(np.int64)
        ends = np.cumsum([_row_size(int(reach)) for reach in self.radius])
        self._rows = np.split(cumulative.astype(np.int64), ends[:-1])
        self.model = cache(self._model)
        self.bits = cache(self._bits)

    def probabilities(self, level: int, fraction: int) -> Floats:
        """The probabilities of the integers at −radius…radius from the rounded mean.

        The mean lies ``fraction`` eighths (−4…3) above the rounded mean. The probabilities are
        multiples of 2⁻²⁰ and can be 0.
        """
        row, radius = self._rows[level], int(self.radius[level])
        edges = FRACTIONS * np.arange(-radius, radius + 2) - FRACTIONS // 2 - fraction
        mass = row[np.abs(edges)]
        found: Floats = np.diff(np.where(edges < 0, 2**_BITS - mass, mass)) / 2.0**_BITS
        return found

    def _model(self, level: int, fraction: int) -> Model:
        return categorical(self.probabilities(level, fraction))

    def _bits(self, level: int, fraction: int) -> Floats:
        """−log2 of the probabilities that the coder uses, of which none is 0."""
        probabilities = np.maximum(self.probabilities(level, fraction), 2.0**-_BITS)
        costs: Floats = -np.log2(probabilities / probabilities.sum())
        return costs

    def split(self, means: Integers) -> tuple[Integers, Integers]:
        """Rounded means and fractions, of means in eighths."""
        centres = (means + FRACTIONS // 2) // FRACTIONS
        return centres, means - FRACTIONS * centres


class CellEncoder:
    """Collects integers in the order of decoding; ``finish`` encodes them."""

    def __init__(self, table: CellTable) -> None:
        self._table = table
        self._coded: list[tuple[int, Model]] = []
        # −log2 of the probability of all integers so far
        self.bits = 0.0

    def put(self, values: Integers, means: Integers, levels: Integers) -> Integers:
        """Adds values, with their means in eighths and their levels; all have one shape.

        A value out of reach is moved to the nearest cell that can be coded. Returns the values
        that the decoder will read.
        """
        table = self._table
        centres, fractions = table.split(means)
        reach = table.radius[levels]
        offsets = np.clip(values - centres, -reach, reach)
        places = (offsets + reach).ravel().tolist()
        keys = zip(places, levels.ravel().tolist(), fractions.ravel().tolist(), strict=True)
        for place, level, fraction in keys:
            self._coded.append((place + 1, table.model(level, fraction)))
            self.bits += float(table.bits(level, fraction)[place])
        found: Integers = centres + offsets
        return found

    def finish(self) -> bytes:
        coder = open_coder()
        for symbol, model in reversed(self._coded):
            coder.encode_reverse(symbol, model)
        return close_coder(coder)


class CellDecoder:
    """Decodes integers with a coder that ``decode_with`` has opened."""

    def __init__(self, table: CellTable, coder: Coder) -> None:
        self._table, self._coder = table, coder

    def get(self, means: Integers, levels: Integers) -> Integers:
        """The next integers. Raises BitstreamError at the symbol that no encoder sends."""
        table, coder = self._table, self._coder
        centres, fractions = table.split(means)
        pairs = zip(levels.ravel().tolist(), fractions.ravel().tolist(), strict=True)
        places = np.array([coder.decode(table.model(*pair)) for pair in pairs], np.int64) - 1
        if places.size and int(places.min()) < 0:
            raise BitstreamError(
                "arithmetic-coded stream: ends before all latents are read; truncated or damaged"
            )
        found: Integers = centres + places.reshape(means.shape) - table.radius[levels]
        return found
