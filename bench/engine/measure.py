"""One task: encode, decode, compare. The only place that times anything.

Runs inside a worker that keeps codecs and reference signals between tasks. Never writes results
and never decides what to measure.
"""

from __future__ import annotations

import hashlib
import os
import pickle
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import takewhile
from time import perf_counter
from typing import TYPE_CHECKING, TypeVar

from bench.cards import CodecCard, plugins
from bench.cards.codec_specs import parse_value
from bench.codecs.base import Batching, Codec
from bench.codecs.build import build_codec
from bench.datasets.base import Item, Loader
from bench.engine import entries
from bench.engine.batches import MOST, Coded, alike, code_together
from bench.engine.fresh_decode import DecodedPayload
from bench.engine.plan import Probe
from bench.engine.rate_search import find_rate
from bench.engine.timing import NOT_TIMED, Timed, repeated, timed, timing_core
from bench.errors import BenchError, CodecError, Unavailable, Unsupported
from bench.metrics.base import Scores
from bench.processes import isolation
from bench.records import Point, Record, Stored, Task, Value
from bench.results.kept_streams import KeptStream, make_kept_stream
from bench.results.packed import Packed, pack
from bench.signals import Signal

_REFERENCES_KEPT = 2
_Place = tuple[str, tuple[str, ...]]
T = TypeVar("T")
if TYPE_CHECKING:
    from bench.metrics.evaluate import Evaluator


@dataclass(frozen=True, slots=True)
class WorkSpec:
    """Everything that a worker must know of a run."""

    suite: str
    dataset: str
    loader: Loader
    items: Mapping[str, Item]
    codecs: Mapping[str, CodecCard]
    metrics: tuple[str, ...]
    device: str = "cpu"
    parallel: int = 1
    decode_again: frozenset[str] = frozenset()
    """Items whose payload comes back with the record, to be decoded again in a fresh process."""
    keep: frozenset[str] = frozenset()
    """Items whose payload and reconstruction come back, to be kept beside the results."""
    repeats: int = 0
    """How often each call is timed, on one pinned core and after one that is not; 0: once."""

    def __reduce__(self) -> tuple[Callable[..., WorkSpec], tuple[object, ...]]:
        """Plug-ins travel ahead: what the fields hold may be of their classes."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return _unpack, (plugins.loaded(), pickle.dumps(values))


def _unpack(files: Sequence[plugins.Plugin], values: bytes) -> WorkSpec:
    plugins.install(files)
    return WorkSpec(**pickle.loads(values))


@dataclass(frozen=True, slots=True)
class Measured:
    """A record and, of the items that the run named for it, the payload and what is kept."""

    record: Record
    payload: DecodedPayload | None = None
    kept: KeptStream | None = None


@dataclass(frozen=True, slots=True)
class Added:
    """The metrics that a stored record lacked."""

    task: Task
    scores: Scores


@dataclass(frozen=True, slots=True)
class Portion:
    """What a worker sends back: the tasks it measured and the seconds it took for all of them."""

    records: tuple[Packed, ...]
    seconds: float
    added: tuple[Added, ...] = ()
    payloads: tuple[DecodedPayload, ...] = ()
    kept: tuple[KeptStream, ...] = ()


class Bench:
    """A worker's codecs and reference signals, built on first use."""

    def __init__(self, spec: WorkSpec) -> None:
        self.spec = spec
        self._codecs: dict[str, Codec] = {}
        self._warm: set[str] = set()
        self._references: OrderedDict[_Place, tuple[Signal, Evaluator]] = OrderedDict()
        self._ceilings: dict[str, tuple[str, float | None]] = {}
        self._reached: dict[tuple[str, Point], Value] = {}
        # networks on a GPU take several pictures and points together
        self._batching = spec.device != "cpu"
        self._late: tuple[Evaluator, Signal] | None = None

    def codec(self, name: str) -> Codec:
        """The adapter of a codec of this run. Raises Unavailable where it cannot run here."""
        if name not in self._codecs:
            codec = build_codec(self.spec.codecs[name], device=self.spec.device)
            codec.check_available()
            self._codecs[name] = codec
        return self._codecs[name]

    def reference(self, name: str, metrics: tuple[str, ...]) -> tuple[Signal, Evaluator]:
        """An item's signal and the prepared reference side of metrics."""
        from bench.metrics.evaluate import Evaluator

        place = (name, metrics)
        if place in self._references:
            self._references.move_to_end(place)
        else:
            signal = replace(self.spec.loader.load(self.spec.items[name]), name=name)
            evaluator = Evaluator(signal, metrics, device=self.spec.device)
            self._references[place] = (signal, evaluator)
            if len(self._references) > (MOST if self._batching else _REFERENCES_KEPT):
                self._references.popitem(last=False)
        return self._references[place]

    def measure_all(self, tasks: Sequence[Task]) -> tuple[Measured, ...]:
        """Measures tasks one after the other, but with a GPU codes what goes together at once, and
        has metrics compare in batches once several points of a picture are decoded."""
        found: list[Measured] = []
        waiting: list[tuple[int, Signal]] = []
        evaluator: Evaluator | None = None
        ahead: deque[Coded | None] = deque()
        for place, task in enumerate(tasks):
            self._late = None
            if not ahead:
                ahead.extend(self._code_ahead(tasks[place : place + MOST]))
            found.append(self.measure(task, ahead.popleft()))
            if self._late is None:
                continue
            latest, decoded = self._late
            if latest is not evaluator or len(waiting) == MOST:
                _settle(found, evaluator, waiting)
                evaluator, waiting = latest, []
            waiting.append((len(found) - 1, decoded))
        _settle(found, evaluator, waiting)
        return tuple(found)

    def _code_ahead(self, tasks: Sequence[Task]) -> Sequence[Coded | None]:
        """Of the first tasks, at least one, what coding them at once came to; None for those that
        are to be coded alone, be it for a fault of one of them."""
        if not self._batching:
            return (None,)
        name, spec = tasks[0].codec, self.spec
        together = list(takewhile(lambda task: task.codec == name and self._joins(task), tasks))
        if len(together) < 2:
            return (None,)
        try:
            codec, card = self._codec_of(tasks[0]), spec.codecs[name]
            if not isinstance(codec, Batching):
                return (None,) * len(together)
            inputs = alike((self._signal(task), task.point) for task in together)
            layout = inputs[0][0].layout
            if len(inputs) < 2 or layout.media not in card.media or codec.refusal(layout):
                return (None,) * len(inputs)
            self._warm_up(name, codec, *inputs[0])
            return code_together(codec, inputs)
        except Exception:  # whose fault it is comes out when each is coded alone
            return (None,) * len(together)

    def _joins(self, task: Task) -> bool:
        """Not what is timed repeatedly or searched, nor what another process decodes alone and to
        the very pixels: a batch may round some the other way."""
        searched = self.spec.codecs[task.codec].searched is not None
        return not (self.spec.repeats or searched or task.item in self.spec.decode_again)

    def _signal(self, task: Task) -> Signal:
        return self.reference(task.item, self.spec.metrics)[0]

    def _warm_up(self, name: str, codec: Codec, signal: Signal, point: Point) -> None:
        if name not in self._warm:
            codec.warm_up(signal, point)
            self._warm.add(name)

    def measure(self, task: Task, coded: Coded | None = None) -> Measured:
        """Measures one task, or of one that is coded already the rest; whatever goes wrong in a
        codec becomes a record with its reason."""
        blank = Record(
            suite=self.spec.suite,
            dataset=self.spec.dataset,
            item=task.item,
            codec=task.codec,
            point=str(task.point),
            status="failed",
            parallel=self.spec.parallel,
            fingerprint=task.fingerprint,
            group=self.spec.items[task.item].group or None,
        )
        try:
            return self._measure(task, blank, coded)
        except (Unavailable, Unsupported) as error:
            return Measured(entries.failure(blank, "skipped", error))
        except BenchError as error:
            return Measured(entries.failure(blank, "failed", error))
        except Exception as error:  # a third party's codec may raise anything: it is a result
            return Measured(entries.failure(blank, "failed", error))

    def _measure(self, task: Task, blank: Record, coded: Coded | None) -> Measured:
        codec = self._codec_of(task)
        signal, evaluator = self.reference(task.item, self.spec.metrics)
        layout = signal.layout
        if layout.media not in self.spec.codecs[task.codec].media:
            raise Unsupported(f"{task.codec} does not code {layout.media}s")
        if reason := codec.refusal(layout):
            raise Unsupported(reason)
        point = self._point(task, codec, signal)
        if coded is None:
            self._warm_up(task.codec, codec, signal, point)
            coded = self._code(codec, signal, point)
        encoded, decoded = coded.encoded, coded.decoded
        encoding, decoding = coded.encoding, coded.decoding
        if encoded.bits_estimated is None:
            estimate = codec.estimate(signal, point)
            if estimate is not None:
                encoded = replace(encoded, bits_estimated=estimate)
        scores = evaluator.score(decoded, batches=not self._batching)
        if self._batching and evaluator.batches:
            self._late = (evaluator, decoded)
        record = entries.measured(
            blank, layout, encoded, scores,
            encode_seconds=encoding.wall_seconds,
            decode_seconds=decoding.wall_seconds,
            encode_cpu_seconds=encoding.cpu_seconds,
            decode_cpu_seconds=decoding.cpu_seconds,
            encode_spread_seconds=encoding.spread_seconds,
            decode_spread_seconds=decoding.spread_seconds,
            repeats=self.spec.repeats or None,
            parallel=self.spec.parallel * coded.together,
            psnr_rgb_ceiling=self._ceiling(task, codec, signal),
            lossless=_check_lossless(codec, scores),
            reached=None if point is task.point else str(point),
        )  # fmt: skip
        payload = None
        if task.item in self.spec.decode_again and encoded.reconstruction is None:
            payload = DecodedPayload(
                task.codec, str(task.point), task.item, encoded.payload, decoded.sha256(),
                isolation.is_guarded(),
            )  # fmt: skip
        kept = None
        if task.item in self.spec.keep:
            kept = make_kept_stream(record, encoded.payload, signal, decoded)
        return Measured(record, payload, kept)

    def _code(self, codec: Codec, signal: Signal, point: Point) -> Coded:
        """What is compared with the source is decoded from the bytes, or what stands in for it."""
        encoded, encoding = self._time(lambda: codec.encode(signal, point))
        if not encoded.coded_here:
            encoding = NOT_TIMED
        if encoded.reconstruction is not None:
            return Coded(encoded, encoded.reconstruction, encoding, NOT_TIMED)
        decoded, decoding = self._time(lambda: codec.decode(encoded.payload))
        return Coded(encoded, decoded, encoding, decoding)

    def _codec_of(self, task: Task) -> Codec:
        codec = self.codec(task.codec)
        if codec.device_kind() != task.device:
            raise Unavailable(
                f"this worker computes on {codec.device_kind()}, the run was planned for "
                f"{task.device}; use workers of one kind"
            )
        return codec

    def add(self, task: Task) -> Added:
        """Measures what a stored record lacks, on the stream that it belongs to; whatever goes
        wrong becomes a remark of each metric."""
        try:
            found = self._add(task)
        except Exception as error:  # a third party's codec may raise anything: it is a result
            why = entries.plain_reason(error)
            return Added(task, Scores({}, dict.fromkeys(task.lacks, why)))
        values = {name: found.values[name] for name in task.lacks if name in found.values}
        remarks = {name: found.remarks[name] for name in task.lacks if name in found.remarks}
        return Added(task, Scores(values, remarks, found.frames))

    def _add(self, task: Task) -> Scores:
        codec, stored = self._codec_of(task), task.stored
        assert stored is not None
        signal, evaluator = self.reference(task.item, task.lacks)
        scores = evaluator.score(self._decode_stored(codec, task, stored, signal))
        if not scores.agrees_with(stored.mse):
            raise CodecError(
                f"the stream decodes to mse {scores.get('mse')}, the record says {stored.mse}; "
                "measure all again with --fresh"
            )
        return scores

    def _decode_stored(self, codec: Codec, task: Task, stored: Stored, signal: Signal) -> Signal:
        """What the stream of a record decodes to: the kept one, else that of coding again."""
        payload = kept_stream(stored)
        if payload is None:
            point = task.point if stored.reached is None else _reached_point(stored.reached)
            encoded = codec.encode(signal, point)
            if encoded.reconstruction is not None:
                return encoded.reconstruction
            payload = encoded.payload
        if payload and hashlib.sha256(payload).hexdigest() != stored.bitstream_sha256:
            raise CodecError(
                "coded again it is another stream than the record's; keep streams with --keep, or "
                "measure all again with --fresh"
            )
        return codec.decode(payload)

    def _time(self, call: Callable[[], T]) -> tuple[T, Timed]:
        return repeated(call, self.spec.repeats) if self.spec.repeats else timed(call)

    def _point(self, task: Task, codec: Codec, signal: Signal) -> Point:
        """The task's operating point, searched for where it asks for a rate."""
        key = self.spec.codecs[task.codec].searched
        if key is None:
            return task.point

        def rate(value: Value) -> float:
            payload = codec.encode(signal, Point(key, value)).payload
            return 8 * len(payload) / signal.layout.pixels

        place = (task.codec, task.point)
        found = find_rate(
            float(task.point.value), codec.parameters.get(key), rate, self._reached.get(place)
        )
        self._reached[place] = found.value
        return Point(key, found.value)

    def _ceiling(self, task: Task, codec: Codec, signal: Signal) -> float | None:
        """PSNR of the codec's colour conversion alone, computed once per codec and item."""
        from bench.metrics.evaluate import colour_ceiling

        item, value = self._ceilings.get(task.codec, ("", None))
        if item != task.item:
            value = colour_ceiling(signal, codec.colour_path(signal))
            self._ceilings[task.codec] = (task.item, value)
        return value


def _settle(
    found: list[Measured], evaluator: Evaluator | None, waiting: Sequence[tuple[int, Signal]]
) -> None:
    """Adds what was left to a batch to the records that wait for it."""
    if evaluator is None or not waiting:
        return
    batch = evaluator.score_batch([decoded for _, decoded in waiting])
    for (index, _), scores in zip(waiting, batch, strict=True):
        record = entries.with_late(found[index].record, scores)
        found[index] = replace(found[index], record=record)


def kept_stream(stored: Stored) -> bytes | None:
    """The stream of a record, if it was kept, lies where this process sees it and is whole."""
    if stored.kept is None or not stored.kept.is_file():
        return None
    payload = stored.kept.read_bytes()
    whole = hashlib.sha256(payload).hexdigest() == stored.bitstream_sha256
    return payload if whole else None


def _reached_point(text: str) -> Point:
    key, _, value = text.partition("=")
    return Point(key, parse_value(value))


def _check_lossless(codec: Codec, scores: Scores) -> bool | None:
    if not codec.lossless:
        return None
    if not scores.identical:
        raise CodecError(
            f"claims to be lossless, but the decoded pixels differ (mse {scores.get('mse')})"
        )
    return True


def probe(card: CodecCard, device: str) -> Probe:
    """Builds a codec to learn what its numbers depend on and whether it can run here."""
    try:
        codec = build_codec(card, device=device)
        codec.check_available()
    except Unavailable as error:
        return Probe(card.id, {}, unavailable=str(error))
    versions = {**codec.versions(), **plugins.version(card.adapter.partition(":")[0])}
    return Probe(card.id, versions, codec.device_kind(), codec.complexity(), codec.reads())


_bench: Bench | None = None


def start_worker(spec: WorkSpec) -> None:
    """Called once in each worker process before its first task."""
    global _bench
    if spec.repeats and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {timing_core()})
    isolation.guard_code()
    _bench = Bench(spec)


def measure_tasks(tasks: Sequence[Task]) -> Portion:
    """Measures tasks one after the other in a worker that ``start_worker`` made ready."""
    assert _bench is not None, "start_worker was not called"
    start = perf_counter()
    measured = _bench.measure_all([task for task in tasks if not task.lacks])
    added = tuple(_bench.add(task) for task in tasks if task.lacks)
    return Portion(
        tuple(pack(one.record) for one in measured),
        perf_counter() - start,
        added,
        tuple(one.payload for one in measured if one.payload is not None),
        tuple(one.kept for one in measured if one.kept is not None),
    )
