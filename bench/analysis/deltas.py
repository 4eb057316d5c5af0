"""A rate-distortion curve and Bjøntegaard's deltas between two of them.

Never extrapolates and knows no codec, no metric and no item.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from bench.analysis.interpolation import Curves, Method, average_differences
from bench.analysis.qualities import Floats


@dataclass(frozen=True, eq=False)
class Curve:
    """Rates in bits per pixel or symbol and qualities of one curve, both (points,)."""

    rate: Floats
    quality: Floats

    @classmethod
    def of(cls, rate: Sequence[float], quality: Sequence[float]) -> Curve:
        return cls(np.asarray(rate, dtype=np.float64), np.asarray(quality, dtype=np.float64))

    def sorted(self, by: Literal["rate", "quality"]) -> Curve:
        """Strictly increasing in one axis; of equal values the better point stays."""
        first, second = (self.rate, -self.quality) if by == "rate" else (self.quality, self.rate)
        order = np.lexsort((second, first))
        keep = order[np.concatenate([[True], np.diff(first[order]) > 0])] if len(order) else order
        return Curve(self.rate[keep], self.quality[keep])

    @cached_property
    def by_quality(self) -> Curves:
        """Qualities and log10 rates by rising quality."""
        return self.sorted("quality").log

    @cached_property
    def by_rate(self) -> Curves:
        """log10 rates and qualities by rising rate."""
        return self.sorted("rate").log.turned

    @cached_property
    def log(self) -> Curves:
        """Qualities and log10 rates of all points."""
        return Curves(self.quality[None], np.log10(self.rate)[None])

    @property
    def monotonic(self) -> bool:
        """Quality strictly grows with rate."""
        by_rate = np.lexsort((self.quality, self.rate))
        return bool(
            (np.diff(self.rate[by_rate]) > 0).all() and (np.diff(self.quality[by_rate]) > 0).all()
        )


def bd_rate(anchor: Curve, test: Curve, method: Method = "pchip") -> float:
    """Average rate difference in percent at equal quality, over the common quality range.

    NaN where it is not defined: fewer than two points (four for ``cubic``) or no overlap.
    """
    return in_percent(_difference(anchor.by_quality, test.by_quality, method))


def bd_rates(pairs: Sequence[Sequence[Curve]]) -> list[float]:
    """As ``bd_rate``, of many pairs of anchor and test at once."""
    found = [math.nan] * len(pairs)
    alike: dict[tuple[int, ...], list[tuple[int, list[Curves]]]] = {}
    for place, pair in enumerate(pairs):
        curves = [curve.by_quality for curve in pair]
        sizes = tuple(each.x.shape[1] for each in curves)
        if min(sizes) > 1:
            alike.setdefault(sizes, []).append((place, curves))
    for members in alike.values():
        anchors, tests = zip(*(logs for _, logs in members), strict=True)
        differences = average_differences(_stacked(anchors), _stacked(tests))
        for (place, _), difference in zip(members, differences, strict=True):
            found[place] = in_percent(float(difference))
    return found


def _stacked(curves: Sequence[Curves]) -> Curves:
    return Curves(np.concatenate([c.x for c in curves]), np.concatenate([c.y for c in curves]))


def bd_quality(anchor: Curve, test: Curve, method: Method = "pchip") -> float:
    """Average quality difference at equal rate, over the common log-rate range; NaN if none."""
    return _difference(anchor.by_rate, test.by_rate, method)


def _difference(anchor: Curves, test: Curves, method: Method) -> float:
    if min(anchor.x.shape[1], test.x.shape[1]) < 2:
        return math.nan
    return float(average_differences(anchor, test, method)[0])


def in_percent(log_ratio: float) -> float:
    """The change of rate that a log10 ratio is."""
    return float(100 * (10**log_ratio - 1))


def overlap_percent(anchor: Curve, test: Curve) -> float:
    """The common quality range in percent of the range that both cover together."""
    return shared_percent(anchor.quality, test.quality)


def shared_percent(one: Floats, other: Floats) -> float:
    """The range that both have in common in percent of the range that both cover together."""
    shared = min(one.max(), other.max()) - max(one.min(), other.min())
    whole = max(one.max(), other.max()) - min(one.min(), other.min())
    return float(100 * max(shared, 0.0) / whole) if whole > 0 else 0.0


def hull_points(curve: Curve) -> list[int]:
    """Indices of the points on the upper convex hull in the rate-quality plane, by rate."""
    order = np.lexsort((-curve.quality, curve.rate))
    hull: list[int] = []
    for index in (int(i) for i in order):
        if hull and curve.quality[index] <= curve.quality[hull[-1]]:
            continue
        while len(hull) > 1 and _below(curve, hull[-2], hull[-1], index):
            hull.pop()
        hull.append(index)
    return hull


def hull_of(curve: Curve) -> Curve:
    """The curve of the points on the convex hull."""
    kept = hull_points(curve)
    return Curve(curve.rate[kept], curve.quality[kept])


def _below(curve: Curve, a: int, b: int, c: int) -> bool:
    """Point b lies on or under the line from a to c."""
    r, q = curve.rate, curve.quality
    return bool((q[b] - q[a]) * (r[c] - r[a]) <= (q[c] - q[a]) * (r[b] - r[a]))
