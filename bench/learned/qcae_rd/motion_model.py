"""How likely the motion of layers is: vectors given those before, cells given their neighbours."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.entropy.rans import Tables, quantised_cdf
from bench.learned.qcae_rd.layers import MOST, STEPS, Motion, moved, visible

_FIRST = STEPS
"""In the place of a vector's component where there was no vector before."""
_NOTHING = 2
"""In the place of 0 or 1: a cell in which a layer shows nothing, or outside the frame."""
_STATES = 3
CELL_ROWS = STEPS + 1
"""The first row of cells; those before are of components."""
PARTING_ROWS = CELL_ROWS + _STATES**2
"""The first row of whether layers are parted."""
COUNT_ROW = PARTING_ROWS + 3
"""The row of the number of layers."""
_ESCAPE = 1e-9
"""The coder ends every table with a symbol for values outside it; there are none."""


class MotionModel(nn.Module):
    """Learned frequencies of components, cells and partings, uniform ones of the number of layers.

    ``finalise`` makes the coding tables of them: a row of ``cdf`` for each component before, for
    each pair of neighbours of a cell, for the last parting, and for the number.
    """

    cdf: Tensor

    def __init__(self) -> None:
        super().__init__()
        apart = (torch.arange(STEPS + 1)[:, None] - torch.arange(STEPS)).abs()
        near = torch.where(apart <= 1, 2.0, 0.0)
        near[_FIRST] = 0
        self.vectors = nn.Parameter(near)
        self.cells = nn.Parameter(torch.zeros(_STATES**2, 2))
        self.partings = nn.Parameter(torch.zeros(3, 2))
        self.register_buffer("cdf", torch.zeros(COUNT_ROW + 1, STEPS + 2, dtype=torch.int32))

    def bits(self, layers: Tensor, motion: Motion, before: Motion | None) -> Tensor:
        """Bits ``(B,)`` of the motion of layers ``(B, L, H, W)``."""
        rows = vector_rows(layers, before)
        total = _costs(self.vectors, rows, motion.vectors).sum((1, 2))
        total = total + _costs(self.partings, parting_rows(layers, before), motion.parted)
        coded = visible(moved(layers, motion.vectors)) & motion.parted[:, None, None, None]
        cells = _costs(self.cells, neighbours(motion.shown, coded), motion.shown)
        return total + (cells * coded).sum((1, 2, 3))

    @torch.no_grad()
    def finalise(self) -> None:
        """Builds the coding tables, part of the weights then."""
        self.cdf.zero_()
        number = torch.zeros(1, MOST)
        tables = [*self.vectors, *self.cells, *self.partings, *number]
        for row, table in zip(self.cdf, (each.double() for each in tables), strict=True):
            shares = torch.cat([table.softmax(0), table.new_tensor([_ESCAPE])])
            row[: len(shares) + 1] = torch.from_numpy(quantised_cdf(shares.cpu().numpy()))

    @property
    def tables(self) -> Tables:
        """The coding tables."""
        sizes = [STEPS] * CELL_ROWS + [2] * (COUNT_ROW - CELL_ROWS) + [MOST]
        lengths = np.array(sizes, np.int32) + 2
        return Tables(self.cdf.cpu().numpy(), lengths, np.zeros_like(lengths))


def vector_rows(layers: Tensor, before: Motion | None) -> Tensor:
    """The row of the coding tables for each component of the vectors of layers, ``(B, L, 2)``."""
    if before is not None:
        return before.vectors
    return layers.new_full((*layers.shape[:2], 2), _FIRST, dtype=torch.long)


def parting_rows(layers: Tensor, before: Motion | None) -> Tensor:
    """The number of the table for each item ``(B,)``: whether its layers were parted before, 2 if
    they had no motion."""
    if before is not None:
        return before.parted.long()
    return layers.new_full((len(layers),), 2, dtype=torch.long)


def cell_row(left: int | None, above: int | None) -> int:
    """The row of a cell whose neighbours are as they are, None where they are not coded."""
    states = [_NOTHING if state is None else state for state in (left, above)]
    return CELL_ROWS + _STATES * states[0] + states[1]


def neighbours(shown: Tensor, coded: Tensor) -> Tensor:
    """The number of the pair of states to the left of and above each cell ``(B, L, h, w)``."""
    states = torch.where(coded, shown.long(), _NOTHING)
    left = F.pad(states, (1, 0, 0, 0), value=_NOTHING)[..., :-1]
    above = F.pad(states, (0, 0, 1, 0), value=_NOTHING)[..., :-1, :]
    return _STATES * left + above


def _costs(logits: Tensor, rows: Tensor, symbols: Tensor) -> Tensor:
    """Bits of symbols ``(…)`` by the tables of their rows ``(…)``."""
    bits = -logits.log_softmax(1) / math.log(2)
    return bits[rows].gather(-1, symbols.long()[..., None])[..., 0]
