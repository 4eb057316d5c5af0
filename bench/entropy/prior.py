"""Coding of index maps with a learned autoregressive prior, one group of positions at a time.

Encoder and decoder step through the same cached computation, in float64 with rounded logits, so
that both see the same probabilities. Knows steppers, no particular network.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, localcontext
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bench.entropy.coding import family, tabled
from bench.errors import BitstreamError

Indices = NDArray[np.int64]
Group = tuple[Indices, Indices]
"""Rows and columns of positions that are independent given all groups before."""
_SMALLEST = 746
"""e to the power of its negative is 0 in float64."""


class Stepper(Protocol):
    """An autoregressive network over a batch of maps."""

    @property
    def order(self) -> Sequence[Group]:
        """The groups in the order of coding; each position is in one."""

    def logits(self, step: int) -> NDArray[np.float64]:
        """``(B, n, codes)`` of group ``order[step]``; called once for each group, in order, when
        all groups before have been written."""

    def write(self, step: int, indices: Indices) -> None:
        """The indices ``(B, n)`` of this group."""


class MapEncoder:
    """Codes batches of maps one after the other into one stream."""

    def __init__(self) -> None:
        import constriction

        self._coder = constriction.stream.queue.RangeEncoder()
        self.bits = 0.0
        """Negative log2 probability of what was coded."""

    def encode(self, stepper: Stepper, maps: Indices) -> None:
        """Appends ``(B, h, w)``."""
        for step, (rows, columns) in enumerate(stepper.order):
            probabilities = _probabilities(stepper.logits(step))
            here = maps[:, rows, columns]
            symbols = here.ravel()
            self.bits -= float(np.log2(probabilities[np.arange(len(symbols)), symbols]).sum())
            self._coder.encode(symbols.astype(np.int32), family(), probabilities)
            stepper.write(step, here)

    def finish(self) -> bytes:
        """The stream, in little-endian 32-bit words."""
        return bytes(self._coder.get_compressed().astype("<u4").tobytes())


class MapDecoder:
    """The inverse of MapEncoder. Damage shows in the checksum of what it returns, not here."""

    def __init__(self, stream: bytes) -> None:
        import constriction

        if len(stream) % 4:
            raise BitstreamError(
                f"prior-coded stream of {len(stream)} bytes is not whole 32-bit words; truncated"
            )
        words = np.frombuffer(stream, "<u4").astype(np.uint32)
        self._coder = constriction.stream.queue.RangeDecoder(words)

    def decode(self, stepper: Stepper, size: tuple[int, int, int]) -> Indices:
        """The next maps, of this size ``(B, h, w)``."""
        maps = np.empty(size, np.int64)
        for step, (rows, columns) in enumerate(stepper.order):
            shares = _probabilities(stepper.logits(step))
            try:
                symbols = self._coder.decode(family(), shares)
            except AssertionError as error:  # how constriction says it
                raise BitstreamError(f"prior-coded stream: {error}; damaged") from error
            here = symbols.astype(np.int64).reshape(size[0], len(rows))
            maps[:, rows, columns] = here
            stepper.write(step, here)
        return maps


def _exponentials(unit: Decimal, count: int) -> NDArray[np.float64]:
    """e to the power of 0, −unit, −2·unit, …, each the nearest float64."""
    with localcontext() as context:
        context.prec = 40
        return np.array([float((-unit * place).exp()) for place in range(count)])


_PARTS = 256
"""Logits are rounded to 1/256: far above the last bits in which machines differ (10⁻¹³), far below
what a rate would notice."""
_TABLE = np.outer(
    _exponentials(Decimal(1), _SMALLEST + 1), _exponentials(1 / Decimal(_PARTS), _PARTS)
).ravel()


def _probabilities(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """``(B · n, codes)``, one row for each symbol. By a table: exp() differs in the last bit
    between instruction sets and libraries."""
    return tabled(logits.reshape(-1, logits.shape[-1]), _PARTS, _TABLE)


def tile_shapes(height: int, width: int, size: int) -> list[tuple[slice, slice]]:
    """The tiles of at most ``size`` × ``size`` of a map, in raster order."""
    return [
        (slice(top, min(top + size, height)), slice(left, min(left + size, width)))
        for top in range(0, height, size)
        for left in range(0, width, size)
    ]


def group_tiles(height: int, width: int, size: int) -> list[list[tuple[slice, slice]]]:
    """The tiles in groups of equal shape, which can be coded as one batch."""
    groups: dict[tuple[int, int], list[tuple[slice, slice]]] = {}
    for rows, columns in tile_shapes(height, width, size):
        key = (rows.stop - rows.start, columns.stop - columns.start)
        groups.setdefault(key, []).append((rows, columns))
    return list(groups.values())
