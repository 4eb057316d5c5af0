"""Makes the record of a task from its result: sizes, rates and scores, or a reason."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

from bench.codecs.base import Encoded
from bench.engine import energy
from bench.engine.coding import Coded
from bench.engine.work import WorkSpec
from bench.errors import BenchError, as_cell
from bench.metrics.base import Scores
from bench.records import Record, Status, Task
from bench.signals import Layout


def empty_record(spec: WorkSpec, task: Task, status: Status, reason: str | None = None) -> Record:
    """The record of a task without a result."""
    return Record(
        suite=spec.suite,
        dataset=spec.dataset,
        item=task.item,
        codec=task.codec,
        point=str(task.point),
        status=status,
        reason=reason and as_cell(reason),
        fingerprint=task.fingerprint,
        group=spec.items[task.item].group or None,
    )


def with_layout(record: Record, layout: Layout | None) -> Record:
    """The record with the size of its item, where it is known."""
    return record if layout is None else replace(record, **_size(layout))


def one_line(error: BaseException) -> str:
    """An exception in one line of at most 500 characters."""
    kind = "" if isinstance(error, BenchError) else f"{type(error).__name__}: "
    return as_cell(f"{kind}{error}")[:500]


def with_result(record: Record, layout: Layout, coded: Coded, scores: Scores) -> Record:
    """The finished record of a signal of this layout."""
    encoded, encoding, decoding = coded.encoded, coded.encoding, coded.decoding
    size = _size_of_stream(encoded)
    columns: dict[str, Any] = {
        "status": "done",
        "rate": None if encoded.rate == "measured" else encoded.rate,
        "bytes": size,
        "header_bytes": encoded.header_bytes,
        "discarded_bytes": encoded.discarded_bytes,
        "frame_bytes": " ".join(map(str, encoded.frame_bytes or ())) or None,
        "coded_frames": coded.frames,
        "bpp": _per_pixel(None if size is None else 8 * size, layout.pixels),
        "bpp_estimated": _per_pixel(encoded.bits_estimated, layout.pixels),
        "bpp_likelihood": _per_pixel(encoded.bits_likelihood, layout.pixels),
        "scores": {**scores.values, **energy.scores(encoding.joules, decoding.joules)},
        "remarks": scores.remarks,
        "encode_seconds": encoding.wall_seconds,
        "decode_seconds": decoding.wall_seconds,
        "encode_cpu_seconds": encoding.cpu_seconds,
        "decode_cpu_seconds": decoding.cpu_seconds,
        "encode_spread_seconds": encoding.spread_seconds,
        "decode_spread_seconds": decoding.spread_seconds,
        **_of_clip(layout, size, encoding.wall_seconds, decoding.wall_seconds),
        "bitstream_sha256": (
            hashlib.sha256(encoded.payload).hexdigest() if encoded.payload else None
        ),
    }
    record = replace(with_layout(record, layout), **columns)
    return record if scores.frames is None else record.with_frames(scores.frames)


def with_scores(record: Record, scores: Scores) -> Record:
    """A finished record with further scores; another record as it is."""
    if record.status != "done":
        return record
    remarks = {**record.remarks, **scores.remarks}
    merged = {**record.scores, **scores.values}
    return replace(record, scores=merged, remarks=remarks)


def _size_of_stream(encoded: Encoded) -> int | None:
    """The bytes that count: those of the stream, those that others report, or none."""
    if encoded.rate == "measured":
        return len(encoded.payload)
    return encoded.bytes_reported if encoded.rate == "reported" else None


def _of_clip(
    layout: Layout, size: int | None, encoding: float | None, decoding: float | None
) -> dict[str, float | None]:
    """Bits and frames a second; nothing of pictures and vectors."""
    if layout.media != "video":
        return {}
    seconds = float(layout.frames / layout.fps)
    return {
        "kbps": None if size is None else 8 * size / seconds / 1000,
        "encode_fps": layout.frames / encoding if encoding else None,
        "decode_fps": layout.frames / decoding if decoding else None,
    }


def _size(layout: Layout) -> dict[str, Any]:
    return {
        "width": layout.width,
        "height": layout.height,
        "frames": layout.frames,
        "channels": layout.channels,
        "format": None if layout.media == "vector" else str(layout.format),
    }


def _per_pixel(bits: float | None, pixels: int) -> float | None:
    return None if bits is None else float(bits) / pixels
