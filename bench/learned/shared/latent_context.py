"""The context model of codec ``qcae``: how likely each index of a latent clip is, given those that
were decoded before it in space and time.

Exact in evaluation (:mod:`bench.learned.shared.exact`), so that an encoder may compute all frames
at once and a decoder, on any machine, one after the other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.learned.shared.constants import on_device
from bench.learned.shared.exact import ExactConv2d, exact_activation, exact_relu

PAST = 3
"""Frames before its own that the model sees."""


def group_of(latents: int, height: int, width: int) -> Tensor:
    """The group ``(C, h, w)`` in which each latent of a frame is coded: channel after channel, of
    each first one colour of a checkerboard, then the other."""
    parity = (torch.arange(height)[:, None] + torch.arange(width)) % 2
    return 2 * torch.arange(latents)[:, None, None] + parity


@on_device
def _known_before(group: int, latents: int, height: int, width: int) -> Tensor:
    """1 at the latents ``(C, h, w)`` of the groups before one."""
    return (group_of(latents, height, width) < group).float()


@on_device
def _places(group: int, latents: int, height: int, width: int) -> Tensor:
    """The places of a frame, in raster order, whose latents are of a group."""
    channel = group_of(latents, height, width)[group // 2]
    return (channel == group).flatten().nonzero().flatten()


class LatentContext(nn.Module):
    """Logarithms to base 2, up to a constant, of the probabilities of indices.

    One network for several codebooks: they differ in an offset of the features and in the head.
    """

    def __init__(self, codes: Sequence[int], latents: int, width: int = 48) -> None:
        super().__init__()
        self.codes, self.latents = tuple(codes), latents
        self.groups = 2 * latents
        # of each frame in the past its latents, and 1 where the frame exists
        self.past1 = ExactConv2d(PAST * (latents + 1), width, 3, padding=1)
        self.past2 = ExactConv2d(width, width, 3, padding=1)
        self.past3 = ExactConv2d(width, width, 3, padding=1)
        # of the frame itself the latents of earlier groups, and 1 where they are known
        self.here1 = ExactConv2d(2 * latents, width, 3, padding=1)
        self.here2 = ExactConv2d(width, width, 3, padding=1)
        self.here3 = ExactConv2d(width, width, 3, padding=1)
        self.offset = nn.Parameter(torch.zeros(len(self.codes), width))
        self.heads = nn.ModuleList(ExactConv2d(width, latents * count, 1) for count in codes)

    def features(self, past: Tensor, book: int) -> Tensor:
        """What is known of frames ``(T, PAST · (C + 1), h, w)`` before their own latents."""
        offset = self.offset[book][:, None, None]
        x = self.past1(past) + (offset if self.training else exact_activation(offset))
        x = exact_relu(x)
        x = exact_relu(self.past2(x))
        result: Tensor = self.past3(x)
        return result

    def logits(self, features: Tensor, values: Tensor, group: int, book: int) -> Tensor:
        """``(T, n, K)`` of the n latents of a group in raster order; of ``values`` ``(T, C, h, w)``
        only those of earlier groups are looked at."""
        size = values.shape[1:]
        known = _known_before(values.device, group, *size).to(values).expand_as(values)
        x = exact_relu(features + self.here1(torch.cat([values * known, known], 1)))
        x = exact_relu(x + self.here2(x))
        x = exact_relu(x + self.here3(x))
        logits: Tensor = self.heads[book](x)
        # (T, C·K, h, w) to the group's channel, (T, h, w, K)
        by_channel = logits.reshape(len(values), self.latents, self.codes[book], *values.shape[2:])
        of_group: Tensor = by_channel[:, group // 2]
        by_place = of_group.permute(0, 2, 3, 1).flatten(1, 2)
        return by_place[:, _places(values.device, group, *size)]

    def bits(
        self,
        values: Tensor,
        indices: Tensor,
        book: int,
        frames: Mapping[int, Tensor],
        levels: Tensor | None = None,
    ) -> Tensor:
        """Bits of the latents of one clip ``(C, T, h, w)`` that are in the group drawn for their
        frame, 0-d; ``frames`` are the numbers of those of each group. For training.

        With the codebook's ``levels`` ``(K,)`` gradients also reach the values of the latents that
        are coded, as though bits were linear from each level to the next.
        """
        past, here = past_frames(values), values.transpose(0, 1)
        features = self.features(past, book)
        total = torch.zeros((), device=values.device)
        for group, chosen in sorted(frames.items()):
            logits = self.logits(features[chosen], here[chosen], group, book).float()
            costs = -F.log_softmax(logits * math.log(2), -1) / math.log(2)
            places = _places(values.device, group, *here.shape[1:])
            expected = indices[group // 2][chosen].flatten(1)[:, places]
            total = total + costs.gather(-1, expected[..., None]).sum()
            if levels is not None:
                coded = values[group // 2][chosen].flatten(1)[:, places]
                slopes = _slopes(costs.detach(), levels.detach(), expected)
                total = total + (slopes * (coded - coded.detach())).sum()
        return total


def _slopes(costs: Tensor, levels: Tensor, indices: Tensor) -> Tensor:
    """Bits by value at each latent ``(…,)``, from the costs of all levels ``(…, K)``: between the
    levels beside its own, at the ends of the codebook between the last two."""
    below = (indices - 1).clamp(min=0)
    above = (indices + 1).clamp(max=len(levels) - 1)
    rise = (costs.gather(-1, above[..., None]) - costs.gather(-1, below[..., None]))[..., 0]
    # levels may meet; a uniform codebook is this far apart at the least
    run = (levels[above] - levels[below]).clamp(min=2 / len(levels))
    return rise / run


def past_frames(values: Tensor) -> Tensor:
    """The input of ``features`` for all frames of latents ``(C, T, h, w)``: of each frame before
    its latents and a plane of ones, all zero before the clip's start."""
    planes = torch.cat([values, torch.ones_like(values[:1])])
    padded = F.pad(planes, (0, 0, 0, 0, PAST, 0))
    frames = values.shape[1]
    shifted = [padded[:, PAST - 1 - back : PAST - 1 - back + frames] for back in range(PAST)]
    return torch.cat(shifted).transpose(0, 1)
