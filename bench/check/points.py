"""Judges one operating point of one codec: records of the same items on both sides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.analysis.curves import Mask
from bench.check.axes import Axis, Tolerances
from bench.check.baseline import Places, Rows
from bench.check.paired import Shift
from bench.check.verdicts import Outcome, PointVerdict

_ITEM_FACTOR = 10.0
"""Of a codec whose streams may differ from run to run, one item that is worse by this many
tolerances is a regression, whatever the others do: a mean over items and its test would hide a
single broken picture."""


_NAMED = 3
"""Items that a line of text names."""


@dataclass(frozen=True, slots=True)
class Streams:
    """The streams of one point's items; ``unknown`` have no hash on one side or on both."""

    items: int
    identical: int
    changed: tuple[str, ...]

    @classmethod
    def of(cls, new: Rows, old: Rows, names: Sequence[str]) -> Streams:
        known = (new.streams != 0) & (old.streams != 0)
        same = new.streams == old.streams
        changed = tuple(names[row] for row in np.flatnonzero(known & ~same))
        return cls(len(names), int((known & same).sum()), changed)

    @property
    def unknown(self) -> int:
        return self.items - self.identical - len(self.changed)

    def __str__(self) -> str:
        return f"the streams of {len(self.changed)} of {self.items} items"


def first_few(names: Sequence[str]) -> str:
    """Names for a line of text, which has no room for all of a large data set's."""
    return ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "")


@dataclass(frozen=True, slots=True)
class Rules:
    """How the points of one codec are judged."""

    by_hash: bool
    """The same input gives the same stream and pixels: each item counts, not only their mean."""
    tolerances: Tolerances
    axes: tuple[Axis, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Point:
    """What both sides hold of a point, in the same order of items; ``losses`` are shifts of the
    metrics that both have."""

    new: Rows
    old: Rows
    names: list[str]
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

    def losing(self) -> Iterator[tuple[Axis, Shift, Mask]]:
        """Of each metric the items, as a mask, on which it fell by more than its tolerance."""
        for axis, shift in self.losses:
            lost = shift.values > shift.tolerance + axis.same
            if lost.any():
                yield axis, shift, lost

    def describe(self, axis: Axis, shift: Shift, item: str, value: float) -> str:
        """``item a: psnr_rgb 31.2 → 30.9 (-0.300 dB)``."""
        row = self.names.index(item)
        before, after = self.old.score(axis.id)[row], self.new.score(axis.id)[row]
        moved = amount(shift, value).removeprefix(f"{axis.id} ")
        return f"item {item}: {axis.id} {before:.6g} → {after:.6g} ({moved})"


def compare_point(
    codec: str, point: str, new: Rows | None, old: Rows | None, rules: Rules
) -> PointVerdict:
    """The verdict on one point; a side that does not have it is None."""
    blank = PointVerdict(codec, point, Outcome.NO_CHANGE)
    if old is None:
        assert new is not None
        return replace(blank, outcome=Outcome.NEW, items=len(new), detail="not in the baseline")
    if not old.done.any():
        outcome = Outcome.NEW if new is not None and new.done.any() else Outcome.NO_CHANGE
        return replace(blank, outcome=outcome, detail="not measured in the baseline")
    old = old.take(old.done)
    places = np.full(len(old), -1) if new is None else new.find(old.items.codes)
    if new is None or not (found := (places >= 0) & new.done[places]).all():
        lost = slice(None) if new is None else ~found
        return _lost_point(blank, old.take(lost), new, places[lost], len(old))
    new = new.take(places)
    names = old.names()
    losses = [
        (axis, shift) for axis in rules.axes if (shift := _loss(axis, new, old, names)) is not None
    ]
    if reason := _other_rates(new, old, names) or ("" if losses else _NO_METRIC):
        return replace(blank, outcome=Outcome.INCOMPARABLE, items=len(old), detail=reason)
    streams = Streams.of(new, old, names)
    growth = 100 * (new.coded_bytes - old.coded_bytes) / np.maximum(old.coded_bytes, 1)
    bits = Shift("bits", "%", names, growth, rules.tolerances.bits_percent, rising=True)
    held = _Point(new, old, names, rules, bits, tuple(losses), streams)
    outcome, detail = _judge(held)
    empty = [axis.id for axis in rules.axes if (axis.held(old) & ~axis.held(new)).any()]
    if empty and outcome != Outcome.REGRESSION:
        outcome, detail = (
            Outcome.MISSING,
            f"{', '.join(empty)}: measured before, now without a value",
        )
    return replace(
        blank,
        outcome=outcome,
        items=len(old),
        identical=streams.identical,
        changed=streams.changed if rules.by_hash else (),
        shifts=held.shifts,
        losing=_losing_items(held) if rules.by_hash else (),
        detail=detail,
    )


def _lost_point(
    blank: PointVerdict, lost: Rows, new: Rows | None, places: Places, count: int
) -> PointVerdict:
    """``lost`` are the baseline's records that have no finished counterpart at ``places``."""
    where = f"{len(lost)} of {count} items"
    found = places >= 0
    # a failure first: it is a finding, where a gap is none
    failed = found if new is None else found & ~new.status.are("skipped")[places]
    row = int(failed.argmax())
    if new is None or not found[row]:
        missing = f"not measured on {where} ({lost.items.at(row)})"
        return replace(blank, outcome=Outcome.MISSING, detail=missing)
    at = int(places[row])
    detail = (
        f"{new.status.at(at)} on {where}, measured before: {lost.items.at(row)}: "
        f"{new.reason.at(at) or None}"
    )
    return replace(
        blank, outcome=Outcome.REGRESSION if failed[row] else Outcome.MISSING, detail=detail
    )


_NO_METRIC = "no metric that both sides hold was measured in the same way; see what is not judged"


def _other_rates(new: Rows, old: Rows, names: Sequence[str]) -> str:
    """Where a measured rate would be compared with an estimate or with the word of others."""
    words = dict.fromkeys((*new.rate.words, *old.rate.words))
    same = (new.rate.codes < 0) & (old.rate.codes < 0)
    for word in words:
        same |= new.rate.are(word) & old.rate.are(word)
    if same.all():
        return ""
    row = int(same.argmin())
    return (
        f"the rate is {new.rate.at(row) or 'measured'} here and {old.rate.at(row) or 'measured'} "
        f"in the baseline on {int((~same).sum())} of {len(names)} items ({names[row]})"
    )


def _loss(axis: Axis, new: Rows, old: Rows, names: Sequence[str]) -> Shift | None:
    """How far a metric fell on its axis, over the items that have it on both sides."""
    held = axis.held(new) & axis.held(old)
    if not held.any():
        return None
    fall, quality = (axis.places(old) - axis.places(new))[held], axis.quality
    names = [name for name, is_held in zip(names, held, strict=True) if is_held]
    return Shift(axis.id, quality.unit, names, fall, axis.tolerance, rising=quality.falling)


def _losing_items(held: _Point) -> tuple[str, ...]:
    losing = (
        item
        for _, shift, lost in held.losing()
        for item, is_lost in zip(shift.items, lost, strict=True) if is_lost
    )  # fmt: skip
    return tuple(dict.fromkeys(losing))


def _judge(held: _Point) -> tuple[Outcome, str]:
    """The outcome and its reason."""
    streams = held.streams
    told = held.rules.by_hash and streams.changed
    other = f"; {streams} changed ({first_few(streams.changed)})" if told else ""
    if worse := _worse_mean(held) or _worse_item(held) or _dearer(held):
        return Outcome.REGRESSION, worse + other
    if better := [amount(shift) for shift in held.shifts if shift.better]:
        return Outcome.IMPROVEMENT, ", ".join(better) + other
    if held.rules.by_hash:
        return _changed(held)
    if streams.identical == streams.items:
        return Outcome.NO_CHANGE, "same bitstreams"
    where = f"{streams.items - streams.identical} of {streams.items} items"
    return Outcome.NO_CHANGE, f"within tolerance on {where}: {amount(held.bits)}"


def _worse_mean(held: _Point) -> str:
    worse = [shift for shift in held.shifts if shift.worse]
    if not worse:
        return ""
    words = [f"{amount(shift)} ({_tolerance(shift)})" for shift in worse]
    if held.streams.identical == len(held.names) and held.bits not in worse:
        words.append("from the same bitstreams: the decoder or its colour path changed")
    if better := [amount(shift) for shift in held.shifts if shift.better]:
        words.append(f"while {', '.join(better)}")
    return "; ".join(words)


def _worse_item(held: _Point) -> str:
    """A single item that is worse, which the mean over items does not show."""
    if held.rules.by_hash and (found := list(held.losing())):
        # the worst item's loss in tolerances; rounded, so that of equal losses the first is told
        axis, shift, lost = max(
            found, key=lambda one: round(one[1].worst / max(one[1].tolerance, 1e-9), 6)
        )
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
    growth = held.new.coded_bytes - held.old.coded_bytes
    headers = bool((held.new.header_bytes > held.old.header_bytes).all())
    if growth.min() <= 0 or not (held.rules.by_hash or headers):
        return ""
    what = "header bytes" if headers else "bytes"
    return f"same pixels for {growth.mean():g} more {what} an item ({amount(held.bits)})"


def _changed(held: _Point) -> tuple[Outcome, str]:
    """What is neither better nor worse on the whole and yet not what it was."""
    streams = held.streams
    same = held.same_pixels and bool((held.new.coded_bytes == held.old.coded_bytes).all())
    if streams.changed and same:
        return (
            Outcome.OTHER_STREAMS,
            f"bits and quality are the same, {streams} are not ({first_few(streams.changed)})",
        )
    unhashed = f"{streams.unknown} of {streams.items} items have no hash" * bool(streams.unknown)
    gains = [
        held.describe(axis, shift, shift.best_item, shift.best)
        for axis, shift in held.losses
        if shift.best < -shift.tolerance - axis.same
    ]
    if streams.changed or gains or (unhashed and not same):
        words = [f"{streams} changed ({first_few(streams.changed)})"] if streams.changed else []
        return Outcome.CHANGED, "; ".join(
            [*words, *filter(None, [unhashed]), amount(held.bits), *gains]
        )
    return Outcome.NO_CHANGE, f"same numbers; {unhashed}" if unhashed else "same bitstreams"


def _tolerance(shift: Shift) -> str:
    return f"tolerance {shift.tolerance:g}{shift.unit and ' '}{shift.unit}"


def amount(shift: Shift, value: float | None = None) -> str:
    """A shift as a reader expects it: more bits are +, less quality is −."""
    number = shift.mean if value is None else value
    signed = number if shift.rising else -number
    digits = 3 if abs(signed) < 1 else 2
    return f"{shift.quantity} {signed:+.{digits}f} {shift.unit}".rstrip()
