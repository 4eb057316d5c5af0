"""Compares two sets of measurements codec by codec and point by point. Pure: reads no file.

Equal bitstreams are told by their hash. Where they differ, bits and quality are compared item by
item with a paired test and tolerances; positive shifts are worse throughout. Other bitstreams are
no finding where the two sides were computed on devices of other kinds.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from bench.check.axes import Axis, Judged, Tolerances, judge
from bench.check.baseline import Measurements, coded_bytes, pixels
from bench.check.causes import likely_causes
from bench.check.paired import Shift, paired_shift
from bench.errors import UsageError, near_matches
from bench.records import Record

Items = Mapping[str, Record]
IMPROVEMENT, NO_CHANGE, REGRESSION = "improvement", "no change", "regression"
MISSING, NEW = "missing", "new"
OTHER_STREAMS = "same numbers, other streams"
OUTCOMES = (REGRESSION, MISSING, IMPROVEMENT, NEW, OTHER_STREAMS, NO_CHANGE)
"""From what matters most to what matters least: the worst point names its codec's outcome."""

_ITEM_FACTOR = 10.0
"""One item that is worse by this many tolerances is a regression, whatever the others do: a mean
over items and its test would hide a single broken picture."""


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
    judged: Judged
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def exit_status(self) -> int:
        """1 with a regression, else 2 where something could not be compared, else 0."""
        outcomes = {point.outcome for codec in self.codecs for point in codec.points}
        outcomes |= {codec.outcome for codec in self.codecs}
        if REGRESSION in outcomes:
            return 1
        unjudged = self.problems or self.judged.lost or self.judged.incomparable
        return 2 if unjudged or MISSING in outcomes else 0


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
    known = list(dict.fromkeys((*baseline.codecs, *measured.codecs)))
    for name in codecs:
        if name not in known:
            raise UsageError(f"--codecs: no {name!r} in either side; {near_matches(name, known)}")
    chosen = [name for name in known if not codecs or name in codecs]
    judged = judge(measured, baseline, tolerances)
    notes += _notes(judged, tolerances)
    notes += [line for name in chosen if (line := _other_device(name, measured, baseline))]
    notes += [line for name in chosen if (line := _fewer_items(name, measured, baseline))]
    verdicts = () if problems else tuple(
        _compare_codec(name, measured, baseline, tolerances, judged) for name in chosen
    )  # fmt: skip
    return CheckReport(
        suite=measured.suite or baseline.suite,
        results=str(measured.path),
        baseline=str(baseline.path),
        items=len(set(measured.items) & set(baseline.items)),
        tolerances=tolerances,
        codecs=verdicts,
        judged=judged,
        problems=tuple(problems),
        notes=tuple(notes),
    )


def _notes(judged: Judged, tolerances: Tolerances) -> list[str]:
    """What was looked at, and what was not."""
    bits = f"bits ({tolerances.bits_percent:g} %)"
    words = [bits, *map(str, judged.axes)]
    if judged.first is not None:
        words.append(f"BD-rate of {judged.first.id} ({tolerances.bd_rate_percent:g} %)")
    found = [f"judged: {', '.join(words)}"]
    if judged.left_out:
        reasons = ", ".join(f"{name} ({why})" for name, why in judged.left_out.items())
        found.append(f"not judged: {reasons}")
    if judged.lost:
        found.append(
            f"{', '.join(judged.lost)}: in the baseline and asked for, but these results have no "
            "value; see the remarks in their records.csv"
        )
    for name, how in judged.incomparable.items():
        found.append(
            f"{name}: cannot be compared, measured with another version: {how}; measure both sides "
            "with one, or write the baseline again with --update"
        )
    if judged.unrecorded:
        found.append(
            f"{', '.join(judged.unrecorded)}: compared, but one side does not record the version; "
            "a change may be that of the version"
        )
    return found


def _other_device(name: str, measured: Measurements, baseline: Measurements) -> str:
    """A note where a codec's bits depend on a device that is not the baseline's; else empty."""
    new, old = measured.info(name), baseline.info(name)
    if new is None or old is None or new.device == old.device:
        return ""
    here, there = new.device or "a device of no record", old.device or "a device of no record"
    return (
        f"{name}: compared by numbers, not by hash: computed on {here}, the baseline's on {there}, "
        "where floating-point sums may round otherwise"
    )


def _fewer_items(name: str, measured: Measurements, baseline: Measurements) -> str:
    """A note where a suite no longer measures a codec on all of its baseline; else empty."""
    left = measured.first_items(name)
    held = {item for items in baseline.codecs.get(name, {}).values() for item in items}
    if left is None or not (dropped := len(held - left)):
        return ""
    return (
        f"{name}: {dropped} of the baseline's {len(held)} items were left out: its suite measures "
        f"it on the first {len(left)} only"
    )


def _mismatches(measured: Measurements, baseline: Measurements) -> list[str]:
    """Why the two sides are not measurements of the same thing."""
    found = []
    if measured.dataset and baseline.dataset and measured.dataset != baseline.dataset:
        found.append(f"data set {measured.dataset!r}, the baseline's is {baseline.dataset!r}")
    absent = _absent(measured, baseline)
    if absent:
        found.append(
            f"{len(absent)} of the baseline's {len(baseline.items)} items were not measured "
            f"({', '.join(absent[:3])}{', …' if len(absent) > 3 else ''}); run without --limit"
        )
    sides = (measured, baseline)
    digests = [side.run.dataset_digest if side.run else "" for side in sides]
    same_items = set(measured.items) == set(baseline.items)
    same_items &= len({side.run.items for side in sides if side.run}) < 2
    if same_items and all(digests) and digests[0] != digests[1]:
        found.append(
            f"the content of data set {measured.dataset!r} differs from the baseline's: "
            f"digest {digests[0][:12]}, baseline {digests[1][:12]}"
        )
    sizes = {one.item: size for one in baseline.records() if (size := pixels(one))}
    for one in measured.records():
        size = pixels(one)
        if size and sizes.get(one.item, size) != size:
            return [*found, f"item {one.item}: {size} pixels, the baseline has {sizes[one.item]}"]
    return found


def _absent(measured: Measurements, baseline: Measurements) -> list[str]:
    """The baseline's items that were to be measured with some codec and were with none."""
    limits = [measured.first_items(codec) for codec in measured.codecs]
    wanted = None if None in limits else {item for found in limits if found for item in found}
    there = set(measured.items)
    return [
        item for item in baseline.items if item not in there and (wanted is None or item in wanted)
    ]


def _compare_codec(
    name: str,
    measured: Measurements,
    baseline: Measurements,
    tolerances: Tolerances,
    judged: Judged,
) -> CodecVerdict:
    new, old = measured.codecs.get(name, {}), _within(baseline, name, measured.first_items(name))
    info = measured.info(name) or baseline.info(name)
    deterministic = info is not None and info.deterministic
    deterministic = deterministic and not _other_device(name, measured, baseline)
    points = tuple(
        _compare_point(
            name, point, new.get(point), old.get(point), deterministic, tolerances, judged.axes
        )
        for point in dict.fromkeys((*old, *new))
    )
    moved = any(point.identical < point.items or _moved(point) for point in points)
    bd_rate = None
    if moved and judged.first is not None:
        bd_rate = _bd_rate_shift(new, old, judged.first, tolerances.bd_rate_percent)
    points = tuple(_settle(point, bd_rate) for point in points)
    outcome = min((point.outcome for point in points), key=OUTCOMES.index)
    if outcome in (NO_CHANGE, OTHER_STREAMS, IMPROVEMENT) and bd_rate is not None:
        if bd_rate.worse:
            outcome = REGRESSION
        elif bd_rate.better:
            outcome = IMPROVEMENT
    causes = () if outcome == NO_CHANGE else likely_causes(name, measured, baseline)
    return CodecVerdict(name, outcome, points, bd_rate, causes)


def _within(side: Measurements, codec: str, items: Collection[str] | None) -> Mapping[str, Items]:
    """A codec's records by point; of some items only where these are given."""
    points = side.codecs.get(codec, {})
    if items is None:
        return points
    return {
        point: {item: one for item, one in found.items() if item in items}
        for point, found in points.items()
    }


def _moved(point: PointVerdict) -> bool:
    return any(shift.mean != 0 or shift.worst != 0 for shift in point.shifts)


def _compare_point(
    codec: str,
    point: str,
    new: Items | None,
    old: Items | None,
    deterministic: bool,
    tolerances: Tolerances,
    axes: Sequence[Axis],
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
    sizes = [(coded_bytes(new[item]), coded_bytes(old[item])) for item in done]
    growth = [100 * (n - o) / max(o, 1) for n, o in sizes]
    bits = paired_shift("bits", "%", growth, done, tolerances.bits_percent, rising=True)
    losses = [(axis, shift) for axis in axes if (shift := _loss(axis, done, new, old)) is not None]
    shifts = (bits, *(shift for _, shift in losses))
    same = all(max(abs(one.worst), abs(one.mean)) < axis.same for axis, one in losses)
    identical = sum(_same_stream(new[item], old[item]) for item in done)
    pairs = [(new[item], old[item]) for item in done]
    outcome, detail = _judge(shifts, pairs, identical, deterministic, same)
    empty = [axis.id for axis in axes if any(axis.held(o) and not axis.held(n) for n, o in pairs)]
    if empty and outcome != REGRESSION:
        outcome, detail = MISSING, f"{', '.join(empty)}: measured before, now without a value"
    return PointVerdict(codec, point, outcome, len(done), identical, shifts, detail)


def _loss(axis: Axis, done: Sequence[str], new: Items, old: Items) -> Shift | None:
    """How far a metric fell on its axis, over the items that have it on both sides."""
    items = [item for item in done if axis.held(new[item], old[item])]
    if not items:
        return None
    loss = [axis.of(old[item]) - axis.of(new[item]) for item in items]
    quality = axis.quality
    return paired_shift(axis.id, quality.unit, loss, items, axis.tolerance, rising=quality.falling)


def _lost_point(
    codec: str, point: str, lost: Mapping[str, Record | None], count: int
) -> PointVerdict:
    item, one = next(iter(lost.items()))
    where = f"{len(lost)} of {count} items"
    if one is None:
        return PointVerdict(codec, point, MISSING, detail=f"not measured on {where} ({item})")
    outcome = MISSING if one.status == "skipped" else REGRESSION
    detail = f"{one.status} on {where}, measured before: {item}: {one.reason}"
    return PointVerdict(codec, point, outcome, detail=detail)


def _same_stream(new: Record, old: Record) -> bool:
    one, other = new.bitstream_sha256 or "", old.bitstream_sha256 or ""
    length = min(len(one), len(other))
    return length > 0 and one[:length] == other[:length]


def _judge(
    shifts: tuple[Shift, ...],
    pairs: Sequence[tuple[Record, Record]],
    identical: int,
    deterministic: bool,
    same_pixels: bool,
) -> tuple[str, str]:
    bits = shifts[0]
    worse = [shift for shift in shifts if shift.worse]
    better = [shift for shift in shifts if shift.better]
    if worse:
        words = [
            f"{amount(shift)} (tolerance {shift.tolerance:g}{shift.unit and ' '}{shift.unit})"
            for shift in worse
        ]
        if identical == len(pairs) and bits not in worse:
            words.append("from the same bitstreams: the decoder or its colour path changed")
        if better:
            words.append(f"while {', '.join(map(amount, better))}")
        return REGRESSION, "; ".join(words)
    for shift in shifts:
        if shift.worst > _ITEM_FACTOR * shift.tolerance > 0:
            return REGRESSION, f"item {shift.worst_item}: {amount(shift, shift.worst)}"
    grown = _grown_bytes(pairs)
    if same_pixels and grown and (deterministic or _headers_grew(pairs)):
        what = "header bytes" if _headers_grew(pairs) else "bytes"
        return REGRESSION, f"same pixels for {grown:g} more {what} an item ({amount(bits)})"
    if better:
        return IMPROVEMENT, ", ".join(map(amount, better))
    if identical == len(pairs):
        return NO_CHANGE, "same bitstreams"
    changed = f"{len(pairs) - identical} of {len(pairs)} items"
    if not deterministic:
        return NO_CHANGE, f"within tolerance on {changed}: {amount(bits)}"
    if same_pixels and all(coded_bytes(new) == coded_bytes(old) for new, old in pairs):
        return OTHER_STREAMS, f"bits and quality are the same, the streams of {changed} are not"
    return NO_CHANGE, f"bitstreams differ on {changed}: {amount(bits)}"


def _grown_bytes(pairs: Sequence[tuple[Record, Record]]) -> float:
    """Mean growth in bytes where every item grew, else 0."""
    growth = [coded_bytes(new) - coded_bytes(old) for new, old in pairs]
    return sum(growth) / len(growth) if min(growth) > 0 else 0.0


def _headers_grew(pairs: Sequence[tuple[Record, Record]]) -> bool:
    return all(
        new.header_bytes is not None
        and old.header_bytes is not None
        and new.header_bytes > old.header_bytes
        for new, old in pairs
    )


def amount(shift: Shift, value: float | None = None) -> str:
    """A shift as a reader expects it: more bits are +, less quality is −."""
    number = shift.mean if value is None else value
    signed = number if shift.rising else -number
    digits = 3 if abs(signed) < 1 else 2
    return f"{shift.quantity} {signed:+.{digits}f} {shift.unit}".rstrip()


def _settle(point: PointVerdict, bd_rate: Shift | None) -> PointVerdict:
    """A point that moved along a curve that got better is no regression."""
    moved = point.outcome == REGRESSION and any(shift.better for shift in point.shifts)
    if not (moved and bd_rate is not None and bd_rate.better):
        return point
    detail = f"moved along a better curve ({amount(bd_rate)}): {point.detail}"
    return PointVerdict(
        point.codec, point.point, IMPROVEMENT, point.items, point.identical, point.shifts, detail
    )


def _bd_rate_shift(
    new: Mapping[str, Items], old: Mapping[str, Items], axis: Axis, tolerance: float
) -> Shift | None:
    """BD-rate of the new curve against the old in percent, per item for the test; None where
    fewer than four points are complete or all bitstreams agree."""
    from bench.analysis.bd import MIN_POINTS, Curve, bd_rate

    sides = (new, old)
    points = [point for point in old if point in new]
    items = [
        item
        for item in (old[points[0]] if points else ())
        if all(
            item in side[point] and side[point][item].status == "done"
            for point in points
            for side in sides
        )
    ]
    items = [i for i in items if all(axis.held(side[p][i]) for p in points for side in sides)]
    limit = axis.quality.facts.cap
    points = [
        point
        for point in points
        if all(axis.of(side[point][i]) < limit and coded_bytes(side[point][i])
               for i in items for side in sides)
    ]  # fmt: skip
    if not items or len(points) < MIN_POINTS:
        return None

    def curve(side: Mapping[str, Items], item: str) -> Curve:
        rates = [coded_bytes(side[point][item]) for point in points]
        return Curve.of(rates, [axis.of(side[point][item]) for point in points])

    rates = [bd_rate(curve(old, item), curve(new, item)) for item in items]
    finite = [(item, rate) for item, rate in zip(items, rates, strict=True) if math.isfinite(rate)]
    if not finite:
        return None
    return paired_shift(
        "BD-rate", "%", [r for _, r in finite], [i for i, _ in finite], tolerance, rising=True
    )
