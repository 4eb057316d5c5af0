"""Which precision and layout of a training step are fastest on this machine: measured, not assumed.

A CPU without native bfloat16 emulates it: one step of ``hyperprior`` took 4.8 s there, not 0.30 s.
Channels last saves oneDNN a copy around each convolution, and costs the layers between them some.
"""

from __future__ import annotations

import copy
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

AUTO = "auto"
FULL = "float32"
HALF = "bfloat16"
PLAIN = "contiguous"
LAST = "channels-last"
_GAINS = {HALF: 1.2, LAST: 1.05}
"""What must be faster by this factor: half precision, to be worth its rounding; a layout, to be
more than the noise of two steps."""
_FORMATS = {4: torch.channels_last, 5: torch.channels_last_3d}


def autocast(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """The context of a forward pass in this precision."""
    if precision == FULL:
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16)


@torch.no_grad()
def arrange(tensors: Iterable[Tensor], layout: str) -> None:
    """Moves the elements of kernels, ``(out, in, …)`` of 4 or 5 dimensions, in memory; the output
    of a convolution has the layout of its kernel."""
    for tensor in tensors:
        if tensor.ndim in _FORMATS:
            form = _FORMATS[tensor.ndim] if layout == LAST else torch.contiguous_format
            tensor.data = tensor.data.contiguous(memory_format=form)


def fastest(
    model: nn.Module,
    device: torch.device,
    options: Iterable[str],
    step: Callable[[str], object],
    title: str,
) -> str:
    """The first of ``options``, or a later one that is clearly faster, after two calls of ``step``
    with each: one warms, one is timed.

    ``step`` runs forward and backward, not the optimiser; the model's state is put back. What was
    measured is said on stderr.
    """
    kept = copy.deepcopy(model.state_dict())
    seconds = {option: _seconds(device, step, option) for option in options}
    model.load_state_dict(kept)
    model.zero_grad(set_to_none=True)
    chosen, *others = seconds
    for option in others:
        if seconds[chosen] > _GAINS[option] * seconds[option]:
            chosen = option
    measured = ", ".join(f"{key} {value:.3g} s a step" for key, value in seconds.items())
    print(f"{title}: {measured}; training in {chosen}", file=sys.stderr, flush=True)
    return chosen


def synchronise(device: torch.device) -> None:
    """Waits for what was given to a GPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _seconds(device: torch.device, step: Callable[[str], object], option: str) -> float:
    step(option)
    synchronise(device)
    start = time.perf_counter()
    step(option)
    synchronise(device)
    return time.perf_counter() - start
