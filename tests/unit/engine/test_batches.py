"""Codecs that take several inputs at once: what goes together, whose time it is, and faults."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from bench.cards import load_registry
from bench.codecs.base import Batching, CodecBase, Encoded
from bench.datasets.base import DataOptions
from bench.engine import batches, worker_cache
from bench.engine.measure import Worker
from bench.engine.work import WorkSpec
from bench.errors import CodecError
from bench.records import Point, Record, Task
from bench.signals import Signal, image
from tests.fakes import Noise, write_cards

ENCODE, DECODE = 8.0, 4.0
POINTS = [Point("bits", bits) for bits in (2, 4, 8)]


class Together(CodecBase):
    """Codes gray pictures as they are; a call takes as long for many as for one, on a clock of its
    own. ``bad`` is the point at which it fails, ``fault`` how."""

    now = 0.0
    sizes: ClassVar[list[tuple[str, int]]] = []
    bad: ClassVar[int | None] = None
    fault = "raise"

    def encode(self, signal: Signal, point: Point) -> Encoded:
        return self.encode_many([(signal, point)])[0]

    def encode_many(self, inputs: Sequence[tuple[Signal, Point]]) -> tuple[Encoded, ...]:
        self._work("encode", len(inputs), ENCODE)
        if any(point.value == self.bad for _, point in inputs):
            if self.fault == "raise":
                raise CodecError("cannot code this one")
            return ()
        streams = [bytes([int(point.value)]) + _pixels(signal) for signal, point in inputs]
        return tuple(Encoded(stream) for stream in streams)

    def decode(self, payload: bytes) -> Signal:
        return self.decode_many([payload])[0]

    def decode_many(self, payloads: Sequence[bytes]) -> tuple[Signal, ...]:
        self._work("decode", len(payloads), DECODE)
        pixels = [np.frombuffer(payload[1:], np.uint8).reshape(16, 16) for payload in payloads]
        return tuple(image(each // 2) for each in pixels)

    def _work(self, call: str, count: int, seconds: float) -> None:
        Together.now += seconds
        Together.sizes.append((call, count))


def _pixels(signal: Signal) -> bytes:
    return next(signal.frames()).tobytes()


@pytest.fixture
def together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Worker:
    monkeypatch.setattr(time, "perf_counter", lambda: Together.now)
    monkeypatch.setattr(worker_cache, "build_codec", Together)
    monkeypatch.setattr(Together, "sizes", [])
    card = load_registry([write_cards(tmp_path)]).codec("coarse")
    loader = Noise(None, {}, DataOptions())
    items = {item.name: item for item in loader.items()}
    spec = WorkSpec("s", "d", loader, items, {"one": card}, ("psnr_rgb",), parallel=2)
    return _batching(spec)


def _batching(spec: WorkSpec) -> Worker:
    return Worker(spec, batching=True)


def _tasks(*items: int) -> list[Task]:
    return [Task("one", point, f"noise{item}", "") for item in items for point in POINTS]


def _records(worker: Worker, tasks: list[Task]) -> list[Record]:
    return [each.record for each in worker.measure_all(tasks)]


def _numbers(record: Record) -> tuple[Any, ...]:
    return (record.item, record.point, record.status, record.bitstream_sha256, record.scores)


def test_batches_give_the_records_of_single_tasks(together: Worker) -> None:
    single = Worker(together.cache.spec)
    tasks = _tasks(0, 1, 2, 3)
    assert isinstance(together.cache.codec("one"), Batching)
    records = _records(together, tasks)
    assert Together.sizes == [("encode", 8), ("decode", 8), ("encode", 4), ("decode", 4)]
    assert [*map(_numbers, records)] == [*map(_numbers, _records(single, tasks))]
    assert all(record.status == "done" for record in records)


def test_each_has_its_share_of_the_time_and_says_that_it_was_not_alone(together: Worker) -> None:
    first, *_, last = _records(together, _tasks(0, 1, 2, 3))
    assert (first.encode_seconds, first.decode_seconds) == (ENCODE / 8, DECODE / 8)
    assert (last.encode_seconds, last.decode_seconds) == (ENCODE / 4, DECODE / 4)
    assert (first.parallel, last.parallel) == (2 * 8, 2 * 4)
    (alone,) = _records(together, _tasks(0)[:1])
    assert (alone.encode_seconds, alone.decode_seconds, alone.parallel) == (ENCODE, DECODE, 2)


@pytest.mark.parametrize("fault", ["raise", "too few"])
def test_a_fault_hurts_only_its_task(
    together: Worker, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    _records(together, _tasks(0)[:1])
    monkeypatch.setattr(Together, "bad", 4)
    monkeypatch.setattr(Together, "fault", fault)
    Together.sizes.clear()
    records = _records(together, _tasks(0))
    assert [record.status for record in records] == ["done", "failed", "done"]
    assert [record.parallel for record in records] == [2, 2, 2]
    assert records[0].encode_seconds == ENCODE
    assert [size for call, size in Together.sizes if call == "encode"] == [3, 1, 1, 1]


def test_on_a_cpu_and_where_others_judge_each_is_coded_alone(together: Worker) -> None:
    spec = together.cache.spec
    for worker in (
        Worker(spec),
        _batching(replace(spec, repeats=2)),
        _batching(replace(spec, decode_again=frozenset(["noise0"]))),
    ):
        _records(worker, _tasks(0))
        assert {count for _, count in Together.sizes} == {1}


def test_a_batch_has_one_layout_and_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def pictures(*sides: int) -> list[tuple[Signal, Point]]:
        return [(image(np.zeros((side, 8), np.uint8)), POINTS[0]) for side in sides]

    assert len(batches.alike(pictures(8, 8, 9, 8))) == 2
    assert len(batches.alike(pictures(*[8] * 11))) == batches.MOST
    monkeypatch.setattr(batches, "MOST_PIXELS", 3 * 64)
    assert len(batches.alike(pictures(*[8] * 11))) == 3
    assert len(batches.alike(pictures(100, 100))) == 1
