"""Checkpoints of half the size, to be carried from machine to machine.

Of sixteen bytes a parameter (weight, average, Adam's two moments) eight are left: the weights as
they are; the average's distance from them in bfloat16; the root of the second moment in float8 with
a scale a tensor, within 12.5 % down to 10⁻⁹ of the largest, and the first moment in units of that
root in float8, within 6.3 %. Adam forgets such rounding within its memory, 1000 and 10 steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor

from bench.training.checkpoint import Checkpoint

_FIRST, _SECOND, _SCALE = "exp_avg", "exp_avg_sq", "exp_avg_sq.scale"
_UNITS, _ROOT = torch.float8_e4m3fn, torch.float8_e5m2
_LARGEST_UNIT, _LARGEST_ROOT = torch.finfo(_UNITS).max, torch.finfo(_ROOT).max
_LEAST = 1024
"""Smaller tensors stay as they are: they weigh nothing, and gains and codebooks are among them."""
Moments = Mapping[str, Tensor]


def compacted(checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint with rounded moments and average; its step joins ``rounded``."""
    average = {
        key: (value - checkpoint.model[key]).to(torch.bfloat16)
        for key, value in checkpoint.average.items()
    }
    optimiser = _with_moments(checkpoint.optimiser, _packed)
    rounded = (*checkpoint.rounded, checkpoint.step)
    return replace(checkpoint, optimiser=optimiser, average=average, rounded=rounded, compact=True)


def expanded(checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint to go on from, of a compact one or of any other."""
    if not checkpoint.compact:
        return checkpoint
    average = {
        key: checkpoint.model[key] + value.to(checkpoint.model[key].dtype)
        for key, value in checkpoint.average.items()
    }
    optimiser = _with_moments(checkpoint.optimiser, _unpacked)
    return replace(checkpoint, optimiser=optimiser, average=average, compact=False)


def _with_moments(
    optimiser: Mapping[str, object], change: Callable[[Moments], Moments]
) -> dict[str, object]:
    """The state of an optimiser with changed moments of each parameter."""
    state = cast(Mapping[int, Moments], optimiser["state"])
    return {**optimiser, "state": {key: change(each) for key, each in state.items()}}


def _packed(moments: Moments) -> Moments:
    if _SECOND not in moments or moments[_SECOND].numel() < _LEAST:
        return moments
    root = moments[_SECOND].sqrt()
    scale = (root.max() / _LARGEST_ROOT).clamp_min(torch.finfo(torch.float32).tiny)
    small = (root / scale).clamp(max=_LARGEST_ROOT).to(_ROOT)
    units = moments[_FIRST] / (small.to(torch.float32) * scale)
    # 0 / 0 where there was no gradient, x / 0 where the root is too small for float8
    units = units.nan_to_num(0, 0, 0).clamp(-_LARGEST_UNIT, _LARGEST_UNIT)
    return {**moments, _FIRST: units.to(_UNITS), _SECOND: small, _SCALE: scale}


def _unpacked(moments: Moments) -> Moments:
    if _SCALE not in moments:
        return moments
    root = moments[_SECOND].to(torch.float32) * moments[_SCALE]
    rest = {key: value for key, value in moments.items() if key != _SCALE}
    return {**rest, _FIRST: moments[_FIRST].to(torch.float32) * root, _SECOND: root.square()}
