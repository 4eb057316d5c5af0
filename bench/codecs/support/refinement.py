"""Latents refined for one signal, the decoder being as it is: by gradient descent or by steps.

An encoder network is trained for all signals and codes none of them as well as its decoder could
have it (Cremer et al. 2018, the amortisation gap). Where a codec has the setting ``refine``, its
encoder takes so many steps from there on the signal itself (Campos et al. 2019, "Content adaptive
optimization for neural image compression"; Yang et al. 2020, "Improving inference for neural image
compression"). Or it moves whole-number latents by steps where that saves more bits than it costs
distortion (rate–distortion optimised quantisation), as encoders of H.264 and H.265 do with their
coefficients (Karczewicz, Ye and Chong 2008, "Rate distortion optimized quantization", VCEG-AH21);
networks tell of all latents at once what a step would change. The stream stays one that the same
decoder reads; encoding takes so much longer.

Where latents are mostly zeros steps gain and slopes do not, which make bits of what rounds to
nothing: R + λ·D of ``vae3d`` on twelve held-out clips changes by −2.2, −2.8, −3.8 and −6.3 % at
λ = 64, 260, 1100 and 7300 in 8 steps, along slopes by +5.7, +0.5, −2.3 and −6.2 % in 30.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from torch import Tensor, nn

from bench.codecs.base import Complexity, Range

Network = TypeVar("Network", bound=nn.Module)

STEPS = Range(0, 10_000)
"""What the setting ``refine`` may be; 0, and no such setting, refine nothing."""
_SOFTEST, _HARDEST = 0.8, 0.15
_LEAST_SLOPE = 1e-12
_MEMORY = 0.9
"""Decay of the averages of slopes and of their squares."""


def frozen(network: Network) -> Network:
    """A copy through which gradients flow to its inputs alone."""
    return copy.deepcopy(network).requires_grad_(False)


def refined(
    latents: Sequence[Tensor],
    reaches: Sequence[float],
    steps: int,
    cost: Callable[[Sequence[Tensor], float], Tensor],
) -> list[Tensor]:
    """Latents after ``steps`` steps with momentum down the slopes of ``cost``.

    Slopes are measured in their root mean square over an item's latent, so that elements which
    hardly matter hardly move: with one for each element, as Adam has it, all would move alike, and
    hyperprior's latents gain half as much. Steps fall to nothing along a cosine; an element that
    moves as the root mean square does goes as far as its latent's ``reach`` on the whole, whatever
    the number of steps.

    ``cost`` gives what is to be small, 0-d, of the latents and how much is done (0–1); terms of
    the items of a batch are to be added, not averaged: each is then refined as if it were alone.
    """
    moving = [latent.clone().requires_grad_() for latent in latents]
    means = [torch.zeros_like(latent) for latent in latents]
    squares = [torch.zeros(()) for _ in latents]
    for step in range(steps):
        slopes = torch.autograd.grad(cost(moving, step / steps), moving)
        share = (1 + math.cos(math.pi * step / steps)) / (steps + 1)
        # averages that start at nothing are short of what they stand for (Kingma and Ba 2015)
        filled = 1 - _MEMORY ** (step + 1)
        with torch.no_grad():
            for place, (latent, slope, reach) in enumerate(
                zip(moving, slopes, reaches, strict=True)
            ):
                own = slope.square().mean(tuple(range(1, slope.ndim)), keepdim=True)
                means[place].lerp_(slope, 1 - _MEMORY)
                squares[place] = _MEMORY * squares[place].to(own) + (1 - _MEMORY) * own
                size = (squares[place] / filled).sqrt().clamp_(min=_LEAST_SLOPE)
                latent -= reach * share * (means[place] / filled) / size
    return [latent.detach() for latent in moving]


def with_refinement(found: Complexity, steps: int) -> Complexity:
    """With what such an encoder computes besides: in each step once through what the decoder runs
    and once back. Memory stays that of a pass without gradients."""
    more = steps * 2 * found.decoder_kmac_per_pixel
    return replace(found, encoder_kmac_per_pixel=found.encoder_kmac_per_pixel + more)


def soft_round(x: Tensor, done: float) -> Tensor:
    """Rounding that has a gradient, the harder the more is ``done`` (0–1) (Agustsson and Theis
    2020, "Universally quantized neural compression")."""
    temperature = _SOFTEST + (_HARDEST - _SOFTEST) * done
    middle = x.detach().floor() + 0.5
    bent = torch.tanh((x - middle) / temperature) / (2 * math.tanh(0.5 / temperature))
    return middle + bent


@dataclass(frozen=True, slots=True)
class Outlook:
    """What latents ``(B, …)`` cost, ``(B,)``, and what each element alone would add to that if it
    were one more and one less, like the latents."""

    cost: Tensor
    more: Tensor
    less: Tensor


def descended(latents: Tensor, steps: int, look: Callable[[Tensor], Outlook]) -> Tensor:
    """Whole-number latents of lower cost, after the first look and up to ``steps`` more.

    All elements of an item that would gain move together. What they gain together may be less, or
    nothing: an item that costs more goes back, and its best half moves alone, then its best
    quarter, and so on. Items of a batch do not touch each other.
    """
    best, outlook = latents, look(latents)
    share = torch.ones_like(outlook.cost)
    for _ in range(steps):
        tried = _moved(best, outlook, share)
        if torch.equal(tried, best):
            break
        found = look(tried)
        ahead = found.cost < outlook.cost
        share = torch.where(ahead, share, share / 2)
        best = torch.where(_over(ahead, best), tried, best)
        outlook = Outlook(
            torch.where(ahead, found.cost, outlook.cost),
            torch.where(_over(ahead, best), found.more, outlook.more),
            torch.where(_over(ahead, best), found.less, outlook.less),
        )
    return best


def _moved(latents: Tensor, outlook: Outlook, share: Tensor) -> Tensor:
    """Latents after the best ``share`` of the moves that gain, one of each item at least."""
    change = torch.minimum(outlook.more, outlook.less).flatten(1)
    ordered, gaining = change.sort(1).values, (change < 0).sum(1)
    count = (share * gaining).ceil().long().clamp(min=1)
    last = ordered.gather(1, count[:, None] - 1)
    chosen = ((change < 0) & (change <= last)).view_as(latents)
    step = torch.where(outlook.more < outlook.less, 1.0, -1.0).to(latents)
    return torch.where(chosen, latents + step, latents)


def _over(items: Tensor, like: Tensor) -> Tensor:
    """``(B,)`` as ``(B, 1, …)`` of as many dimensions."""
    return items.view(-1, *[1] * (like.ndim - 1))
