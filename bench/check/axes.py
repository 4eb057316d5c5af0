"""Which metrics a check judges, on which axis and with which tolerance: all that both sides hold.

Derived from the table of metrics and from what run.json says of metrics that are not in it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

import numpy as np

from bench.analysis.qualities import Floats, Quality, axis_of, qualities
from bench.check.baseline import Mask, Measurements, Rows
from bench.check.causes import changes
from bench.errors import UsageError, near_matches
from bench.metrics.info import MetricInfo

_SAME = 0.002
"""Of a metric's tolerance: two baselines of the same pixels agree to this, ten digits written."""


@dataclass(frozen=True, slots=True)
class Tolerances:
    """What counts as no change: percent of BD-rate, percent of bits, and for a metric what its
    info says, unless ``quality_db`` (for axes in dB) or ``metrics`` (by id) say something else."""

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
        return _SAME * self.quality.info.tolerance

    @property
    def ceiling(self) -> float:
        """Where the axis ends: what lies above is rounding, or identical samples."""
        return min(self.quality.info.cap, self.quality.info.saturation)

    def places(self, rows: Rows) -> Floats:
        """The places of records on the axis, which grows with quality and ends at its ceiling."""
        places: Floats = np.minimum(self.quality.of(rows.score(self.id)), self.ceiling)
        return places

    def held(self, rows: Rows) -> Mask:
        """Which records have a value."""
        held: Mask = ~np.isnan(rows.score(self.id))
        return held

    def __str__(self) -> str:
        return f"{self.id} ({self.tolerance:g}{self.quality.unit and ' '}{self.quality.unit})"


@dataclass(frozen=True, slots=True)
class Judged:
    """The axes of a check, in the order of the run's metrics, and by name the metrics that could
    not be judged, with why."""

    axes: tuple[Axis, ...]
    lost: tuple[str, ...]
    """In the baseline and asked for in this run, yet without any value in it."""
    left_out: Mapping[str, str]
    unsure: Mapping[str, str]
    """Judged although one side does not say which version measured them: which side."""

    @property
    def first(self) -> Axis | None:
        """The axis of the BD-rate: of the run's first metric that is no plain error, which every
        record has."""
        return min(self.axes, key=lambda axis: axis.quality.scale == "error_db", default=None)


def judge(measured: Measurements, baseline: Measurements, tolerances: Tolerances) -> Judged:
    """What a comparison of these two sides looks at."""
    new, old = dict.fromkeys(measured.metrics), dict.fromkeys(baseline.metrics)
    runs = [side.run for side in (measured, baseline) if side.run is not None]
    known = qualities(info for run in runs for info in run.metric_info)
    asked = measured.run.metrics if measured.run is not None else tuple(old)
    axes, lost, left_out, unsure = [], [], {}, {}
    held = {**new, **old}
    run_order = (name for run in runs for name in run.metrics if name in held)
    for name in dict.fromkeys([*run_order, *held]):
        differing, silent = _versions(name, measured, baseline)
        if name in old and name not in new and name in asked:
            lost.append(name)
        elif (name in new) != (name in old):
            left_out[name] = f"not in {'the baseline' if name in new else 'these results'}"
        elif name not in known:
            left_out[name] = "its facts are unknown; load it with --plugin"
        elif differing:
            left_out[name] = differing
        else:
            info = known[name].info
            axes.append(Axis(axis_of(info), _tolerance(info, tolerances)))
            if silent:
                unsure[name] = silent
    return Judged(tuple(axes), tuple(lost), left_out, unsure)


def _versions(name: str, measured: Measurements, baseline: Measurements) -> tuple[str, str]:
    """How the versions behind a metric differ, where both sides tell them; and the side that does
    not, where the other one does."""
    new, old = (
        side.run.metric_versions.get(name, {}) if side.run is not None else {}
        for side in (measured, baseline)
    )
    if new and old:
        differing = changes(old, new)
        return f"another version: {'; '.join(differing)}" if differing else "", ""
    return "", ("the baseline" if new else "these results") if new or old else ""


def _tolerance(info: MetricInfo, tolerances: Tolerances) -> float:
    if info.id in tolerances.metrics:
        return tolerances.metrics[info.id]
    if tolerances.quality_db is not None and axis_of(info).unit == "dB":
        return tolerances.quality_db
    return info.tolerance
