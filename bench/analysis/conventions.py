"""The BD-rates of two codecs under every way of averaging and interpolating that can be trusted;
those that cannot are left out by name. Knows no interval and no verdict."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from bench.analysis.curves import Grid, Mask
from bench.analysis.deltas import Curve, bd_rate
from bench.analysis.interpolation import (
    METHODS,
    Curves,
    Method,
    average_differences,
    cubic_leaves_points,
)
from bench.analysis.points import pooled_curve
from bench.analysis.qualities import Quality
from bench.analysis.sides import Side

Averaging = Literal["mean", "pooled", "per item"]
ItemRates = tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Convention:
    """A BD-rate in percent under one way of averaging and interpolating; NaN if undefined."""

    averaging: Averaging
    method: Method
    rate_percent: float


def under(
    pair: list[Grid], curves: list[Curve], averaging: Averaging, notes: list[str]
) -> list[Convention]:
    """The BD-rates of two curves by every method that can be trusted."""
    rates = {method: bd_rate(curves[0], curves[1], method) for method in METHODS}
    for grid, curve, other in zip(pair, curves, curves[::-1], strict=True):
        if cubic_leaves_points(curve.log, other.log)[0]:
            rates["cubic"] = math.nan
            notes.append(
                f"{grid.codec}: cubic of its {averaging} curve leaves the range of the points, "
                "left out"
            )
    return [Convention(averaging, method, rate) for method, rate in rates.items()]


def by_item(
    sides: Sequence[Side], quality: Quality, notes: list[str]
) -> tuple[list[Convention], ItemRates]:
    """The conventions that need each item, and the items' own BD-rates."""
    found = []
    pair = [side.grid for side in sides]
    if quality.pooled and all("mse" in grid.values for grid in pair):
        pooled = [pooled_curve(grid) for grid in pair]
        odd = [grid.codec for grid, one in zip(pair, pooled, strict=True) if not one.monotonic]
        notes += [f"{codec}: its pooled curve is not monotonic, left out" for codec in odd]
        found += [] if odd else under(pair, pooled, "pooled", notes)
    rates, item_rates = _item_rates(sides, quality, notes)
    found += [Convention("per item", m, r) for m, r in zip(METHODS, rates, strict=True)]
    return found, item_rates


def _item_rates(
    sides: Sequence[Side], quality: Quality, notes: list[str]
) -> tuple[list[float], ItemRates]:
    """Mean over items of the per-item BD-rate under each method, and the PCHIP ones by item."""
    pair = [side.grid for side in sides]
    one, other = (side.sample.each(quality) for side in sides)
    rises = [_rising(curves) for curves in (one, other)]
    rising = rises[0] & rises[1]
    leaves = cubic_leaves_points(one, other) | cubic_leaves_points(other, one)
    by_method = {}
    for method in METHODS:
        kept = rising & ~leaves if method == "cubic" else rising
        logs = average_differences(one, other, method)
        by_method[method] = np.where(kept, 100 * (10**logs - 1), math.nan)
    pchip = by_method["pchip"]
    notes += _items_left_out(pair, rises, np.isfinite(pchip), leaves)
    means = [mean_of_finite(by_method[method]) for method in METHODS]
    return means, tuple((i, float(v)) for i, v in zip(pair[0].items, pchip, strict=True))


def _rising(curves: Curves) -> Mask:
    """Which of many curves have a higher rate, or the same, for every higher quality."""
    better, dearer = (np.diff(axis, axis=1) for axis in curves.rising)
    rising: Mask = (better > 0).all(axis=1) & (dearer >= 0).all(axis=1)
    return rising


def _items_left_out(
    pair: list[Grid], rises: list[Mask], defined: Mask, leaves: Mask
) -> Iterator[str]:
    """What the means over the items' own BD-rates are without."""
    for grid, own in zip(pair, rises, strict=True):
        if odd := int((~own).sum()):
            items = "1 item, whose curve is" if odd == 1 else f"{odd} items, whose curves are"
            yield f"{grid.codec}: per item without {items} not monotonic"
    if apart := int((rises[0] & rises[1] & ~defined).sum()):
        yield f"per item without {apart} of {len(defined)} items, which do not overlap"
    if cubics := int((defined & leaves).sum()):
        items = "1 item" if cubics == 1 else f"{cubics} items"
        yield f"cubic per item without {items}, where it leaves the points' range"


def mean_of_finite(values: ArrayLike) -> float:
    finite = np.asarray(values)[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else math.nan
