"""The results store of one run folder: one SQLite file, written as each task finishes.

Every record is there once, under (codec, point, item); a kill at any moment loses nothing that
was finished. One process at a time may hold a folder. Never decides what is to be measured.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, astuple, replace
from pathlib import Path

from bench.errors import StoreError
from bench.machine import file_digest
from bench.records import COLUMNS, FrameSummary, Record, Stored, columns_of, is_of_frames
from bench.results import frames
from bench.results.lock import lock_folder
from bench.results.packed import Packed, pack
from bench.results.recovery import damaged, exported_records, recover_records, row_checksum
from bench.results.run_info import CodecInfo, MeasuredWith, Verdict, held_metrics, held_run
from bench.results.schema import (
    FORMAT,
    KEYS,
    SCHEMA,
    add_columns,
    make_room,
    put_in_place,
    state_of,
)
from bench.results.table import Cell, record_of, score_columns, write_records

FILE = "records.sqlite"
TABLE = "records.csv"
Key = tuple[str, str, str]
_ONE = "codec = ? AND point = ? AND item = ?"
_SEEN = "(c.id IS NULL OR p.point IS NOT NULL)"
"""Of a record: whether its codec and point belong to what the folder shows."""


class Store:
    """An open results folder; a context manager that holds the folder's lock."""

    def __init__(self, folder: Path, *, fresh: bool = False) -> None:
        self.folder = folder
        self._lock = lock_folder(folder)
        self.repaired: int | None = None
        """How many records were saved when this folder's store was found damaged; None if whole."""
        self.restored: int | None = None
        """How many records came from records.csv, for want of a store or because another run wrote
        it; None if none did."""
        try:
            if fresh:
                self._discard()
            with _explained(folder):
                self._open()
            if fresh:
                self.set_metrics(MeasuredWith())
        except BaseException:
            os.close(self._lock)
            raise

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *exception: object) -> None:
        self._db.close()
        os.close(self._lock)

    def _open(self) -> None:
        """Opens the store; a damaged one is replaced by what can be read of it, a missing or empty
        one by the folder's tables, so that results kept under version control are continued: a
        table that another run wrote, too, whose records would else be gone with the next one."""
        state = state_of(self.folder / FILE)
        lost = state == "empty" and (self.folder / TABLE).is_file()
        if lost:
            self.restored = self._lay_anew()
        elif state == "damaged":
            self.repaired = self._lay_anew()
        self._connect()
        if state == "sound":
            self.restored = self._take_up_table()
        if self.restored is not None or state == "damaged":
            self._restore_run()

    def _take_up_table(self) -> int | None:
        """Adds the finished records that only a table of another run has; returns how many."""
        table = self.folder / TABLE
        if not table.is_file() or self.meta("table") == file_digest(table):
            return None
        done, suite = self.done(), self.meta("suite")
        found = (one for one in exported_records(table) if suite in (None, one.suite))
        more = [one for one in found if _key(one) not in done]
        if more:
            self._add_recovered(more)
        return len(more) or None

    def _lay_anew(self) -> int:
        """Puts a store with all that can be read in the place of a damaged or missing one, at once;
        returns how many records that is."""
        records = recover_records(self.folder / FILE, self.folder / TABLE)

        def fill(db: sqlite3.Connection) -> None:
            self._db, self._columns = db, COLUMNS
            self._add_recovered(records)

        put_in_place(self.folder / FILE, fill)
        return len(records)

    def _add_recovered(self, records: Sequence[Record]) -> None:
        """Writes records with the frames that the folder has of them."""
        found = frames.recovered(self.folder / FILE, self.folder / frames.FILE)
        with self._transaction() as db:
            self._insert(map(pack, records))
            keys = set(map(_key, records))
            frames.put(db, ((key, found[key]) for key in keys & found.keys()))

    def _restore_run(self) -> None:
        """Codecs and verdicts of the folder's run.json; without one only records are continued."""
        run = held_run(self.folder)
        if run is None:
            return
        self.claim(suite=run.suite, dataset=run.dataset)
        self.set_codecs(run.codecs, add_points=True)
        self.add((), run.verdicts)
        if self.restored is None:
            return
        processor = run.machine.get("processor", "an unknown processor")
        self.set_meta(
            "continued",
            f"{self.restored} records were continued from an earlier {TABLE}, measured on "
            f"{processor} until {run.finished}.",
        )

    def _discard(self) -> None:
        """An empty store in the place of the old results, which stay until there is room for it."""
        if (self.folder / FILE).exists():
            with _explained(self.folder):
                put_in_place(self.folder / FILE, make_room)
        for name in (TABLE, frames.FILE):
            (self.folder / name).unlink(missing_ok=True)

    def _connect(self) -> None:
        self._db = sqlite3.connect(self.folder / FILE, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(SCHEMA)
        self._check_format()

    def _check_format(self) -> None:
        found = self.meta("format")
        if found is not None and int(found) > FORMAT:
            raise StoreError(
                f"{self.folder}: results format {found} is newer than this bench writes ({FORMAT});"
                " upgrade bench or use --fresh"
            )
        held = [row[1] for row in self._db.execute("PRAGMA table_info(records)")]
        self._columns = columns_of(score_columns(held))
        if found != str(FORMAT):
            with self._transaction() as db:
                add_columns(db, held)
            self.set_meta("format", str(FORMAT))

    def _insert(self, records: Iterable[Packed]) -> None:
        """Writes records inside a transaction, with a column for every metric they have."""
        records = list(records)
        for columns in dict.fromkeys(record.columns for record in records):
            for name in columns:
                if name not in self._columns:
                    self._db.execute(f'ALTER TABLE records ADD COLUMN "{name}"')
                    self._columns = (*self._columns, name)
            names = (*columns, "checksum")
            quoted, marks = ", ".join(f'"{name}"' for name in names), ", ".join("?" * len(names))
            self._db.executemany(
                f"INSERT OR REPLACE INTO records ({quoted}) VALUES ({marks})",
                ((*one.row, one.checksum) for one in records if one.columns == columns),
            )
        frames.put(self._db, ((one.key, one.frames) for one in records))

    def meta(self, key: str) -> str | None:
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def set_meta(self, key: str, value: str) -> None:
        with _explained(self.folder):
            self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def claim(self, **identity: str) -> None:
        """Binds the folder to a suite and data set; refuses a folder bound to another."""
        for key, value in identity.items():
            found = self.meta(key)
            if found is None:
                self.set_meta(key, value)
            elif found != value:
                raise StoreError(
                    f"{self.folder} holds results of another run ({key} {found}, now {value}); "
                    "use another --out, or --fresh to discard them"
                )

    def set_items(self, items: Sequence[tuple[str, str]]) -> int:
        """Registers items as (name, digest) in order; drops what was measured on other content.

        Returns how many records were dropped.
        """
        with self._transaction() as db:
            known = dict(db.execute("SELECT item, digest FROM items"))
            changed = [name for name, digest in items if known.get(name, digest) != digest]
            dropped = 0
            for name in changed:
                dropped += db.execute("DELETE FROM records WHERE item = ?", (name,)).rowcount
                db.execute("DELETE FROM verdicts WHERE item = ?", (name,))
            rows = [(name, place, digest) for place, (name, digest) in enumerate(items)]
            db.executemany("INSERT OR REPLACE INTO items VALUES (?, ?, ?)", rows)
        return dropped

    def set_groups(self, groups: Mapping[str, str]) -> None:
        """Tells the records of items which group they are of: what an item belongs to changes no
        measurement, so that earlier records keep theirs."""
        with self._transaction() as db:
            held = db.execute('SELECT DISTINCT item, "group" FROM records').fetchall()
            for item, known in held:
                group = groups.get(item, known or "") or None
                if group != known:
                    sound = self._sound("item = ?", (item,))
                    self._insert(pack(replace(record, group=group)) for record in sound)

    def _sound(self, where: str, values: Sequence[str] = ()) -> list[Record]:
        """Some records, as long as they are what was written."""
        columns = ", ".join(f'"{name}"' for name in self._columns)
        query = f"SELECT {columns}, checksum FROM records WHERE {where}"
        return [
            record_of(dict(zip(self._columns, row, strict=True)))
            for *row, mark in self._db.execute(query, values).fetchall()
            if mark in (None, row_checksum(self._columns, row))
        ]

    def add_code(self, codec: str, files: Mapping[str, str]) -> None:
        """Notes files of a codec's code that a coding loaded."""
        with self._transaction() as db:
            for (text,) in db.execute("SELECT info FROM codecs WHERE id = ?", (codec,)).fetchall():
                info = json.loads(text)
                info["code"] = {**info.get("code", {}), **files}
                row = (json.dumps(info, ensure_ascii=False), codec)
                db.execute("UPDATE codecs SET info = ? WHERE id = ?", row)

    def set_codecs(self, codecs: Sequence[CodecInfo], *, add_points: bool) -> None:
        """Registers the codecs of this run, and their ladders.

        With ``add_points`` the points and codecs of earlier runs stay, and new codecs come after
        them; else these are all, in this order, and records of others rest in the store unseen
        until a run names them.
        """
        with self._transaction() as db:
            known = [name for (name,) in db.execute("SELECT id FROM codecs ORDER BY place")]
            named = [info.id for info in codecs]
            order = dict.fromkeys([*known, *named] if add_points else [*named, *known])
            places = {name: place for place, name in enumerate(order)}
            if not add_points:
                db.execute("DELETE FROM points")
            db.executemany(
                "UPDATE codecs SET place = ? WHERE id = ?",
                [(place, name) for name, place in places.items()],
            )
            for info in codecs:
                text = json.dumps(asdict(info), ensure_ascii=False)
                row = (info.id, places[info.id], text)
                db.execute("INSERT OR REPLACE INTO codecs VALUES (?, ?, ?)", row)
                points = list(info.ladder)
                if add_points:
                    points += [point for point in self._points(info.id) if point not in points]
                db.execute("DELETE FROM points WHERE codec = ?", (info.id,))
                rows = [(info.id, point, place) for place, point in enumerate(points)]
                db.executemany("INSERT INTO points VALUES (?, ?, ?)", rows)

    def _points(self, codec: str) -> tuple[str, ...]:
        rows = self._db.execute("SELECT point FROM points WHERE codec = ? ORDER BY place", (codec,))
        return tuple(point for (point,) in rows)

    def codecs(self) -> list[CodecInfo]:
        """Every codec that is seen here: those of the last whole suite in its order, then those
        that further runs added."""
        held = self._db.execute("SELECT id, info FROM codecs ORDER BY place").fetchall()
        return [
            CodecInfo(**{**json.loads(text), "ladder": ladder})
            for name, text in held if (ladder := self._points(name))
        ]  # fmt: skip

    def done(self, *, repeats: int = 0) -> dict[tuple[str, str, str], str]:
        """Fingerprint of every finished measurement by (codec, point, item), of those timed at
        least ``repeats`` times if it is given."""
        query = "SELECT codec, point, item, fingerprint FROM records WHERE status = 'done'"
        if repeats:
            query += f" AND repeats >= {int(repeats)}"
        with _explained(self.folder):
            rows = self._db.execute(query)
            return {(codec, point, item): mark for codec, point, item, mark in rows}

    def unjudged(self, items: Collection[str]) -> list[Key]:
        """The finished measurements of these items whose point has a stream and no verdict: the run
        was stopped between the two."""
        marks = ", ".join("?" * len(items))
        with _explained(self.folder):
            rows = self._db.execute(
                "SELECT codec, point, item FROM records WHERE status = 'done' "
                f"AND bitstream_sha256 IS NOT NULL AND item IN ({marks}) "
                "AND (codec, point) NOT IN (SELECT codec, point FROM verdicts)",
                tuple(items),
            )
            return rows.fetchall()

    def add(self, records: Iterable[Record], verdicts: Iterable[Verdict] = ()) -> None:
        """Writes records in one transaction; one of the same key is replaced."""
        self.add_packed(map(pack, records), verdicts)

    def add_packed(self, records: Iterable[Packed], verdicts: Iterable[Verdict] = ()) -> None:
        """As ``add``, of records that other processes made ready."""
        with self._transaction() as db:
            self._insert(records)
            db.executemany(
                "INSERT OR REPLACE INTO verdicts VALUES (?, ?, ?, ?, ?, ?, ?)",
                map(astuple, verdicts),
            )

    def verdicts(self) -> tuple[Verdict, ...]:
        rows = self._db.execute("SELECT * FROM verdicts ORDER BY codec, point, name")
        return tuple(
            Verdict(check, codec, point, item, bool(passed), detail, isolation)
            for check, codec, point, item, passed, detail, isolation in rows
        )

    def metrics(self) -> MeasuredWith:
        """The metrics of this folder's records; of a store that did not keep them, run.json's."""
        text = self.meta("metrics")
        if text is not None:
            table = json.loads(text)
            return MeasuredWith(tuple(table["names"]), tuple(table["facts"]), table["versions"])
        if self._db.execute("SELECT 1 FROM records LIMIT 1").fetchone() is None:
            return MeasuredWith()
        return held_metrics(held_run(self.folder))

    def set_metrics(self, found: MeasuredWith) -> None:
        table = {
            "names": found.names,
            "facts": list(found.info),
            "versions": {name: dict(versions) for name, versions in found.versions.items()},
        }
        self.set_meta("metrics", json.dumps(table, ensure_ascii=False))

    def lacking(self, metrics: Sequence[str]) -> dict[Key, tuple[tuple[str, ...], Stored]]:
        """Finished records without a value of some of these metrics: which, and what they were
        measured on."""
        own = [f'"{name}"' if name in self._columns else "NULL" for name in metrics]
        if not own:
            return {}
        return {
            key: (tuple(n for n, v in zip(metrics, values, strict=True) if v is None), stored)
            for key, stored, values in self._finished(own)
        }

    def measured(self) -> dict[Key, Stored]:
        """What every finished record was measured on."""
        return {key: stored for key, stored, _ in self._finished()}

    def _finished(self, more: Sequence[str] = ()) -> Iterator[tuple[Key, Stored, list[object]]]:
        """What every finished record was measured on, of those that lack some of ``more`` columns
        with their values."""
        columns = ", ".join((*KEYS, "bitstream_sha256", "mse", "reached", *more))
        lacking = " OR ".join(f"{name} IS NULL" for name in more) or "TRUE"
        with _explained(self.folder):
            rows = self._db.execute(
                f"SELECT {columns} FROM records WHERE status = 'done' AND ({lacking})"
            )
            for codec, point, item, digest, mse, reached, *values in rows:
                yield (codec, point, item), Stored(digest or "", mse, reached), values

    def add_scores(
        self,
        key: Key,
        scores: Mapping[str, float],
        remarks: Mapping[str, str],
        of_frames: FrameSummary | None = None,
    ) -> None:
        """Adds metrics to a stored record, whose other values stay; ``remarks`` say why there are
        none. Nothing happens where the record is gone."""
        with self._transaction():
            for record in self._sound(_ONE, key):
                said = {**record.remarks, **remarks}
                said = {name: why for name, why in said.items() if name not in scores}
                record = replace(record, scores={**record.scores, **scores}, remarks=said)
                if of_frames is not None:
                    record = self._with_held_frames(record).with_frames(of_frames)
                self._insert([pack(record)])

    def _with_held_frames(self, record: Record, without: str = "") -> Record:
        """With what is stored of its frames besides one metric's values."""
        held = frames.held(self._db, _key(record))
        values = {name: each for name, each in held.values.items() if name != without}
        return replace(record, coded_frames=held.coded, frame_values=values)

    def forget(self, metric: str) -> int:
        """Removes the values of a metric; returns how many there were."""
        if metric not in self._columns:
            return 0
        with self._transaction():
            found = self._sound(f'"{metric}" IS NOT NULL')
            for record in found:
                scores = {name: value for name, value in record.scores.items() if name != metric}
                of_frames = {
                    name: value for name, value in record.frame_scores.items()
                    if not is_of_frames(name, (metric,))
                }  # fmt: skip
                record = replace(record, scores=scores, frame_scores=of_frames)
                self._insert([pack(self._with_held_frames(record, metric))])
        return len(found)

    def drop(self, keys: Iterable[tuple[str, str, str]]) -> None:
        """Removes records that no longer belong (another codec version, card or weights)."""
        with self._transaction() as db:
            for codec, point, item in keys:
                db.execute(f"DELETE FROM records WHERE {_ONE}", (codec, point, item))
                db.execute("DELETE FROM verdicts WHERE codec = ? AND point = ?", (codec, point))

    def _ordered(self, columns: Sequence[str], where: str = "", more: str = "") -> sqlite3.Cursor:
        """Rows by codec, point and item in the order of the run."""
        named = ", ".join(f'r."{name}"' for name in columns)
        return self._db.execute(
            f"SELECT {named}{more} FROM records r LEFT JOIN codecs c ON c.id = r.codec "
            "LEFT JOIN points p ON p.codec = r.codec AND p.point = r.point "
            f"LEFT JOIN items i ON i.item = r.item {where} "
            "ORDER BY c.place, p.place, i.place, r.item"
        )

    def records(self) -> Iterator[Record]:
        """The records of the codecs' ladders, by codec, point and item in the order of the run."""
        rows = self._ordered(self._columns, f"WHERE {_SEEN}")
        return (record_of(dict(zip(self._columns, row, strict=True))) for row in rows)

    def export_csv(self, path: Path) -> int:
        """Writes records.csv of what is whole: empty where nothing applies, ``inf`` for infinite.

        Removes records that are no longer what was written, seen or not, and returns how many
        there were.
        """
        damaged: list[Key] = []
        with _explained(self.folder):
            write_records(path, self._whole(damaged), self._columns)
            self.drop(damaged)
            frames.export(self._db, path.with_name(frames.FILE))
            self.set_meta("table", file_digest(path))
        return len(damaged)

    def _whole(self, damaged: list[Key]) -> Iterator[tuple[Cell, ...]]:
        """Rows as ``records`` has them, without those whose checksum is wrong: their keys are added
        to a list."""
        columns = self._columns
        codec, point, item = map(columns.index, KEYS)
        for *row, mark, seen in self._ordered((*columns, "checksum"), more=f", {_SEEN}"):
            if mark not in (None, row_checksum(columns, row)):
                damaged.append((row[codec], row[point], row[item]))
            elif seen:
                yield tuple(row)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with _explained(self.folder):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")


def _key(record: Record) -> Key:
    return record.codec, record.point, record.item


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        raise StoreError(
            f"{folder}: the results store cannot be written ({error}); "
            "free space or choose another --out, then run again to continue"
        ) from error
    except sqlite3.DatabaseError as error:
        raise damaged(folder / FILE, error) from error
