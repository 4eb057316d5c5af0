"""Records as the store writes them, made by the processes that measure.

One process stores what many measure: what can be done to a record before it is sent is done there.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from bench.records import COLUMNS, Record, columns_of
from bench.results.frames import Frames, PackedFrames, pack_frames
from bench.results.recovery import row_checksum
from bench.results.table import Cell, cells

_KEY = tuple(map(COLUMNS.index, ("codec", "point", "item")))
_STATUS, _CODEC, _REASON = map(COLUMNS.index, ("status", "codec", "reason"))


class Packed(NamedTuple):
    """The row of a record under the columns that it fills, and its checksum."""

    columns: tuple[str, ...]
    row: tuple[Cell, ...]
    checksum: int
    frames: PackedFrames | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        codec, point, item = (str(self.row[place]) for place in _KEY)
        return codec, point, item

    @property
    def status(self) -> Cell:
        return self.row[_STATUS]

    @property
    def codec(self) -> Cell:
        return self.row[_CODEC]

    @property
    def reason(self) -> Cell:
        return self.row[_REASON]


def pack(record: Record) -> Packed:
    """A record ready to be stored."""
    columns = _columns((*record.scores, *record.frame_scores))
    row = cells(record, columns)
    frames = pack_frames(Frames(record.coded_frames, record.frame_values))
    return Packed(columns, row, row_checksum(columns, row), frames)


@cache
def _columns(metrics: tuple[str, ...]) -> tuple[str, ...]:
    """One tuple for all records of the same metrics: it is sent once for many of them."""
    return columns_of(metrics)
