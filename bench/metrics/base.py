"""What a metric is: its info, and how it scores a decoded signal against a prepared reference.

A metric of one's own is a `FrameMetric` or a `SignalMetric`. Knows no metric.
"""

from __future__ import annotations

import importlib
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeAlias, TypeVar

from bench.metrics.info import MetricInfo as MetricInfo

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bench.records import FrameSummary
    from bench.signals import Frame, Layout, Signal

Stack: TypeAlias = "NDArray[Any]"
"""Some frames of a signal: ``(frames, *layout.frame_shape)``."""
Values: TypeAlias = "NDArray[np.float64]"
Prepared = TypeVar("Prepared")


ALWAYS = "mse"
"""The metric of every measured record: all else that is said of exactness rests on it."""
_SAME_PIXELS_DB = 0.01


@dataclass(frozen=True, slots=True)
class Scores:
    """Means over frames by metric id, and in words why a metric that was asked for has none.

    ``mse`` is always there, on the 8-bit scale, of real samples as they are; an infinite PSNR
    means that all frames are identical to the source's.
    """

    values: Mapping[str, float]
    remarks: Mapping[str, str] = field(default_factory=dict)
    frames: FrameSummary | None = None
    """Of clips alone."""

    def get(self, name: str) -> float | None:
        return self.values.get(name)

    def agrees_with(self, mse: float | None) -> bool:
        """Whether this may be the mse of the same pixels: to rounding of a float synthesis, which
        is far within what a check calls a change."""
        if mse is None or mse == self.values[ALWAYS]:
            return True
        if 0 in (mse, self.values[ALWAYS]):
            return False
        return abs(10 * math.log10(mse / self.values[ALWAYS])) < _SAME_PIXELS_DB

    @property
    def identical(self) -> bool:
        """Every sample is the source's."""
        return self.values[ALWAYS] == 0


def mean_over_frames(values: Values, info: MetricInfo) -> float:
    """Mean over frames: infinite if all are, else each frame of a linear metric capped; of one
    frame its value."""
    if len(values) == 1:
        return float(values[0])
    import numpy as np

    if info.of_errors:
        with np.errstate(divide="ignore"):
            return float(-10 * np.log10((10 ** (-values / 10)).mean()))
    if np.isinf(values).all():
        return float(values[0])
    return float(_capped(values, info).mean())


def worst_and_percentile(values: Values, info: MetricInfo) -> tuple[float, float]:
    """Of one value a frame: the worst, and that which 5 % of the frames are worse than, between
    two frames linearly. What is infinite counts as in the mean."""
    import numpy as np

    if np.isinf(values).all():
        return float(values[0]), float(values[0])
    values = _capped(values, info)
    if info.higher_is_better:
        return float(values.min()), float(np.percentile(values, 5))
    return float(values.max()), float(np.percentile(values, 95))


def _capped(values: Values, info: MetricInfo) -> Values:
    import numpy as np

    if info.scale == "linear" and info.cap < math.inf:
        return np.minimum(values, info.cap)
    return values


class Metric(ABC):
    """A metric, built once per process and reference. ``info`` is its row of the table."""

    info: ClassVar[MetricInfo]

    def __init__(self, *, device: str = "cpu") -> None:
        self.device = device

    @classmethod
    def variant(cls, of: Mapping[str, object] | None = None, **info: Any) -> type[Self]:
        """A metric that differs in these facts of its info, and attributes ``of`` its class."""
        changed = replace(cls.info, **info)
        own = {"info": changed, "__module__": cls.__module__, **(of or {})}
        return type(changed.id, (cls,), own)

    @classmethod
    def check_available(cls) -> None:
        """Raises Unavailable, with the cure, if a package, binary or weight file is missing."""
        return None

    @classmethod
    def versions(cls) -> Mapping[str, str]:
        """Name and version of everything outside the project whose change may change a value."""
        return {}


class FrameMetric(Metric, Generic[Prepared]):
    """A metric of single frames: of a clip, the evaluator takes the mean over frames.

    A frame is uint8, ``(H, W, 3)`` RGB, ``(H, W)`` gray or the flat planes of 4:2:0, of the kinds
    that the info admits.
    """

    prepared_bytes: ClassVar[int] = 16
    """About what a prepared frame takes in memory per sample."""

    @abstractmethod
    def prepare(self, reference: Frame) -> Prepared:
        """What of the value depends on the reference alone."""

    @abstractmethod
    def score(self, prepared: Prepared, decoded: Frame) -> float:
        """The value of one decoded frame; NaN or an exception leaves its cell empty."""


class BatchMetric(FrameMetric[Prepared]):
    """A frame metric that compares several decoded frames with one reference faster at once."""

    prepared_bytes: ClassVar[int] = 64

    @abstractmethod
    def score_many(self, prepared: Prepared, decoded: Sequence[Frame]) -> Sequence[float]:
        """The value of each decoded frame."""

    def score(self, prepared: Prepared, decoded: Frame) -> float:
        return self.score_many(prepared, [decoded])[0]


class SignalMetric(Metric, Generic[Prepared]):
    """A metric of whole signals: clips with their layout and frame rate, or pictures."""

    @abstractmethod
    def prepare(self, reference: Signal) -> Prepared:
        """What of the value depends on the reference alone."""

    @abstractmethod
    def score(self, prepared: Prepared, decoded: Signal) -> float:
        """The value of a decoded signal; NaN or an exception leaves its cell empty."""


@dataclass(frozen=True, slots=True)
class ClipValues:
    """One value a frame, and that of the whole where it is not the mean over frames."""

    frames: Values
    whole: float | None = None


class JointMetric(Metric):
    """A metric of whole signals, of one value a frame, that one pass computes with others."""

    @staticmethod
    @abstractmethod
    def measure(
        metrics: Sequence[Any], reference: Signal, decoded: Signal
    ) -> Mapping[str, ClipValues]:
        """The values by id of metrics that have this very function. An exception leaves the cells
        of those empty that it is raised for alone."""


class Basis(ABC):
    """What several metrics share of a stack of reference frames; computed once."""

    @abstractmethod
    def __init__(
        self, frames: Stack, layout: Layout, wanted: frozenset[str], *, keep: bool
    ) -> None:
        """``wanted`` are the ids to compute; ``keep``: there is memory for what is prepared."""

    @abstractmethod
    def compare(self, decoded: Stack, mse: Values) -> Mapping[str, Values]:
        """Values of each frame by metric id; ``mse`` is that of all samples of each frame."""

    @staticmethod
    def kept_bytes(wanted: frozenset[str]) -> float:
        """About what a prepared reference takes in memory per sample, besides its samples."""
        return 0.0


class SharedMetric(Metric):
    """A metric whose values come from a basis that it shares with others."""

    shares: ClassVar[str]
    """The basis, ``package.module:Class``."""

    @classmethod
    def basis(cls) -> type[Basis]:
        """The basis, imported now."""
        module, _, name = cls.shares.partition(":")
        found: type[Basis] = getattr(importlib.import_module(module), name)
        return found
