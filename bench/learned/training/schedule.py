"""The learning rate as a function of how much of the run is done; pure."""

from __future__ import annotations

import math

from bench.learned.training.settings import TrainingSettings

REWARM = 0.02
"""Warm-up of a run that goes on from trained weights, where the card has none: Adam's averages are
empty then, or of the small steps in which the run before ended."""


def rate_factor(settings: TrainingSettings, fraction: float, *, trained: bool = False) -> float:
    """The factor of the base learning rate when ``fraction`` (0–1) of the run is done; ``trained``
    says that it began from trained weights."""
    warmup = settings.warmup or (REWARM if trained else 0.0)
    if fraction < warmup:
        return max(fraction / warmup, 0.01)
    if settings.schedule == "constant":
        return 1.0
    if settings.schedule == "step":
        # the small term keeps 3 · 0.1 from falling just short of 0.3
        return settings.decay_factor ** math.floor(fraction / settings.decay_every + 1e-9)
    span = (fraction - warmup) / (1 - warmup)
    return settings.final + (1 - settings.final) * 0.5 * (1 + math.cos(math.pi * min(span, 1.0)))
