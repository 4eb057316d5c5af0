"""The quality axes of rate-distortion curves: which column each is read from and how it averages.

Derived from the table of metrics; an axis always grows with quality, so that one BD computation
serves all. Never reads records.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.errors import UsageError, near_matches
from bench.metrics.info import MetricFacts, Scale
from bench.metrics.registry import metrics

Floats = NDArray[np.float64]

PSNR_CAP_DB = 100.0
"""Stands for infinite PSNR (identical pixels) in means."""


@dataclass(frozen=True, slots=True)
class Quality:
    """One quality axis: the metric behind it, its names, and how a mean becomes a place on it.

    The column of ``facts.id`` is averaged over items first, then ``scale`` is applied.
    """

    id: str
    facts: MetricFacts
    title: str
    unit: str
    scale: Scale

    @property
    def column(self) -> str:
        return self.facts.id

    @property
    def pooled(self) -> bool:
        """A curve from the mean MSE of the set exists beside it."""
        return self.facts.pooled

    @property
    def falling(self) -> bool:
        """The metric itself falls with quality and stands on the axis with its sign turned."""
        return self.scale == "linear" and not self.facts.higher_is_better

    @property
    def label(self) -> str:
        """The metric as it is shown on a plot, where a falling one hangs from the top."""
        title = f"{self.facts.title}, less is better" if self.falling else self.title
        return f"{title} ({self.unit})" if self.unit else title

    def of(self, mean: ArrayLike) -> Floats:
        """The axis value of means of ``column``, any shape; capped where the facts say so."""
        values = np.asarray(mean, dtype=np.float64)
        if self.scale == "linear":
            return values if self.facts.higher_is_better else -values
        error = 1.0 - values if self.scale == "one_minus_db" else values
        with np.errstate(divide="ignore", invalid="ignore"):
            decibels: Floats = -10.0 * np.log10(np.maximum(error, 0.0))
        return np.minimum(decibels, self.facts.cap)

    @property
    def sign(self) -> int:
        """What turns a place on the axis into what a reader expects: −1 for a falling metric."""
        return -1 if self.falling else 1

    def shown(self, mean: ArrayLike) -> Floats:
        """What a reader expects in a table: the axis value, or a falling metric as it is."""
        return self.sign * self.of(mean)


def qualities(foreign: Iterable[MetricFacts] = ()) -> Mapping[str, Quality]:
    """Every axis by id: of the metrics in the table, and of ``foreign`` ones that a run names."""
    known = {name: one.facts for name, one in metrics().items()}
    rows = {**{one.id: one for one in foreign}, **known}
    found = {axis.id: axis for facts in rows.values() for axis in _axes(facts)}
    error = rows["mse"]
    # of a vector source, which has variance 1 and no peak value
    found["snr"] = Quality("snr", error, "SNR", "dB", "error_db")
    return found


def _axes(facts: MetricFacts) -> Iterable[Quality]:
    if facts.scale == "error_db":
        yield Quality(facts.id, facts, f"−10·log₁₀ {facts.title}", "dB", facts.scale)
        return
    turned = "" if facts.higher_is_better else "−"
    yield Quality(facts.id, facts, f"{turned}{facts.title}", facts.unit, "linear")
    if facts.scale == "one_minus_db":
        yield Quality(facts.axis, facts, facts.title, "dB", facts.scale)


def quality(name: str, foreign: Iterable[MetricFacts] = ()) -> Quality:
    """The axis of a metric id; ``mse`` is compared as −10·log10, so that it grows with quality.

    Raises UsageError naming near matches.
    """
    known = qualities(foreign)
    if name not in known:
        raise UsageError(f"unknown metric {name!r}; {near_matches(name, known)}")
    return known[name]


def axis_of(facts: MetricFacts) -> Quality:
    """The axis on which a metric is compared."""
    return next(axis for axis in _axes(facts) if axis.id == facts.axis)


def reported(
    names: Iterable[str], media: str, foreign: Iterable[MetricFacts] = ()
) -> tuple[Quality, ...]:
    """The axes drawn and compared for a suite's metrics: similarities in dB; for a vector source
    the signal-to-noise ratio. Errors have a PSNR beside them and are left out."""
    known = qualities(foreign)
    if media == "vector":
        return (known["snr"],)
    chosen = dict.fromkeys(
        known[name].facts.axis for name in names if name in known and name != "snr"
    )
    return tuple(known[name] for name in chosen if name != "mse")
