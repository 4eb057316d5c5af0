"""Which motion of layers predicts a frame best for its bits: the search of encoders alone."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import torch
from torch import Tensor
from torch.nn import functional as F

from bench.learned.qcae_rd.layers import (
    CELL,
    MOST,
    REACH,
    STEPS,
    Motion,
    corrected,
    moved,
    placed,
    started,
    visible,
)
from bench.learned.shared.constants import on_device

_SWEEPS = 2
_CELL_BITS = 0.5
"""About what it takes to say whether a layer takes part in a cell."""
_TURN_BITS = 3.0
"""About what it takes more where a component changes by more than one sample."""
_SAVING = 0.2
"""The part of the squared error that one more layer saves at the least, when they are counted."""
_FEW = 2.5
"""The squared error that it saves at the least, in samples of 0–1."""
_PATIENCE = 50.0
"""Bits for a squared error of 1 when layers are counted: of a middle quality."""
_LOOK_AHEAD = 6


@torch.no_grad()
def estimate(layers: Tensor, frame: Tensor, before: Motion | None, worth: Tensor) -> Motion:
    """The motion of layers ``(B, L, H, W)`` to an original frame ``(B, 1, H, W)``; ``before`` is
    the one to the last frame, None where there was none; ``worth`` ``(B,)`` are bits for a squared
    error of 1, in samples of 0–1."""
    layers, frame = layers.float(), frame.float()
    if before is None:
        vectors = _apart(layers[:, :1], frame, layers.shape[1])
    else:
        vectors = _tracked(layers, frame, before.vectors, worth)
    return _parted(moved(layers, vectors), vectors, frame, worth)


@torch.no_grad()
def layer_count(frames: Tensor) -> int:
    """How many layers a clip ``(T, 1, H, W)`` of original frames has, 1 to 4: as many as save
    enough of the squared error. Of the clip alone, whatever the rate: at low ones too few layers
    cost more than one too many."""
    first = frames[:_LOOK_AHEAD].float()
    best, least = 1, _tracking_error(first, 1)
    for count in range(2, MOST + 1):
        error = _tracking_error(first, count)
        if least - error > max(_SAVING * least, _FEW * (count - best)):
            best, least = count, error
    return best


def _tracking_error(frames: Tensor, count: int) -> float:
    """The squared error of predictions from originals."""
    layers, error = started(frames[:1], count), 0.0
    motion: Motion | None = None
    for frame in frames[1:, None]:
        motion = estimate(layers, frame, motion, frames.new_tensor([_PATIENCE]))
        there = placed(layers, motion)
        error += float((there.amax(1) - frame[:, 0]).square().sum())
        layers = corrected(there, frame)
    return error


def _displaced(layer: Tensor) -> Iterator[Tensor]:
    """A layer ``(B, 1, H, W)`` by all vectors over zeros: ``(B, 9, H, W)`` for each number of
    rows, so that there are never many at once."""
    height, width = layer.shape[-2:]
    padded = F.pad(layer, (REACH,) * 4)[:, 0]
    for row in range(2 * REACH, -1, -1):
        yield padded[:, row : row + height].unfold(2, width, 1).flip(2).transpose(1, 2)


def _vectors(numbers: Tensor) -> Tensor:
    """``(…, 2)`` of the numbers of displacements."""
    return torch.stack([numbers // STEPS, numbers % STEPS], -1)


def _cell_errors(predicted: Tensor, frame: Tensor) -> Tensor:
    """Squared errors ``(B, P, cells)`` of predictions ``(B, P, H, W)`` of a frame."""
    errors = F.avg_pool2d((predicted - frame).square(), CELL, divisor_override=1)
    return errors.flatten(2)


def _tracked(layers: Tensor, frame: Tensor, vectors: Tensor, worth: Tensor) -> Tensor:
    """Vectors from those of the frame before, each sought in turn beside the others."""
    there = moved(layers, vectors)
    found = list(vectors.unbind(1))
    price = worth[:, None, None]
    every = _vectors(torch.arange(STEPS**2, device=layers.device))
    turns = ((every - vectors[:, :, None]).abs() > 1).sum(-1)
    for number in [*range(len(found))] * _SWEEPS:
        others = [there[:, :number], there[:, number + 1 :], torch.zeros_like(frame)]
        rest = torch.cat(others, 1).amax(1, keepdim=True)
        # a cell in which a layer is in the way can be told so
        without = _cell_errors(rest, frame) * price + _CELL_BITS
        bits = [
            torch.minimum(_cell_errors(torch.maximum(some, rest), frame) * price, without).sum(2)
            for some in _displaced(layers[:, number : number + 1])
        ]
        best = (torch.cat(bits, 1) + _TURN_BITS * turns[:, number]).argmin(1)
        found[number] = _vectors(best)
        there = moved(layers, torch.stack(found, 1))
    return torch.stack(found, 1)


def _apart(first: Tensor, frame: Tensor, count: int) -> Tensor:
    """Vectors ``(B, L, 2)`` of the only frame before ``(B, 1, H, W)`` that together explain most
    cells, each by one of them or by darkness."""
    errors = torch.cat([_cell_errors(some, frame) for some in _displaced(first)], 1)
    dark = _cell_errors(torch.zeros_like(frame), frame)
    chosen: list[Tensor] = []
    for number in [*range(count)] * (1 + _SWEEPS):
        others = [each for place, each in enumerate(chosen) if place != number]
        left = torch.cat([dark, *(_row(errors, each) for each in others)], 1).amin(1, keepdim=True)
        best = torch.minimum(errors, left).sum(2).argmin(1)
        chosen[number : number + 1] = [best]
    return _vectors(torch.stack(chosen, 1))


def _row(errors: Tensor, number: Tensor) -> Tensor:
    """``(B, 1, cells)`` of one displacement for each item."""
    return errors.gather(1, number[:, None, None].expand(-1, 1, errors.shape[2]))


@on_device
def _subsets(count: int) -> Tensor:
    """All sets of layers ``(2^L, L)``, the one of all first."""
    return torch.tensor([*product((True, False), repeat=count)])


def _parted(there: Tensor, vectors: Tensor, frame: Tensor, worth: Tensor) -> Motion:
    """In each cell the layers whose brightest is closest to the frame; all of them everywhere
    where this is not worth its bits."""
    subsets = _subsets(there.device, there.shape[1])
    brightest = [(there * subset[:, None, None]).amax(1) for subset in subsets]
    costs = _cell_errors(torch.stack(brightest, 1), frame) * worth[:, None, None]
    best = (costs + _CELL_BITS * (~subsets).sum(1)[:, None]).argmin(1, keepdim=True)
    # where there is nothing to show, nothing is to be said
    seen = visible(there)
    shown = subsets[best[:, 0]].movedim(-1, 1).reshape(seen.shape) | ~seen
    gain = (costs[:, :1] - costs.gather(1, best)).sum((1, 2))
    parted = gain > _CELL_BITS * seen.sum((1, 2, 3))
    return Motion(vectors, shown | ~parted[:, None, None, None], parted)
