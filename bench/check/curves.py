"""BD-rate of a codec's new curves against the baseline's, item by item. Says what it leaves out."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import NDArray

from bench.analysis.bd import LEAST_OVERLAP_PERCENT, MIN_POINTS
from bench.analysis.deltas import Curve, bd_rates, overlap_percent
from bench.analysis.interpolation import Curves, average_differences
from bench.analysis.qualities import Floats
from bench.check.axes import Axis
from bench.check.baseline import Rows
from bench.check.paired import Shift

Points = Mapping[str, Rows]
Codes = NDArray[np.int32]
Arrays = tuple[Floats, Floats]
"""Rates and qualities of one side, each (items, points)."""


def bd_rate_shift(
    new: Points, old: Points, points: Collection[str], axis: Axis, tolerance: float
) -> tuple[Shift | None, tuple[str, ...]]:
    """BD-rate in percent over items at these points, and in words what was left out.

    None where fewer than four points are complete and below the metric's saturation, where a mean
    curve is not monotonic, and where the qualities of the two hardly overlap.
    """
    items = _complete(new, old, points, axis)
    if not len(items) or len(points) < MIN_POINTS:
        return None, ()
    sides = [{point: side[point].take(side[point].find(items)) for point in points}
             for side in (new, old)]  # fmt: skip
    # beyond saturation a quality tells no pictures apart, and both curves would end in a plateau
    kept = [
        point for point in points
        if all((axis.places(rows) < axis.ceiling).all() and (rows.coded_bytes > 0).all()
               for rows in (side[point] for side in sides))
    ]  # fmt: skip
    saturated = [point for point in points if point not in kept]
    left_out = (f"BD-rate without {', '.join(saturated)}: saturated",) if saturated else ()
    if len(kept) < MIN_POINTS:
        return None, (*left_out, f"no BD-rate: {len(kept)} points are left, it needs {MIN_POINTS}")
    here, there = (_arrays(axis, [side[point] for point in kept]) for side in sides)
    means = [Curve(*(values.mean(axis=0) for values in side)) for side in (here, there)]
    if reason := _untrusted(*means):
        return None, (*left_out, f"no BD-rate of {axis.id}: {reason}")
    percent = _percent(here, there)
    defined = np.isfinite(percent)
    words = old[kept[0]].items.words
    names = [words[item] for item in items[defined]]
    if len(names) < len(items):
        rest = f"BD-rate over {len(names)} of {len(items)} items: the others do not overlap"
        left_out = (*left_out, rest)
    if not names:
        return None, left_out
    return Shift("BD-rate", "%", names, percent[defined], tolerance, rising=True), left_out


def _complete(new: Points, old: Points, points: Collection[str], axis: Axis) -> Codes:
    """The items with a finished value at all points on both sides, in the baseline's order."""
    if not points:
        return np.zeros(0, np.int32)
    first = old[next(iter(points))].items
    counts = np.zeros(len(first.words), int)
    for rows in (side[point] for point in points for side in (new, old)):
        counts[rows.items.codes[rows.done & axis.held(rows)]] += 1
    complete: Codes = first.codes[counts[first.codes] == 2 * len(points)]
    return complete


def _arrays(axis: Axis, points: Collection[Rows]) -> Arrays:
    rates = np.stack([rows.coded_bytes for rows in points], axis=1)
    return rates, np.stack([axis.places(rows) for rows in points], axis=1)


def _untrusted(here: Curve, there: Curve) -> str:
    """Why a BD-rate of these mean curves would mean nothing; else empty."""
    for curve, name in ((here, "new"), (there, "baseline's")):
        if not curve.monotonic:
            return f"the {name} curve is not monotonic"
    overlap = overlap_percent(there, here)
    return f"the curves overlap by {overlap:.1f} % only" if overlap < LEAST_OVERLAP_PERCENT else ""


def _percent(here: Arrays, there: Arrays) -> Floats:
    """BD-rate of each item; NaN where its curves do not overlap."""
    new, old = (Curves(quality, np.log10(rate)) for rate, quality in (here, there))
    percent: Floats = 100 * (10 ** average_differences(old, new) - 1)
    # of points with equal quality on an item, bd_rate keeps the cheaper one
    rest = np.flatnonzero(np.isnan(percent))
    pairs = [[Curve(*(values[row] for values in side)) for side in (there, here)] for row in rest]
    percent[rest] = bd_rates(pairs)
    return percent
