"""Coding of integers under Gaussians: each has its own mean and scale, all from fixed tables.

Probabilities are integers read from tables, never computed here from real numbers, so that they are
the same on every machine. Knows no network.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

from bench.entropy.coding import Coder, Model, categorical, close_coder, open_coder
from bench.errors import BitstreamError

FRACTIONS = 8
"""Means are multiples of an eighth."""
_BITS = 20

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


def cumulative_table(scales: Floats) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """How far from the rounded mean an integer may be at each scale, and 2²⁰ times the normal
    distribution's Φ(i / 8σ) for i from 0 on, of all scales one after the other."""
    radius = np.maximum(8, np.ceil(6 * scales)).astype(np.int32)
    rows = [
        [0.5 * math.erfc(-i / FRACTIONS / scale / 2**0.5) for i in range(_row_size(int(reach)))]
        for scale, reach in zip(scales, radius, strict=True)
    ]
    return radius, np.rint(2**_BITS * np.concatenate(rows)).astype(np.int32)


def _row_size(radius: int) -> int:
    return FRACTIONS * (radius + 1) + 1


class CellTable:
    """The cells around each mean, their models for the coder and their costs.

    ``radius`` and ``cumulative`` are those of ``cumulative_table``, as they were stored. A *level*
    is a place in the list of scales.
    """

    def __init__(self, radius: NDArray[np.int32], cumulative: NDArray[np.int32]) -> None:
        self.radius: Integers = radius.astype(np.int64)
        ends = np.cumsum([_row_size(int(reach)) for reach in self.radius])
        self._rows = np.split(cumulative.astype(np.int64), ends[:-1])
        self.model = cache(self._model)
        self.bits = cache(self._bits)

    def probabilities(self, level: int, fraction: int) -> Floats:
        """Of the integers at −radius…radius from the rounded mean, above which the mean lies by
        ``fraction`` eighths (−4…3); multiples of 2⁻²⁰, some of them 0."""
        row, radius = self._rows[level], int(self.radius[level])
        edges = FRACTIONS * np.arange(-radius, radius + 2) - FRACTIONS // 2 - fraction
        mass = row[np.abs(edges)]
        found: Floats = np.diff(np.where(edges < 0, 2**_BITS - mass, mass)) / 2.0**_BITS
        return found

    def _model(self, level: int, fraction: int) -> Model:
        return categorical(self.probabilities(level, fraction))

    def _bits(self, level: int, fraction: int) -> Floats:
        """−log2 of the probabilities, as the coder has them: none is 0."""
        probabilities = np.maximum(self.probabilities(level, fraction), 2.0**-_BITS)
        costs: Floats = -np.log2(probabilities / probabilities.sum())
        return costs

    def split(self, means: Integers) -> tuple[Integers, Integers]:
        """Rounded mean and fraction of means in eighths."""
        centres = (means + FRACTIONS // 2) // FRACTIONS
        return centres, means - FRACTIONS * centres


class CellEncoder:
    """Collects integers in the order of decoding; ``finish`` codes them."""

    def __init__(self, table: CellTable) -> None:
        self._table = table
        self._coded: list[tuple[int, Model]] = []
        self.bits = 0.0
        """Negative log2 probability of what was put."""

    def put(self, values: Integers, means: Integers, levels: Integers) -> Integers:
        """Values beside their means, in eighths, and levels; those out of reach are moved to the
        last cell that can be coded. Returns what the decoder will read."""
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
    """Reads integers from a coder that ``decode_with`` has opened."""

    def __init__(self, table: CellTable, coder: Coder) -> None:
        self._table, self._coder = table, coder

    def get(self, means: Integers, levels: Integers) -> Integers:
        """The next integers. Raises BitstreamError at the symbol that is never sent."""
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
