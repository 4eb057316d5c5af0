"""What a table of records says that no run writes: found in bulk, then named for one record.

Knows the rules; never opens more than the file that it is asked about, and mends nothing.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from bench.records import Record, Status

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

STATUSES = get_args(Status)
_WHOLE = ("width", "height", "frames", "channels", "bytes", "header_bytes", "discarded_bytes")
AMOUNTS = (
    *("width", "height", "frames", "channels", "bytes", "header_bytes", "discarded_bytes", "bpp"),
    *("bpp_estimated", "encode_seconds", "decode_seconds"),
)
"""Columns that are never negative."""
_LARGEST = 2.0**53
"""Beyond it a count is no longer exact in a float; no clip is so large."""
_HALF_A_BYTE = 0.501
"""What rounded numbers may differ by: bytes are whole."""


def implausible(record: Record) -> str | None:
    """What no run writes in a record: the column, its value and why not; None if all is well."""
    if record.status not in STATUSES:
        return f"status is {record.status!r}, not one of {', '.join(STATUSES)}"
    for name in AMOUNTS:
        value = getattr(record, name)
        if value is not None and not 0 <= value <= _LARGEST:
            return f"{name} is {value:.6g}" if value <= _LARGEST else f"{name} is too large"
    for name, score in {**record.scores, **record.frame_scores}.items():
        if math.isnan(score) or score == -math.inf:
            return f"{name} is {score}"
        if score == math.inf and record.scores.get("mse", 0) != 0:
            return f"{name} is infinite, but mse is {record.scores['mse']:g}"
    if record.status != "done" or record.rate == "estimated":
        return None
    if not record.bytes:
        return f"bytes is {record.bytes or 'empty'} of a record that is done"
    pixels = (record.width or 0) * (record.height or 0) * (record.frames or 0)
    if record.bpp is None or not pixels:
        return None
    if abs(record.bpp * pixels / 8 - record.bytes) <= _HALF_A_BYTE:
        return None
    return f"bpp is {record.bpp:g}, but {record.bytes} bytes are {8 * record.bytes / pixels:g}"


def suspicious(
    numbers: Mapping[str, Floats], statuses: Collection[str], done: Mask, rated: Mask
) -> bool:
    """Whether ``implausible`` may have something to say of a row: it then looks at all of them.

    ``done`` and ``rated`` are the rows of this status, and those with a rate that was not measured.
    """
    nothing = np.full(len(done), np.nan)
    width, height, frames, size, bpp, mse = (
        numbers.get(name, nothing) for name in ("width", "height", "frames", "bytes", "bpp", "mse")
    )
    with np.errstate(all="ignore"):
        measured = done & ~rated
        apart = np.abs(bpp * (width * height * frames) / 8 - size) > _HALF_A_BYTE
        if not set(statuses) <= set(STATUSES) or (measured & (apart | ~(size > 0))).any():
            return True
        return any(_strange(name, values, mse) for name, values in numbers.items())


def _strange(name: str, values: Floats, mse: Floats) -> bool:
    """Whether some value of a column is none that a run writes."""
    if name in AMOUNTS:
        odd = (values < 0) | (values > _LARGEST)
        return bool(odd.any() or (name in _WHOLE and (values % 1 > 0).any()))
    infinite = np.isinf(values)
    return bool(infinite.any() and ((values < 0) | (np.nan_to_num(mse) != 0))[infinite].any())


def ragged(path: Path, columns: int) -> bool:
    """Whether a line without quotes has another number of cells than the header, or says nan, or
    any holds a zero byte, at which pandas ends a cell."""
    line = b"," * (columns - 1) + b"\n"
    with path.open("rb") as file:
        while lines := file.readlines(1 << 22):
            chunk = b"".join(lines)
            if b"\0" in chunk:
                return True
            if b'"' in chunk:
                plain = [one for one in lines if b'"' not in one]
                chunk, lines = b"".join(plain), plain
            if lines and not lines[-1].endswith(b"\n"):
                chunk += b"\n"
            if b",nan" in chunk or chunk.translate(None, _NO_MARKS) != line * len(lines):
                return True
    return False


_NO_MARKS = bytes(set(range(256)) - set(b",\n"))
