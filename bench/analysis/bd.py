"""Bjøntegaard deltas between curves, under every averaging convention, with what to distrust.

Never extrapolates and never reads files.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.analysis.bootstrap import (
    MIN_ITEMS,
    Difference,
    bd_rate_interval,
    few_groups,
    few_items,
    too_few_groups,
)
from bench.analysis.conventions import Averaging, Convention, ItemRates, by_item, under
from bench.analysis.curves import Grid
from bench.analysis.deltas import (
    Curve,
    bd_quality,
    bd_rate,
    bd_rates,
    hull_of,
    in_percent,
    overlap_percent,
    shared_percent,
)
from bench.analysis.interpolation import Method, average_differences, differences_at_one_place
from bench.analysis.points import header_rate, tells_headers
from bench.analysis.qualities import PSNR_CAP_DB, Quality
from bench.analysis.sides import Side, Sides

_PLAIN_PERCENT = 1.0
"""BD-rates nearer to 0 than this say of no sign that it is one."""
MIN_POINTS = 4
MIN_OVERLAP_PERCENT = 75.0
"""Below it a BD-rate is said to be of little overlap."""
LEAST_OVERLAP_PERCENT = 25.0
"""Below it there is no BD-rate."""
MANY_HEADERS = 0.1
"""Where headers are a larger part of a curve's rate, the BD-rate without them stands beside."""


@dataclass(frozen=True, slots=True)
class Single:
    """A comparison in one place, where two curves share a single quality or rate: of one point
    with a curve. Percent of rate at equal quality, with its interval, and quality at equal rate;
    NaN where that lies beyond the curve."""

    rate_percent: float
    rate_low: float
    rate_high: float
    quality_gain: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """A codec against an anchor on one quality axis.

    ``rate_percent`` is the headline: PCHIP on the mean curves, negative saves bits, NaN where it
    is not defined; ``quality_gain`` is the BD-quality in the axis' unit. ``items`` counts those
    on which both codecs are complete. ``significant`` is None without an interval. ``left_out``
    says what the spread of the conventions is without.

    ``hull_percent`` is the BD-rate of the convex hulls, only where a curve that is not monotonic or
    too little overlap leaves no headline; ``without_headers_percent`` that of the rates without
    header bytes, only where these are more than a tenth of a curve's rate; ``single`` is there in
    place of a headline where one side is a single point.
    """

    metric: str
    anchor: str
    codec: str
    items: int
    rate_percent: float = math.nan
    rate_low: float = math.nan
    rate_high: float = math.nan
    significant: bool | None = None
    quality_gain: float = math.nan
    overlap_percent: float = 0.0
    conventions: tuple[Convention, ...] = ()
    item_rates: ItemRates = ()
    warnings: tuple[str, ...] = ()
    hull_percent: float = math.nan
    without_headers_percent: float = math.nan
    single: Single | None = None
    left_out: tuple[str, ...] = ()

    @property
    def defined(self) -> bool:
        return math.isfinite(self.rate_percent)

    @property
    def shown(self) -> bool:
        """There is some number, if not a BD-rate."""
        one = self.single or Single(*(math.nan,) * 4)
        numbers = (self.rate_percent, self.quality_gain, self.hull_percent)
        return any(map(math.isfinite, (*numbers, one.rate_percent, one.quality_gain)))

    @property
    def spread(self) -> tuple[float, float]:
        """Lowest and highest BD-rate over the conventions, in percent."""
        values = [c.rate_percent for c in self.conventions if math.isfinite(c.rate_percent)]
        return (min(values), max(values)) if values else (math.nan, math.nan)

    def under(self, averaging: Averaging, method: Method = "pchip") -> float:
        """The BD-rate in percent under one convention, NaN if it does not apply."""
        key = (averaging, method)
        found = (c.rate_percent for c in self.conventions if (c.averaging, c.method) == key)
        return next(found, math.nan)


def compare(
    anchor: Grid,
    test: Grid,
    quality: Quality,
    *,
    hull: bool = False,
    sides: Sides | None = None,
) -> Comparison:
    """``test`` against ``anchor``: all conventions, the interval and the warnings.

    Only items on which both codecs have all their points are compared; ``hull`` keeps the points
    on each mean curve's convex hull. ``sides`` are those of other comparisons like this one.
    """
    both, count, notes = _prepare(anchor, test, sides or Sides(quality, hull))
    reason = _undefined(both, count, len(anchor.items))
    if reason is not None:
        return refused(quality, anchor.codec, test.codec, [*notes, reason], items=count)
    notes += _doubts(both)
    curves = [side.curve for side in both]
    overlap = overlap_percent(*curves)
    found = Comparison(quality.id, anchor.codec, test.codec, count, overlap_percent=overlap)
    reasons = _no_headline(both, quality)
    bent = any(side.not_monotonic for side in both)
    if not bent:
        found = replace(found, quality_gain=_quality_gain(curves, notes))
    if not reasons:
        found = _headline(found, both, quality, notes)
    elif bent or overlap:
        found = replace(found, hull_percent=bd_rate(hull_of(curves[0]), hull_of(curves[1])))
    else:
        found = replace(found, single=_single(both, quality, notes))
    return replace(found, warnings=_said([*notes, *reasons]))


def _said(notes: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(notes))


def _interval(
    both: list[Side], quality: Quality, notes: list[str],
    difference: Difference = average_differences,
) -> tuple[float, float]:  # fmt: skip
    """Over items or groups of them, with what to mind of it; NaN where one side is a curve of
    means, whose items nobody knows."""
    if _averaged(both):
        return math.nan, math.nan
    count, groups = len(both[0].grid.items), both[0].grid.groups
    if count < MIN_ITEMS:
        notes.append(few_items(count))
    elif too_few_groups(groups):
        notes.append(few_groups(groups))
    anchor, test = (side.sample for side in both)
    return bd_rate_interval(anchor, test, quality, groups=groups, difference=difference)


def _averaged(both: list[Side]) -> bool:
    return any(side.grid.averaged for side in both)


def _headline(
    found: Comparison, both: list[Side], quality: Quality, notes: list[str]
) -> Comparison:
    """The comparison with its BD-rates and their interval."""
    left_out: list[str] = []
    curves = [side.curve for side in both]
    conventions = under([side.grid for side in both], curves, "mean", left_out)
    item_rates: ItemRates = ()
    low, high = _interval(both, quality, notes)
    if not _averaged(both):
        more, item_rates = by_item(both, quality, left_out)
        conventions += more
    rate = bd_rate(curves[0], curves[1])
    notes += _contradictions(rate, found.quality_gain, conventions)
    return replace(
        found,
        rate_percent=rate,
        rate_low=low,
        rate_high=high,
        significant=None if math.isnan(low) else not low <= 0.0 <= high,
        conventions=tuple(conventions),
        item_rates=item_rates,
        left_out=_said(left_out),
        without_headers_percent=_rate_without_headers(both, notes),
    )


def _quality_gain(curves: list[Curve], notes: list[str]) -> float:
    """The BD-quality, NaN where the rates have too little in common."""
    shared = shared_percent(*(np.log(curve.rate) for curve in curves))
    if shared >= LEAST_OVERLAP_PERCENT:
        return bd_quality(curves[0], curves[1])
    if shared > 0:
        notes.append(f"rate ranges overlap by less than {LEAST_OVERLAP_PERCENT:g} %: no BD-quality")
    return math.nan


def _single(both: list[Side], quality: Quality, notes: list[str]) -> Single | None:
    """The differences in the one place that two curves share; None where there is none."""
    one, other = (side.curve.log for side in both)
    rate = in_percent(float(differences_at_one_place(one, other)[0]))
    gain = float(differences_at_one_place(one.turned, other.turned)[0])
    if not (math.isfinite(rate) or math.isfinite(gain)):
        return None
    low = high = math.nan
    if math.isfinite(rate):
        low, high = _interval(both, quality, notes, differences_at_one_place)
    return Single(rate, low, high, gain)


def _contradictions(rate: float, gain: float, conventions: Sequence[Convention]) -> Iterator[str]:
    """Said where both deltas, as they are shown, are better or both are worse with more, and where
    the sign of a BD-rate depends on how curves are averaged or interpolated."""
    if math.isfinite(gain) and round(rate, 1) * round(gain, 2) > 0:
        saves, loses = ("saves", "loses") if rate < 0 else ("costs", "gains")
        yield (
            f"BD-rate and BD-quality disagree: it {saves} bits over the common qualities and "
            f"{loses} quality over the common rates"
        )
    rates = [one.rate_percent for one in conventions if math.isfinite(one.rate_percent)]
    if rates and min(rates) <= -_PLAIN_PERCENT and max(rates) >= _PLAIN_PERCENT:
        yield f"conventions disagree in sign: {min(rates):+.1f} to {max(rates):+.1f} %"


def _rate_without_headers(both: list[Side], notes: list[str]) -> float:
    """The BD-rate without header bytes on both sides, where they are told and much of a rate; else
    NaN."""
    headers = [header_rate(side.grid) for side in both]
    sides = list(zip(both, headers, strict=True))
    shares = [float(np.mean(header / side.curve.rate)) for side, header in sides]
    if max(shares) <= MANY_HEADERS:
        return math.nan
    bare = []
    for (side, header), share in zip(sides, shares, strict=True):
        grid, curve = side.grid, side.curve
        if share > MANY_HEADERS:
            notes.append(f"{grid.codec}: headers are {100 * share:.0f} % of its rate")
        elif not tells_headers(grid):
            notes.append(f"{grid.codec}: its header bytes are not told: no BD-rate without them")
        kept = curve.rate > header
        bare.append(Curve((curve.rate - header)[kept], curve.quality[kept]))
    told = all(tells_headers(side.grid) for side in both)
    return bd_rate(bare[0], bare[1]) if told else math.nan


def refused(
    quality: Quality, anchor: str, codec: str, reasons: Sequence[str], *, items: int = 0
) -> Comparison:
    """A comparison that is not made, and why."""
    return Comparison(quality.id, anchor, codec, items, warnings=_said(reasons))


@dataclass(frozen=True, slots=True)
class Matrix:
    """BD-rates in percent and overlaps of every codec (row) against every other as the anchor
    (column), PCHIP on the mean curves; NaN where there is no headline. ``items`` are those of
    each pair."""

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
    sides = Sides(quality, hull)
    count = len(grids)
    overlaps, items = np.zeros((count, count)), np.zeros((count, count), dtype=int)
    defined: dict[tuple[int, ...], list[Curve]] = {}
    for place in np.ndindex(count, count):
        test, anchor = (grids[index] for index in place)
        both, items[place], _ = _prepare(anchor, test, sides)
        if _undefined(both, items[place], len(anchor.items)) is None:
            overlaps[place] = overlap_percent(both[0].curve, both[1].curve)
            if not _no_headline(both, quality):
                defined[place] = [side.curve for side in both]
    rates = np.full((count, count), math.nan)
    found = bd_rates(list(defined.values()))
    for place, rate in zip(defined, found, strict=True):
        rates[place] = rate
    return Matrix(
        quality.id,
        tuple(grid.codec for grid in grids),
        *(tuple(map(tuple, table.tolist())) for table in (rates, overlaps, items)),
    )


def _prepare(anchor: Grid, test: Grid, sides: Sides) -> tuple[list[Side], int, list[str]]:
    """Both sides on their common items, the item count and the notes."""
    both, count, notes = sides.pair(anchor, test)
    for side, whole in zip(both, (anchor, test), strict=True):
        if 1 < len(side.grid.points) < MIN_POINTS <= len(whole.points):
            notes.append(f"{whole.codec}: cubic left out, fewer than four points are left")
    return both, count, notes


def _undefined(both: list[Side], count: int, total: int) -> str | None:
    """Why nothing can be compared, or None."""
    pair = [side.grid for side in both]
    for grid in pair:
        if not len(grid.points):
            return f"{grid.codec}: no lossy point with this metric; no BD-rate"
    if not count:
        return "no item on which both codecs are complete; no BD-rate"
    if count < total and (means := next((g for g in pair if g.averaged), None)) is not None:
        return f"{means.codec} is a mean over {total} items, complete are {count}; no BD-rate"
    return None


def _no_headline(sides: list[Side], quality: Quality) -> list[str]:
    """Why curves have no BD-rate, nothing where they have one."""
    if odd := [side.not_monotonic for side in sides if side.not_monotonic]:
        return odd
    if ones := [side.grid.codec for side in sides if len(side.grid.points) < 2]:
        return [f"{codec}: a curve of one point; no BD-rate" for codec in ones]
    curves = [side.curve for side in sides]
    overlap = overlap_percent(*curves)
    if overlap == 0.0:
        return [_apart(curves, quality)]
    return [small_overlap(overlap)] if overlap < LEAST_OVERLAP_PERCENT else []


def _apart(curves: list[Curve], quality: Quality) -> str:
    ranges = [sorted(quality.sign * curve.by_quality.x[0, [0, -1]]) for curve in curves]
    one, other = (f"{low:.2f}–{high:.2f}" for low, high in ranges)
    touch = min(ranges[0][1], ranges[1][1]) == max(ranges[0][0], ranges[1][0])
    how = "have one value in common" if touch else "do not overlap"
    return f"the quality ranges {one} and {other} {how}; no BD-rate"


def _doubts(both: list[Side]) -> Iterator[str]:
    for side in both:
        codec, points = side.grid.codec, len(side.curve.rate)
        if 1 < points < MIN_POINTS:
            yield f"{codec}: {points} points, below the usual four"
        if capped := int(side.grid.infinite.sum()):
            yield f"{codec}: {capped} infinite PSNR counted as {PSNR_CAP_DB:g} dB"
    overlap = overlap_percent(*(side.curve for side in both))
    if LEAST_OVERLAP_PERCENT <= overlap < MIN_OVERLAP_PERCENT:
        yield small_overlap(overlap)


def small_overlap(*percents: float) -> str:
    """The warning of quality ranges that hardly overlap: in one comparison, or in several by the
    least and the largest share."""
    least = max(percents) < LEAST_OVERLAP_PERCENT
    limit = LEAST_OVERLAP_PERCENT if least else MIN_OVERLAP_PERCENT
    shown = [f"{min(round(each, 1), limit - 0.1):.1f}" for each in percents]
    shares = "–".join(dict.fromkeys(shown))
    said = f"quality ranges overlap by {shares} %, below {limit:g} %"
    return f"{said}: no BD-rate" if least else said
