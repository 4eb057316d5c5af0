"""Adds metrics to a stored record, from the stream that the record belongs to, and keeps it."""

from __future__ import annotations

import hashlib

from bench.cards.codec_specs import parse_point
from bench.codecs.base import Codec, Encoded
from bench.engine.task_records import one_line
from bench.engine.work import Added
from bench.engine.worker_cache import WorkerCache
from bench.errors import CodecError
from bench.metrics.base import Scores
from bench.records import Point, Stored, Task
from bench.results.kept_streams import KeptStream
from bench.signals import Signal


def add_metrics(cache: WorkerCache, task: Task, *, keep: bool) -> Added:
    """The metrics that the stored record of a task lacks and, to ``keep``, a stream that is not
    kept; where anything fails, each metric gets the reason as its remark."""
    try:
        found, payload = _score_stored(cache, task)
    except Exception as error:  # a third party's codec may raise anything: it is a result
        return without_metrics(task, one_line(error))
    values = {name: found.values[name] for name in task.lacks if name in found.values}
    remarks = {name: found.remarks[name] for name in task.lacks if name in found.remarks}
    kept = KeptStream(task.item, task.codec, str(task.point), payload) if keep and payload else None
    return Added(task, Scores(values, remarks, found.frames), kept)


def without_metrics(task: Task, reason: str) -> Added:
    """A task of a stored record of which nothing could be had."""
    remarks = dict.fromkeys(task.lacks, reason)
    return Added(task, Scores({}, remarks), problem=None if task.lacks else reason)


def _score_stored(cache: WorkerCache, task: Task) -> tuple[Scores, bytes]:
    """Also the stream, where it is not kept yet."""
    codec, stored = cache.codec_of(task), task.stored
    assert stored is not None
    signal, evaluator = cache.reference(task.item, task.lacks, codec.compared_depth())
    payload, encoded = stored.kept_stream(), None
    if payload is None:
        encoded = encode_again(codec, task.point, stored, signal)
    fresh = b"" if encoded is None else encoded.payload
    if not task.lacks:
        return Scores({}), fresh
    if encoded is not None and encoded.reconstruction is not None:
        decoded = encoded.reconstruction
    else:
        decoded = codec.decode(payload or fresh)
    scores = evaluator.score(decoded)
    if not scores.agrees_with(stored.mse):
        raise CodecError(
            f"the stream decodes to mse {scores.get('mse')}, the record says {stored.mse}; "
            "measure all again with --fresh"
        )
    return scores, fresh


def encode_again(codec: Codec, point: Point, stored: Stored, signal: Signal) -> Encoded:
    """Raises CodecError where the stream is not that of the record."""
    encoded = codec.encode(signal, parse_point(stored.reached) if stored.reached else point)
    payload = encoded.payload
    if payload and hashlib.sha256(payload).hexdigest() != stored.bitstream_sha256:
        raise CodecError(
            "coded again it is another stream than the record's; keep streams with --keep all, or "
            "measure all again with --fresh"
        )
    return encoded
