"""Compares two sets of measurements codec by codec and point by point. Pure: reads no file.

Equal bitstreams are told by their hash. Where they differ, bits and quality are compared item by
item with a paired test and tolerances; positive shifts are worse throughout.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

import numpy as np

from bench.check.axes import Judged, Tolerances, judge
from bench.check.baseline import Measurements, Rows
from bench.check.causes import likely_causes
from bench.check.comparable import notes, problems, why_by_numbers
from bench.check.curves import bd_rate_shift
from bench.check.paired import Shift
from bench.check.points import Rules, amount, compare_point
from bench.check.verdicts import CheckReport, CodecVerdict, Outcome, PointVerdict
from bench.errors import UsageError, near_matches


def compare(
    measured: Measurements,
    baseline: Measurements,
    tolerances: Tolerances,
    codecs: Collection[str] = (),
) -> CheckReport:
    """Every codec of either side, or only those named, on the items that both have."""
    known = list(dict.fromkeys((*baseline.codecs, *measured.codecs)))
    for name in codecs:
        if name not in known:
            raise UsageError(f"--codecs: no {name!r} in either side; {near_matches(name, known)}")
    chosen = [name for name in known if not codecs or name in codecs]
    items = tuple(dict.fromkeys((*baseline.items, *measured.items)))
    measured, baseline = measured.numbered(items), baseline.numbered(items)
    found = tuple(problems(measured, baseline))
    judged = judge(measured, baseline, tolerances)
    verdicts = () if found else tuple(
        _compare_codec(name, measured, baseline, tolerances, judged) for name in chosen
    )  # fmt: skip
    shared = set(measured.items) & set(baseline.items)
    extra = len(measured.items) - len(shared)
    return CheckReport(
        suite=measured.suite or baseline.suite,
        items=len(shared),
        codecs=verdicts,
        judged=judged,
        problems=found,
        notes=(
            *([f"{extra} items are not in the baseline and were left out"] if extra else []),
            *_notes(judged, tolerances),
            *_grouped(verdicts),
        ),
    )


def _notes(judged: Judged, tolerances: Tolerances) -> Iterator[str]:
    """What was looked at, and what was not."""
    bits = f"bits ({tolerances.bits_percent:g} %)"
    words = [bits, *map(str, judged.axes)]
    if judged.first is not None:
        words.append(f"BD-rate of {judged.first.id} ({tolerances.bd_rate_percent:g} %)")
    yield f"judged: {', '.join(words)}"
    if judged.left_out:
        reasons = ", ".join(f"{name} ({why})" for name, why in judged.left_out.items())
        yield f"not judged: {reasons}"
    if judged.unsure:
        sides = ", ".join(f"{name} (in {side})" for name, side in judged.unsure.items())
        yield f"judged although their version is not known on both sides: {sides}"
    if judged.lost:
        yield (
            f"{', '.join(judged.lost)}: in the baseline and asked for, but these results have no "
            "value; see the remarks in their records.csv"
        )


def _grouped(verdicts: Collection[CodecVerdict]) -> Iterator[str]:
    """The remarks on codecs, each once, with the codecs that it is about."""
    about: dict[str, list[str]] = {}
    for verdict in verdicts:
        for line in verdict.notes:
            about.setdefault(line, []).append(verdict.codec)
    for line, codecs in about.items():
        yield f"{', '.join(codecs)}: {line}"


def _compare_codec(
    name: str,
    measured: Measurements,
    baseline: Measurements,
    tolerances: Tolerances,
    judged: Judged,
) -> CodecVerdict:
    new, old = measured.codecs.get(name, {}), _within(baseline, name, measured.first_items(name))
    rules = Rules(not why_by_numbers(name, measured, baseline), tolerances, judged.axes)
    points = tuple(
        compare_point(name, point, new.get(point), old.get(point), rules)
        for point in dict.fromkeys((*old, *new))
    )
    bd_rate, left_out = _bd_rate(new, old, points, judged, tolerances)
    points = tuple(_settle(point, bd_rate) for point in points)
    outcome = Outcome.worst(point.outcome for point in points)
    if bd_rate is not None and bd_rate.worse:
        outcome = Outcome.REGRESSION
    elif bd_rate is not None and bd_rate.better:
        outcome = Outcome.worst(iter((outcome, Outcome.IMPROVEMENT)))
    told = outcome not in (Outcome.NO_CHANGE, Outcome.NEW, Outcome.INCOMPARABLE)
    causes = likely_causes(name, measured, baseline) if told else ()
    remarks = (*notes(name, measured, baseline), *left_out)
    return CodecVerdict(name, outcome, points, bd_rate, causes, remarks)


def _within(side: Measurements, codec: str, items: Collection[str] | None) -> Mapping[str, Rows]:
    """A codec's records by point; of some items only where these are given."""
    points = side.codecs.get(codec, {})
    if items is None:
        return points
    return {
        point: rows.take(np.array([name in items for name in rows.names()], np.bool_))
        for point, rows in points.items()
    }


def _bd_rate(
    new: Mapping[str, Rows],
    old: Mapping[str, Rows],
    points: Collection[PointVerdict],
    judged: Judged,
    tolerances: Tolerances,
) -> tuple[Shift | None, tuple[str, ...]]:
    """The shift of the whole curve, where any of its points moved."""
    moved = any(
        point.identical < point.items or any(shift.values.any() for shift in point.shifts)
        for point in points
    )
    if not moved or judged.first is None:
        return None, ()
    both = [
        point.point
        for point in points
        if point.point in new and point.point in old and point.outcome != Outcome.INCOMPARABLE
    ]
    return bd_rate_shift(new, old, both, judged.first, tolerances.bd_rate_percent)


def _settle(point: PointVerdict, bd_rate: Shift | None) -> PointVerdict:
    """A point that moved along a curve that got better is no regression, if each item that lost
    quality moved along a better curve of its own."""
    moved = point.outcome == Outcome.REGRESSION and any(shift.better for shift in point.shifts)
    if not (moved and bd_rate is not None and bd_rate.better):
        return point
    rates = dict(zip(bd_rate.items, bd_rate.values, strict=True))
    if any(not rates.get(item, 0.0) < 0 for item in point.losing):
        return point
    detail = f"moved along a better curve ({amount(bd_rate)}): {point.detail}"
    return replace(point, outcome=Outcome.IMPROVEMENT, detail=detail)
