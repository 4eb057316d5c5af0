"""Exponential moving average of a network's weights, and its temporary use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


class WeightAverage:
    """Average of the parameters with decay ``min(decay, (1 + n) / (10 + n))``.

    The statistics of batch normalisation belong to the weights: they are averaged with them, which
    also takes out the noise that small batches leave in them. So are the buffers named in
    ``buffers``.
    """

    def __init__(self, model: nn.Module, decay: float, buffers: Iterable[str] = ()) -> None:
        self.decay = decay
        self._current: dict[str, Tensor] = {**dict(model.named_parameters())}
        state = dict(model.named_buffers())
        self._current |= {key: state[key] for key in (*_statistics(model), *buffers)}
        self.values = {key: each.detach().clone() for key, each in self._current.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        decay = min(self.decay, (1 + step) / (10 + step))
        current = [self._current[key].detach() for key in self.values]
        torch._foreach_lerp_(list(self.values.values()), current, 1 - decay)

    def load(self, values: Mapping[str, Tensor]) -> None:
        """Goes on from ``values``; what they lack starts at the network's own."""
        for key, own in self._current.items():
            self.values[key].copy_(values.get(key, own.detach()))

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Within this context the network has the averaged weights."""
        kept = {key: each.detach().clone() for key, each in self._current.items()}
        self._copy(self.values)
        try:
            yield
        finally:
            self._copy(kept)

    @torch.no_grad()
    def _copy(self, values: dict[str, Tensor]) -> None:
        for key, value in values.items():
            self._current[key].copy_(value)


def _statistics(model: nn.Module) -> list[str]:
    """Names of the running means and variances of all batch normalisations."""
    return [
        f"{name}.{kind}" if name else kind
        for name, module in model.named_modules()
        if isinstance(module, _BatchNorm) and module.track_running_stats
        for kind in ("running_mean", "running_var")
    ]
