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
from bench.metrics.info import MetricInfo, Scale, read_info
from bench.metrics.registry import metrics
from bench.results.run_info import MetricTable

Floats = NDArray[np.float64]

PSNR_CAP_DB = 100.0
"""Stands for infinite PSNR (identical pixels) in means."""


def psnr(mse: Floats) -> Floats:
    """In dB, of mean squared errors on the 8-bit scale; capped."""
    with np.errstate(divide="ignore"):
        decibels: Floats = np.minimum(10.0 * np.log10(255.0**2 / mse), PSNR_CAP_DB)
    return decibels


@dataclass(frozen=True, slots=True)
class Quality:
    """One quality axis: the metric behind it, its names, and how a mean becomes a place on it.

    The column of ``info.id`` is averaged over items first, then ``scale`` is applied.
    """

    id: str
    info: MetricInfo
    title: str
    unit: str
    scale: Scale

    @property
    def column(self) -> str:
        return self.info.id

    @property
    def pooled(self) -> bool:
        """A curve from the mean MSE of the set exists beside it."""
        return self.info.pooled

    @property
    def falling(self) -> bool:
        """The metric itself falls with quality and stands on the axis with its sign turned."""
        return self.scale == "linear" and not self.info.higher_is_better

    @property
    def label(self) -> str:
        """The metric as it is shown on a plot, where a falling one hangs from the top."""
        title = f"{self.info.title}, less is better" if self.falling else self.title
        return f"{title} ({self.unit})" if self.unit else title

    def of(self, mean: ArrayLike) -> Floats:
        """The axis value of means of ``column``, any shape; capped where the info says so."""
        values = np.asarray(mean, dtype=np.float64)
        if self.scale == "linear":
            return values if self.info.higher_is_better else -values
        error = 1.0 - values if self.scale == "one_minus_db" else values
        with np.errstate(divide="ignore", invalid="ignore"):
            decibels: Floats = -10.0 * np.log10(np.maximum(error, 0.0))
        return np.minimum(decibels, self.info.cap)

    @property
    def sign(self) -> int:
        """What turns a place on the axis into what a reader expects: −1 for a falling metric."""
        return -1 if self.falling else 1

    def shown(self, mean: ArrayLike) -> Floats:
        """What a reader expects in a table: the axis value, or a falling metric as it is."""
        return self.sign * self.of(mean)


def qualities(foreign: Iterable[MetricTable] = ()) -> Mapping[str, Quality]:
    """Every axis by id: of the metrics in the table, and of ``foreign`` ones that a run names."""
    known = {name: one.info for name, one in metrics().items()}
    rows = {**{str(one["id"]): read_info(one) for one in foreign}, **known}
    found = {axis.id: axis for info in rows.values() for axis in _axes(info)}
    error = rows["mse"]
    # of a vector source, which has variance 1 and no peak value
    found["snr"] = Quality("snr", error, "SNR", "dB", "error_db")
    return found


def _axes(info: MetricInfo) -> Iterable[Quality]:
    if info.scale == "error_db":
        yield Quality(info.id, info, f"−10·log₁₀ {info.title}", "dB", info.scale)
        return
    turned = "" if info.higher_is_better else "−"
    yield Quality(info.id, info, f"{turned}{info.title}", info.unit, "linear")
    if info.scale == "one_minus_db":
        yield Quality(info.axis, info, info.title, "dB", info.scale)


def quality(name: str, foreign: Iterable[MetricTable] = ()) -> Quality:
    """The axis of a metric id; ``mse`` is compared as −10·log10, so that it grows with quality.

    Raises UsageError naming near matches.
    """
    known = qualities(foreign)
    if name not in known:
        raise UsageError(f"unknown metric {name!r}; {near_matches(name, known)}")
    return known[name]


def axis_of(info: MetricInfo) -> Quality:
    """The axis on which a metric is compared."""
    return next(axis for axis in _axes(info) if axis.id == info.axis)


def reported(
    names: Iterable[str], media: str, foreign: Iterable[MetricTable] = ()
) -> tuple[Quality, ...]:
    """The axes drawn and compared for a suite's metrics: similarities in dB; for a vector source
    the signal-to-noise ratio. Errors have a PSNR beside them and are left out."""
    known = qualities(foreign)
    if media == "vector":
        return (known["snr"],)
    chosen = dict.fromkeys(
        known[name].info.axis for name in names if name in known and name != "snr"
    )
    return tuple(known[name] for name in chosen if name != "mse")
