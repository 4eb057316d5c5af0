"""BD-rate of a codec's new curves against the baseline's, item by item. Says what it leaves out."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.analysis.bd import MIN_POINTS, Curve, overlap_percent
from bench.analysis.deltas import bd_rates
from bench.analysis.interpolation import Curves, average_differences
from bench.analysis.qualities import Floats
from bench.check.axes import Axis
from bench.check.baseline import Rows
from bench.check.paired import Shift, paired_shift

Points = Mapping[str, Rows]
Codes = NDArray[np.int32]
_MIN_OVERLAP_PERCENT = 25.0
"""Curves that share less of their qualities have no BD-rate that means anything."""


@dataclass(frozen=True, slots=True, eq=False)
class _Curves:
    """Qualities and rates of one side, (items, points)."""

    quality: Floats
    rate: Floats

    @classmethod
    def of(cls, side: Points, points: list[str], items: Codes, axis: Axis) -> _Curves:
        rows = [side[point].take(side[point].find(items)) for point in points]
        return cls(
            np.stack([axis.places(each) for each in rows], axis=1),
            np.stack([each.coded_bytes for each in rows], axis=1),
        )

    @property
    def mean(self) -> Curve:
        return Curve(self.rate.mean(axis=0), self.quality.mean(axis=0))

    def item(self, row: int) -> Curve:
        return Curve(self.rate[row], self.quality[row])


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
    kept, saturated = _below_saturation(new, old, points, items, axis)
    left_out = (f"BD-rate without {', '.join(saturated)}: saturated",) if saturated else ()
    if len(kept) < MIN_POINTS:
        return None, (*left_out, f"no BD-rate: {len(kept)} points are left, it needs {MIN_POINTS}")
    here, there = (_Curves.of(side, kept, items, axis) for side in (new, old))
    if reason := _untrusted(here.mean, there.mean):
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
    shift = paired_shift("BD-rate", "%", percent[defined], names, tolerance, rising=True)
    return shift, left_out


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


def _below_saturation(
    new: Points, old: Points, points: Collection[str], items: Codes, axis: Axis
) -> tuple[list[str], list[str]]:
    """The points with rate and a quality that still tells pictures apart on all items, and the
    others, where both curves would end in a plateau."""
    kept: list[str] = []
    others: list[str] = []
    for point in points:
        both = [side[point].take(side[point].find(items)) for side in (new, old)]
        good = all(
            (axis.places(rows) < axis.ceiling).all() and (rows.coded_bytes > 0).all()
            for rows in both
        )
        (kept if good else others).append(point)
    return kept, others


def _untrusted(here: Curve, there: Curve) -> str:
    """Why a BD-rate of these mean curves would mean nothing; else empty."""
    for curve, name in ((here, "new"), (there, "baseline's")):
        if not curve.monotonic:
            return f"the {name} curve is not monotonic"
    overlap = overlap_percent(there, here)
    if overlap < _MIN_OVERLAP_PERCENT:
        return f"the curves overlap by {overlap:.1f} % only"
    return ""


def _percent(here: _Curves, there: _Curves) -> Floats:
    """BD-rate of each item; NaN where its curves do not overlap."""
    old, new = (Curves(one.quality, np.log10(one.rate)) for one in (there, here))
    percent: Floats = 100 * (10 ** average_differences(old, new) - 1)
    # of points with equal quality on an item, bd_rate keeps the cheaper one
    rest = np.flatnonzero(np.isnan(percent))
    percent[rest] = bd_rates([(there.item(row), here.item(row)) for row in rest])
    return percent
