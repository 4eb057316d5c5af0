"""Bjøntegaard deltas between curves, under every averaging convention, with what to distrust.

Never extrapolates and never reads files.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bench.analysis.bootstrap import MIN_ITEMS, RESAMPLES, Sample, bd_rate_interval
from bench.analysis.curves import Grid, Mask
from bench.analysis.interpolation import METHODS, Method, average_differences
from bench.analysis.qualities import PSNR_CAP_DB, Floats, Quality

MIN_POINTS = 4
MIN_OVERLAP_PERCENT = 75.0
Averaging = Literal["mean", "pooled", "per item"]
ItemRates = tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True, eq=False)
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

    @property
    def monotonic(self) -> bool:
        """Quality strictly grows with rate."""
        by_rate = np.lexsort((self.quality, self.rate))
        return bool(
            (np.diff(self.rate[by_rate]) > 0).all() and (np.diff(self.quality[by_rate]) > 0).all()
        )


@dataclass(frozen=True, slots=True)
class Convention:
    """A BD-rate in percent under one way of averaging and interpolating; NaN if undefined."""

    averaging: Averaging
    method: Method
    rate_percent: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """A codec against an anchor on one quality axis.

    ``rate_percent`` is the headline: PCHIP on the mean curves, negative saves bits, NaN where it
    is not defined; ``quality_gain`` is the BD-quality in the axis' unit. ``items`` counts those
    on which both codecs are complete. ``significant`` is None without an interval.
    """

    metric: str
    anchor: str
    codec: str
    items: int
    rate_percent: float
    rate_low: float
    rate_high: float
    significant: bool | None
    quality_gain: float
    overlap_percent: float
    conventions: tuple[Convention, ...]
    item_rates: ItemRates
    warnings: tuple[str, ...]

    @property
    def defined(self) -> bool:
        return math.isfinite(self.rate_percent)

    @property
    def spread(self) -> tuple[float, float]:
        """Lowest and highest BD-rate over the conventions, in percent."""
        values = [c.rate_percent for c in self.conventions if math.isfinite(c.rate_percent)]
        return (min(values), max(values)) if values else (math.nan, math.nan)

    def under(self, averaging: Averaging, method: Method = "pchip") -> float:
        """The BD-rate in percent under one convention, NaN if it does not apply."""
        return next(
            (
                c.rate_percent
                for c in self.conventions
                if (c.averaging, c.method) == (averaging, method)
            ),
            math.nan,
        )


def bd_rate(anchor: Curve, test: Curve, method: Method = "pchip") -> float:
    """Average rate difference in percent at equal quality, over the common quality range.

    NaN where it is not defined: fewer than two points (four for ``cubic``) or no overlap.
    """
    return _delta(anchor.sorted("quality"), test.sorted("quality"), method, "rate")


def bd_quality(anchor: Curve, test: Curve, method: Method = "pchip") -> float:
    """Average quality difference at equal rate, over the common log-rate range; NaN if none."""
    return _delta(anchor.sorted("rate"), test.sorted("rate"), method, "quality")


def _delta(anchor: Curve, test: Curve, method: Method, kind: Literal["rate", "quality"]) -> float:
    if min(len(anchor.rate), len(test.rate)) < 2:
        return math.nan
    (one_rate, one), (other_rate, other) = (
        (np.log10(curve.rate)[None], curve.quality[None]) for curve in (anchor, test)
    )
    if kind == "quality":
        return float(average_differences((one_rate, one), (other_rate, other), method)[0])
    logarithm = average_differences((one, one_rate), (other, other_rate), method)[0]
    return float(100 * (10**logarithm - 1))


def overlap_percent(anchor: Curve, test: Curve) -> float:
    """The common quality range in percent of the range that both cover together."""
    low = max(anchor.quality.min(), test.quality.min())
    high = min(anchor.quality.max(), test.quality.max())
    whole = max(anchor.quality.max(), test.quality.max()) - min(
        anchor.quality.min(), test.quality.min()
    )
    return float(100 * max(high - low, 0.0) / whole) if whole > 0 else 0.0


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


def _below(curve: Curve, a: int, b: int, c: int) -> bool:
    """Point b lies on or under the line from a to c."""
    r, q = curve.rate, curve.quality
    return bool((q[b] - q[a]) * (r[c] - r[a]) <= (q[c] - q[a]) * (r[b] - r[a]))


def compare(
    anchor: Grid,
    test: Grid,
    quality: Quality,
    *,
    hull: bool = False,
    resamples: int = RESAMPLES,
) -> Comparison:
    """``test`` against ``anchor``: all conventions, the interval and the warnings.

    Only items on which both codecs have all their points are compared; ``hull`` keeps the points
    on each mean curve's convex hull.
    """
    pair, curves, count, notes = _prepare(anchor, test, quality, hull)
    reason = _undefined(pair, curves, count, len(anchor.items))
    if reason is not None:
        return refused(quality, anchor.codec, test.codec, [*notes, reason], items=count)
    notes += _doubts(pair, curves)
    conventions = [Convention("mean", m, bd_rate(curves[0], curves[1], m)) for m in METHODS]
    item_rates: ItemRates = ()
    low = high = math.nan
    if not any(grid.averaged for grid in pair):
        found, item_rates, more = _by_item(pair, quality)
        conventions += found
        notes += more
        samples = [Sample(grid.bpp, grid.values[quality.column]) for grid in pair]
        low, high = bd_rate_interval(samples[0], samples[1], quality, resamples=resamples)
    return Comparison(
        quality.id,
        anchor.codec,
        test.codec,
        count,
        conventions[0].rate_percent,
        low,
        high,
        None if math.isnan(low) else not low <= 0.0 <= high,
        bd_quality(curves[0], curves[1]),
        overlap_percent(curves[0], curves[1]),
        tuple(conventions),
        item_rates,
        tuple(dict.fromkeys(notes)),
    )


def refused(
    quality: Quality, anchor: str, codec: str, reasons: Sequence[str], *, items: int = 0
) -> Comparison:
    """A comparison that is not made, and why."""
    nan = math.nan
    return Comparison(
        *(quality.id, anchor, codec, items, nan, nan, nan, None, nan, 0.0),
        (), (), tuple(dict.fromkeys(reasons)),
    )  # fmt: skip


def _by_item(pair: list[Grid], quality: Quality) -> tuple[list[Convention], ItemRates, list[str]]:
    """The conventions that need each item, the items' own BD-rates, and what to mind."""
    count = len(pair[0].items)
    notes = [few_items(count)] if count < MIN_ITEMS else []
    rates, item_rates = _item_rates(pair, quality)
    undefined = sum(not math.isfinite(value) for _, value in item_rates)
    if undefined:
        rest = count - undefined
        notes.append(f"per item over {rest} of {count} items: the others do not overlap")
    found = []
    if quality.pooled and all("mse" in grid.values for grid in pair):
        pooled = [pooled_curve(grid) for grid in pair]
        found += [Convention("pooled", m, bd_rate(pooled[0], pooled[1], m)) for m in METHODS]
    found += [Convention("per item", m, r) for m, r in zip(METHODS, rates, strict=True)]
    return found, item_rates, notes


@dataclass(frozen=True, slots=True)
class Matrix:
    """BD-rates in percent and overlaps of every codec (row) against every other as the anchor
    (column), PCHIP on the mean curves; NaN where not defined. ``items`` are those of each pair."""

    metric: str
    codecs: tuple[str, ...]
    rates: tuple[tuple[float, ...], ...]
    overlaps: tuple[tuple[float, ...], ...]
    items: tuple[tuple[int, ...], ...]

    @property
    def compared(self) -> tuple[int, ...]:
        """Places of the codecs that have a BD-rate against some other."""
        count = range(len(self.codecs))
        others = ((i, [self.rates[i][j] for j in count if j != i]) for i in count)
        return tuple(i for i, rates in others if any(map(math.isfinite, rates)))


def compare_all(grids: Sequence[Grid], quality: Quality, *, hull: bool = False) -> Matrix:
    """The codec by codec matrix; every pair is compared on the items common to the two."""
    rates, overlaps, items = [], [], []
    for test in grids:
        cells = []
        for anchor in grids:
            pair, curves, count, _ = _prepare(anchor, test, quality, hull)
            if _undefined(pair, curves, count, len(anchor.items)) is not None:
                cells.append((math.nan, 0.0, count))
            else:
                cells.append((bd_rate(curves[0], curves[1]), overlap_percent(*curves), count))
        rates.append(tuple(rate for rate, _, _ in cells))
        overlaps.append(tuple(overlap for _, overlap, _ in cells))
        items.append(tuple(count for _, _, count in cells))
    codecs = tuple(grid.codec for grid in grids)
    return Matrix(quality.id, codecs, tuple(rates), tuple(overlaps), tuple(items))


def _prepare(
    anchor: Grid, test: Grid, quality: Quality, hull: bool
) -> tuple[list[Grid], list[Curve], int, list[str]]:
    """The two grids on their common items, their mean curves, the item count and the notes."""
    notes: list[str] = []
    pair = [_usable_points(grid, quality, notes) for grid in (anchor, test)]
    common = _complete(pair[0], quality) & _complete(pair[1], quality)
    pair = [grid.take(common, slice(None)) for grid in pair]
    count, total = int(common.sum()), min(anchor.wanted, test.wanted)
    if 0 < count < total:
        notes.append(f"over {count} of {total} items: the others are missing in one of the two")
    if count and hull:
        pair = [_on_hull(grid, quality, notes) for grid in pair]
    return pair, [mean_curve(grid, quality) for grid in pair], count, notes


def mean_curve(grid: Grid, quality: Quality) -> Curve:
    """Mean rate and quality of the mean, over the items of a complete grid."""
    if not len(grid.items):
        return Curve.of([], [])
    return Curve(grid.bpp.mean(axis=0), quality.of(grid.values[quality.column].mean(axis=0)))


def pooled_curve(grid: Grid) -> Curve:
    """All bits over all pixels, and the PSNR of the mean squared error of the set."""
    mse = (grid.values["mse"] * grid.pixels[:, None]).sum(axis=0) / grid.pixels.sum()
    with np.errstate(divide="ignore"):
        psnr = np.minimum(10 * np.log10(255.0**2 / mse), PSNR_CAP_DB)
    return Curve(grid.bits.sum(axis=0) / grid.pixels.sum(), psnr)


def _usable_points(grid: Grid, quality: Quality, notes: list[str]) -> Grid:
    """Without the points that are lossless, of zero rate or done on less than half of the items
    that the suite wants."""
    done = np.isfinite(grid.values[quality.column]) & np.isfinite(grid.bpp)
    lossless = grid.lossless
    if lossless.any():
        notes.append(f"{grid.codec}: lossless points have no distortion and are left out")
    sparse = done.sum(axis=0) < 0.5 * grid.wanted
    for index in np.flatnonzero(sparse & ~lossless):
        notes.append(
            f"{grid.codec}: {grid.points[index]} left out, "
            f"done on {int(done[:, index].sum())} of {grid.wanted} items"
        )
    free = (np.nan_to_num(grid.bpp) <= 0).all(axis=0) & ~sparse
    if free.any():
        notes.append(f"{grid.codec}: points of rate 0 are left out")
    return grid.take(None, ~(lossless | sparse | free))


def _complete(grid: Grid, quality: Quality) -> Mask:
    done = np.isfinite(grid.values[quality.column]) & np.isfinite(grid.bpp)
    complete: Mask = done.all(axis=1) & (done.shape[1] > 0)
    return complete


def _on_hull(grid: Grid, quality: Quality, notes: list[str]) -> Grid:
    kept = sorted(hull_points(mean_curve(grid, quality)))
    for index in sorted(set(range(len(grid.points))) - set(kept)):
        notes.append(f"{grid.codec}: {grid.points[index]} is not on the convex hull, left out")
    return grid.take(None, kept)


def _undefined(pair: list[Grid], curves: list[Curve], count: int, total: int) -> str | None:
    """Why there is no BD-rate, or None."""
    for grid in pair:
        if not len(grid.points):
            return f"{grid.codec}: no lossy point with this metric; no BD-rate"
    if not count:
        return "no item on which both codecs are complete; no BD-rate"
    if count < total and (means := next((g for g in pair if g.averaged), None)) is not None:
        return f"{means.codec} is a mean over {total} items, complete are {count}; no BD-rate"
    for grid, curve in zip(pair, curves, strict=True):
        if len(curve.sorted("quality").rate) < 2:
            return f"{grid.codec}: a curve of one point; no BD-rate"
    if overlap_percent(*curves) == 0.0:
        ranges = " and ".join(f"{c.quality.min():.2f}–{c.quality.max():.2f}" for c in curves)
        return f"the quality ranges {ranges} do not overlap; no BD-rate"
    return None


def _doubts(pair: list[Grid], curves: list[Curve]) -> list[str]:
    notes = []
    for grid, curve in zip(pair, curves, strict=True):
        if len(curve.rate) < MIN_POINTS:
            notes.append(f"{grid.codec}: {len(curve.rate)} points, below the usual four")
        if not curve.monotonic:
            notes.append(f"{grid.codec}: curve is not monotonic; consider the convex hull")
        capped = int(grid.infinite.sum())
        if capped:
            notes.append(f"{grid.codec}: {capped} infinite PSNR counted as {PSNR_CAP_DB:g} dB")
    overlap = overlap_percent(*curves)
    if overlap < MIN_OVERLAP_PERCENT:
        notes.append(small_overlap(overlap))
    return notes


def small_overlap(*percents: float) -> str:
    """The warning of quality ranges that hardly overlap: in one comparison, or in several by the
    least and the largest share."""
    shown = [f"{min(round(each, 1), MIN_OVERLAP_PERCENT - 0.1):.1f}" for each in percents]
    shares = "–".join(dict.fromkeys(shown))
    return f"quality ranges overlap by {shares} %, below {MIN_OVERLAP_PERCENT:g} %"


def few_items(count: int) -> str:
    """The warning of a BD-rate without an interval."""
    return f"{count} {'item is' if count == 1 else 'items are'} too few for an interval"


def _item_rates(pair: list[Grid], quality: Quality) -> tuple[list[float], ItemRates]:
    """Mean over items of the per-item BD-rate under each method, and the PCHIP ones by item."""
    with np.errstate(divide="ignore"):
        curves = [(quality.of(g.values[quality.column]), np.log10(g.bpp)) for g in pair]
    means, by_method = [], []
    for method in METHODS:
        percent = 100 * (10 ** average_differences(curves[0], curves[1], method) - 1)
        by_method.append(percent)
        finite = percent[np.isfinite(percent)]
        means.append(float(finite.mean()) if len(finite) else math.nan)
    pchip = by_method[METHODS.index("pchip")]
    return means, tuple((i, float(v)) for i, v in zip(pair[0].items, pchip, strict=True))
