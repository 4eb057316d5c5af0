"""Exponential moving average of a network's weights, and its temporary use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class WeightAverage:
    """Average of the floating parameters with decay ``min(decay, (1 + n) / (10 + n))``."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self._parameters = dict(model.named_parameters())
        self.values = {key: each.detach().clone() for key, each in self._parameters.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        decay = min(self.decay, (1 + step) / (10 + step))
        current = [self._parameters[key].detach() for key in self.values]
        torch._foreach_lerp_(list(self.values.values()), current, 1 - decay)

    def load(self, values: dict[str, Tensor]) -> None:
        for key, value in values.items():
            self.values[key].copy_(value)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Within this context the network has the averaged weights."""
        kept = {key: each.detach().clone() for key, each in self._parameters.items()}
        self._copy(self.values)
        try:
            yield
        finally:
            self._copy(kept)

    @torch.no_grad()
    def _copy(self, values: dict[str, Tensor]) -> None:
        for key, value in values.items():
            self._parameters[key].copy_(value)
