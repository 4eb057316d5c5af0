"""Confidence intervals of BD-rates by a paired bootstrap over items; computes nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from bench.analysis.interpolation import average_differences
from bench.analysis.qualities import Floats, Quality

RESAMPLES = 2000
CONFIDENCE = 0.95
_CHUNK_ELEMENTS = 4_000_000
_MIN_DEFINED = 0.95
"""An interval is given only if this share of the resamples has a defined BD-rate."""


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Per-item rates and metric values of one curve, both (items, points) and complete."""

    bpp: Floats
    values: Floats


def bd_rate_interval(
    anchor: Sample,
    test: Sample,
    quality: Quality,
    *,
    resamples: int = RESAMPLES,
    seed: int = 20010402,
) -> tuple[float, float]:
    """The 95 % interval of the BD-rate of the mean curves (PCHIP), in percent.

    Both codecs are resampled with the same items. The quantiles are those of the expanded
    percentile interval (Hesterberg 2015, "What teachers should know about the bootstrap",
    section 5.3): plain percentiles are too narrow for the two dozen pictures of a usual set.
    NaN for fewer than two items or where too many resamples have no common quality range.
    """
    items = len(anchor.bpp)
    if items < 2:
        return float("nan"), float("nan")
    chunks = _weights(items, resamples, seed)
    logs = np.concatenate([_log_ratios(anchor, test, quality, chunk) for chunk in chunks])
    defined = logs[np.isfinite(logs)]
    if len(defined) < _MIN_DEFINED * resamples:
        return float("nan"), float("nan")
    tail = _expanded_tail(items)
    low, high = np.quantile(defined, [tail, 1.0 - tail])
    return float(100 * (10**low - 1)), float(100 * (10**high - 1))


def _log_ratios(anchor: Sample, test: Sample, quality: Quality, weights: Floats) -> Floats:
    curves = [
        (quality.of(weights @ sample.values), np.log10(weights @ sample.bpp))
        for sample in (anchor, test)
    ]
    return average_differences(curves[0], curves[1])


def _expanded_tail(items: int) -> float:
    from scipy.stats import norm, t

    tail = (1 - CONFIDENCE) / 2
    wider = np.sqrt(items / (items - 1)) * t.ppf(tail, items - 1)
    return max(float(norm.cdf(wider)), 1e-4)


@lru_cache(maxsize=4)
def _weights(items: int, resamples: int, seed: int) -> tuple[Floats, ...]:
    """Multinomial resampling weights (chunk, items), rows summing to one."""
    generator = np.random.default_rng(seed)
    chunk = max(1, min(resamples, _CHUNK_ELEMENTS // items))
    sizes = [min(chunk, resamples - start) for start in range(0, resamples, chunk)]
    even = np.full(items, 1.0 / items)
    return tuple(generator.multinomial(items, even, size=size) / items for size in sizes)
