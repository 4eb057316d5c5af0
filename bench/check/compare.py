"""Compares two sets of measurements codec by codec and point by point. Pure: reads no file.

Equal bitstreams are told by their hash. Where they differ, bits and quality are compared item by
item with a paired test and tolerances; positive shifts are worse throughout.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields

from bench.check.baseline import Measurement, Measurements
from bench.check.causes import likely_causes
from bench.check.paired import Shift, paired_shift
from bench.errors import UsageError, near_matches

Items = Mapping[str, Measurement]
IMPROVEMENT, NO_CHANGE, REGRESSION = "improvement", "no change", "regression"
MISSING, NEW = "missing", "new"
OUTCOMES = (REGRESSION, MISSING, IMPROVEMENT, NEW, NO_CHANGE)
"""From what matters most to what matters least: the worst point names its codec's outcome."""

_ITEM_FACTOR = 10.0
"""One item that is worse by this many tolerances is a regression, whatever the others do: a mean
over items and its test would hide a single broken picture."""
_PSNR_CAP_DB = 100.0
_SSIM_CAP_DB = 50.0
_SAME_DB = 1e-4
"""Two baselines of the same pixels agree to this, ten digits written."""


@dataclass(frozen=True, slots=True)
class Tolerances:
    """What counts as no change: percent of BD-rate, dB of quality, percent of bits."""

    bd_rate_percent: float = 0.5
    quality_db: float = 0.05
    bits_percent: float = 0.1

    @classmethod
    def of(cls, card: Mapping[str, float], chosen: Mapping[str, float | None]) -> Tolerances:
        """Defaults, overridden by a suite card's ``tolerances``, then by the command line."""
        known = {field.name for field in fields(cls)}
        for name in card:
            if name not in known:
                raise UsageError(f"tolerances: unknown key {name!r}; {near_matches(name, known)}")
        given = {name: value for name, value in chosen.items() if value is not None}
        merged = {**card, **given}
        for name, value in merged.items():
            if not 0 <= value < math.inf:
                raise UsageError(f"tolerances: {name} is {value}; give a number from 0 up")
        return cls(**merged)


@dataclass(frozen=True, slots=True)
class PointVerdict:
    """One operating point: the outcome, what moved, and in words why."""

    codec: str
    point: str
    outcome: str
    items: int = 0
    identical: int = 0
    """Items whose bitstream is the baseline's, by hash."""
    shifts: tuple[Shift, ...] = ()
    detail: str = ""

    def shift(self, quantity: str) -> Shift | None:
        return next((shift for shift in self.shifts if shift.quantity == quantity), None)


@dataclass(frozen=True, slots=True)
class CodecVerdict:
    """One codec: its worst point's outcome or that of its curve, and what changed around it."""

    codec: str
    outcome: str
    points: tuple[PointVerdict, ...]
    bd_rate: Shift | None = None
    """New curve against the baseline's; None where it is not defined (fewer than four points)."""
    causes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckReport:
    """The whole comparison; ``problems`` say what could not be compared and why."""

    suite: str
    results: str
    baseline: str
    items: int
    tolerances: Tolerances
    codecs: tuple[CodecVerdict, ...]
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def exit_status(self) -> int:
        """1 with a regression, else 2 where something could not be compared, else 0."""
        outcomes = {point.outcome for codec in self.codecs for point in codec.points}
        outcomes |= {codec.outcome for codec in self.codecs}
        if REGRESSION in outcomes:
            return 1
        return 2 if self.problems or MISSING in outcomes else 0


def compare(
    measured: Measurements,
    baseline: Measurements,
    tolerances: Tolerances,
    codecs: Collection[str] = (),
) -> CheckReport:
    """Every codec of either side, or only those named, on the items that both have."""
    problems = _mismatches(measured, baseline)
    notes = []
    extra = [item for item in measured.items if item not in set(baseline.items)]
    if extra:
        notes.append(f"{len(extra)} items are not in the baseline and were left out")
    names = list(dict.fromkeys((*baseline.codecs, *measured.codecs)))
    for name in codecs:
        if name not in names:
            raise UsageError(f"--codecs: no {name!r} in either side; {near_matches(name, names)}")
    chosen = [name for name in names if not codecs or name in codecs]
    verdicts = () if problems else tuple(
        _compare_codec(name, measured, baseline, tolerances) for name in chosen
    )  # fmt: skip
    return CheckReport(
        suite=measured.suite or baseline.suite,
        results=str(measured.path),
        baseline=str(baseline.path),
        items=len(set(measured.items) & set(baseline.items)),
        tolerances=tolerances,
        codecs=verdicts,
        problems=tuple(problems),
        notes=tuple(notes),
    )


def _mismatches(measured: Measurements, baseline: Measurements) -> list[str]:
    """Why the two sides are not measurements of the same thing."""
    found = []
    if measured.dataset and baseline.dataset and measured.dataset != baseline.dataset:
        found.append(f"data set {measured.dataset!r}, the baseline's is {baseline.dataset!r}")
    absent = [item for item in baseline.items if item not in set(measured.items)]
    if absent:
        found.append(
            f"{len(absent)} of the baseline's {len(baseline.items)} items were not measured "
            f"({', '.join(absent[:3])}{', …' if len(absent) > 3 else ''}); run without --limit"
        )
    digests = [side.run.dataset_digest if side.run else "" for side in (measured, baseline)]
    same_items = not absent and len(measured.items) == len(baseline.items)
    if same_items and all(digests) and digests[0] != digests[1]:
        found.append(
            f"the content of data set {measured.dataset!r} differs from the baseline's: "
            f"digest {digests[0][:12]}, baseline {digests[1][:12]}"
        )
    sizes = {item: one.pixels for item, one in _all(baseline) if one.pixels}
    for item, one in _all(measured):
        if one.pixels and sizes.get(item, one.pixels) != one.pixels:
            return [*found, f"item {item}: {one.pixels} pixels, the baseline has {sizes[item]}"]
    return found


def _all(side: Measurements) -> Iterator[tuple[str, Measurement]]:
    for points in side.codecs.values():
        for items in points.values():
            yield from items.items()


def _compare_codec(
    name: str, measured: Measurements, baseline: Measurements, tolerances: Tolerances
) -> CodecVerdict:
    new, old = measured.codecs.get(name, {}), baseline.codecs.get(name, {})
    info = measured.info(name) or baseline.info(name)
    deterministic = info.deterministic if info is not None else False
    points = tuple(
        _compare_point(name, point, new.get(point), old.get(point), deterministic, tolerances)
        for point in dict.fromkeys((*old, *new))
    )
    moved = any(point.identical < point.items or _moved(point) for point in points)
    bd_rate = _bd_rate_shift(new, old, tolerances.bd_rate_percent) if moved else None
    points = tuple(_settle(point, bd_rate) for point in points)
    outcome = min((point.outcome for point in points), key=OUTCOMES.index)
    if outcome in (NO_CHANGE, IMPROVEMENT) and bd_rate is not None:
        if bd_rate.worse:
            outcome = REGRESSION
        elif bd_rate.better:
            outcome = IMPROVEMENT
    causes = () if outcome == NO_CHANGE else likely_causes(name, measured, baseline)
    return CodecVerdict(name, outcome, points, bd_rate, causes)


def _moved(point: PointVerdict) -> bool:
    return any(shift.mean != 0 or shift.worst != 0 for shift in point.shifts)


def _compare_point(
    codec: str,
    point: str,
    new: Items | None,
    old: Items | None,
    deterministic: bool,
    tolerances: Tolerances,
) -> PointVerdict:
    if old is None:
        assert new is not None
        return PointVerdict(codec, point, NEW, len(new), detail="not in the baseline")
    done = [item for item, one in old.items() if one.status == "done"]
    if not done:
        outcome = NEW if new and any(one.status == "done" for one in new.values()) else NO_CHANGE
        return PointVerdict(codec, point, outcome, detail="not measured in the baseline")
    lost = {item: new.get(item) if new else None for item in done}
    lost = {item: one for item, one in lost.items() if one is None or one.status != "done"}
    if lost:
        return _lost_point(codec, point, lost, len(done))
    assert new is not None
    shifts = _shifts(done, new, old, tolerances)
    identical = sum(_same_stream(new[item], old[item]) for item in done)
    outcome, detail = _judge(shifts, [(new[i], old[i]) for i in done], identical, deterministic)
    return PointVerdict(codec, point, outcome, len(done), identical, shifts, detail)


def _lost_point(
    codec: str, point: str, lost: Mapping[str, Measurement | None], count: int
) -> PointVerdict:
    item, one = next(iter(lost.items()))
    where = f"{len(lost)} of {count} items"
    if one is None:
        return PointVerdict(codec, point, MISSING, detail=f"not measured on {where} ({item})")
    outcome = MISSING if one.status == "skipped" else REGRESSION
    detail = f"{one.status} on {where}, measured before: {item}: {one.reason}"
    return PointVerdict(codec, point, outcome, detail=detail)


def _same_stream(new: Measurement, old: Measurement) -> bool:
    length = min(len(new.sha256), len(old.sha256))
    return length > 0 and new.sha256[:length] == old.sha256[:length]


def _shifts(
    items: Sequence[str], new: Items, old: Items, tolerances: Tolerances
) -> tuple[Shift, ...]:
    """Bits in percent, then each quality axis in dB, positive where the new side is worse."""
    sizes = [(new[item].bytes or 0, old[item].bytes or 0) for item in items]
    growth = [100 * (n - o) / max(o, 1) for n, o in sizes]
    shifts = [paired_shift("bits", "%", growth, items, tolerances.bits_percent)]
    for name in _axes(items, new, old):
        loss = [decibels(name, old[item]) - decibels(name, new[item]) for item in items]
        shifts.append(paired_shift(name, "dB", loss, items, tolerances.quality_db))
    return tuple(shifts)


def _axes(items: Sequence[str], new: Items, old: Items) -> list[str]:
    """Quality axes that every item has on both sides; MSE where there is no other."""
    sides = [side[item] for item in items for side in (new, old)]
    axes = [
        name for name in ("psnr_rgb", "ssim", "ms_ssim") if all(name in s.qualities for s in sides)
    ]
    if "psnr_rgb" not in axes and all("psnr_y" in side.qualities for side in sides):
        axes.insert(0, "psnr_y")
    return axes or (["mse"] if all(side.mse is not None for side in sides) else [])


def decibels(axis: str, one: Measurement) -> float:
    """A quality in dB, larger is better: PSNR as it is, −10·log10 of the error of the others."""
    if axis == "mse":
        return min(-10 * math.log10(max(one.mse or 0.0, 1e-10)), _PSNR_CAP_DB)
    value = one.qualities[axis]
    if axis.startswith("psnr"):
        return min(value, _PSNR_CAP_DB)
    return min(-10 * math.log10(max(1 - value, 1e-10)), _SSIM_CAP_DB)


def _judge(
    shifts: tuple[Shift, ...],
    pairs: Sequence[tuple[Measurement, Measurement]],
    identical: int,
    deterministic: bool,
) -> tuple[str, str]:
    bits, axes = shifts[0], shifts[1:]
    worse = [shift for shift in shifts if shift.worse]
    better = [shift for shift in shifts if shift.better]
    same_pixels = all(abs(axis.worst) < _SAME_DB and abs(axis.mean) < _SAME_DB for axis in axes)
    if worse:
        words = [
            f"{_amount(shift)} (tolerance {shift.tolerance:g} {shift.unit})" for shift in worse
        ]
        if identical == len(pairs) and bits not in worse:
            words.append("from the same bitstreams: the decoder or its colour path changed")
        if better:
            words.append(f"while {', '.join(map(_amount, better))}")
        return REGRESSION, "; ".join(words)
    for shift in shifts:
        if shift.worst > _ITEM_FACTOR * shift.tolerance > 0:
            return REGRESSION, f"item {shift.worst_item}: {_amount(shift, shift.worst)}"
    grown = _grown_bytes(pairs)
    if same_pixels and grown and (deterministic or _headers_grew(pairs)):
        what = "header bytes" if _headers_grew(pairs) else "bytes"
        return REGRESSION, f"same pixels for {grown:g} more {what} an item ({_amount(bits)})"
    if better:
        return IMPROVEMENT, ", ".join(map(_amount, better))
    if identical == len(pairs):
        return NO_CHANGE, "same bitstreams"
    kind = "bitstreams differ" if deterministic else "within tolerance"
    return NO_CHANGE, f"{kind} on {len(pairs) - identical} of {len(pairs)} items: {_amount(bits)}"


def _grown_bytes(pairs: Sequence[tuple[Measurement, Measurement]]) -> float:
    """Mean growth in bytes where every item grew, else 0."""
    growth = [(new.bytes or 0) - (old.bytes or 0) for new, old in pairs]
    return sum(growth) / len(growth) if min(growth) > 0 else 0.0


def _headers_grew(pairs: Sequence[tuple[Measurement, Measurement]]) -> bool:
    return all(
        new.header_bytes is not None
        and old.header_bytes is not None
        and new.header_bytes > old.header_bytes
        for new, old in pairs
    )


def _amount(shift: Shift, value: float | None = None) -> str:
    """A shift as a reader expects it: more bits are +, less quality is −."""
    number = shift.mean if value is None else value
    signed = number if shift.quantity in ("bits", "BD-rate") else -number
    digits = 3 if abs(signed) < 1 else 2
    return f"{shift.quantity} {signed:+.{digits}f} {shift.unit}"


def _settle(point: PointVerdict, bd_rate: Shift | None) -> PointVerdict:
    """A point that moved along a curve that got better is no regression."""
    moved = point.outcome == REGRESSION and any(shift.better for shift in point.shifts)
    if not (moved and bd_rate is not None and bd_rate.better):
        return point
    detail = f"moved along a better curve ({_amount(bd_rate)}): {point.detail}"
    return PointVerdict(
        point.codec, point.point, IMPROVEMENT, point.items, point.identical, point.shifts, detail
    )


def _bd_rate_shift(
    new: Mapping[str, Items], old: Mapping[str, Items], tolerance: float
) -> Shift | None:
    """BD-rate of the new curve against the old in percent, per item for the test; None where
    fewer than four points are complete or all bitstreams agree."""
    from bench.analysis.bd import MIN_POINTS, Curve, bd_rate

    points = [point for point in old if point in new]
    items = [
        item
        for item in (old[points[0]] if points else ())
        if all(
            item in side[point] and side[point][item].status == "done"
            for point in points
            for side in (new, old)
        )
    ]
    if not items:
        return None
    axes = _axes(items, new[points[0]], old[points[0]])
    axis = axes[0] if axes else "mse"
    points = [
        point
        for point in points
        if axis in (_axes(items, new[point], old[point]) or ["mse"])
        and all(decibels(axis, side[point][i]) < _PSNR_CAP_DB and side[point][i].bytes
                for i in items for side in (new, old))
    ]  # fmt: skip
    if len(points) < MIN_POINTS:
        return None

    def curve(side: Mapping[str, Items], item: str) -> Curve:
        rates = [float(side[point][item].bytes or 0) for point in points]
        return Curve.of(rates, [decibels(axis, side[point][item]) for point in points])

    rates = [bd_rate(curve(old, item), curve(new, item)) for item in items]
    finite = [(item, rate) for item, rate in zip(items, rates, strict=True) if math.isfinite(rate)]
    if not finite:
        return None
    return paired_shift("BD-rate", "%", [r for _, r in finite], [i for i, _ in finite], tolerance)
