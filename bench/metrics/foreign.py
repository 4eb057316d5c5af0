"""Metrics of plug-in files and installed packages, behind classes like those of our own.

Each file or package computes its values in a process of its own, so that it can change neither
another metric's values nor anything else; nothing of it is imported here.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from bench.cards import plugins
from bench.codecs.foreign.host import Host, Program
from bench.codecs.foreign.messages import call_of
from bench.errors import CodecError, StoreError, Unavailable, UsageError
from bench.metrics.base import ClipValues, JointMetric, Metric, SignalMetric
from bench.metrics.info import read_info
from bench.processes.isolation import launch_folder
from bench.signals import Signal

_BACKEND = "bench.metrics.foreign_backend"
_START_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Source:
    """Where metrics come from: a plug-in file, or the class that an entry point names."""

    name: str
    """As messages name it."""
    plugin: plugins.Plugin | None = None
    attribute: str = ""


_hosts: dict[Source, Host] = {}
_described: dict[Source, list[dict[str, Any]]] = {}


def described() -> Mapping[Source, list[dict[str, Any]]]:
    """What all sources that were asked said of their metrics."""
    return _described


def adopt(told: Mapping[Source, list[dict[str, Any]]]) -> None:
    """Takes what another process was told, so that the sources need not be asked here."""
    _described.update(told)


def metrics_of(source: Source) -> list[type[Metric]]:
    """The metrics of a source. Raises UsageError where it cannot be imported or has none."""
    if source not in _described:
        try:
            answer = _host(source).call("describe", seconds=_START_SECONDS)
            _described[source] = list(answer.result["metrics"])
        except (CodecError, Unavailable) as error:
            raise UsageError(f"{source.name}: {_bare(source, error)}") from error
        finally:
            _hosts.pop(source).close()
    try:
        return [_stand_in(source, told) for told in _described[source]]
    except (KeyError, TypeError, StoreError) as error:
        raise UsageError(f"{source.name}: describes no metric: {error}") from error


def _bare(source: Source, error: Exception) -> str:
    return str(error).removeprefix(f"{source.name}: ")


def _host(source: Source, device: str = "cpu") -> Host:
    if source not in _hosts:
        context = pickle.dumps((source.name, source.plugin, source.attribute, device)).hex()
        here = str(launch_folder())
        opening = {"backend": _BACKEND, "path": [here], "folder": here, "context": context}
        _hosts[source] = Host(Program(source.name, json.dumps(opening | {"last": plugins.path()})))
    return _hosts[source]


class _Foreign:
    """What the stand-ins of all metrics of others share."""

    source: ClassVar[Source]
    told: ClassVar[Mapping[str, Any]]
    device: str

    @classmethod
    def check_available(cls) -> None:
        if cls.told["unavailable"] is not None:
            raise Unavailable(str(cls.told["unavailable"]))

    @classmethod
    def versions(cls) -> Mapping[str, str]:
        return {str(name): str(version) for name, version in cls.told["versions"].items()}

    def ask(self, reference: Signal, decoded: Signal) -> ClipValues:
        """The values of a decoded signal."""
        host, name = _host(self.source, self.device), self.told["info"]["id"]
        try:
            answer = host.call("score", {"metric": name}, call_of((reference, decoded)))
        except CodecError as error:
            raise CodecError(_bare(self.source, error)) from error
        whole = answer.result["whole"]
        frames = np.array(answer.result["frames"], np.float64)
        if frames.shape not in ((0,), (reference.layout.frames,)):
            raise CodecError(
                f"gives values of shape {frames.shape} for {reference.layout.frames} frames"
            )
        return ClipValues(frames, None if whole is None else float(whole))


class _OfFrames(_Foreign, JointMetric):
    """A metric with a value for each frame."""

    @staticmethod
    def measure(
        metrics: Sequence[Any], reference: Signal, decoded: Signal
    ) -> Mapping[str, ClipValues]:
        return {metric.info.id: metric.ask(reference, decoded) for metric in metrics}


class _OfSignals(_Foreign, SignalMetric[Signal]):
    """A metric with one value for the whole."""

    def prepare(self, reference: Signal) -> Signal:
        return reference

    def score(self, prepared: Signal, decoded: Signal) -> float:
        whole = self.ask(prepared, decoded).whole
        assert whole is not None
        return whole


def _stand_in(source: Source, told: Mapping[str, Any]) -> type[Metric]:
    base: type[Metric] = _OfFrames if told["of_frames"] else _OfSignals
    values = {
        "info": read_info(told["info"]),
        "source": source,
        "told": told,
        "__module__": str(told["module"]),
        "__qualname__": str(told["name"]),
    }
    return type(str(told["name"]), (base,), values)
