"""Confidence intervals of BD-rates by a paired bootstrap over items; computes nothing else."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from bench.analysis.interpolation import average_differences
from bench.analysis.qualities import Floats, Quality

RESAMPLES = 2000
CONFIDENCE = 0.95
MIN_ITEMS = 4
"""Two or three items know nothing of their spread: a t interval over them reaches anywhere."""
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
    section 5.3), and each end reaches at least as far as the jackknife's t interval: in simulated
    experiments on 6 and 24 items of log-normal difficulty the truth was covered in 95 to 97 % with
    both, in 93 to 96 % with the first and in 92 to 95 % with the second alone.
    NaN for fewer than ``MIN_ITEMS`` items or where too many resamples have no common quality range.
    """
    items = len(anchor.bpp)
    if items < MIN_ITEMS:
        return float("nan"), float("nan")
    chunks = _weights(items, resamples, seed)
    logs = np.concatenate([_log_ratios(anchor, test, quality, chunk) for chunk in chunks])
    defined = logs[np.isfinite(logs)]
    if len(defined) < _MIN_DEFINED * resamples:
        return float("nan"), float("nan")
    tail = _expanded_tail(items)
    low, high = np.quantile(defined, [tail, 1.0 - tail])
    centre, half = _jackknife(anchor, test, quality)
    if math.isfinite(half):
        low, high = min(low, centre - half), max(high, centre + half)
    return float(100 * (10**low - 1)), float(100 * (10**high - 1))


def _log_ratios(anchor: Sample, test: Sample, quality: Quality, weights: Floats) -> Floats:
    means = [(weights @ sample.bpp, weights @ sample.values) for sample in (anchor, test)]
    return _log_ratios_of_means(means, quality)


def _log_ratios_of_means(means: list[tuple[Floats, Floats]], quality: Quality) -> Floats:
    """log10 BD-rates of B pairs of mean rates and mean metric values, each (B, points)."""
    curves = [(quality.of(values), np.log10(bpp)) for bpp, values in means]
    return average_differences(curves[0], curves[1])


def _jackknife(anchor: Sample, test: Sample, quality: Quality) -> tuple[float, float]:
    """log10 BD-rate of the mean curves and half of its 95 % t interval from leaving items out."""
    from scipy.stats import t

    items = len(anchor.bpp)
    even = np.full((1, items), 1.0 / items)
    centre = _log_ratios(anchor, test, quality, even)[0]
    without = [
        tuple((array.sum(axis=0) - array) / (items - 1) for array in (sample.bpp, sample.values))
        for sample in (anchor, test)
    ]
    left = _log_ratios_of_means([(bpp, values) for bpp, values in without], quality)
    error = np.sqrt((items - 1) / items * ((left - left.mean()) ** 2).sum())
    half = -t.ppf((1 - CONFIDENCE) / 2, items - 1) * error
    # equal curves give rounding noise only
    return float(centre), float(half) if half > 1e-12 else 0.0


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
