"""One task: encode, decode, compare. The only place that times anything.

Runs inside a worker that keeps codecs and reference signals between tasks. Never writes results
and never decides what to measure.
"""

from __future__ import annotations

import hashlib
import os
import pickle
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from time import perf_counter
from typing import TYPE_CHECKING, TypeVar

from bench import isolation, plugins
from bench.cards import CodecCard, build_codec
from bench.codecs.base import Codec, Encoded
from bench.datasets.base import Item, Loader
from bench.engine.plan import Probe
from bench.engine.proofs import Evidence
from bench.engine.target import find_rate
from bench.engine.timing import NOT_TIMED, Timed, repeated, timed, timing_core
from bench.errors import BenchError, CodecError, Unavailable, Unsupported
from bench.metrics.base import Scores
from bench.records import Point, Record, Status, Stored, Task, Value, join_remarks, split_remarks
from bench.results.gallery import Keepsake, make_keepsake
from bench.signals import Layout, Signal
from bench.words import parse_value

_REFERENCES_KEPT = 2
_BATCH = 8
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
    evidence: frozenset[str] = frozenset()
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
    """A record and, for the items that the run asked it of, its evidence."""

    record: Record
    evidence: Evidence | None = None
    keepsake: Keepsake | None = None


@dataclass(frozen=True, slots=True)
class Added:
    """The metrics that a stored record lacked."""

    task: Task
    scores: Scores


@dataclass(frozen=True, slots=True)
class Portion:
    """What a worker sends back: the tasks it measured and the seconds it took for all of them."""

    measured: tuple[Measured, ...]
    seconds: float
    added: tuple[Added, ...] = ()


class Bench:
    """A worker's codecs and reference signals, built on first use."""

    def __init__(self, spec: WorkSpec) -> None:
        self.spec = spec
        self._codecs: dict[str, Codec] = {}
        self._warm: set[str] = set()
        self._references: OrderedDict[_Place, tuple[Signal, Evaluator]] = OrderedDict()
        self._ceilings: dict[str, tuple[str, float | None]] = {}
        self._reached: dict[tuple[str, Point], Value] = {}
        # networks on a GPU take the points of one picture together
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
            if len(self._references) > _REFERENCES_KEPT:
                self._references.popitem(last=False)
        return self._references[place]

    def measure_all(self, tasks: Sequence[Task]) -> tuple[Measured, ...]:
        """Measures tasks one after the other, and with a GPU what metrics compare in batches once
        several points of a picture are decoded."""
        found: list[Measured] = []
        waiting: list[tuple[int, Signal]] = []
        evaluator: Evaluator | None = None
        for task in tasks:
            self._late = None
            found.append(self.measure(task))
            if self._late is None:
                continue
            latest, decoded = self._late
            if latest is not evaluator or len(waiting) == _BATCH:
                _settle(found, evaluator, waiting)
                evaluator, waiting = latest, []
            waiting.append((len(found) - 1, decoded))
        _settle(found, evaluator, waiting)
        return tuple(found)

    def measure(self, task: Task) -> Measured:
        """Measures one task; whatever goes wrong in a codec becomes a record with its reason."""
        blank = Record(
            suite=self.spec.suite,
            dataset=self.spec.dataset,
            item=task.item,
            codec=task.codec,
            point=str(task.point),
            status="failed",
            parallel=self.spec.parallel,
            fingerprint=task.fingerprint,
        )
        try:
            return self._measure(task, blank)
        except (Unavailable, Unsupported) as error:
            return Measured(failure(blank, "skipped", error))
        except BenchError as error:
            return Measured(failure(blank, "failed", error))
        except Exception as error:  # a third party's codec may raise anything: it is a result
            return Measured(failure(blank, "failed", error))

    def _measure(self, task: Task, blank: Record) -> Measured:
        codec = self._codec_of(task)
        signal, evaluator = self.reference(task.item, self.spec.metrics)
        layout = signal.layout
        record = with_layout(blank, layout)
        if layout.media not in self.spec.codecs[task.codec].media:
            raise Unsupported(f"{task.codec} does not code {layout.media}s")
        if reason := codec.refusal(layout):
            raise Unsupported(reason)
        point = self._point(task, codec, signal)
        if task.codec not in self._warm:
            codec.warm_up(signal, point)
            self._warm.add(task.codec)
        encoded, encoding = self._time(lambda: codec.encode(signal, point))
        if encoded.bits_estimated is None:
            encoded = replace(encoded, bits_estimated=codec.estimate(signal, point))
        decoded, decoding = self._decode(codec, encoded)
        if not encoded.coded_here:
            encoding = NOT_TIMED
        scores = evaluator.score(decoded, batches=not self._batching)
        if self._batching and evaluator.batches:
            self._late = (evaluator, decoded)
        record = replace(
            _with_scores(record, scores, encoded),
            encode_seconds=encoding.wall_seconds,
            decode_seconds=decoding.wall_seconds,
            encode_cpu_seconds=encoding.cpu_seconds,
            decode_cpu_seconds=decoding.cpu_seconds,
            encode_spread_seconds=encoding.spread_seconds,
            decode_spread_seconds=decoding.spread_seconds,
            repeats=self.spec.repeats or None,
            psnr_rgb_ceiling=self._ceiling(task, codec, signal),
            lossless=_check_lossless(codec, scores),
            reached=None if point is task.point else str(point),
        )
        evidence = None
        if task.item in self.spec.evidence and encoded.reconstruction is None:
            evidence = Evidence(
                task.codec, str(task.point), task.item, encoded.payload, decoded.sha256(),
                isolation.is_guarded(),
            )  # fmt: skip
        keepsake = None
        if task.item in self.spec.keep:
            keepsake = make_keepsake(record, encoded.payload, signal, decoded)
        return Measured(record, evidence, keepsake)

    def _decode(self, codec: Codec, encoded: Encoded) -> tuple[Signal, Timed]:
        """What is compared with the source: decoded from the bytes, or what stands in for it."""
        if encoded.reconstruction is not None:
            return encoded.reconstruction, NOT_TIMED
        return self._time(lambda: codec.decode(encoded.payload))

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
            why = plain_reason(error)
            return Added(task, Scores({}, dict.fromkeys(task.lacks, why)))
        values = {name: found.values[name] for name in task.lacks if name in found.values}
        remarks = {name: found.remarks[name] for name in task.lacks if name in found.remarks}
        return Added(task, Scores(values, remarks))

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
        record = found[index].record
        if record.status != "done":
            continue
        said = {**split_remarks(record.remarks), **scores.remarks}
        merged = {**record.scores, **scores.values}
        record = replace(record, scores=merged, remarks=join_remarks(said))
        found[index] = replace(found[index], record=record)


def with_layout(record: Record, layout: Layout) -> Record:
    """The record with the size of its item."""
    return replace(
        record,
        width=layout.width,
        height=layout.height,
        frames=layout.frames,
        channels=layout.channels,
    )


def failure(record: Record, status: Status, error: BaseException) -> Record:
    """The record of a task that has no numbers, with a one-line reason."""
    return replace(record, status=status, reason=plain_reason(error))


def plain_reason(error: BaseException) -> str:
    """An exception in one line of at most 500 characters."""
    kind = "" if isinstance(error, BenchError) else f"{type(error).__name__}: "
    return " ".join(f"{kind}{error}".split())[:500]


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


def _with_scores(record: Record, scores: Scores, encoded: Encoded) -> Record:
    assert record.width and record.height and record.frames
    pixels = record.width * record.height * record.frames
    size = {
        "measured": len(encoded.payload),
        "estimated": None,
        "reported": encoded.bytes_reported,
    }[encoded.rate]
    return replace(
        record,
        status="done",
        rate=None if encoded.rate == "measured" else encoded.rate,
        bytes=size,
        header_bytes=encoded.header_bytes,
        discarded_bytes=encoded.discarded_bytes,
        bpp=_per_pixel(None if size is None else 8 * size, pixels),
        bpp_estimated=_per_pixel(encoded.bits_estimated, pixels),
        bpp_likelihood=_per_pixel(encoded.bits_likelihood, pixels),
        scores=scores.values,
        remarks=join_remarks(scores.remarks),
        bitstream_sha256=hashlib.sha256(encoded.payload).hexdigest() if encoded.payload else None,
    )


def _per_pixel(bits: float | None, pixels: int) -> float | None:
    return None if bits is None else float(bits) / pixels


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
    return Portion(measured, perf_counter() - start, added)
