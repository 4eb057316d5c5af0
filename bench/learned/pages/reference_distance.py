"""How far a measured curve is from a published one that exists only as means over the same items.

Compares means over all items alone; never reads files and knows no codec by name.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from bench.analysis.curves import Grid
from bench.analysis.deltas import Curve, bd_rate, overlap_percent
from bench.analysis.interpolation import METHODS, Curves, average_differences
from bench.analysis.overlays import ExtraCurve
from bench.analysis.qualities import Floats

COLUMN = "psnr_rgb"
_RESAMPLES = 2000
_TOUCHING_DB = 0.001
"""A point this little beyond the published curve is its end point, which has been rounded."""


@dataclass(frozen=True, slots=True)
class Distance:
    """Of a measured curve from the published one, in percent of rate.

    ``rate`` is the BD-rate, NaN below two points; ``low`` and ``high`` its 95 % interval over
    pictures drawn anew on one side only; ``least`` and ``most`` the extremes over interpolations;
    ``points`` the rates of the single points at equal PSNR, NaN beyond the published curve.
    """

    rate: float
    low: float
    high: float
    least: float
    most: float
    overlap: float
    points: tuple[float, ...]

    @property
    def extremes(self) -> tuple[float, float]:
        """Lowest and highest of the single points; NaN without one."""
        finite = [value for value in self.points if math.isfinite(value)] or [math.nan]
        return min(finite), max(finite)


def complete(grid: Grid, items: int) -> Grid:
    """The points that are done on all of the run's ``items``: means over fewer are of others."""
    done = np.isfinite(grid.values[COLUMN]) & np.isfinite(grid.bpp)
    whole = done.sum(axis=0) == items
    return grid.take(done[:, whole].all(axis=1), whole)


def mean_curve(grid: Grid) -> Curve:
    """Means over the items of a complete grid, in the order of its points."""
    return Curve(grid.bpp.mean(axis=0), grid.values[COLUMN].mean(axis=0))


def published_curve(curve: ExtraCurve) -> Curve:
    """Its points on the axis of PSNR-RGB."""
    return Curve.of(curve.rate, curve.values[COLUMN])


def rates_at_equal_quality(own: Curve, reference: Curve) -> Floats:
    """Percent of rate by which each point of ``own`` exceeds ``reference`` at the same quality, log
    rate interpolated by PCHIP; NaN beyond its points or where it has fewer than two."""
    anchor = reference.sorted("quality")
    if len(anchor.rate) < 2:
        return np.full(len(own.rate), math.nan)
    from scipy.interpolate import PchipInterpolator  # half a second

    at = PchipInterpolator(anchor.quality, np.log(anchor.rate))
    within = np.clip(own.quality, anchor.quality[0], anchor.quality[-1])
    found: Floats = 100 * (own.rate / np.exp(at(within)) - 1)
    return np.where(abs(within - own.quality) <= _TOUCHING_DB, found, math.nan)


def distance(grid: Grid, reference: ExtraCurve) -> Distance:
    """Of a complete grid's mean curve, of at least one point, from a published curve."""
    anchor, own = published_curve(reference), mean_curve(grid)
    points = tuple(float(value) for value in rates_at_equal_quality(own, anchor))
    if len(points) < 2:
        return Distance(*(math.nan,) * 6, points)
    rates = [bd_rate(anchor, own, method) for method in METHODS]
    finite = [rate for rate in rates if math.isfinite(rate)] or [math.nan]
    low, high = _interval(grid, anchor)
    overlap = overlap_percent(anchor, own)
    pchip = rates[METHODS.index("pchip")]
    return Distance(pchip, low, high, min(finite), max(finite), overlap, points)


def _interval(grid: Grid, anchor: Curve) -> tuple[float, float]:
    count = len(grid.items)
    if count < 2:
        return math.nan, math.nan
    drawn = np.random.default_rng(0).integers(0, count, (_RESAMPLES, count))
    own = Curves(grid.values[COLUMN][drawn].mean(axis=1), np.log10(grid.bpp[drawn].mean(axis=1)))
    fixed = [np.tile(axis, (_RESAMPLES, 1)) for axis in (anchor.quality, np.log10(anchor.rate))]
    found = 100 * (10 ** average_differences(Curves(fixed[0], fixed[1]), own) - 1)
    found = found[np.isfinite(found)]
    if not len(found):
        return math.nan, math.nan
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def with_bytes(grid: Grid, extra: Floats) -> Grid:
    """The grid with ``extra`` bits per pixel, (items, points)."""
    return replace(grid, bpp=grid.bpp + extra)


def pooled(grid: Grid) -> Grid:
    """PSNR of the mean squared error of all items in place of each item's own."""
    error = np.mean(10 ** (-grid.values[COLUMN] / 10), axis=0)
    quality = np.tile(-10 * np.log10(error), (len(grid.items), 1))
    return replace(grid, values={**grid.values, COLUMN: quality})
