"""A block-autoregressive transformer as a prior over maps of codebook indices, in the manner of
transformer entropy models (Lu et al. 2021; Mentzer et al. 2022, VCT).

Maps are coded in blocks of 4 × 4. A transformer over blocks gives each block a context, from blocks
before it alone; inside the block a small network codes one position after the other, from that
context and the indices around it. Blocks of the same ``column + 2 · row`` are computed together.
"""

from __future__ import annotations

import math
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
    in_float64,
    sigmoid,
    softmax,
)

BLOCK = 4
_INSIDE = BLOCK * BLOCK
_SLANT = 2
# Block offsets that the input of a block sees: their wavefronts are all before its own.
_BEFORE = ((-1, -1), (-1, 0), (-1, 1), (0, -1))
# Positions around a position, those not coded yet included: they read as zero.
AROUND = tuple(
    (row, column) for row in range(-2, 3) for column in range(-2, 3) if (row, column) != (0, 0)
)


class Attention(nn.Module):
    """Heads of attention over blocks; each weighs distance with a slope of its own (ALiBi, Press et
    al. 2022), so that maps of any size look alike."""

    slopes: Tensor

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.mixed = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        slopes = 2.0 ** -torch.arange(heads, dtype=torch.float32)
        self.register_buffer("slopes", slopes, persistent=False)

    def forward(self, x: Tensor, distance: Tensor) -> Tensor:
        """Blocks ``(B, n, width)``; ``distance`` ``(n, n)`` is ∞ for blocks that are not seen."""
        query, key, value = self.mixed(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        bias = -self.slopes[:, None, None] * distance
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=bias.to(query.dtype))
        result: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return result


class Feed(nn.Module):
    """Two layers with SiLU between."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.up = nn.Linear(width, hidden)
        self.down = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.down(F.silu(self.up(x)))
        return result


class Layer(nn.Module):
    """A layer of the transformer over blocks, normalised before each part."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm_attention = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.norm_feed = nn.LayerNorm(width)
        self.feed = Feed(width, 2 * width)

    def forward(self, x: Tensor, distance: Tensor) -> Tensor:
        x = x + self.attention(self.norm_attention(x), distance)
        return x + cast(Tensor, self.feed(self.norm_feed(x)))


class BlockTransformer(nn.Module):
    """Logits of each index of a map given those before it: in blocks of earlier wavefronts, or
    earlier in its own block."""

    inside: Tensor

    def __init__(
        self, shape: PriorShape, width: int = 128, layers: int = 3, heads: int = 4, local: int = 64
    ) -> None:
        super().__init__()
        self.input = IndexInput(shape, 32)
        channels = self.input.embedding_dim
        self.condition = Condition(shape, local) if shape.conditional else None
        self.first = nn.Linear(len(_BEFORE) * _INSIDE * channels, width)
        self.from_condition = nn.Linear(_INSIDE * local, width) if shape.conditional else None
        self.layers = nn.ModuleList(Layer(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.context = nn.Linear(width, _INSIDE * local)
        self.around = nn.Linear(len(AROUND) * channels, local)
        self.feeds = nn.ModuleList(Feed(local, 4 * local) for _ in range(3))
        self.head = nn.Linear(local, shape.codes)
        self.register_buffer("inside", _known(), persistent=False)

    def forward(self, indices: Tensor, above: Tensor | None = None) -> Tensor:
        """Logits ``(B, h, w, codes)`` of indices ``(B, h, w)``, given those of the level above
        ``(B, h/2, w/2)`` for a conditional prior."""
        height, width = indices.shape[1:]
        short = (0, 0, 0, -width % BLOCK, 0, -height % BLOCK)
        x = F.pad(self.input(indices), short)
        condition = None if self.condition is None else F.pad(self.condition(above), short)
        local = self._contexts(x, condition) + self.around(self._windows(x))
        if condition is not None:
            local = local + condition
        for feed in self.feeds:
            local = local + feed(local)
        logits: Tensor = self.head(local[:, :height, :width])
        return logits

    def _contexts(self, x: Tensor, condition: Tensor | None) -> Tensor:
        """``(B, h, w, local)`` from features of the indices, whole blocks."""
        blocks = _blocks(x)
        rows, columns = blocks.shape[1:3]
        padded = F.pad(blocks, (0, 0, 1, 1, 1, 0))
        before = [
            padded[:, 1 + row : 1 + row + rows, 1 + column : 1 + column + columns]
            for row, column in _BEFORE
        ]
        tokens = self.first(torch.cat(before, -1))
        if self.from_condition is not None and condition is not None:
            tokens = tokens + self.from_condition(_blocks(condition))
        tokens = tokens.flatten(1, 2)
        distance = _distances(tokens.device, rows, columns)
        for layer in self.layers:
            tokens = layer(tokens, distance)
        context = self.context(self.norm(tokens)).view(len(x), rows, columns, BLOCK, BLOCK, -1)
        return cast(Tensor, context.transpose(2, 3).reshape(*x.shape[:3], -1))

    def _windows(self, x: Tensor) -> Tensor:
        """What each position knows of those around it ``(B, h, w, 24 · channels)``."""
        height, width, channels = x.shape[1:]
        padded = F.pad(x, (0, 0, 2, 2, 2, 2))
        around = [
            padded[:, 2 + row : 2 + row + height, 2 + column : 2 + column + width]
            for row, column in AROUND
        ]
        known = self.inside.repeat(height // BLOCK, width // BLOCK, 1)
        return torch.cat(around, -1) * known.repeat_interleave(channels, -1).to(x.dtype)

    def stepper(self, size: MapSize, above: Tensor | None) -> BlockStepper:
        """The incremental form, for maps ``(B, h, w)`` of this size."""
        return BlockStepper(self, size, above)


def _blocks(x: Tensor) -> Tensor:
    """``(B, h, w, c)`` to ``(B, h/4, w/4, 16 · c)``."""
    batch, height, width = x.shape[:3]
    parts = x.view(batch, height // BLOCK, BLOCK, width // BLOCK, BLOCK, -1)
    return parts.transpose(2, 3).flatten(3)


def _known() -> Tensor:
    """For each position of a block, which of those around it were coded before: ``(4, 4, 24)``."""
    known = torch.zeros(BLOCK, BLOCK, len(AROUND))
    for row in range(BLOCK):
        for column in range(BLOCK):
            for index, (down, right) in enumerate(AROUND):
                block = ((row + down) // BLOCK, (column + right) // BLOCK)
                earlier = down < 0 or (down == 0 and right < 0)
                known[row, column, index] = block in _BEFORE or (block == (0, 0) and earlier)
    return known


@on_device
def _distances(rows: int, columns: int) -> Tensor:
    """Between all blocks, row by row and column by column added; ∞ where a block is not of an
    earlier wavefront than the one that looks (the first index), but for itself."""
    row = torch.arange(rows).repeat_interleave(columns)
    column = torch.arange(columns).repeat(rows)
    distance = (row[:, None] - row).abs() + (column[:, None] - column).abs()
    front = column + _SLANT * row
    seen = (front[:, None] > front) | torch.eye(len(front), dtype=torch.bool)
    return distance.float().masked_fill(~seen, math.inf)


class BlockStepper:
    """The transformer one position inside each block of a wavefront at a time; what attention
    needs of blocks before stays in a cache."""

    def __init__(self, model: BlockTransformer, size: MapSize, above: Tensor | None) -> None:
        _, height, width = size
        self._inner: list[tuple[int, int]] = []
        self._members: list[NDArray[np.bool_]] = []
        self.order = self._groups(height, width)
        self._table = model.input.table()
        channels = self._table.shape[1]
        self._seen = Window(size, channels, AROUND)
        self._around = Dense(model.around)
        self._feeds = [_feed(cast(Feed, each)) for each in model.feeds]
        self._head = Dense(model.head)
        self._condition: Array | None = None
        if model.condition is not None:
            assert above is not None
            self._condition = in_float64(model.condition, above)
        self._blocks = _BlockCache(model, size, self._condition)
        self._context = np.empty(0)

    def _groups(self, height: int, width: int) -> list[Group]:
        """Wavefronts of blocks, and in each the positions of a block; those outside of the map
        are left out."""
        rows, columns = -(-height // BLOCK), -(-width // BLOCK)
        fronts = np.arange(columns) + _SLANT * np.arange(rows)[:, None]
        groups: list[Group] = []
        for front in np.unique(fronts):
            block_rows, block_columns = np.nonzero(fronts == front)
            for place in range(_INSIDE):
                down = BLOCK * block_rows + place // BLOCK
                right = BLOCK * block_columns + place % BLOCK
                members = (down < height) & (right < width)
                if members.any():
                    groups.append((down[members], right[members]))
                    self._inner.append((front, place))
                    self._members.append(members)
        return groups

    def logits(self, step: int) -> Array:
        """``(B, n, codes)`` of group ``order[step]``; all before must have been written."""
        rows, columns = self.order[step]
        front, place = self._inner[step]
        if place == 0:
            self._context = self._blocks(front)
        x = self._context[:, self._members[step], place] + self._around(
            self._seen.read(rows, columns)
        )
        if self._condition is not None:
            x = x + self._condition[:, rows, columns]
        for up, down in self._feeds:
            x = x + down(_silu(up(x)))
        return self._head(x)

    def write(self, step: int, indices: NDArray[np.int64]) -> None:
        """The indices ``(B, n)`` of this group."""
        group, features = self.order[step], self._table[indices]
        self._seen.write(*group, features)
        self._blocks.write(self._inner[step][1], group, features)


class _BlockCache:
    """The transformer over blocks, with the features of the indices and the keys and values of
    blocks so far."""

    def __init__(self, model: BlockTransformer, size: MapSize, condition: Array | None) -> None:
        batch, height, width = size
        self._rows, self._columns = -(-height // BLOCK), -(-width // BLOCK)
        grid = (batch, self._rows, self._columns)
        self._fronts = np.arange(self._columns) + _SLANT * np.arange(self._rows)[:, None]
        self._channels = model.input.embedding_dim
        self._seen = Window(grid, _INSIDE * self._channels, _BEFORE)
        self._content = np.zeros((*grid, _INSIDE, self._channels))
        self._first = Dense(model.first)
        self._condition: Array | None = None
        if condition is not None and model.from_condition is not None:
            short = ((0, 0), (0, -height % BLOCK), (0, -width % BLOCK), (0, 0))
            blocks = _blocks(torch.from_numpy(np.pad(condition, short))).numpy()
            self._condition = Dense(model.from_condition)(blocks)
        self._layers = [_LayerCache(cast(Layer, each), batch) for each in model.layers]
        self._norm = _Norm(model.norm)
        self._out = Dense(model.context)
        self._last: Group | None = None
        self._past: Group = (np.empty(0, np.int64), np.empty(0, np.int64))

    def write(self, place: int, group: Group, x: Array) -> None:
        """Features ``(B, n, channels)`` at one place of their blocks."""
        self._content[:, group[0] // BLOCK, group[1] // BLOCK, place] = x

    def __call__(self, front: int) -> Array:
        """Contexts of the blocks of a wavefront ``(B, n, 16, local)``."""
        if self._last is not None:
            content = self._content[:, *self._last]
            self._seen.write(*self._last, content.reshape(*content.shape[:2], -1))
        self._last = rows, columns = cast(Group, np.nonzero(self._fronts == front))
        x = self._first(self._seen.read(rows, columns))
        if self._condition is not None:
            x = x + self._condition[:, rows, columns]
        past = self._past
        distance = np.abs(rows[:, None] - past[0]) + np.abs(columns[:, None] - past[1])
        for layer in self._layers:
            x = layer(x, distance.astype(np.float64))
        self._past = (np.concatenate([past[0], rows]), np.concatenate([past[1], columns]))
        x = self._out(self._norm(x))
        return x.reshape(*x.shape[:2], _INSIDE, -1)


class _LayerCache:
    """One layer with the keys and values of the blocks so far, ``(B, heads, n, width / heads)``."""

    def __init__(self, layer: Layer, batch: int) -> None:
        attention = layer.attention
        self._heads = attention.heads
        self._slopes = attention.slopes.double().numpy()[:, None, None]
        self._mixed, self._out = Dense(attention.mixed), Dense(attention.out)
        self._norms = _Norm(layer.norm_attention), _Norm(layer.norm_feed)
        self._up, self._down = _feed(layer.feed)
        each = attention.out.in_features // self._heads
        self._keys = self._values = np.empty((batch, self._heads, 0, each))

    def __call__(self, x: Array, distance: Array) -> Array:
        """``x`` of the blocks of one wavefront, ``distance`` from them to all before."""
        mixed = self._mixed(self._norms[0](x))
        mixed = mixed.reshape(*x.shape[:2], 3, self._heads, -1).transpose(2, 0, 3, 1, 4)
        query, key, value = mixed[0] / mixed.shape[-1] ** 0.5, mixed[1], mixed[2]
        before = query @ self._keys.transpose(0, 1, 3, 2) - self._slopes * distance
        itself = (query * key).sum(-1, keepdims=True)
        weights = softmax(np.concatenate([before, itself], -1))
        taken = weights[..., :-1] @ self._values + weights[..., -1:] * value
        self._keys = np.concatenate([self._keys, key], 2)
        self._values = np.concatenate([self._values, value], 2)
        x = x + self._out(taken.transpose(0, 2, 1, 3).reshape(x.shape))
        return cast(Array, x + self._down(_silu(self._up(self._norms[1](x)))))


class _Norm:
    """Layer normalisation in float64."""

    def __init__(self, norm: nn.LayerNorm) -> None:
        self._scale = norm.weight.detach().double().numpy()
        self._shift = norm.bias.detach().double().numpy()
        self._epsilon = norm.eps

    def __call__(self, x: Array) -> Array:
        centred = x - x.mean(-1, keepdims=True)
        spread = np.sqrt((centred**2).mean(-1, keepdims=True) + self._epsilon)
        return cast(Array, centred / spread * self._scale + self._shift)


def _feed(feed: Feed) -> tuple[Dense, Dense]:
    return Dense(feed.up), Dense(feed.down)


def _silu(x: Array) -> Array:
    return x * sigmoid(x)
