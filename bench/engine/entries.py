"""Records of what a task came to: sizes, rates, scores or a reason. Measures nothing."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

from bench.codecs.base import Encoded
from bench.errors import BenchError
from bench.metrics.base import Scores
from bench.records import Record, Status, join_remarks, split_remarks
from bench.signals import Layout


def with_layout(record: Record, layout: Layout) -> Record:
    """The record with the size of its item."""
    return replace(record, **_size(layout))


def failure(record: Record, status: Status, error: BaseException) -> Record:
    """The record of a task that has no numbers, with a one-line reason."""
    return replace(record, status=status, reason=plain_reason(error))


def plain_reason(error: BaseException) -> str:
    """An exception in one line of at most 500 characters."""
    kind = "" if isinstance(error, BenchError) else f"{type(error).__name__}: "
    return " ".join(f"{kind}{error}".split())[:500]


def measured(
    blank: Record, layout: Layout, encoded: Encoded, scores: Scores, **found: Any
) -> Record:
    """The finished record of a signal of this layout; ``found`` are further columns."""
    size = {
        "measured": len(encoded.payload),
        "estimated": None,
        "reported": encoded.bytes_reported,
    }[encoded.rate]
    columns: dict[str, Any] = {
        "status": "done",
        "rate": None if encoded.rate == "measured" else encoded.rate,
        "bytes": size,
        "header_bytes": encoded.header_bytes,
        "discarded_bytes": encoded.discarded_bytes,
        "bpp": _per_pixel(None if size is None else 8 * size, layout.pixels),
        "bpp_estimated": _per_pixel(encoded.bits_estimated, layout.pixels),
        "bpp_likelihood": _per_pixel(encoded.bits_likelihood, layout.pixels),
        "scores": scores.values,
        "remarks": join_remarks(scores.remarks),
        "bitstream_sha256": (
            hashlib.sha256(encoded.payload).hexdigest() if encoded.payload else None
        ),
    }
    record = replace(blank, **_size(layout), **columns, **found)
    return record if scores.frames is None else record.with_frames(scores.frames)


def with_late(record: Record, scores: Scores) -> Record:
    """The record of a finished task with what metrics found in a batch."""
    if record.status != "done":
        return record
    said = {**split_remarks(record.remarks), **scores.remarks}
    merged = {**record.scores, **scores.values}
    return replace(record, scores=merged, remarks=join_remarks(said))


def _size(layout: Layout) -> dict[str, Any]:
    return {
        "width": layout.width,
        "height": layout.height,
        "frames": layout.frames,
        "channels": layout.channels,
    }


def _per_pixel(bits: float | None, pixels: int) -> float | None:
    return None if bits is None else float(bits) / pixels
