"""Judges one operating point of one codec: records of the same items on both sides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.analysis.curves import Mask
from bench.check.axes import Axis, Tolerances
from bench.check.baseline import coded_bytes
from bench.check.paired import Shift, paired_shift
from bench.check.streams import Pair, Streams, compare_streams
from bench.check.verdicts import (
    CHANGED,
    IMPROVEMENT,
    INCOMPARABLE,
    MISSING,
    NEW,
    NO_CHANGE,
    OTHER_STREAMS,
    REGRESSION,
    PointVerdict,
)
from bench.records import Record

Items = Mapping[str, Record]

_ITEM_FACTOR = 10.0
"""Of a codec whose streams may differ from run to run, one item that is worse by this many
tolerances is a regression, whatever the others do: a mean over items and its test would hide a
single broken picture."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How the points of one codec are judged."""

    by_hash: bool
    """The same input gives the same stream and pixels: each item counts, not only their mean."""
    tolerances: Tolerances
    axes: tuple[Axis, ...]


@dataclass(frozen=True, slots=True)
class _Point:
    """What both sides hold of a point; ``losses`` are shifts of the metrics that both have."""

    pairs: Sequence[Pair]
    rules: Rules
    bits: Shift
    losses: tuple[tuple[Axis, Shift], ...]
    streams: Streams

    @property
    def shifts(self) -> tuple[Shift, ...]:
        return (self.bits, *(shift for _, shift in self.losses))

    @property
    def same_pixels(self) -> bool:
        return all(bool((np.abs(shift.values) < axis.same).all()) for axis, shift in self.losses)

    @property
    def same_bytes(self) -> bool:
        return all(coded_bytes(new) == coded_bytes(old) for new, old in self.pairs)

    def losing(self) -> Iterator[tuple[Axis, Shift, Mask]]:
        """Of each metric the items, as a mask, on which it fell by more than its tolerance."""
        for axis, shift in self.losses:
            lost = shift.values > shift.tolerance + axis.same
            if lost.any():
                yield axis, shift, lost

    def describe(self, axis: Axis, shift: Shift, item: str, value: float) -> str:
        """``item a: psnr_rgb 31.2 → 30.9 (-0.300 dB)``."""
        new, old = next(pair for pair in self.pairs if pair[0].item == item)
        before, after = old.scores[axis.id], new.scores[axis.id]
        moved = amount(shift, value).removeprefix(f"{axis.id} ")
        return f"item {item}: {axis.id} {before:.6g} → {after:.6g} ({moved})"


def compare_point(
    codec: str, point: str, new: Items | None, old: Items | None, rules: Rules
) -> PointVerdict:
    """The verdict on one point; a side that does not have it is None."""
    blank = PointVerdict(codec, point, NO_CHANGE)
    if old is None:
        assert new is not None
        return replace(blank, outcome=NEW, items=len(new), detail="not in the baseline")
    done = [item for item, one in old.items() if one.status == "done"]
    if not done:
        found = new and any(one.status == "done" for one in new.values())
        outcome = NEW if found else NO_CHANGE
        return replace(blank, outcome=outcome, detail="not measured in the baseline")
    lost = {item: new.get(item) if new else None for item in done}
    lost = {item: one for item, one in lost.items() if one is None or one.status != "done"}
    if lost:
        return _lost_point(blank, lost, len(done))
    assert new is not None
    pairs = [(new[item], old[item]) for item in done]
    losses = [(axis, shift) for axis in rules.axes if (shift := _loss(axis, pairs)) is not None]
    if reason := _other_rates(pairs) or ("" if losses else _NO_METRIC):
        return replace(blank, outcome=INCOMPARABLE, items=len(done), detail=reason)
    streams = compare_streams(pairs)
    held = _Point(pairs, rules, _bits(pairs, rules), tuple(losses), streams)
    outcome, detail = _judge(held)
    empty = [a.id for a in rules.axes if any(a.held(old) and not a.held(new) for new, old in pairs)]
    if empty and outcome != REGRESSION:
        outcome, detail = MISSING, f"{', '.join(empty)}: measured before, now without a value"
    return replace(
        blank,
        outcome=outcome,
        items=len(done),
        identical=streams.identical,
        changed=streams.changed if rules.by_hash else (),
        shifts=held.shifts,
        losing=_losing_items(held) if rules.by_hash else (),
        detail=detail,
    )


def _lost_point(blank: PointVerdict, lost: Mapping[str, Record | None], count: int) -> PointVerdict:
    # a failure first: it is a finding, where a gap is none
    item, one = max(lost.items(), key=lambda pair: _failed(pair[1]))
    where = f"{len(lost)} of {count} items"
    if one is None:
        return replace(blank, outcome=MISSING, detail=f"not measured on {where} ({item})")
    outcome = REGRESSION if _failed(one) else MISSING
    detail = f"{one.status} on {where}, measured before: {item}: {one.reason}"
    return replace(blank, outcome=outcome, detail=detail)


def _failed(record: Record | None) -> bool:
    return record is not None and record.status != "skipped"


_NO_METRIC = "no metric that both sides hold was measured in the same way; see what is not judged"


def _other_rates(pairs: Sequence[Pair]) -> str:
    """Where a measured rate would be compared with an estimate or with the word of others."""
    mixed = [(new, old) for new, old in pairs if new.rate != old.rate]
    if not mixed:
        return ""
    new, old = mixed[0]
    return (
        f"the rate is {new.rate or 'measured'} here and {old.rate or 'measured'} in the baseline "
        f"on {len(mixed)} of {len(pairs)} items ({new.item})"
    )


def _bits(pairs: Sequence[Pair], rules: Rules) -> Shift:
    sizes = np.array([[coded_bytes(one) for one in pair] for pair in pairs], dtype=np.float64)
    growth = 100 * (sizes[:, 0] - sizes[:, 1]) / np.maximum(sizes[:, 1], 1)
    items = [new.item for new, _ in pairs]
    return paired_shift("bits", "%", growth, items, rules.tolerances.bits_percent, rising=True)


def _loss(axis: Axis, pairs: Sequence[Pair]) -> Shift | None:
    """How far a metric fell on its axis, over the items that have it on both sides."""
    held = [pair for pair in pairs if axis.held(*pair)]
    if not held:
        return None
    new, old = (axis.places(side) for side in zip(*held, strict=True))
    items = [one.item for one, _ in held]
    quality = axis.quality
    return paired_shift(
        axis.id, quality.unit, old - new, items, axis.tolerance, rising=quality.falling
    )


def _losing_items(held: _Point) -> tuple[str, ...]:
    found = {
        item: None
        for _, shift, lost in held.losing()
        for item, is_lost in zip(shift.items, lost, strict=True)
        if is_lost
    }
    return tuple(found)


def _judge(held: _Point) -> tuple[str, str]:
    """The outcome and its reason."""
    streams = held.streams
    told = held.rules.by_hash and streams.changed
    other = f"; {streams} changed ({streams.named})" if told else ""
    if worse := _worse_mean(held) or _worse_item(held) or _dearer(held):
        return REGRESSION, worse + other
    if better := [amount(shift) for shift in held.shifts if shift.better]:
        return IMPROVEMENT, ", ".join(better) + other
    if held.rules.by_hash:
        return _changed(held)
    if streams.identical == streams.items:
        return NO_CHANGE, "same bitstreams"
    where = f"{streams.items - streams.identical} of {streams.items} items"
    return NO_CHANGE, f"within tolerance on {where}: {amount(held.bits)}"


def _worse_mean(held: _Point) -> str:
    worse = [shift for shift in held.shifts if shift.worse]
    if not worse:
        return ""
    words = [f"{amount(shift)} ({_tolerance(shift)})" for shift in worse]
    if held.streams.identical == len(held.pairs) and held.bits not in worse:
        words.append("from the same bitstreams: the decoder or its colour path changed")
    if better := [amount(shift) for shift in held.shifts if shift.better]:
        words.append(f"while {', '.join(better)}")
    return "; ".join(words)


def _worse_item(held: _Point) -> str:
    """A single item that is worse, which the mean over items does not show."""
    if held.rules.by_hash and (found := list(held.losing())):
        axis, shift, lost = max(found, key=lambda one: _in_tolerances(one[1]))
        words = [held.describe(axis, shift, shift.worst_item, shift.worst), _tolerance(shift)]
        if others := [other.id for other, _, _ in found if other is not axis]:
            words.append(f"also {', '.join(others)}")
        if lost.sum() > 1:
            words.append(f"{lost.sum()} items lose more than the tolerance")
        return "; ".join(words)
    for shift in held.shifts:
        if shift.worst > _ITEM_FACTOR * shift.tolerance > 0:
            return f"item {shift.worst_item}: {amount(shift, shift.worst)}"
    return ""


def _dearer(held: _Point) -> str:
    """The same pixels for more bytes on every item, however few; of a codec whose streams may
    differ from run to run only where it is the header that grew."""
    if not held.same_pixels:
        return ""
    growth = [coded_bytes(new) - coded_bytes(old) for new, old in held.pairs]
    headers = all(
        new.header_bytes is not None
        and old.header_bytes is not None
        and new.header_bytes > old.header_bytes
        for new, old in held.pairs
    )
    if min(growth) <= 0 or not (held.rules.by_hash or headers):
        return ""
    what = "header bytes" if headers else "bytes"
    mean = sum(growth) / len(growth)
    return f"same pixels for {mean:g} more {what} an item ({amount(held.bits)})"


def _changed(held: _Point) -> tuple[str, str]:
    """What is neither better nor worse on the whole and yet not what it was."""
    streams, same = held.streams, held.same_pixels and held.same_bytes
    if streams.changed and same:
        return OTHER_STREAMS, f"bits and quality are the same, {streams} are not ({streams.named})"
    unhashed = f"{streams.unknown} of {streams.items} items have no hash" * bool(streams.unknown)
    gains = [
        held.describe(axis, shift, shift.best_item, shift.best)
        for axis, shift in held.losses
        if shift.best < -shift.tolerance - axis.same
    ]
    if streams.changed or gains or (unhashed and not same):
        words = [f"{streams} changed ({streams.named})"] if streams.changed else []
        return CHANGED, "; ".join([*words, *filter(None, [unhashed]), amount(held.bits), *gains])
    return NO_CHANGE, f"same numbers; {unhashed}" if unhashed else "same bitstreams"


def _in_tolerances(shift: Shift) -> float:
    """The worst item's loss; rounded, so that of equal losses the first metric's is told."""
    return round(shift.worst / max(shift.tolerance, 1e-9), 6)


def _tolerance(shift: Shift) -> str:
    return f"tolerance {shift.tolerance:g}{shift.unit and ' '}{shift.unit}"


def amount(shift: Shift, value: float | None = None) -> str:
    """A shift as a reader expects it: more bits are +, less quality is −."""
    number = shift.mean if value is None else value
    signed = number if shift.rising else -number
    digits = 3 if abs(signed) < 1 else 2
    return f"{shift.quantity} {signed:+.{digits}f} {shift.unit}".rstrip()
