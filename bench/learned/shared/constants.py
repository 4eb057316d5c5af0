"""Tensors that depend on sizes alone, made once for each device: copying one to a GPU on every step
would make the host wait for it."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Concatenate, ParamSpec, cast

import torch
from torch import Tensor

Sizes = ParamSpec("Sizes")
_KEPT = 16


def on_device(
    make: Callable[Sizes, Tensor],
) -> Callable[Concatenate[torch.device, Sizes], Tensor]:
    """A function of a device and the sizes that ``make`` takes; the result must not be changed."""

    @wraps(make)
    def made(device: torch.device, *sizes: Sizes.args, **named: Sizes.kwargs) -> Tensor:
        # a tensor of inference mode could not take part in a training later on
        with torch.inference_mode(False):
            return make(*sizes, **named).to(device)

    return cast("Callable[Concatenate[torch.device, Sizes], Tensor]", lru_cache(_KEPT)(made))
