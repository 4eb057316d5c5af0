"""What can still be read of a damaged or missing results store, and how damage to a record is seen.

Reads a broken SQLite file from both ends and the folder's last records.csv; writes nothing.
"""

from __future__ import annotations

import io
import math
import pickle
import sqlite3
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.errors import StoreError
from bench.records import COLUMNS, Record
from bench.results.table import REQUIRED, Cell, read_records, record_of

_KEY = ("codec", "point", "item")
_NEEDED = (*REQUIRED, "fingerprint")
_CHECKED = COLUMNS[: COLUMNS.index("fingerprint") + 1]
"""Columns of the first formats, whose checksums stay valid: of others only what is filled counts,
under its name."""
_NOT_FURTHER = frozenset((*_CHECKED, "checksum"))
_HASH_DIGITS = 64


def checksum(values: Mapping[str, Cell]) -> int:
    """CRC-32 of a record's values by column, as SQLite returns them.

    SQLite has no checksums: a flipped bit inside a page is read back as another number.
    """
    row = [values[name] for name in _CHECKED if name in values]
    further = [name for name in values if name not in _NOT_FURTHER and values[name] is not None]
    for name in sorted(further):
        row += (name, values[name])
    buffer = io.BytesIO()
    # only ever written: a stable encoding of numbers, text and None, three times as fast as repr
    pickler = pickle.Pickler(buffer, 2)
    pickler.fast = True
    pickler.dump(tuple(int(value) if value is True or value is False else value for value in row))
    return zlib.crc32(buffer.getbuffer())


def salvage(store: Path, table: Path) -> list[Record]:
    """Every finished record that can be read of a damaged store, if any, then of its records.csv.

    Each is there once, whole and plausible; the store's own wins.
    """
    found: dict[tuple[str, str, str], Record] = {}
    for record in (*_readable(store), *_exported(table)):
        key = (record.codec, record.point, record.item)
        if key not in found and _plausible(record):
            found[key] = record
    return list(found.values())


def _readable(store: Path) -> Iterator[Record]:
    """Records with a right checksum, read forwards to the damage, then backwards to it."""
    # without a log nobody writes, and reading leaves no files of SQLite's behind
    waiting = store.with_name(f"{store.name}-wal").exists()
    how = "mode=ro" if waiting else "mode=ro&immutable=1"
    for direction in ("ASC", "DESC"):
        order = ", ".join(f"{name} {direction}" for name in _KEY)
        try:
            db = sqlite3.connect(f"{store.resolve().as_uri()}?{how}", uri=True)
        except sqlite3.Error:
            return
        try:
            rows = db.execute(f"SELECT * FROM records ORDER BY {order}")
            names = [column[0] for column in rows.description]
            for row in rows:
                values = dict(zip(names, row, strict=True))
                if values.pop("checksum", None) == checksum(values):
                    yield record_of(values)
        except (sqlite3.Error, UnicodeDecodeError, OverflowError):
            continue  # the damage: what lies beyond it comes from the other end
        finally:
            db.close()


def _exported(table: Path) -> Iterator[Record]:
    try:
        for _, record in read_records(table, _NEEDED):
            yield record
    except StoreError:
        return  # an unreadable table only means that more is measured again


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
    """The error of a store that broke while a run was using it."""
    return StoreError(
        f"{folder}: the results store is damaged ({error}); run again: what can be read is kept, "
        "the rest is measured again"
    )
