"""The SQLite file behind a results store: its tables, the history of its format, what lies in its
place, and how another takes it at once. Reads and writes no record."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Literal

from bench.errors import StoreError
from bench.records import COLUMNS
from bench.results import frames
from bench.results.recovery import checksum

# 1: first version; 2: a checksum beside every record; 3: bpp_likelihood; 4: remarks, and a column
# for each metric beyond the first; 5: rate; 6: isolation of verdicts; 7: items of codecs;
# 8: frames_identical, worst_frame, two columns for each metric of the frames of clips, and group;
# 9: frame_bytes, format; 10: kbps, encode_fps, decode_fps; 11: a table of frames
FORMAT = 11

_ROOM = 4 << 20
"""Bytes that a fresh store keeps free inside itself for its first records, some ten thousand."""
KEYS = ("codec", "point", "item")
SCHEMA = f"""
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT);
CREATE TABLE IF NOT EXISTS records ({", ".join(f'"{name}"' for name in COLUMNS)}, checksum,
    PRIMARY KEY ({", ".join(KEYS)})) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS codecs (id TEXT PRIMARY KEY, place INTEGER, info TEXT);
CREATE TABLE IF NOT EXISTS points (codec TEXT, point TEXT, place INTEGER,
    PRIMARY KEY (codec, point));
CREATE TABLE IF NOT EXISTS items (item TEXT PRIMARY KEY, place INTEGER, digest TEXT);
CREATE TABLE IF NOT EXISTS verdicts (name TEXT, codec TEXT, point TEXT, item TEXT,
    passed INTEGER, detail TEXT, isolation TEXT DEFAULT '', PRIMARY KEY (name, codec, point));
{frames.SCHEMA}"""


def state_of(path: Path) -> Literal["empty", "damaged", "sound"]:
    """What lies in the store's place. Raises StoreError for a database of something else."""
    if not path.exists():
        return "empty"
    db = sqlite3.connect(path)
    try:
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
        columns = {row[1] for row in db.execute("PRAGMA table_info(records)")}
        # a run makes meta first, so that it is there whenever a run was killed
        if (tables and "meta" not in tables) or (columns and not {*KEYS} <= columns):
            raise StoreError(
                f"{path}: a database of another program; move it away or give another --out"
            )
        whole = db.execute("PRAGMA quick_check(1)").fetchone() == ("ok",)
        return "empty" if not tables else "sound" if whole else "damaged"
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError:
        return "damaged"
    finally:
        db.close()


def add_columns(db: sqlite3.Connection, held: Sequence[str]) -> None:
    """Adds the columns that a store of an earlier format lacks, empty; a record that was whole
    gets the checksum of its new row."""
    known = [name for name in COLUMNS if name in held]
    for name in (*COLUMNS, "checksum"):
        if name not in held:
            db.execute(f'ALTER TABLE records ADD COLUMN "{name}"')
    if "isolation" not in [row[1] for row in db.execute("PRAGMA table_info(verdicts)")]:
        db.execute("ALTER TABLE verdicts ADD COLUMN isolation TEXT DEFAULT ''")
    if "checksum" not in held or "bpp_likelihood" in held:
        return
    key = " AND ".join(f"{name} = ?" for name in KEYS)
    named = ", ".join(f'"{name}"' for name in known)
    for row in db.execute(f"SELECT {named}, checksum FROM records").fetchall():
        values = dict(zip(known, row[:-1], strict=True))
        if row[-1] == checksum(values):
            new = checksum({**values, "bpp_likelihood": None})
            keys = [values[name] for name in KEYS]
            db.execute(f"UPDATE records SET checksum = ? WHERE {key}", (new, *keys))


def put_in_place(path: Path, fill: Callable[[sqlite3.Connection], None]) -> None:
    """Writes a store that ``fill`` fills beside ``path``, then at once in its place. Whatever is
    raised, what was at ``path`` is as it was."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    try:
        with closing(sqlite3.connect(new, isolation_level=None)) as db:
            db.executescript(SCHEMA)
            fill(db)
            db.execute("INSERT INTO meta VALUES ('format', ?)", (str(FORMAT),))
    except BaseException:
        for suffix in ("", "-journal"):
            new.with_name(new.name + suffix).unlink(missing_ok=True)
        raise
    for suffix in ("-wal", "-shm"):  # of the old store; they would be taken for the new one's
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    new.replace(path)


def make_room(db: sqlite3.Connection) -> None:
    """Leaves free pages in a store, which its records fill first. Raises sqlite3.OperationalError
    where the disk has no room for them."""
    db.execute("CREATE TABLE room (bytes)")
    db.execute("INSERT INTO room VALUES (zeroblob(?))", (_ROOM,))
    db.execute("DROP TABLE room")
