"""What a table of records says that no run writes: found in bulk, then named for one record.

Knows the rules; never opens more than the file that it is asked about, and mends nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np

from bench.records import Record, Status

if TYPE_CHECKING:
    import pandas as pd

STATUSES = get_args(Status)
_WHOLE = ("width", "height", "frames", "channels", "bytes", "header_bytes", "discarded_bytes")
_LARGEST = 2.0**53
"""Beyond it a count is no longer exact in a float; no clip is so large."""
_HALF_A_BYTE = 0.501
"""What rounded numbers may differ by: bytes are whole."""


def implausible(record: Record, amounts: Sequence[str]) -> str | None:
    """What no run writes in a record: the column, its value and why not; None if all is well.

    ``amounts`` are the columns that are never negative.
    """
    if record.status not in STATUSES:
        return f"status is {record.status!r}, not one of {', '.join(STATUSES)}"
    for name in amounts:
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


def suspicious(table: pd.DataFrame, amounts: Sequence[str]) -> bool:
    """Whether ``implausible`` may have something to say of a row: it then looks at all of them."""
    numbers = table[list(amounts)].to_numpy()
    done = (table["status"] == "done").to_numpy()
    rate = table["rate"].notna().to_numpy() if "rate" in table else np.zeros(len(table), bool)
    pixels = table["width"].to_numpy() * table["height"].to_numpy() * table["frames"].to_numpy()
    size, bpp = table["bytes"].to_numpy(), table["bpp"].to_numpy()
    with np.errstate(all="ignore"):
        strange = (numbers < 0) | (numbers > _LARGEST)
        parts = table[list(_WHOLE)].to_numpy() % 1 > 0
        agree = np.abs(bpp * pixels / 8 - size) <= _HALF_A_BYTE
    metrics = table.select_dtypes("number").to_numpy()
    statuses = set(map(str, table["status"].cat.categories))
    infinite = np.isposinf(metrics).any(axis=1) & (table["mse"].to_numpy() != 0)
    return bool(
        strange.any()
        or parts.any()
        or (done & ~rate & ~(agree & (size > 0))).any()
        or infinite.any()
        or np.isneginf(metrics).any()
        or not statuses <= set(STATUSES)
    )


def ragged(path: Path, columns: int) -> bool:
    """Whether a line without quotes has another number of cells than the header, or says nan, or
    any holds a zero byte, at which pandas ends a cell."""
    with path.open("rb") as file:
        while lines := file.readlines(1 << 24):
            plain = [line for line in lines if b'"' not in line]
            if any(line.count(b",") != columns - 1 or b",nan" in line for line in plain):
                return True
            if any(b"\0" in line for line in lines):
                return True
    return False
