"""Codecs, reference signals and colour ceilings that a worker keeps from task to task."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING

from bench.codecs.base import Codec
from bench.codecs.build import build_codec
from bench.engine.work import WorkSpec
from bench.errors import Unavailable
from bench.records import Point, Task
from bench.signals import Signal

if TYPE_CHECKING:
    from bench.metrics.evaluate import Evaluator


class WorkerCache:
    """Builds everything on first use. Holds the ``references`` that were used last."""

    def __init__(self, spec: WorkSpec, references: int) -> None:
        self.spec = spec
        self._codecs: dict[str, Codec] = {}
        self._warm: set[str] = set()
        self._most_references = references
        self._references: OrderedDict[
            tuple[str, tuple[str, ...], int | None], tuple[Signal, Evaluator]
        ] = OrderedDict()
        self._ceilings: dict[str, tuple[str, float | None]] = {}

    def codec(self, name: str) -> Codec:
        """The adapter of a codec of this run. Raises Unavailable where it cannot run here."""
        if name not in self._codecs:
            codec = build_codec(self.spec.codecs[name], device=self.spec.device)
            if not self.spec.streams_only:
                codec.check_available()
            self._codecs[name] = codec
        return self._codecs[name]

    def built(self, name: str) -> Codec | None:
        """The adapter of a codec, if it was built."""
        return self._codecs.get(name)

    def codec_of(self, task: Task) -> Codec:
        """The adapter of a task's codec. Raises Unavailable on another kind of device than the one
        that the run was planned for."""
        codec = self.codec(task.codec)
        if not self.spec.streams_only and codec.device_kind() != task.device:
            raise Unavailable(
                f"this worker computes on {codec.device_kind()}, the run was planned for "
                f"{task.device}; use workers of one kind"
            )
        return codec

    def warm_up(self, name: str, signal: Signal, point: Point) -> None:
        """Warms a codec up if this worker has not done so, so that no first call is timed."""
        if name not in self._warm:
            self.codec(name).warm_up(signal, point)
            self._warm.add(name)

    def reference(
        self, name: str, metrics: tuple[str, ...], depth: int | None = None
    ) -> tuple[Signal, Evaluator]:
        """An item's signal, and the evaluator that has prepared its reference side of metrics;
        YUV at ``depth`` where that is more than the item has."""
        from bench.metrics.evaluate import Evaluator, deepened

        place = (name, metrics, depth)
        if place in self._references:
            self._references.move_to_end(place)
        else:
            signal = replace(self.spec.loader.load(self.spec.items[name]), name=name)
            signal = signal if depth is None else deepened(signal, depth)
            evaluator = Evaluator(signal, metrics, device=self.spec.device)
            self._references[place] = (signal, evaluator)
            if len(self._references) > self._most_references:
                self._references.popitem(last=False)
        return self._references[place]

    def signal(self, task: Task) -> Signal:
        """The signal that a task's codec gets."""
        depth = self.codec(task.codec).compared_depth()
        return self.reference(task.item, self.spec.metrics, depth)[0]

    def colour_ceiling(self, task: Task, signal: Signal) -> float | None:
        """PSNR of the colour conversion alone of a task's codec, computed once for each item."""
        from bench.metrics.evaluate import colour_ceiling

        item, value = self._ceilings.get(task.codec, ("", None))
        if item != task.item:
            value = colour_ceiling(signal, self.codec(task.codec).colour_path(signal))
            self._ceilings[task.codec] = (task.item, value)
        return value
