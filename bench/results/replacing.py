"""Puts a new results store in the place of another at once: the old one stays until the new one is
written whole. Never says what is in it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

_ROOM = 4 << 20
"""Bytes that a fresh store keeps free inside itself for its first records, some ten thousand."""


def put_in_place(
    path: Path, schema: str, form: int, fill: Callable[[sqlite3.Connection], None]
) -> None:
    """Writes a store of this schema and format, filled by ``fill``, beside ``path``, then in its
    place. Whatever is raised, what was at ``path`` is as it was."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    try:
        db = sqlite3.connect(new, isolation_level=None)
        try:
            db.executescript(schema)
            fill(db)
            db.execute("INSERT INTO meta VALUES ('format', ?)", (str(form),))
        finally:
            db.close()
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
