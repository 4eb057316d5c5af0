"""What can still be read of a damaged or missing results store, and how damage to a record is seen.

Reads a broken SQLite file from both ends and the folder's last records.csv; writes nothing.
"""

from __future__ import annotations

import csv
import io
import math
import pickle
import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from bench.errors import StoreError
from bench.records import COLUMNS, Record

Row = tuple[Any, ...]
_KINDS = {field.name: str(field.type).partition(" ")[0] for field in fields(Record)}
_PLACE = {name: place for place, name in enumerate(COLUMNS)}
_KEY = ("codec", "point", "item")
_NEEDED = {*COLUMNS[: COLUMNS.index("reason") + 1], "fingerprint"}
"""Columns of every records.csv; what later versions added may be missing."""
_HASH_DIGITS = 64


def checksum(row: Sequence[Any]) -> int:
    """CRC-32 of a record's values in the order of COLUMNS, as SQLite returns them.

    SQLite has no checksums: a flipped bit inside a page is read back as another number.
    """
    buffer = io.BytesIO()
    # only ever written: a stable encoding of numbers, text and None, three times as fast as repr
    pickler = pickle.Pickler(buffer, 2)
    pickler.fast = True
    pickler.dump(tuple(int(value) if value is True or value is False else value for value in row))
    return zlib.crc32(buffer.getbuffer())


def salvage(store: Path, table: Path) -> list[Row]:
    """Every finished record that can be read of a damaged store, if any, then of its records.csv.

    Each is there once, whole and plausible; the store's own wins.
    """
    found: dict[Row, Row] = {}
    for row in (*_readable(store), *_exported(table)):
        key = tuple(row[_PLACE[name]] for name in _KEY)
        if key not in found and _plausible(row):
            found[key] = row
    return list(found.values())


def _readable(store: Path) -> Iterator[Row]:
    """Rows with a right checksum, read forwards to the damage, then backwards to it."""
    columns = ", ".join((*COLUMNS, "checksum"))
    for direction in ("ASC", "DESC"):
        order = ", ".join(f"{name} {direction}" for name in _KEY)
        try:
            db = sqlite3.connect(f"{store.resolve().as_uri()}?mode=ro", uri=True)
        except sqlite3.Error:
            return
        try:
            for row in db.execute(f"SELECT {columns} FROM records ORDER BY {order}"):
                if row[-1] == checksum(row[:-1]):
                    yield row[:-1]
        except (sqlite3.Error, UnicodeDecodeError, OverflowError):
            continue  # the damage: what lies beyond it comes from the other end
        finally:
            db.close()


def _exported(table: Path) -> Iterator[Row]:
    try:
        with table.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                if set(row) >= _NEEDED:
                    yield tuple(_typed(name, row.get(name) or "") for name in COLUMNS)
    except (OSError, ValueError, csv.Error):
        return  # an unreadable table only means that more is measured again


def _typed(name: str, text: str) -> Any:
    if text == "" and name != "fingerprint":
        return None
    if _KINDS[name] == "bool":
        return int(text == "true")
    if _KINDS[name] in ("int", "float"):
        return int(text) if _KINDS[name] == "int" else float(text)
    return text


def _plausible(row: Row) -> bool:
    """A finished record whose rate follows from its bytes and size."""
    value = {name: row[place] for name, place in _PLACE.items()}
    if value["status"] != "done" or not value["fingerprint"]:
        return False
    sizes = [value[name] for name in ("width", "height", "frames", "bytes")]
    if not all(isinstance(size, int) for size in sizes):
        return False
    if len(str(value["bitstream_sha256"])) != _HASH_DIGITS:
        return False
    return math.isclose(value["bpp"] or 0.0, 8 * sizes[3] / math.prod(sizes[:3]), rel_tol=1e-9)


def damaged(folder: Path, error: sqlite3.Error) -> StoreError:
    """The error of a store that broke while a run was using it."""
    return StoreError(
        f"{folder}: the results store is damaged ({error}); run again: what can be read is kept, "
        "the rest is measured again"
    )
