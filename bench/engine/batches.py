"""Batches for a GPU, which takes several inputs in hardly more time than one.

Chooses which tasks are coded together, and collects decoded signals for metrics that compare
several at once. Decides nothing about records.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import takewhile
from typing import TYPE_CHECKING

from bench.codecs.base import Batching, refusal_of
from bench.engine.coding import Coded, code_together
from bench.engine.work import WorkSpec
from bench.engine.worker_cache import WorkerCache
from bench.metrics.base import Scores
from bench.records import Point, Task
from bench.signals import Signal

if TYPE_CHECKING:
    from bench.metrics.evaluate import Evaluator

# the largest number of inputs in a batch, also of decoded signals that metrics compare together
MOST = 8
# the largest number of pixels in a batch: activations of networks take some hundred bytes for each
MOST_PIXELS = 1 << 24


def code_ahead(cache: WorkerCache, tasks: Sequence[Task]) -> Sequence[Coded | None]:
    """Codes the first of these tasks together, as many as make one batch.

    Returns one result for each, at least one; None means that the task has to be coded alone.
    """
    name, spec = tasks[0].codec, cache.spec
    together = list(takewhile(lambda one: one.codec == name and _may_join(spec, one), tasks))
    if len(together) < 2:
        return (None,)
    try:
        codec, card = cache.codec_of(tasks[0]), spec.codecs[name]
        if not isinstance(codec, Batching):
            return (None,) * len(together)
        inputs = alike((cache.signal(task), task.point) for task in together)
        layout = inputs[0][0].layout
        if len(inputs) < 2 or layout.media not in card.media or refusal_of(codec, layout):
            return (None,) * len(inputs)
        cache.warm_up(name, *inputs[0])
        return code_together(codec, inputs)
    except Exception:  # coded alone, each task shows whether the fault is its own
        return (None,) * len(together)


def _may_join(spec: WorkSpec, task: Task) -> bool:
    """Whether a task may be coded in a batch.

    A task that is timed repeatedly may not, nor one whose rate is searched. A task may not, either,
    if a fresh process decodes its payload alone and must get the same pixels: a network may round
    some samples differently in a batch.
    """
    searched = spec.codecs[task.codec].searched is not None
    return not (spec.repeats or searched or task.item in spec.decode_again)


def alike(inputs: Iterable[tuple[Signal, Point]]) -> list[tuple[Signal, Point]]:
    """The first inputs of one layout, as many as make one batch."""
    found: list[tuple[Signal, Point]] = []
    for signal, point in inputs:
        pixels = (len(found) + 1) * signal.layout.pixels
        if found and (signal.layout != found[0][0].layout or pixels > MOST_PIXELS):
            break
        found.append((signal, point))
        if len(found) == MOST:
            break
    return found


class MetricBatch:
    """Decoded signals of one reference that wait for metrics which compare several at once.

    Calls ``complete`` with the index of each signal and its scores, once the batch is full, the
    reference changes, or ``finish`` is called.
    """

    def __init__(self, complete: Callable[[int, Scores], None]) -> None:
        self._complete = complete
        self._evaluator: Evaluator | None = None
        self._waiting: list[tuple[int, Signal]] = []

    def add(self, index: int, evaluator: Evaluator, decoded: Signal) -> None:
        if evaluator is not self._evaluator or len(self._waiting) == MOST:
            self.finish()
            self._evaluator = evaluator
        self._waiting.append((index, decoded))

    def finish(self) -> None:
        if self._evaluator is None or not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        batch = self._evaluator.score_batch([decoded for _, decoded in waiting])
        for (index, _), scores in zip(waiting, batch, strict=True):
            self._complete(index, scores)
