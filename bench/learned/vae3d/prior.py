"""The Gaussian prior of codec ``vae3d``: mean and scale of each latent, given those before it.

Exact in evaluation (:mod:`bench.learned.shared.exact`): an encoder may compute all positions at
once, a decoder, on any machine, computes them one after the other with :class:`PriorWalk`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.entropy.gaussian_cells import FRACTIONS, CellTable, Floats, Integers, cumulative_table
from bench.learned.shared.exact import ExactConv2d, exact_activation, exact_relu

SCALE_MIN, SCALE_MAX, SCALE_LEVELS = 0.11, 64.0, 64
SCALE_STEP = math.log(SCALE_MAX / SCALE_MIN) / (SCALE_LEVELS - 1)
_LEVELS = np.arange(SCALE_LEVELS)

_INDEX_FACTOR = 16.0
"""Lets the network move through the table of scales with small weights."""
_FEATURE_LIMIT = 8.0
_LOWEST_INDEX = -16.0
_GROUP_SHARES = (0.02, 0.08, 0.3)
"""Channels of the first groups of a position; they are ordered by their variance at first."""


@dataclass(frozen=True, slots=True)
class Conditional:
    """Gaussians p(z_i | z_<i): ``mean`` and ``log_scale`` in units of the quantiser's step."""

    mean: Tensor
    log_scale: Tensor

    def bits(self, z: Tensor) -> Tensor:
        """Bits of each element of z with unit-width noise, or rounded: the mass of its cell."""
        # on the side where both tails are small, so that their difference keeps its precision
        distance = (z - self.mean).abs()
        inverse = (-self.log_scale).exp() * 0.5**0.5
        mass = torch.erfc((distance - 0.5) * inverse) - torch.erfc((distance + 0.5) * inverse)
        return -(mass / 2).clamp(min=1e-30).log2()

    def divergence(self, mean: Tensor, log_deviation: Tensor) -> Tensor:
        """KL(q || p) in bits of each element of a Gaussian posterior."""
        scale = (-2 * self.log_scale).exp()
        square = ((2 * log_deviation).exp() + (mean - self.mean).square()) * scale
        return (self.log_scale - log_deviation + (square - 1) / 2) / math.log(2)


class ContextPrior(nn.Module):
    """An autoregressive Gaussian prior over positions in raster order and groups of channels.

    Each element sees the four neighbours before its position and the groups before its own. A table
    holds the scale of every channel at every point of the ladder; the network moves it.
    """

    deviation: Tensor
    radius: Tensor
    cumulative: Tensor

    def __init__(self, latents: int, points: int, hidden: int = 96) -> None:
        super().__init__()
        self.starts = _group_starts(latents)
        ends = (*self.starts[1:], latents)
        self.neighbours = ExactConv2d(4 * 2 * latents, hidden, 1)
        self.earlier = nn.ModuleList(ExactConv2d(2 * n, hidden, 1) for n in self.starts[1:])
        self.heads = nn.ModuleList(
            ExactConv2d(hidden, 2 * (end - start), 1)
            for start, end in zip(self.starts, ends, strict=True)
        )
        for head in self.heads:
            assert isinstance(head, ExactConv2d) and head.bias is not None
            with torch.no_grad():
                head.weight *= 0.02
                head.bias.zero_()
        self.offset = nn.Parameter(torch.zeros(points, hidden))
        self.index = nn.Parameter(torch.zeros(points, latents))
        self.register_buffer("deviation", torch.ones(latents))
        # shipped with the weights, so that no machine's arithmetic enters the probabilities
        radius, cumulative = cumulative_table(SCALE_MIN * np.exp(SCALE_STEP * _LEVELS))
        self.register_buffer("radius", torch.from_numpy(radius))
        self.register_buffer("cumulative", torch.from_numpy(cumulative))

    def cells(self) -> CellTable:
        """The coder's probabilities."""
        return CellTable(self.radius.cpu().numpy(), self.cumulative.cpu().numpy())

    def start_from(self, deviation: Tensor, gain: Tensor) -> None:
        """Independent Gaussians of deviations ``(M,)`` at gains ``(points, M)``."""
        with torch.no_grad():
            self.deviation.copy_(deviation)
            index = (deviation * gain / SCALE_MIN).log() / SCALE_STEP
            self.index.copy_(index.clamp(_LOWEST_INDEX, SCALE_LEVELS - 1))

    def forward(self, z: Tensor, inverse: Tensor, point: Tensor, *, coded: bool) -> Conditional:
        """The conditionals of latents ``(B, M, h, w)`` at points ``(B,)`` of inverse gains
        ``(B, M, 1, 1)``, each from the elements before it.

        ``coded``: mean and scale are those of the coder's tables, exact in evaluation; else they
        are continuous.
        """
        deviation = self.deviation[:, None, None]
        index = self.index[point][..., None, None]
        offset = self.offset[point][..., None, None]
        if not self.training:
            z, inverse, deviation = z.double(), inverse.double(), deviation.double()
            index, offset = index.double(), exact_activation(offset)
        features = _features(z * inverse / deviation)
        shared = self.neighbours(_before(features)) + offset
        found = []
        for place, head in enumerate(self.heads):
            known = _first(features, self.starts[place])
            hidden = shared + self.earlier[place - 1](known) if place else shared
            found.append(head(exact_relu(hidden)).chunk(2, 1))
        means, moves = (torch.cat(parts, 1) for parts in zip(*found, strict=True))
        mean, index = means * deviation / inverse, index + moves * _INDEX_FACTOR
        if coded:
            index = index.round().clamp(0, SCALE_LEVELS - 1)
            mean = (mean * FRACTIONS).round() / FRACTIONS
        index = index.clamp(_LOWEST_INDEX, SCALE_LEVELS - 1)
        return Conditional(mean, math.log(SCALE_MIN) + SCALE_STEP * index)


def _group_starts(latents: int) -> tuple[int, ...]:
    starts = [0]
    for share in _GROUP_SHARES:
        starts.append(max(starts[-1] + 1, round(share * latents)))
    return tuple(start for start in starts if start < latents)


def _features(values: Tensor) -> Tensor:
    """Values in units of their deviation, and their magnitudes: ``(B, 2M, h, w)``."""
    values = values.clamp(-_FEATURE_LIMIT, _FEATURE_LIMIT)
    return torch.cat([values, values.abs()], 1)


def _first(features: Tensor, count: int) -> Tensor:
    """The features of the first channels of a position."""
    half = features.shape[1] // 2
    return torch.cat([features[:, :count], features[:, half : half + count]], 1)


def _before(features: Tensor) -> Tensor:
    """The neighbours left, above left, above and above right of each position, 0 outside."""
    x = F.pad(features, (1, 1, 1, 0))
    return torch.cat([x[..., 1:, :-2], x[..., :-1, :-2], x[..., :-1, 1:-1], x[..., :-1, 2:]], 1)


@dataclass(frozen=True, slots=True)
class Step:
    """Elements that are coded together: the same channels at one position of all latents.

    ``means`` in eighths and ``levels`` of scale are ``(N, n)``.
    """

    row: int
    column: int
    channels: slice
    means: Integers
    levels: Integers

    @property
    def place(self) -> tuple[slice, slice, int, int]:
        """Index of the elements in ``(N, M, h, w)``."""
        return (slice(None), self.channels, self.row, self.column)


class PriorWalk:
    """The prior over latents of which nothing is known at first, one step after the other."""

    def __init__(self, prior: ContextPrior, inverse_gain: Tensor, point: int) -> None:
        inverse = inverse_gain[point].detach().double().cpu().numpy()
        self._bounds = tuple(zip(prior.starts, (*prior.starts[1:], len(inverse)), strict=True))
        self._neighbours = _matrix(prior.neighbours)
        self._earlier = [_matrix(each) for each in prior.earlier]
        self._heads = [_matrix(each) for each in prior.heads]
        self._offset = exact_activation(prior.offset[point].detach()).cpu().numpy()
        self._index = prior.index[point].detach().double().cpu().numpy()
        self._deviation = prior.deviation.double().cpu().numpy()
        self._inverse = inverse

    def steps(self, latents: Integers) -> Iterator[Step]:
        """The steps over latents ``(N, M, h, w)``. The elements of a step must be in ``latents``
        before the next step is asked for; later ones are not looked at."""
        count, channels, height, width = latents.shape
        # one row of zeros above and a column on either side
        features = np.zeros((count, height + 1, width + 2, 2 * channels))
        for row in range(height):
            for column in range(width):
                here = features[:, row + 1, column + 1]
                shared = self._shared(features, row, column)
                for group, (start, end) in enumerate(self._bounds):
                    known = np.concatenate(
                        [here[:, :start], here[:, channels : channels + start]], 1
                    )
                    step = Step(
                        row, column, slice(start, end), *self._parameters(shared, known, group)
                    )
                    yield step
                    values = latents[step.place] * self._inverse[start:end]
                    values = values / self._deviation[start:end]
                    values = np.clip(values, -_FEATURE_LIMIT, _FEATURE_LIMIT)
                    here[:, start:end] = values
                    here[:, channels + start : channels + end] = np.abs(values)

    def _shared(self, features: Floats, row: int, column: int) -> Floats:
        left, above = features[:, row + 1, column], features[:, row, column : column + 3]
        before = np.concatenate([left, above.reshape(len(features), -1)], 1)
        shared: Floats = _apply(self._neighbours, before) + self._offset
        return shared

    def _parameters(self, shared: Floats, known: Floats, group: int) -> tuple[Integers, Integers]:
        hidden = shared + _apply(self._earlier[group - 1], known) if group else shared
        # the leaky ReLU of bench.learned.shared.exact
        activated = np.maximum(hidden, hidden / 8)
        mean, move = np.split(_apply(self._heads[group], activated), 2, 1)
        channels = slice(*self._bounds[group])
        mean = mean * self._deviation[channels] / self._inverse[channels]
        level = np.round(self._index[channels] + move * _INDEX_FACTOR)
        return (
            np.round(mean * FRACTIONS).astype(np.int64),
            np.clip(level, 0, SCALE_LEVELS - 1).astype(np.int64),
        )


_Matrix = tuple[Floats, Floats]


def _matrix(conv: nn.Module) -> _Matrix:
    """A 1×1 convolution as a matrix ``(inputs, outputs)`` and an offset."""
    assert isinstance(conv, ExactConv2d)
    with torch.no_grad():
        weight, bias = conv.fixed_point()
    return weight[..., 0, 0].T.contiguous().cpu().numpy(), bias.cpu().numpy()


def _apply(matrix: _Matrix, x: Floats) -> Floats:
    """The convolution at one position, exact in any order of summation."""
    rounded: Floats = exact_activation(torch.from_numpy(x)).numpy()
    weight, bias = matrix
    found: Floats = rounded @ weight + bias
    return found
