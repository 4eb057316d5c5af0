"""PixelSNAIL (Chen et al. 2018) as a prior over maps of codebook indices.

Positions are coded along slanted wavefronts, as in parallel video decoders: a position needs its
row up to its left and the row above up to two columns to its right, so that all positions of the
same ``column + 3 · row`` are independent given those before and are computed together.
"""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from bench.entropy.prior import Group
from bench.learned.shared.constants import on_device
from bench.learned.vqvae2.prior import (
    Array,
    Condition,
    Dense,
    IndexInput,
    MapSize,
    PriorShape,
    Window,
    elu,
    in_float64,
    sigmoid,
)

# Row and column offsets of a kernel of 2 rows and 5 columns, cut after its own position.
_ABOVE = tuple((-1, column) for column in range(-2, 3))
_LEFT = ((0, -2), (0, -1))
BEFORE = _ABOVE + _LEFT
"""Offsets that the first layer sees: only positions that were coded before."""
UP_TO = (*BEFORE, (0, 0))
"""Offsets that later layers see: their own position holds nothing of its own index."""
_SLANT = 3


class CausalConv(nn.Module):
    """A convolution over a list of offsets above and to the left, zero outside of the map."""

    def __init__(self, inputs: int, outputs: int, offsets: tuple[tuple[int, int], ...]) -> None:
        super().__init__()
        self.offsets = offsets
        self.linear = nn.Linear(inputs * len(offsets), outputs)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, h, w, inputs)`` to ``(B, h, w, outputs)``."""
        height, width = x.shape[1:3]
        padded = F.pad(x, (0, 0, 2, 2, 1, 0))
        taken = [
            padded[:, 1 + row : 1 + row + height, 2 + column : 2 + column + width]
            for row, column in self.offsets
        ]
        result: Tensor = self.linear(torch.cat(taken, -1))
        return result


class GatedBlock(nn.Module):
    """x + a·sigmoid(b) of a causal convolution (section 3 of the paper)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = CausalConv(channels, 2 * channels, UP_TO)

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.conv(F.elu(x)).chunk(2, -1)
        result: Tensor = x + value * torch.sigmoid(gate)
        return result


class CausalAttention(nn.Module):
    """One head of attention over all wavefronts before and the position itself, added."""

    def __init__(self, channels: int, keys: int = 16) -> None:
        super().__init__()
        self.query = nn.Linear(channels, keys)
        self.key = nn.Linear(channels, keys)
        self.value = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[1:3]
        seen = _seen(x.device, height, width)
        flat = x.flatten(1, 2)
        mixed = F.scaled_dot_product_attention(
            self.query(flat), self.key(flat), self.value(flat), attn_mask=seen
        )
        return x + mixed.view_as(x)


@on_device
def _seen(height: int, width: int) -> Tensor:
    """Which positions ``(n, n)`` each position attends to."""
    front = _fronts(height, width).flatten()
    return (front[:, None] > front) | torch.eye(len(front), dtype=torch.bool)


def _fronts(height: int, width: int) -> Tensor:
    """Number of the wavefront of each position."""
    return torch.arange(width) + _SLANT * torch.arange(height)[:, None]


class PixelSnail(nn.Module):
    """Logits of each index of a map given those of the wavefronts before.

    Whatever it needs of the codebooks is in its weights. The conditional prior (bottom level) has
    no attention, as in VQ-VAE-2: its maps are too long.
    """

    def __init__(self, shape: PriorShape, channels: int = 64, blocks: int = 3) -> None:
        super().__init__()
        self.input = IndexInput(shape, channels)
        self.first = CausalConv(self.input.embedding_dim, channels, BEFORE)
        self.before = nn.ModuleList(GatedBlock(channels) for _ in range(blocks))
        self.attention = None if shape.conditional else CausalAttention(channels)
        self.after = nn.ModuleList(GatedBlock(channels) for _ in range(blocks))
        self.condition = Condition(shape, channels) if shape.conditional else None
        self.head = nn.Linear(channels, shape.codes)

    def forward(self, indices: Tensor, above: Tensor | None = None) -> Tensor:
        """Logits ``(B, h, w, codes)`` of indices ``(B, h, w)``, given those of the level above
        ``(B, h/2, w/2)`` for a conditional prior."""
        x = self.first(self.input(indices))
        if self.condition is not None:
            x = x + self.condition(above)
        for block in self.before:
            x = block(x)
        if self.attention is not None:
            x = self.attention(x)
        for block in self.after:
            x = block(x)
        logits: Tensor = self.head(F.elu(x))
        return logits

    def stepper(self, size: MapSize, above: Tensor | None) -> PixelStepper:
        """The incremental form, for maps ``(B, h, w)`` of this size."""
        return PixelStepper(self, size, above)


class PixelStepper:
    """PixelSNAIL one wavefront at a time: each costs one column of the network a position."""

    def __init__(self, model: PixelSnail, size: MapSize, above: Tensor | None) -> None:
        fronts = _fronts(*size[1:]).numpy()
        self.order: list[Group] = [
            cast(Group, np.nonzero(fronts == front)) for front in np.unique(fronts)
        ]
        self._table = model.input.table()
        self._first = _ConvCache(model.first, size)
        self._before = [_ConvCache(cast(GatedBlock, each).conv, size) for each in model.before]
        self._after = [_ConvCache(cast(GatedBlock, each).conv, size) for each in model.after]
        self._head = Dense(model.head)
        self._attention = None
        if model.attention is not None:
            self._attention = _AttentionCache(model.attention, size)
        self._condition: Array | None = None
        if model.condition is not None:
            assert above is not None
            self._condition = in_float64(model.condition, above)

    def logits(self, step: int) -> Array:
        """``(B, n, codes)`` of group ``order[step]``; all before must have been written."""
        rows, columns = self.order[step]
        x = self._first(rows, columns)
        if self._condition is not None:
            x = x + self._condition[:, rows, columns]
        for block in self._before:
            x = block.gated(rows, columns, x)
        if self._attention is not None:
            x = self._attention(x)
        for block in self._after:
            x = block.gated(rows, columns, x)
        return self._head(elu(x))

    def write(self, step: int, indices: NDArray[np.int64]) -> None:
        """The indices ``(B, n)`` of this group."""
        self._first.seen.write(*self.order[step], self._table[indices])


class _ConvCache:
    """One causal convolution with the features it has seen."""

    def __init__(self, conv: CausalConv, size: MapSize) -> None:
        self._linear = Dense(conv.linear)
        self.seen = Window(size, conv.linear.in_features // len(conv.offsets), conv.offsets)

    def __call__(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Array:
        return self._linear(self.seen.read(rows, columns))

    def gated(self, rows: NDArray[np.int64], columns: NDArray[np.int64], x: Array) -> Array:
        """The gated block of this convolution."""
        self.seen.write(rows, columns, elu(x))
        value, gate = np.split(self(rows, columns), 2, axis=-1)
        return cast(Array, x + value * sigmoid(gate))


class _AttentionCache:
    """Keys and values of the wavefronts so far."""

    def __init__(self, attention: CausalAttention, size: MapSize) -> None:
        self._query, self._key, self._value = (
            Dense(each) for each in (attention.query, attention.key, attention.value)
        )
        batch, height, width = size
        self._keys = np.empty((batch, height * width, attention.key.out_features))
        self._values = np.empty((batch, height * width, attention.value.out_features))
        self._length = 0

    def __call__(self, x: Array) -> Array:
        """``x`` of one wavefront ``(B, n, channels)``."""
        past, self._length = self._length, self._length + x.shape[1]
        key, value, query = self._key(x), self._value(x), self._query(x)
        query /= query.shape[-1] ** 0.5
        self._keys[:, past : self._length] = key
        self._values[:, past : self._length] = value
        before = query @ self._keys[:, :past].transpose(0, 2, 1)
        itself = (query * key).sum(-1, keepdims=True)
        highest = np.maximum(before.max(-1, keepdims=True, initial=-np.inf), itself)
        before, itself = np.exp(before - highest), np.exp(itself - highest)
        total = before.sum(-1, keepdims=True) + itself
        mixed = before @ self._values[:, :past] + itself * value
        return cast(Array, x + mixed / total)
