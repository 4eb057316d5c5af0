"""The worker's side of metrics that are not ours: imports them, describes them and scores.

Runs in a process of its own, of one plug-in file or one installed class.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from bench.cards import plugins
from bench.codecs.foreign.messages import arguments_of
from bench.errors import CardError, Unavailable, UsageError
from bench.metrics.base import (
    ClipValues,
    FrameMetric,
    JointMetric,
    Metric,
    SharedMetric,
    SignalMetric,
)
from bench.metrics.error import frame_mse
from bench.metrics.info import MetricInfo, info_table
from bench.signals import Signal

Reply = tuple[dict[str, Any], list[bytes]]


class Backend:
    """The metrics of one source."""

    def __init__(self) -> None:
        self._metrics: dict[str, type[Metric]] = {}
        self._device = "cpu"
        self._reference: tuple[str, str, Callable[[Signal], Any]] | None = None

    def open(self, args: Mapping[str, Any], blobs: list[bytes]) -> Reply:
        """Imports the file or the class."""
        name, plugin, attribute, self._device = pickle.loads(bytes.fromhex(args["context"]))
        if plugin is not None:
            plugins.install([plugin])
            module = sys.modules[plugin.name]
            found = [
                value
                for value in list(vars(module).values())
                if isinstance(value, type) and value.__module__ == plugin.name
            ]
        else:
            found = [plugins.import_attribute(name, attribute)]
        for one in found:
            info = getattr(one, "info", None)
            if isinstance(info, MetricInfo):
                self._metrics[info.id] = one
        if plugin is None and not self._metrics:
            raise CardError(
                f"{attribute!r} is no class of a metric with `info = MetricInfo(…)`; see "
                "bench.metrics.base"
            )
        return {}, []

    def describe(self, args: Mapping[str, Any], blobs: list[bytes]) -> Reply:
        """Of each metric its info, its versions and whether it can run here."""
        return {"metrics": [_told(one) for one in self._metrics.values()]}, []

    def score(self, args: Mapping[str, Any], blobs: list[bytes]) -> Reply:
        """The values of one decoded signal against its reference."""
        reference, decoded = arguments_of(blobs)
        metric, mark = self._metrics[args["metric"]], reference.sha256()
        if self._reference is None or self._reference[:2] != (args["metric"], mark):
            scorer = _scorer(metric(device=self._device), reference)
            self._reference = (args["metric"], mark, scorer)
        values = self._reference[2](decoded)
        frames = np.atleast_1d(np.asarray(values.frames, np.float64)).tolist()
        return {"frames": frames, "whole": values.whole}, []


def _scorer(metric: Metric, reference: Signal) -> Callable[[Signal], ClipValues]:
    """What scores decoded signals against a reference, whose side is prepared once."""
    name = metric.info.id
    if isinstance(metric, SignalMetric):
        prepared = metric.prepare(reference)
        return lambda decoded: ClipValues(np.zeros(0), float(metric.score(prepared, decoded)))
    if isinstance(metric, JointMetric):
        return lambda decoded: type(metric).measure([metric], reference, decoded)[name]
    if isinstance(metric, SharedMetric):
        stack = reference.array()
        basis = metric.basis()(stack, reference.layout, frozenset({name}), keep=True)

        def compare(decoded: Signal) -> ClipValues:
            other = decoded.array()
            return ClipValues(basis.compare(other, frame_mse(stack, other))[name])

        return compare
    if not isinstance(metric, FrameMetric):
        raise CardError(f"{type(metric).__name__} is none of the metrics of bench.metrics.base")
    sides = [metric.prepare(frame) for frame in reference.frames()]

    def score(decoded: Signal) -> ClipValues:
        pairs = zip(sides, decoded.frames(), strict=True)
        return ClipValues(np.array([metric.score(one, frame) for one, frame in pairs], np.float64))

    return score


def _told(metric: type[Metric]) -> dict[str, Any]:
    unavailable = None
    try:
        metric.check_available()
    except (Unavailable, UsageError) as error:
        unavailable = str(error)
    return {
        "info": info_table(metric.info),
        "name": metric.__qualname__,
        "module": metric.__module__,
        "of_frames": not issubclass(metric, SignalMetric),
        "unavailable": unavailable,
        "versions": {**metric.versions(), **plugins.version(metric.__module__)},
    }
