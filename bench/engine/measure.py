"""Measures tasks in a worker process: encodes, decodes, compares.

Stores nothing and never decides what is measured.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from time import perf_counter
from typing import TYPE_CHECKING

from bench.codecs.base import Codec, DecodesAfresh, DecodesApart, refusal_of
from bench.codecs.support.frame_progress import noted
from bench.engine.added_metrics import add_metrics
from bench.engine.batches import MOST, MetricBatch, code_ahead
from bench.engine.coding import Coded, code, with_frames
from bench.engine.estimates import examined
from bench.engine.fresh_decode import DecodedPayload, judge_afresh, judge_apart
from bench.engine.rate_search import RateSearch
from bench.engine.task_records import empty_record, one_line, with_result, with_scores
from bench.engine.timing import pin_to_timing_core
from bench.engine.work import Measured, Portion, WorkSpec
from bench.engine.worker_cache import WorkerCache
from bench.errors import CodecError, Unavailable, Unsupported
from bench.metrics.base import Scores
from bench.processes import isolation
from bench.records import Point, Record, Task
from bench.results.kept_streams import KeptStream, make_kept_stream
from bench.results.packed import pack
from bench.signals import Signal

if TYPE_CHECKING:
    from bench.metrics.evaluate import Evaluator

_REFERENCES_KEPT = 2


@dataclass(frozen=True, slots=True)
class _Result:
    """A measured task; ``decoded`` is given where metrics of ``evaluator`` are still to compare it
    together with other decoded signals."""

    measured: Measured
    evaluator: Evaluator | None = None
    decoded: Signal | None = None


class Worker:
    """Measures the tasks of a run in one process."""

    def __init__(self, spec: WorkSpec, *, batching: bool | None = None) -> None:
        """``batching``: whether tasks are coded together; None: on every device but the CPU."""
        self._batching = spec.device != "cpu" if batching is None else batching
        self._spec, self.keeps_streams = spec, spec.keep_streams
        self._search = RateSearch()
        self._code: dict[str, Mapping[str, str]] = {}
        self._decoded, self._proved = set[str](), set[str]()
        self.cache = WorkerCache(spec, MOST if self._batching else _REFERENCES_KEPT)

    def measure(self, task: Task) -> Measured:
        """Measures one task."""
        (measured,) = self.measure_all([task])
        return measured

    def measure_all(self, tasks: Sequence[Task]) -> tuple[Measured, ...]:
        """Measures tasks in their order, those that may share a batch together.

        Whatever goes wrong in a codec becomes a record with its reason.
        """
        found: list[Measured] = []

        def complete(index: int, scores: Scores) -> None:
            record = with_scores(found[index].record, scores)
            found[index] = replace(found[index], record=record)

        batch = MetricBatch(complete)
        ahead: deque[Coded | None] = deque()
        for place, task in enumerate(tasks):
            if not self._batching:
                ahead.append(None)
            elif not ahead:
                ahead.extend(code_ahead(self.cache, tasks[place : place + MOST]))
            result = self._measure(task, ahead.popleft())
            found.append(result.measured)
            if result.evaluator is not None and result.decoded is not None:
                batch.add(place, result.evaluator, result.decoded)
        batch.finish()
        return tuple(found)

    def new_code(self, name: str) -> Mapping[str, str]:
        """The files of a codec's code, where more are loaded than when this was asked before."""
        codec = self.cache.built(name)
        found: Mapping[str, str] = codec.code() if isinstance(codec, DecodesApart) else {}
        more = found if found.keys() - self._code.get(name, {}).keys() else {}
        self._code[name] = found
        return more

    def _measure(self, task: Task, coded: Coded | None) -> _Result:
        """Measures one task; of a task that is ``coded`` already, what follows the coding."""
        record = replace(empty_record(self._spec, task, "failed"), parallel=self._spec.parallel)
        try:
            return self._finish(task, record, coded)
        except (Unavailable, Unsupported) as error:
            return _Result(Measured(replace(record, status="skipped", reason=one_line(error))))
        except Exception as error:  # a third party's codec may raise anything: it is a result
            return _Result(Measured(replace(record, reason=one_line(error))))

    def _finish(self, task: Task, record: Record, coded: Coded | None) -> _Result:
        spec, codec = self._spec, self.cache.codec_of(task)
        signal, evaluator = self.cache.reference(task.item, spec.metrics, codec.compared_depth())
        _check_suitable(codec, signal, task, spec)
        searched = spec.codecs[task.codec].searched
        point = task.point
        if searched is not None:
            point = self._search.point(task, searched, codec, signal)
        if coded is None:
            self.cache.warm_up(task.codec, signal, point)
            with _noted(task, signal):
                coded = code(codec, signal, point, spec.repeats)
        coded, remarks = _with_estimate(coded, codec, signal, point)
        coded = with_frames(coded, codec, signal.layout)
        scores = evaluator.score(coded.decoded, batches=not self._batching)
        record = with_result(record, signal.layout, coded, scores)
        record = replace(
            record,
            remarks={**record.remarks, **remarks},
            repeats=spec.repeats or None,
            parallel=spec.parallel * coded.together,
            psnr_rgb_ceiling=self.cache.colour_ceiling(task, signal),
            lossless=_check_lossless(codec, scores),
            reached=None if searched is None else str(point),
        )
        measured = self._with_payload(task, record, coded, signal)
        if self._batching and evaluator.batches:
            return _Result(measured, evaluator, coded.decoded)
        return _Result(measured)

    def _with_payload(self, task: Task, record: Record, coded: Coded, signal: Signal) -> Measured:
        encoded, decoded = coded.encoded, coded.decoded
        payload = kept = verdict = None
        codec = self.cache.codec(task.codec)
        decodes = encoded.reconstruction is None
        judged = decodes and task.item in self._spec.decode_again
        if judged and isinstance(codec, DecodesApart):
            verdict = judge_apart(codec, codec.isolation, task, encoded.payload, decoded)
        elif judged:
            payload = DecodedPayload(
                task.codec, str(task.point), task.item, encoded.payload, decoded.sha256(),
                coded.decoding.wall_seconds or 0.0, isolation.is_guarded(),
            ).laid_down(self._spec.shared)  # fmt: skip
        if decodes and isinstance(codec, DecodesAfresh) and self._may_hang_on_others(task):
            kind = getattr(codec, "isolation", "")
            verdict = judge_afresh(codec, kind, task, encoded.payload, decoded) or verdict
        if task.item in self._spec.keep:
            kept = make_kept_stream(record, encoded.payload, signal, decoded)
        if kept is None and self._spec.keep_streams and encoded.payload:
            kept = KeptStream(record.item, record.codec, record.point, encoded.payload)
        return Measured(record, payload, kept, verdict)

    def _may_hang_on_others(self, task: Task) -> bool:
        """Whether a stream is to be decoded by a process that has decoded nothing else: once for
        each codec, of its last item, where others were decoded before."""
        usable = [item.name for item in self._spec.items.values() if item.problem is None]
        last = usable[: self._spec.codecs[task.codec].items][-1:]
        found = task.codec in self._decoded - self._proved and task.item in last
        self._decoded.add(task.codec)
        self._proved |= {task.codec} if found else set()
        return found


def _noted(task: Task, signal: Signal) -> AbstractContextManager[None]:
    """Lets the run tell how far the coding of a clip is."""
    frames = signal.layout.frames
    return noted(task.codec, str(task.point), task.item, frames) if frames > 1 else nullcontext()


def _check_suitable(codec: Codec, signal: Signal, task: Task, spec: WorkSpec) -> None:
    """Raises Unsupported where the codec does not code such signals."""
    if signal.layout.media not in spec.codecs[task.codec].media:
        raise Unsupported(f"{task.codec} does not code {signal.layout.media}s")
    if reason := refusal_of(codec, signal.layout):
        raise Unsupported(reason)


def _with_estimate(
    coded: Coded, codec: Codec, signal: Signal, point: Point
) -> tuple[Coded, Mapping[str, str]]:
    """With the codec's estimate of the rate, where ``encode`` gave none, and remarks on it; the
    estimate is not timed. One that fails empties its own cell."""
    asked, failed = None, {}
    if coded.encoded.bits_estimated is None:
        try:
            asked = codec.estimate(signal, point)
        except (CodecError, Unavailable) as error:
            failed = {"bpp_estimated": one_line(error)}
    encoded, remarks = examined(coded.encoded, asked)
    return replace(coded, encoded=encoded), {**remarks, **failed}


def _check_lossless(codec: Codec, scores: Scores) -> bool | None:
    if not codec.lossless:
        return None
    if not scores.identical:
        raise CodecError(
            f"claims to be lossless, but the decoded pixels differ (mse {scores.get('mse')})"
        )
    return True


_worker: Worker | None = None


def start_worker(spec: WorkSpec) -> None:
    """Called once in each worker process before its first task."""
    global _worker
    if spec.repeats:
        pin_to_timing_core()
    isolation.guard_code()
    _worker = Worker(spec)


def measure_tasks(tasks: Sequence[Task]) -> Portion:
    """Measures tasks in a worker process that ``start_worker`` has prepared."""
    assert _worker is not None, "start_worker was not called"
    start = perf_counter()
    measured = _worker.measure_all([task for task in tasks if task.stored is None])
    keep = _worker.keeps_streams
    stored = [task for task in tasks if task.stored is not None]
    added = tuple(add_metrics(_worker.cache, task, keep=keep) for task in stored)
    return Portion(
        tuple(pack(one.record) for one in measured),
        perf_counter() - start,
        added,
        tuple(one.payload for one in measured if one.payload is not None),
        tuple(
            kept
            for kept in (*(one.kept for one in measured), *(one.kept for one in added))
            if kept is not None
        ),
        tuple(one.verdict for one in measured if one.verdict is not None),
        {
            name: files
            for name in {task.codec for task in tasks}
            if (files := _worker.new_code(name))
        },
    )
