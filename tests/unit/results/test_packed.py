"""Records made ready where they are measured: the same rows as of records, under any columns."""

from __future__ import annotations

import pickle
import sqlite3
from pathlib import Path

from bench.records import COLUMNS, Record, columns_of
from bench.results.packed import pack
from bench.results.store import FILE, Store


def record(item: str, **scores: float) -> Record:
    return Record(
        suite="s", dataset="d", item=item, codec="a", point="q=1", status="done", bpp=0.5,
        lossless=True, fingerprint="f", scores=scores,
    )  # fmt: skip


def test_packed_records_say_what_who_runs_must_know() -> None:
    failed = pack(Record(suite="s", dataset="d", item="i", codec="a", point="q=1",
                         status="failed", reason="broken"))  # fmt: skip
    assert (failed.status, failed.codec, failed.reason) == ("failed", "a", "broken")
    assert failed.columns == COLUMNS


def test_many_of_the_same_metrics_name_their_columns_once() -> None:
    packed = [pack(record(f"{n}", psnr_rgb=30.0, mine=float(n))) for n in range(50)]
    assert packed[0].columns == columns_of(("psnr_rgb", "mine"))
    assert len({id(one.columns) for one in pickle.loads(pickle.dumps(packed))}) == 1


def test_records_of_other_metrics_lie_beside_each_other(tmp_path: Path) -> None:
    records = [record("i", psnr_rgb=30.0, first=1.0), record("j", other=2.0, first=3.0)]
    records.append(record("k"))
    with Store(tmp_path) as store:
        store.set_items([(one.item, "") for one in records])
        store.add_packed(map(pack, records))
        assert list(store.records()) == records
        assert store.export_csv(tmp_path / "records.csv") == 0


def test_what_is_no_longer_shown_is_checked_too(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.add([record("i"), record("j")])
        store._db.execute("INSERT INTO codecs VALUES ('a', 0, '{}')")  # of which no point is shown
    with sqlite3.connect(tmp_path / FILE) as db:
        db.execute("UPDATE records SET bpp = 0.25 WHERE item = 'j'")
    with Store(tmp_path) as store:
        assert store.export_csv(tmp_path / "records.csv") == 1
        assert (tmp_path / "records.csv").read_text().count("\n") == 1
        assert [key[2] for key in store.done()] == ["i"]
