"""Which metrics a check judges, on which axis and with which tolerance: all that both sides hold.

Derived from the table of metrics and from what run.json says of metrics that are not in it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields

from bench.analysis.qualities import Quality, axis_of, qualities
from bench.check.baseline import Measurements
from bench.check.causes import changed
from bench.errors import UsageError, near_matches
from bench.facts import MetricFacts
from bench.records import Record

_SAME = 0.002
"""Of a metric's tolerance: two baselines of the same pixels agree to this, ten digits written."""


@dataclass(frozen=True, slots=True)
class Tolerances:
    """What counts as no change: percent of BD-rate, percent of bits, and for a metric what its
    facts say, unless ``quality_db`` (for axes in dB) or ``metrics`` (by id) say something else."""

    bd_rate_percent: float = 0.5
    quality_db: float | None = None
    bits_percent: float = 0.1
    metrics: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, card: Mapping[str, float], chosen: Mapping[str, float | None]) -> Tolerances:
        """Defaults, overridden by a suite card's ``tolerances``, then by the command line; a key
        is one of ours or a metric's id."""
        merged = {**card, **{name: value for name, value in chosen.items() if value is not None}}
        own = {one.name for one in fields(cls)} - {"metrics"}
        known = own | {axis.column for axis in qualities().values()}
        for name, value in merged.items():
            if name not in known:
                raise UsageError(f"tolerances: unknown key {name!r}; {near_matches(name, known)}")
            if not 0 <= value < math.inf:
                raise UsageError(f"tolerances: {name} is {value}; give a number from 0 up")
        metrics = {name: value for name, value in merged.items() if name not in own}
        return cls(**{name: merged[name] for name in merged if name in own}, metrics=metrics)


@dataclass(frozen=True, slots=True)
class Axis:
    """One metric as it is judged."""

    quality: Quality
    tolerance: float

    @property
    def id(self) -> str:
        return self.quality.column

    @property
    def same(self) -> float:
        """A shift below this is that of numbers which were written with ten digits."""
        return _SAME * self.quality.facts.tolerance

    def of(self, record: Record) -> float:
        """A record's place on the axis, which grows with quality."""
        facts = self.quality.facts
        return min(float(self.quality.of(record.scores[self.id])), facts.cap, facts.saturation)

    def held(self, *records: Record) -> bool:
        return all(self.id in record.scores for record in records)

    def __str__(self) -> str:
        return f"{self.id} ({self.tolerance:g}{self.quality.unit and ' '}{self.quality.unit})"


@dataclass(frozen=True, slots=True)
class Judged:
    """The axes of a check, and by name the metrics that could not be judged, with why."""

    axes: tuple[Axis, ...]
    lost: tuple[str, ...]
    """In the baseline and asked for in this run, yet without any value in it."""
    left_out: Mapping[str, str]
    incomparable: Mapping[str, str]
    """On both sides, yet of another version or model."""
    unrecorded: tuple[str, ...]
    """Judged, though one side does not say with which version they were measured."""

    @property
    def first(self) -> Axis | None:
        """The axis of the BD-rate: the first that is no plain error, which every record has."""
        plain = [axis for axis in self.axes if axis.quality.scale == "error_db"]
        others = [axis for axis in self.axes if axis not in plain]
        return next(iter([*others, *plain]), None)


def judge(measured: Measurements, baseline: Measurements, tolerances: Tolerances) -> Judged:
    """What a comparison of these two sides looks at."""
    new, old = _held(measured), _held(baseline)
    runs = [side.run for side in (measured, baseline) if side.run is not None]
    known = qualities(facts for run in runs for facts in run.metric_facts)
    asked = set(measured.run.metrics) if measured.run is not None else set(old)
    incomparable, unrecorded = _versions(measured, baseline, new & old)
    axes, lost, left_out = [], [], {}
    for name in [*(n for n in known if n in new | old), *sorted((new | old) - known.keys())]:
        if name in old - new and name in asked:
            lost.append(name)
        elif name in new ^ old:
            left_out[name] = f"not in {'the baseline' if name in new else 'these results'}"
        elif name not in known:
            left_out[name] = "its facts are unknown; load it with --plugin"
        elif name not in incomparable:
            facts = known[name].facts
            axes.append(Axis(axis_of(facts), _tolerance(facts, tolerances)))
    return Judged(tuple(axes), tuple(lost), left_out, incomparable, unrecorded)


def _versions(
    measured: Measurements, baseline: Measurements, names: Collection[str]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """Metrics whose versions differ, with how, and those of which one side does not say one."""
    sides = [side.run.metric_versions if side.run else {} for side in (baseline, measured)]
    incomparable, unrecorded = {}, []
    for name in sorted(names):
        old, new = (side.get(name, {}) for side in sides)
        if bool(old) != bool(new):
            unrecorded.append(name)
        elif changes := changed("", old, new):
            incomparable[name] = ", ".join(changes)
    return incomparable, tuple(unrecorded)


def _held(side: Measurements) -> set[str]:
    return {name for record in side.records() for name in record.scores}


def _tolerance(facts: MetricFacts, tolerances: Tolerances) -> float:
    if facts.id in tolerances.metrics:
        return tolerances.metrics[facts.id]
    if tolerances.quality_db is not None and axis_of(facts).unit == "dB":
        return tolerances.quality_db
    return facts.tolerance
