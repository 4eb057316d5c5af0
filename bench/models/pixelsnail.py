"""PixelSNAIL (Chen et al. 2018) as a prior over maps of codebook indices.

One network in two forms: a parallel pass over whole maps for training, and a stepper that computes
one position at a time from cached features, for coding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

Array = NDArray[np.float64]
# Row and column offsets of a kernel of 2 rows and 5 columns, cut after its own position.
_ABOVE = tuple((-1, column) for column in range(-2, 3))
_LEFT = ((0, -2), (0, -1))
BEFORE = _ABOVE + _LEFT
"""Offsets that the first layer sees: only positions that were coded before."""
UP_TO = (*BEFORE, (0, 0))
"""Offsets that later layers see: their own position holds nothing of its own index."""


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
    """One head of attention over all positions up to this one, added to the features."""

    def __init__(self, channels: int, keys: int = 16) -> None:
        super().__init__()
        self.query = nn.Linear(channels, keys)
        self.key = nn.Linear(channels, keys)
        self.value = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        flat = x.flatten(1, 2)
        mixed = F.scaled_dot_product_attention(
            self.query(flat), self.key(flat), self.value(flat), is_causal=True
        )
        return x + mixed.view_as(x)


@dataclass(frozen=True, slots=True)
class PriorShape:
    """What a prior is built for. ``dim`` is that of the codebook's vectors, ``vectors`` whether
    they are its input instead of the indices; ``conditional`` priors see the level above."""

    codes: int
    dim: int
    vectors: bool
    conditional: bool


class PixelSnail(nn.Module):
    """Logits of each index of a map given those before it in raster order.

    The codebook is a buffer, so that the vector input needs nothing besides the weights. The
    conditional prior (bottom level) has no attention, as in VQ-VAE-2: its maps are too long.
    """

    def __init__(self, shape: PriorShape, channels: int = 64, blocks: int = 3) -> None:
        super().__init__()
        self.shape = shape
        inputs = shape.dim if shape.vectors else channels
        # one-hot indices through a linear layer are an embedding
        self.embedding = nn.Embedding(shape.codes, inputs)
        self.embedding.weight.requires_grad_(not shape.vectors)
        self.first = CausalConv(inputs, channels, BEFORE)
        self.before = nn.ModuleList(GatedBlock(channels) for _ in range(blocks))
        self.attention = None if shape.conditional else CausalAttention(channels)
        self.after = nn.ModuleList(GatedBlock(channels) for _ in range(blocks))
        self.condition = nn.Embedding(shape.codes, channels) if shape.conditional else None
        self.head = nn.Linear(channels, shape.codes)

    def use_codebook(self, vectors: Tensor) -> None:
        """Fixes the input vectors to those of the autoencoder's codebook ``(codes, dim)``."""
        if self.shape.vectors:
            self.embedding.weight.data.copy_(vectors)

    def forward(self, indices: Tensor, above: Tensor | None = None) -> Tensor:
        """Logits ``(B, h, w, codes)`` of indices ``(B, h, w)``, given those of the level above
        ``(B, h/2, w/2)`` for a conditional prior."""
        x = self.first(self.embedding(indices))
        if self.condition is not None:
            assert above is not None
            x = x + self.condition(_enlarged(above))
        for block in self.before:
            x = block(x)
        if self.attention is not None:
            x = self.attention(x)
        for block in self.after:
            x = block(x)
        logits: Tensor = self.head(F.elu(x))
        return logits

    def stepper(self, size: tuple[int, int, int], above: Tensor | None) -> PixelStepper:
        """The incremental form, for maps ``(B, h, w)`` of this size."""
        return PixelStepper(self, size, above)


def _enlarged(above: Tensor) -> Tensor:
    return above.repeat_interleave(2, 1).repeat_interleave(2, 2)


def _weights(linear: nn.Module) -> tuple[Array, Array]:
    """Matrix ``(inputs, outputs)`` and bias of a linear layer in float64."""
    layer = cast(nn.Linear, linear)
    matrix = layer.weight.detach().double().cpu().numpy().T
    return np.ascontiguousarray(matrix), layer.bias.detach().double().cpu().numpy()


def _elu(x: Array) -> Array:
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


class _ConvCache:
    """One causal convolution with the features it has seen: ``(B, h + 1, w + 4, inputs)``."""

    def __init__(self, conv: CausalConv, batch: int, height: int, width: int) -> None:
        self.matrix, self.bias = _weights(conv.linear)
        inputs = len(self.matrix) // len(conv.offsets)
        self.seen = np.zeros((batch, height + 1, width + 4, inputs))
        self.rows = 1 + np.array([row for row, _ in conv.offsets])
        self.columns = 2 + np.array([column for _, column in conv.offsets])

    def write(self, row: int, column: int, x: Array) -> None:
        self.seen[:, row + 1, column + 2] = x

    def __call__(self, row: int, column: int) -> Array:
        near = self.seen[:, row + self.rows, column + self.columns]
        result: Array = near.reshape(len(near), -1) @ self.matrix + self.bias
        return result


class PixelStepper:
    """PixelSNAIL one position at a time, in float64: each position costs one column of the network.

    Call ``logits`` and then ``write`` for each position in raster order.
    """

    def __init__(self, model: PixelSnail, size: tuple[int, int, int], above: Tensor | None) -> None:
        batch, height, width = size
        self.order = [(row, column) for row in range(height) for column in range(width)]
        self._embedding = model.embedding.weight.detach().double().cpu().numpy()
        self._first = _ConvCache(model.first, *size)
        self._before = [_ConvCache(cast(GatedBlock, each).conv, *size) for each in model.before]
        self._after = [_ConvCache(cast(GatedBlock, each).conv, *size) for each in model.after]
        self._head = _weights(model.head)
        self._attention = (
            None
            if model.attention is None
            else _AttentionCache(model.attention, batch, len(self.order))
        )
        self._condition: Array | None = None
        if model.condition is not None:
            assert above is not None
            table = model.condition.weight.detach().double().cpu().numpy()
            self._condition = table[_enlarged(above).cpu().numpy()]

    def logits(self, row: int, column: int) -> Array:
        """``(B, codes)`` of this position; all before it must have been written."""
        x = self._first(row, column)
        if self._condition is not None:
            x = x + self._condition[:, row, column]
        for block in self._before:
            x = self._gated(block, row, column, x)
        if self._attention is not None:
            x = self._attention(x)
        for block in self._after:
            x = self._gated(block, row, column, x)
        result: Array = _elu(x) @ self._head[0] + self._head[1]
        return result

    def write(self, row: int, column: int, indices: NDArray[np.int64]) -> None:
        """The indices ``(B,)`` of this position."""
        self._first.write(row, column, self._embedding[indices])

    @staticmethod
    def _gated(block: _ConvCache, row: int, column: int, x: Array) -> Array:
        block.write(row, column, _elu(x))
        value, gate = np.split(block(row, column), 2, axis=1)
        result: Array = x + value / (1 + np.exp(-gate))
        return result


class _AttentionCache:
    """Keys and values of the positions so far."""

    def __init__(self, attention: CausalAttention, batch: int, length: int) -> None:
        self._query, self._key, self._value = (
            _weights(each) for each in (attention.query, attention.key, attention.value)
        )
        self._keys = np.empty((batch, length, self._key[0].shape[1]))
        self._values = np.empty((batch, length, self._value[0].shape[1]))
        self._length = 0

    def __call__(self, x: Array) -> Array:
        place = self._length
        self._keys[:, place] = x @ self._key[0] + self._key[1]
        self._values[:, place] = x @ self._value[0] + self._value[1]
        self._length += 1
        query = x @ self._query[0] + self._query[1]
        scores = (self._keys[:, : place + 1] @ query[:, :, None])[..., 0] / query.shape[1] ** 0.5
        weights = np.exp(scores - scores.max(1, keepdims=True))
        weights /= weights.sum(1, keepdims=True)
        result: Array = x + (weights[:, None] @ self._values[:, : place + 1])[:, 0]
        return result
