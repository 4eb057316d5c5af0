"""Recovers records of a damaged or missing results store, and detects damage to a record.

Reads a broken SQLite file from both ends, and the folder's last records.csv; writes nothing.
"""

from __future__ import annotations

import io
import math
import pickle
import sqlite3
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from functools import cache
from pathlib import Path

from bench.errors import StoreError
from bench.records import COLUMNS, Record
from bench.results.table import REQUIRED, Cell, read_records, record_of

_KEY = ("codec", "point", "item")
_NEEDED = (*REQUIRED, "fingerprint")
# columns of the first formats, whose checksums must stay valid; of later columns a checksum covers
# only those with a value, together with their names
_CHECKED = COLUMNS[: COLUMNS.index("fingerprint") + 1]
_NOT_FURTHER = frozenset((*_CHECKED, "checksum"))
_FLAG = "lossless"
_HASH_DIGITS = 64


def checksum(values: Mapping[str, Cell]) -> int:
    """The ``row_checksum`` of values by column."""
    return row_checksum(tuple(values), tuple(values.values()))


def row_checksum(columns: tuple[str, ...], row: Sequence[Cell]) -> int:
    """CRC-32 of a record's values of these columns, as SQLite returns them."""
    # SQLite has no checksums of its own: it reads a flipped bit inside a page as another number
    first, further, flag = _places(columns)
    if flag is not None and isinstance(whole := row[flag], bool):
        row = (*row[:flag], int(whole), *row[flag + 1 :])
    named = [part for name, at in further if row[at] is not None for part in (name, row[at])]
    buffer = io.BytesIO()
    # never read back: pickle is a stable encoding of numbers, text and None, and three times as
    # fast as repr
    pickler = pickle.Pickler(buffer, 2)
    pickler.fast = True
    pickler.dump((*(row[at] for at in first), *named))
    return zlib.crc32(buffer.getbuffer())


@cache
def _places(
    columns: tuple[str, ...],
) -> tuple[tuple[int, ...], tuple[tuple[str, int], ...], int | None]:
    """The places of the columns that a checksum covers: those of the first formats, the later ones
    with their names, and the column that SQLite returns as 0 or 1."""
    place = {name: at for at, name in enumerate(columns)}
    first = tuple(place[name] for name in _CHECKED if name in place)
    further = tuple((name, place[name]) for name in sorted(place) if name not in _NOT_FURTHER)
    return first, further, place.get(_FLAG)


def recover_records(store: Path, table: Path) -> list[Record]:
    """The finished records that can be read from a damaged store, then those of its records.csv.

    Each record is whole, plausible and there once; the store's wins over that of records.csv.
    """
    found: dict[tuple[str, str, str], Record] = {}
    for record in (*filter(_plausible, _readable(store)), *exported_records(table)):
        found.setdefault((record.codec, record.point, record.item), record)
    return list(found.values())


def judged_points(store: Path) -> set[tuple[str, str]] | None:
    """Codecs and points that have a verdict in a store; None where there is none that is whole."""
    try:
        with closing(opened(store)) as db:
            return set(db.execute("SELECT codec, point FROM verdicts"))
    except sqlite3.Error:
        return None


def opened(store: Path) -> sqlite3.Connection:
    """The store, only to be read."""
    # without a log nobody writes, and reading leaves no files of SQLite's behind
    waiting = store.with_name(f"{store.name}-wal").exists()
    how = "mode=ro" if waiting else "mode=ro&immutable=1"
    return sqlite3.connect(f"{store.resolve().as_uri()}?{how}", uri=True)


def _readable(store: Path) -> Iterator[Record]:
    """Records with a right checksum: read forwards up to the damage, then backwards up to it."""
    for direction in ("ASC", "DESC"):
        order = ", ".join(f"{name} {direction}" for name in _KEY)
        # once the damage is reached, records beyond it are read from the other end
        reached = suppress(sqlite3.Error, UnicodeDecodeError, OverflowError)
        with reached, closing(opened(store)) as db:
            rows = db.execute(f"SELECT * FROM records ORDER BY {order}")
            names = [column[0] for column in rows.description]
            for row in rows:
                values = dict(zip(names, row, strict=True))
                if values.pop("checksum", None) == checksum(values):
                    yield record_of(values)


def exported_records(table: Path) -> Iterator[Record]:
    """The finished records of a records.csv that are plausible."""
    with suppress(StoreError):  # without a readable table more is measured again
        yield from filter(_plausible, (record for _, record in read_records(table, _NEEDED)))


def _plausible(record: Record) -> bool:
    """A finished record whose rate follows from its bytes and size."""
    if record.status != "done" or not record.fingerprint:
        return False
    sizes = (record.width, record.height, record.frames, record.bytes)
    if not all(isinstance(size, int) for size in sizes):
        return False
    if len(str(record.bitstream_sha256)) != _HASH_DIGITS:
        return False
    pixels = math.prod(size or 0 for size in sizes[:3])
    return math.isclose(record.bpp or 0.0, 8 * (sizes[3] or 0) / pixels, rel_tol=1e-9)


def damaged(folder: Path, error: sqlite3.Error) -> StoreError:
    """The error of a store that was damaged while a run was using it."""
    return StoreError(
        f"{folder}: the results store is damaged ({error}); run again: what can be read is kept, "
        "the rest is measured again"
    )
