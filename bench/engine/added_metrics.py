"""Adds metrics to a stored record, from the stream that the record belongs to."""

from __future__ import annotations

import hashlib

from bench.cards.codec_specs import parse_value
from bench.codecs.base import Codec
from bench.engine.task_records import one_line
from bench.engine.work import Added
from bench.engine.worker_cache import WorkerCache
from bench.errors import CodecError
from bench.metrics.base import Scores
from bench.records import Point, Stored, Task
from bench.signals import Signal


def add_metrics(cache: WorkerCache, task: Task) -> Added:
    """The metrics that the stored record of a task lacks; where anything fails, each gets the
    reason as its remark."""
    try:
        found = _score_stored(cache, task)
    except Exception as error:  # a third party's codec may raise anything: it is a result
        return Added(task, Scores({}, dict.fromkeys(task.lacks, one_line(error))))
    values = {name: found.values[name] for name in task.lacks if name in found.values}
    remarks = {name: found.remarks[name] for name in task.lacks if name in found.remarks}
    return Added(task, Scores(values, remarks, found.frames))


def _score_stored(cache: WorkerCache, task: Task) -> Scores:
    codec, stored = cache.codec_of(task), task.stored
    assert stored is not None
    signal, evaluator = cache.reference(task.item, task.lacks, codec.compared_depth())
    scores = evaluator.score(_decode_stored(codec, task.point, stored, signal))
    if not scores.agrees_with(stored.mse):
        raise CodecError(
            f"the stream decodes to mse {scores.get('mse')}, the record says {stored.mse}; "
            "measure all again with --fresh"
        )
    return scores


def _decode_stored(codec: Codec, point: Point, stored: Stored, signal: Signal) -> Signal:
    """Decodes the stream of a record: the kept one, else that of encoding the signal again."""
    payload = _read_kept(stored)
    if payload is None:
        encoded = codec.encode(signal, point if stored.reached is None else _parse(stored.reached))
        if encoded.reconstruction is not None:
            return encoded.reconstruction
        payload = encoded.payload
    if payload and hashlib.sha256(payload).hexdigest() != stored.bitstream_sha256:
        raise CodecError(
            "coded again it is another stream than the record's; keep streams with --keep, or "
            "measure all again with --fresh"
        )
    return codec.decode(payload)


def _read_kept(stored: Stored) -> bytes | None:
    """The stream of a record if it was kept, this process can read it and it is undamaged."""
    if stored.kept is None or not stored.kept.is_file():
        return None
    payload = stored.kept.read_bytes()
    whole = hashlib.sha256(payload).hexdigest() == stored.bitstream_sha256
    return payload if whole else None


def _parse(reached: str) -> Point:
    key, _, value = reached.partition("=")
    return Point(key, parse_value(value))
