"""The SQLite file behind a results store: its tables, the history of its format, and what lies in
its place. Reads and writes no record."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
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
