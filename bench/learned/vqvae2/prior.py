"""What the learned priors over maps of codebook indices share: their kind, inputs and numpy layers.

A prior has two forms that compute the same: a parallel pass over whole maps for training, and a
stepper for coding, in float64, that computes a group of positions at a time from cached features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from bench.entropy.prior import Stepper

Array = NDArray[np.float64]
MapSize = tuple[int, int, int]
"""Number of maps, height, width."""


@dataclass(frozen=True, slots=True)
class PriorShape:
    """What a prior is built for. ``dim`` is that of the codebook's vectors, ``vectors`` whether
    they are its input instead of the indices; ``conditional`` priors see the level above."""

    codes: int
    dim: int
    vectors: bool
    conditional: bool


class MapPrior(Protocol):
    """A prior as the codec uses it."""

    def stepper(self, size: MapSize, above: Tensor | None) -> Stepper:
        """The incremental form for maps of this size, given those of the level above
        ``(B, h/2, w/2)`` for a conditional prior."""


class IndexInput(nn.Embedding):
    """Features of indices: a learned table, which is one-hot indices through a linear layer, or
    the fixed vectors of the autoencoder's codebook."""

    def __init__(self, shape: PriorShape, channels: int) -> None:
        super().__init__(shape.codes, shape.dim if shape.vectors else channels)
        self.fixed = shape.vectors
        self.weight.requires_grad_(not self.fixed)

    def use_codebook(self, vectors: Tensor) -> None:
        """Fixes the features to a codebook ``(codes, dim)`` if this input is of vectors."""
        if self.fixed:
            self.weight.data.copy_(vectors)

    def table(self) -> Array:
        """The features of all indices in float64."""
        return cast(Array, self.weight.detach().double().cpu().numpy())


class Condition(nn.Module):
    """Features of the level above at each position of this level: 3 × 3 of its positions see the
    2 × 2 below their centre."""

    def __init__(self, shape: PriorShape, channels: int) -> None:
        super().__init__()
        self.input = IndexInput(shape, channels)
        self.near = nn.Linear(9 * self.input.embedding_dim, channels)
        self.below = nn.Linear(channels, 4 * channels)

    def forward(self, above: Tensor) -> Tensor:
        """``(B, h, w)`` to ``(B, 2h, 2w, channels)``."""
        x = self.input(above)
        batch, height, width = above.shape
        x = F.pad(x, (0, 0, 1, 1, 1, 1))
        near = [x[:, row : row + height, column : column + width] for row in range(3)
                for column in range(3)]  # fmt: skip
        x = self.below(F.elu(self.near(torch.cat(near, -1))))
        x = x.view(batch, height, width, 2, 2, -1).transpose(2, 3)
        result: Tensor = x.reshape(batch, 2 * height, 2 * width, -1)
        return result


def in_float64(module: nn.Module, indices: Tensor) -> Array:
    """The output of a module of this file for indices, in float64 on the CPU."""
    state = {name: each.detach().double().cpu() for name, each in module.state_dict().items()}
    with torch.inference_mode():
        result: Tensor = torch.func.functional_call(module, state, (indices.cpu(),))
    return result.numpy()


class Dense:
    """A linear layer in float64."""

    def __init__(self, layer: nn.Linear) -> None:
        self.matrix = np.ascontiguousarray(layer.weight.detach().double().cpu().numpy().T)
        self.bias: Array = layer.bias.detach().double().cpu().numpy()

    def __call__(self, x: Array) -> Array:
        flat = x.reshape(-1, x.shape[-1]) @ self.matrix + self.bias
        return cast(Array, flat.reshape(*x.shape[:-1], -1))


def elu(x: Array) -> Array:
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


def sigmoid(x: Array) -> Array:
    return cast(Array, 1 / (1 + np.exp(-x)))


def softmax(x: Array) -> Array:
    """Over the last axis; −∞ is no weight."""
    shares = np.exp(x - x.max(-1, keepdims=True))
    return cast(Array, shares / shares.sum(-1, keepdims=True))


class Window:
    """Features of a batch of maps, zero where nothing was written, and what positions see of them
    at fixed offsets."""

    def __init__(self, size: MapSize, channels: int, offsets: tuple[tuple[int, int], ...]) -> None:
        batch, height, width = size
        self._margin = max(max(abs(row), abs(column)) for row, column in offsets)
        self._stride = width + 2 * self._margin
        self._seen = np.zeros((batch, (height + 2 * self._margin) * self._stride, channels))
        self._offsets = np.array([row * self._stride + column for row, column in offsets])

    def write(self, rows: NDArray[np.int64], columns: NDArray[np.int64], x: Array) -> None:
        """``(B, n, channels)`` of n positions."""
        self._seen[:, self._place(rows, columns)] = x

    def read(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> Array:
        """``(B, n, offsets · channels)``."""
        places = self._place(rows, columns)[:, None] + self._offsets
        near = np.take(self._seen, places.ravel(), axis=1)
        return cast(Array, near.reshape(len(near), len(rows), -1))

    def _place(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.int64]:
        return (rows + self._margin) * self._stride + columns + self._margin
