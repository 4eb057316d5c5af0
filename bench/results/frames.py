"""What is known of each frame of a clip: stored beside its record, written as frames.csv.

Measures nothing and knows no codec.
"""

from __future__ import annotations

import csv
import json
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench.errors import StoreError
from bench.records import CodedFrames
from bench.results.recovery import opened
from bench.results.table import written

if TYPE_CHECKING:
    import pandas as pd

FILE = "frames.csv"
SCHEMA = """
CREATE TABLE IF NOT EXISTS frames (codec TEXT, point TEXT, item TEXT, frames INTEGER, content BLOB,
    PRIMARY KEY (codec, point, item));
CREATE TRIGGER IF NOT EXISTS frames_go AFTER DELETE ON records BEGIN DELETE FROM frames
    WHERE codec = OLD.codec AND point = OLD.point AND item = OLD.item; END;
"""
FIRST_ITEMS = 16
MOST_ROWS = 100_000
"""frames.csv has the first items of the run, so many at most and while it has no more rows: about
10 MB. The store has the frames of all."""
_KEYS = ("codec", "point", "item")
COLUMNS = (*_KEYS, "frame", "type", "bytes")
"""One column for each metric that has a value a frame follows."""
Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Frames:
    """Of the frames of a clip what the codec tells and the values of metrics by id."""

    coded: CodedFrames | None = None
    values: Mapping[str, Sequence[float]] = field(default_factory=dict)

    @property
    def count(self) -> int:
        known = [len(self.coded.sizes)] if self.coded else []
        return max(known + [len(one) for one in self.values.values()], default=0)


class PackedFrames(NamedTuple):
    """How many frames, and all that is known of them."""

    frames: int
    content: bytes


def pack_frames(frames: Frames) -> PackedFrames | None:
    """Four bytes a number, compressed; None where nothing is known."""
    if not frames.count:
        return None
    import numpy as np

    coded = frames.coded
    head = {
        "frames": frames.count,
        "coded": coded is not None,
        "types": coded.types if coded else "",
        "metrics": list(frames.values),
    }
    sizes = np.array(coded.sizes if coded else (), "<i4").tobytes()
    values = np.array(list(frames.values.values()), "<f4").tobytes()
    return PackedFrames(
        frames.count, zlib.compress(json.dumps(head).encode() + b"\n" + sizes + values)
    )


def unpack_frames(content: bytes) -> Frames:
    """What ``pack_frames`` packed; nothing where it is damaged."""
    import numpy as np

    try:
        text, _, numbers = zlib.decompress(content).partition(b"\n")
        head = json.loads(text)
        count, metrics = head["frames"], head["metrics"]
        split = 4 * count if head["coded"] else 0
        sizes = np.frombuffer(numbers[:split], "<i4").tolist()
        rows = np.frombuffer(numbers[split:], "<f4").reshape(len(metrics), count).tolist()
    except (zlib.error, ValueError, KeyError, TypeError):
        return Frames()
    coded = CodedFrames(tuple(sizes), head["types"]) if head["coded"] else None
    return Frames(coded, dict(zip(metrics, rows, strict=True)))


def put(db: sqlite3.Connection, rows: Iterable[tuple[Key, PackedFrames | None]]) -> None:
    """Stores frames of records; those of one that has none now stay."""
    db.executemany(
        "INSERT OR REPLACE INTO frames VALUES (?, ?, ?, ?, ?)",
        [(*key, *packed) for key, packed in rows if packed is not None],
    )


def held(db: sqlite3.Connection, key: Key) -> Frames:
    """The stored frames of one record."""
    where = "codec = ? AND point = ? AND item = ?"
    row = db.execute(f"SELECT content FROM frames WHERE {where}", key).fetchone()
    return Frames() if row is None else unpack_frames(row[0])


def export(db: sqlite3.Connection, path: Path, *, every: bool = False) -> None:
    """Writes frames.csv of the records that the folder shows, of ``every`` item or of the first;
    without frames there is no such file."""
    items = _items(db, every=every)
    if not items:
        path.unlink(missing_ok=True)
        return
    known = (metric for *_, frames in _stored(db, items) for metric in frames.values)
    metrics = tuple(dict.fromkeys(known))
    with written(path) as writer:
        writer.writerow((*COLUMNS, *metrics))
        for *key, frames in _stored(db, items):
            writer.writerows((*key, *row) for row in _rows(frames, metrics))


_SHOWN = (
    "FROM frames f JOIN records r ON r.codec = f.codec AND r.point = f.point AND r.item = f.item "
    "LEFT JOIN codecs c ON c.id = f.codec "
    "LEFT JOIN points p ON p.codec = f.codec AND p.point = f.point "
    "LEFT JOIN items i ON i.item = f.item "
    "WHERE r.status = 'done' AND (c.id IS NULL OR p.point IS NOT NULL) "
)


def _items(db: sqlite3.Connection, *, every: bool) -> list[str]:
    """The items of frames.csv, in the order of the run."""
    counted = db.execute(
        f"SELECT f.item, SUM(f.frames) {_SHOWN} GROUP BY f.item ORDER BY MIN(i.place), f.item"
    ).fetchall()
    found: list[str] = []
    rows = 0
    for item, more in counted:
        rows += more
        if found and not every and (rows > MOST_ROWS or len(found) == FIRST_ITEMS):
            break
        found.append(item)
    return found


def _stored(db: sqlite3.Connection, items: Sequence[str]) -> Iterator[tuple[str, str, str, Frames]]:
    for item in items:
        rows = db.execute(
            f"SELECT f.codec, f.point, f.item, f.content {_SHOWN} AND f.item = ? "
            "ORDER BY c.place, p.place",
            (item,),
        )
        for codec, point, name, content in rows:
            yield codec, point, name, unpack_frames(content)


def _rows(frames: Frames, metrics: Sequence[str]) -> Iterator[tuple[object, ...]]:
    coded, values = frames.coded, [frames.values.get(name) for name in metrics]
    for place in range(frames.count):
        yield (
            place,
            coded.types[place : place + 1] if coded else "",
            coded.sizes[place] if coded else "",
            *("" if each is None else f"{each[place]:.7g}" for each in values),
        )


def rebuild(folder: Path, *, every: bool = False) -> None:
    """Writes frames.csv of a folder anew from its store; without a store that holds frames the file
    stays as it is."""
    store = folder / "records.sqlite"
    if not store.is_file():
        return
    # of an earlier format, or damaged: the next run mends it
    with suppress(sqlite3.Error), closing(opened(store)) as db:
        if db.execute("SELECT 1 FROM frames LIMIT 1").fetchone():
            export(db, folder / FILE, every=every)


def recovered(store: Path, table: Path) -> dict[Key, PackedFrames]:
    """What can be read of a damaged or missing store's frames, then of its frames.csv."""
    found: dict[Key, PackedFrames] = {}
    if table.is_file():
        found = {key: packed for key, frames in _in_table(table) if (packed := pack_frames(frames))}
    if not store.is_file():
        return found
    with suppress(sqlite3.Error), closing(opened(store)) as db:
        rows = db.execute("SELECT codec, point, item, frames, content FROM frames")
        for codec, point, item, count, content in rows:
            if unpack_frames(content).count == count:
                found[codec, point, item] = PackedFrames(count, content)
    return found


def _in_table(path: Path) -> Iterator[tuple[Key, Frames]]:
    """The frames of a table by record; none of a table that no run wrote."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for key, rows in groupby(csv.DictReader(file), itemgetter(*_KEYS)):
                yield key, _of_rows(list(rows))
    except (OSError, ValueError, KeyError, TypeError, csv.Error):
        return


def _of_rows(rows: Sequence[Mapping[str, str]]) -> Frames:
    told = all(row["bytes"] for row in rows)
    sizes = tuple(int(row["bytes"]) for row in rows) if told else ()
    coded = CodedFrames(sizes, "".join(row["type"] for row in rows)) if told else None
    metrics = [name for name in rows[0] if name not in COLUMNS and rows[0][name]]
    return Frames(coded, {name: [float(row[name]) for row in rows] for name in metrics})


def read_frames(folders: Sequence[Path]) -> pd.DataFrame | None:
    """The frames.csv of results folders as one table; None where there is none."""
    import pandas as pd

    paths = [folder / FILE for folder in folders if (folder / FILE).is_file()]
    if not paths:
        return None
    words = dict.fromkeys((*_KEYS, "type"), "str")
    try:
        tables = [pd.read_csv(path, dtype=words) for path in paths]
    except (OSError, ValueError) as error:
        cure = "`bench report` rebuilds it"
        raise StoreError(f"{paths[0]}: cannot be read: {error}; {cure}") from error
    return pd.concat(tables, ignore_index=True)
