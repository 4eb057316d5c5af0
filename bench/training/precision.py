"""Which precision of the forward pass is faster on this machine: measured, not assumed.

A CPU without native bfloat16 emulates it: one step of ``hyperprior`` took 4.8 s there, not 0.30 s.
"""

from __future__ import annotations

import copy
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn

AUTO = "auto"
FULL = "float32"
HALF = "bfloat16"
_GAIN = 1.2
"""Half precision must be faster by this factor to be worth its rounding."""


def autocast(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """The context of a forward pass in this precision."""
    if precision == FULL:
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16)


def faster_precision(
    model: nn.Module, device: torch.device, step: Callable[[str], object], title: str
) -> str:
    """``float32`` or ``bfloat16``, after two calls of ``step`` in each: one warms, one is timed.

    ``step`` runs forward and backward, not the optimiser; the model's state is put back. What was
    measured is said on stderr.
    """
    kept = copy.deepcopy(model.state_dict())
    seconds = {precision: _seconds(device, step, precision) for precision in (FULL, HALF)}
    model.load_state_dict(kept)
    model.zero_grad(set_to_none=True)
    chosen = HALF if seconds[FULL] > _GAIN * seconds[HALF] else FULL
    measured = ", ".join(f"{key} {value:.3g} s a step" for key, value in seconds.items())
    print(f"{title}: {measured}; training in {chosen}", file=sys.stderr, flush=True)
    return chosen


def _seconds(device: torch.device, step: Callable[[str], object], precision: str) -> float:
    step(precision)
    _synchronise(device)
    start = time.perf_counter()
    step(precision)
    _synchronise(device)
    return time.perf_counter() - start


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
