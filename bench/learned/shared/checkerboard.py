"""Entropy parameters of a picture's latent, of which a part is known already.

The positions have the two colours of a checkerboard: one is coded first, the other sees its four
neighbours of the first (He et al. 2021, "Checkerboard context model for efficient learned image
compression", section 3); at each position groups of channels follow each other and see those before
(Minnen and Singh 2020, section 3.1; in groups of unequal size: He et al. 2022, ELIC, section 3.2).

Exact in evaluation (:mod:`bench.learned.shared.exact`): a decoder on any machine walks the same
steps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.learned.shared.constants import on_device
from bench.learned.shared.exact import ExactConv2d, exact_activation, exact_relu

_INDEX_FACTOR = 16.0
"""Lets the network move through a table of scales with small weights."""
_FEATURE_LIMIT = 8.0
_SIDES = 4
_CPU = torch.device("cpu")
_GROUP_SHARES = (0.02, 0.08, 0.3)
"""Channels before the second, third and fourth group; they are ordered by their variance at
first."""


@dataclass(frozen=True, slots=True)
class Elements:
    """Elements that are coded together: the same channels at the same ``places`` of H·W, or all."""

    channels: slice
    places: Tensor | None

    def of(self, x: Tensor) -> Tensor:
        """These elements ``(B, n, P)`` of ``(B, M, H, W)``."""
        found = x[:, self.channels].flatten(2)
        return found if self.places is None else found.index_select(2, self.places)


@dataclass(frozen=True, slots=True)
class Conditional:
    """Of elements of a latent: ``index`` into a table of scales, and ``mean``."""

    index: Tensor
    mean: Tensor


@dataclass(frozen=True, slots=True)
class Walked(Conditional):
    """Of a whole latent, with ``distance`` from the mean in steps of the quantiser; each
    ``(B, M, H, W)``."""

    distance: Tensor


Code = Callable[[Elements, Conditional], Tensor]
"""Codes elements whose distribution is known; gives their distances ``(B, n, P)``."""


class CheckerboardContext(nn.Module):
    """Moves what a hyper-latent says of elements, once others are known.

    Features are values in units of ``deviation`` ``(M,)``, and their magnitudes.
    """

    deviation: Tensor

    def __init__(self, deviation: Tensor, inputs: int, hidden: int = 128) -> None:
        """``inputs`` is the number of features of the hyper-latent."""
        super().__init__()
        latents = len(deviation)
        starts = [0]
        for share in _GROUP_SHARES:
            starts.append(max(starts[-1] + 1, round(share * latents)))
        ends = [*starts[1:], latents]
        self.groups = tuple(slice(*each) for each in zip(starts, ends, strict=True))
        self.register_buffer("deviation", deviation.clone())
        self.hyper = nn.ModuleList(ExactConv2d(inputs, hidden, 1) for _ in range(2))
        self.neighbours = ExactConv2d(_SIDES * 2 * latents, hidden, 1)
        self.earlier = nn.ModuleList(
            nn.ModuleList(ExactConv2d(2 * count, hidden, 1) for count in starts[1:])
            for _ in range(2)
        )
        self.heads = nn.ModuleList(
            nn.ModuleList(
                ExactConv2d(hidden, 2 * (end - start), 1)
                for start, end in zip(starts, ends, strict=True)
            )
            for _ in range(2)
        )
        for heads in self.heads:
            assert isinstance(heads, nn.ModuleList)
            for head in heads:  # training starts from what the hyper-latent says
                assert isinstance(head, ExactConv2d) and head.bias is not None
                nn.init.zeros_(head.weight)
                nn.init.zeros_(head.bias)

    def forward(self, known: Conditional, features: Tensor, unit: Tensor, code: Code) -> Walked:
        """Walks all elements of a latent in their order.

        ``known`` ``(B, M, H, W)`` and the features ``(B, inputs, H, W)`` are of the hyper-latent;
        ``unit`` ``(B, M, 1, 1)`` is a step of the quantiser in deviations.
        """
        size, device = known.mean.shape[2:], known.mean.device
        whole = [known.mean.new_empty(known.mean.shape).flatten(2) for _ in range(3)]
        values = known.mean
        for colour in range(2):
            places = _places(device, colour, *size)
            shared = self.hyper[colour](_at(features, places))
            if colour:
                shared = shared + self._beside(values, *size)
            *parts, values = self._walk_colour(colour, places, shared, known, unit, code)
            for each, part in zip(whole, parts, strict=True):
                each.index_copy_(2, places, part)
        index, mean, distance = (each.view(known.mean.shape) for each in whole)
        return Walked(index, mean, distance)

    def _beside(self, values: Tensor, height: int, width: int) -> Tensor:
        """What values of the first colour ``(B, M, P)`` add to the features of the second
        ``(B, hidden, P', 1)``; beyond the border is 0.

        The weights are of the values above, left, right and below, then of the magnitudes there.
        Products are made where the values are, once for all four sides.
        """
        conv, x = self.neighbours, _with_magnitudes(values)
        weight, bias = (conv.weight, conv.bias) if self.training else conv.fixed_point()
        assert bias is not None
        by_side = weight.view(len(weight), 2, _SIDES, -1).permute(2, 0, 1, 3)
        by_side = by_side.reshape(_SIDES * len(weight), -1, 1, 1)
        products = F.conv2d(x if self.training else exact_activation(x), by_side)
        bordered = F.pad(products.view(len(x), _SIDES, len(weight), -1), (0, 1))
        sides = _neighbours(x.device, height, width)
        found = [bordered[:, side].index_select(2, places) for side, places in enumerate(sides)]
        return (torch.stack(found).sum(0) + bias[:, None])[..., None]

    def _walk_colour(
        self,
        colour: int,
        places: Tensor,
        shared: Tensor,
        known: Conditional,
        unit: Tensor,
        code: Code,
    ) -> list[Tensor]:
        """Index, mean and distance at places ``(B, M, P)``, and the values in deviations."""
        earlier, heads = (cast("nn.ModuleList", x[colour]) for x in (self.earlier, self.heads))
        found: list[tuple[Tensor, ...]] = []
        for group, channels in enumerate(self.groups):
            hidden = shared
            if group:
                before = torch.cat([values for *_, values in found], 1)
                hidden = shared + earlier[group - 1](_with_magnitudes(before))
            move, shift = heads[group](exact_relu(hidden)).squeeze(3).chunk(2, 1)
            elements, deviation = Elements(channels, places), self.deviation[channels, None]
            mean = elements.of(known.mean) + shift * deviation
            index = elements.of(known.index) + move * _INDEX_FACTOR
            distance = code(elements, Conditional(index, mean)).to(mean)
            values = mean / deviation + distance * unit[:, channels].flatten(2)
            found.append((index, mean, distance, values.clamp(-_FEATURE_LIMIT, _FEATURE_LIMIT)))
        return [torch.cat(parts, 1) for parts in zip(*found, strict=True)]


@on_device
def _neighbours(height: int, width: int) -> Tensor:
    """Of each place of the second colour the numbers of those above, left, right and below among
    the first ``(4, P')``; one more than there are beyond the border."""
    first, second = (_places(_CPU, colour, height, width) for colour in range(2))
    numbers = torch.full((height + 2, width + 2), len(first))
    row, column = first // width + 1, first % width + 1
    numbers[row, column] = torch.arange(len(first))
    row, column = second // width + 1, second % width + 1
    steps = ((-1, 0), (0, -1), (0, 1), (1, 0))
    return torch.stack([numbers[row + down, column + right] for down, right in steps])


@on_device
def _places(colour: int, height: int, width: int) -> Tensor:
    """The places of a colour, in raster order."""
    parity = (torch.arange(height)[:, None] + torch.arange(width)) % 2
    return (parity == colour).flatten().nonzero().flatten()


def _at(x: Tensor, places: Tensor) -> Tensor:
    """``(B, C, P, 1)`` of ``(B, C, H, W)``."""
    return x.flatten(2).index_select(2, places)[..., None]


def _with_magnitudes(values: Tensor) -> Tensor:
    """``(B, 2·C, P, 1)`` of ``(B, C, P)``."""
    return torch.cat([values, values.abs()], 1)[..., None]
