"""The learning rate as a function of how much of the run is done; pure."""

from __future__ import annotations

import math

from bench.training.settings import TrainingSettings


def rate_factor(settings: TrainingSettings, fraction: float) -> float:
    """The factor of the base learning rate when ``fraction`` (0–1) of the run is done."""
    if fraction < settings.warmup:
        return max(fraction / settings.warmup, 0.01)
    if settings.schedule == "constant":
        return 1.0
    if settings.schedule == "step":
        # the small term keeps 3 · 0.1 from falling just short of 0.3
        return settings.decay_factor ** math.floor(fraction / settings.decay_every + 1e-9)
    span = (fraction - settings.warmup) / (1 - settings.warmup)
    return settings.final + (1 - settings.final) * 0.5 * (1 + math.cos(math.pi * min(span, 1.0)))
