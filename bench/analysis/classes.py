"""BD-rates of each clip, then their means over classes and over clips, beside those of mean curves.

A class is the group that clips of a data set share. Computes from comparisons that are at hand.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.analysis.bd import Comparison, compare_all
from bench.analysis.conventions import mean_of_finite
from bench.analysis.curves import Grid
from bench.analysis.qualities import Quality


@dataclass(frozen=True, slots=True)
class ClassRate:
    """BD-rates in percent, PCHIP, of some clips: the mean of their own and that of their mean
    curve; NaN where there is none. ``clips`` are those that have one."""

    name: str
    clips: tuple[tuple[str, float], ...]
    mean: float
    mean_curve: float

    @property
    def defined(self) -> int:
        """How many clips have one."""
        return sum(math.isfinite(rate) for _, rate in self.clips)


@dataclass(frozen=True, slots=True)
class ByClass:
    """A codec against the anchor: each class, and all clips. ``mean_of_classes`` is that of the
    classes' means over their clips."""

    codec: str
    anchor: str
    metric: str
    classes: tuple[ClassRate, ...]
    whole: ClassRate
    mean_of_classes: float


def by_class(
    comparisons: Sequence[Comparison], grids: Mapping[str, Grid], axes: Sequence[Quality]
) -> tuple[ByClass, ...]:
    """Of every comparison over several clips that has BD-rates of its clips."""
    known = {axis.id: axis for axis in axes}
    return tuple(
        _one(each, grids[each.codec], grids[each.anchor], known[each.metric])
        for each in comparisons
        if len(each.item_rates) > 1 and each.codec in grids and each.anchor in grids
    )


def _one(comparison: Comparison, test: Grid, anchor: Grid, axis: Quality) -> ByClass:
    groups = dict(zip(test.items, test.groups or [""] * len(test.items), strict=True))
    compared = [item for item, _ in comparison.item_rates]
    names = [name for name in dict.fromkeys(groups[item] for item in compared) if name]
    classes = tuple(
        ClassRate(
            name,
            tuple(pair for pair in comparison.item_rates if groups[pair[0]] == name),
            mean_of_finite([rate for item, rate in comparison.item_rates if groups[item] == name]),
            _of_mean_curve(anchor, test, {i for i in compared if groups[i] == name}, axis),
        )
        for name in names
    )
    whole = ClassRate(
        "all", comparison.item_rates, mean_of_finite([rate for _, rate in comparison.item_rates]),
        comparison.rate_percent,
    )  # fmt: skip
    return ByClass(
        comparison.codec, comparison.anchor, comparison.metric, classes, whole,
        mean_of_finite([each.mean for each in classes]),
    )  # fmt: skip


def _of_mean_curve(anchor: Grid, test: Grid, items: set[str], axis: Quality) -> float:
    own = np.array([item in items for item in test.items])
    pair = [grid.take(own, slice(None)) for grid in (anchor, test)]
    return compare_all(pair, axis).rates[1][0]
