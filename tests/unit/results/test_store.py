import csv
import math
import resource
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.errors import StoreError
from bench.records import COLUMNS, FIRST_METRICS, FrameSummary, Record
from bench.results.recovery import checksum
from bench.results.run_info import CodecInfo, RunInfo, Verdict
from bench.results.store import FILE, TABLE, Store
from bench.results.table import read_records


def record(codec: str = "a", point: str = "q=1", item: str = "i", **values: object) -> Record:
    fields: dict = {"status": "done", "fingerprint": "f", "bpp": 0.5, **values}
    fields["scores"] = {name: fields.pop(name) for name in FIRST_METRICS if name in fields}
    return Record(suite="s", dataset="d", item=item, codec=codec, point=point, **fields)


def info(name: str, *ladder: str) -> CodecInfo:
    return CodecInfo(name, name, {}, ladder, True, False, {"lib": "1"})


def run_info(**values: Any) -> RunInfo:
    fields: dict[str, Any] = dict.fromkeys(
        ("bench", "suite_title", "dataset_title", "media", "dataset_digest", "timing"), ""
    )
    fields |= {"suite": "s", "dataset": "d", "started": "", "finished": "", "anchor": None}
    fields |= {"dataset_notes": (), "metrics": (), "command": (), "items": 1, "jobs": 1}
    fields |= {"machine": {"processor": "a processor"}, "libraries": {}}
    return RunInfo(**fields | values)


def read_csv(store: Store, folder: Path) -> list[dict[str, str]]:
    store.export_csv(folder / "records.csv")
    with (folder / "records.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_record_is_there_once_whatever_is_added(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.add([record(bpp=1.0)])
        store.add([record(bpp=2.0)])
        assert [row["bpp"] for row in read_csv(store, tmp_path)] == ["2.0"]


def test_records_survive_reopening_and_fresh_discards_them(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.add([record()], [Verdict("fresh_decode", "a", "q=1", "i", True)])
    with Store(tmp_path) as store:
        assert store.done() == {("a", "q=1", "i"): "f"}
        assert store.verdicts() == (Verdict("fresh_decode", "a", "q=1", "i", True),)
    with Store(tmp_path, fresh=True) as store:
        assert store.done() == {}


@contextmanager
def full_disk(bytes_left: int) -> Iterator[None]:
    """No file of this process may become longer, which SQLite meets like a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_left, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("bytes_left", [0, 100_000])
def test_fresh_on_a_full_disk_keeps_the_old_results(tmp_path: Path, bytes_left: int) -> None:
    with Store(tmp_path) as store:
        store.add([record()])
        store.export_csv(tmp_path / "records.csv")
    before = (tmp_path / "records.csv").read_bytes()
    full = pytest.raises(StoreError, match=r"cannot be written \(.*free space or choose another")
    with full_disk(bytes_left), full:
        Store(tmp_path, fresh=True)
    assert (tmp_path / "records.csv").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["records.csv", FILE]
    with Store(tmp_path) as store:
        assert store.done() == {("a", "q=1", "i"): "f"}
    with Store(tmp_path, fresh=True) as store:
        assert store.done() == {}


def test_only_done_records_answer_a_task(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.add([record(status="failed"), record(item="j", status="skipped")])
        assert store.done() == {}


def test_csv_has_the_contract_columns_first_and_empty_where_nothing_applies(tmp_path: Path) -> None:
    contract = (
        "suite,dataset,item,codec,point,status,width,height,frames,channels,bytes,header_bytes,"
        "discarded_bytes,bpp,bpp_estimated,mse,psnr_rgb,psnr_y,psnr_yuv,ssim,ms_ssim,vmaf,"
        "encode_seconds,decode_seconds,bitstream_sha256,reason"
    ).split(",")
    assert list(COLUMNS[: len(contract)]) == contract
    with Store(tmp_path) as store:
        store.add([record(psnr_rgb=math.inf, lossless=True)])
        (row,) = read_csv(store, tmp_path)
    assert (row["psnr_rgb"], row["ssim"], row["lossless"]) == ("inf", "", "true")


def test_csv_is_in_the_order_of_codecs_ladder_and_items(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.set_items([("z", "1"), ("y", "2")])
        store.set_codecs([info("b", "q=9", "q=10"), info("a", "q=1")], add_points=False)
        for name, point in [("a", "q=1"), ("b", "q=10"), ("b", "q=9")]:
            store.add([record(name, point, item) for item in "yz"])
        found = [(r["codec"], r["point"], r["item"]) for r in read_csv(store, tmp_path)]
    assert found == [
        ("b", "q=9", "z"), ("b", "q=9", "y"), ("b", "q=10", "z"), ("b", "q=10", "y"),
        ("a", "q=1", "z"), ("a", "q=1", "y"),
    ]  # fmt: skip


def test_a_suite_decides_the_order_and_what_is_added_comes_after(tmp_path: Path) -> None:
    """Also where an earlier run, or the folder's own tables, had the codecs in another order."""
    with Store(tmp_path) as store:

        def after(*names: str, add_points: bool) -> list[str]:
            store.set_codecs([info(name, "q=1") for name in names], add_points=add_points)
            return [found.id for found in store.codecs()]

        assert after("b", "a", add_points=False) == ["b", "a"]
        assert after("z", "a", add_points=True) == ["b", "a", "z"]
        assert after("c", "a", "b", add_points=False) == ["c", "a", "b"]
        assert after("z", add_points=True) == ["c", "a", "b", "z"]


def test_a_second_holder_of_the_folder_is_refused(tmp_path: Path) -> None:
    with Store(tmp_path), pytest.raises(StoreError, match="another run is writing here"):
        Store(tmp_path)
    Store(tmp_path).__exit__()


def test_a_folder_of_another_suite_is_refused_with_the_flag_to_use(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.claim(suite="kodak")
    with Store(tmp_path) as store, pytest.raises(StoreError, match=r"suite kodak, now x.*--fresh"):
        store.claim(suite="x")


def test_results_of_a_newer_format_are_refused(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.set_meta("format", "99")
    with pytest.raises(StoreError, match="format 99 is newer"):
        Store(tmp_path)


def test_a_changed_item_loses_its_records_and_no_other(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.set_items([("i", "1"), ("j", "1")])
        store.add([record(item="i"), record(item="j")])
        assert store.set_items([("i", "2"), ("j", "1")]) == 1
        assert list(store.done()) == [("a", "q=1", "j")]


def test_groups_are_told_to_records_that_are_whole(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.add([record(item="i"), record(item="j", group="old"), record(item="k")])
        store.set_groups({"i": "one", "j": ""})
        assert [r.group for r in store.records()] == ["one", None, None]
        store.add([record(point="q=2", item="i")])
        store.set_groups({"i": "one"})
        assert [r.group for r in store.records() if r.item == "i"] == ["one", "one"]
        with sqlite3.connect(tmp_path / FILE) as db:
            db.execute("UPDATE records SET psnr_rgb = 30.5 WHERE item = 'k'")
        store.set_groups({"i": "one", "k": "two"})
        # a record that was damaged gets no checksum of its damage
        assert store.export_csv(tmp_path / TABLE) == 1
        assert [r.item for r in store.records()] == ["i", "i", "j"]


def test_a_store_of_format_7_gets_groups(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.add([record(item="i")])
    with sqlite3.connect(tmp_path / FILE) as db:
        db.execute('ALTER TABLE records DROP COLUMN "group"')
        db.execute("UPDATE meta SET value = '7' WHERE key = 'format'")
    with Store(tmp_path) as store:
        store.set_groups({"i": "one"})
        assert store.export_csv(tmp_path / TABLE) == 0
        assert [row["group"] for row in read_csv(store, tmp_path)] == ["one"]


def test_later_codecs_join_earlier_ones(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.set_codecs([info("a", "q=1")], add_points=True)
        store.set_codecs([info("b", "q=1"), info("a", "q=2")], add_points=True)
        assert [(c.id, c.ladder) for c in store.codecs()] == [
            ("a", ("q=2", "q=1")),
            ("b", ("q=1",)),
        ]


def test_a_store_that_is_no_database_is_replaced(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no database" * 1000)
    with Store(tmp_path) as store:
        assert (store.repaired, store.done()) == (0, {})


def _overwrite(path: Path, start: int, stop: int | None = None) -> None:
    data = bytearray(path.read_bytes())
    data[start:stop] = b"\xa5" * len(data[start:stop])
    path.write_bytes(data)


def test_what_can_be_read_of_a_damaged_store_is_kept(tmp_path: Path) -> None:
    """A page in the middle is lost; the rows on both sides of it are not."""
    whole = [
        record(
            item=f"i{n:04d}", bytes=n + 1, width=8, height=4, frames=1, bpp=8 * (n + 1) / 32,
            bitstream_sha256=f"{n:064d}", fingerprint="f",
        )
        for n in range(2000)
    ]  # fmt: skip
    with Store(tmp_path) as store:
        store.add(whole)
    size = (tmp_path / FILE).stat().st_size
    _overwrite(tmp_path / FILE, size // 8192 * 4096, size // 8192 * 4096 + 4096)
    with Store(tmp_path) as store:
        found = list(store.records())
        assert store.repaired == len(found)
    assert 1900 < len(found) < 2000
    by_item = {one.item: one for one in whole}
    assert all(one == by_item[one.item] for one in found)


def test_records_csv_fills_what_the_store_lost(tmp_path: Path) -> None:
    whole = [
        record(
            item=f"i{n}", bytes=n + 1, width=8, height=4, frames=1, bpp=8 * (n + 1) / 32,
            psnr_rgb=float("inf"), lossless=True, bitstream_sha256=f"{n:064d}", fingerprint="f",
        )
        for n in range(20)
    ]  # fmt: skip
    with Store(tmp_path) as store:
        store.add(whole)
        store.export_csv(tmp_path / "records.csv")
    _overwrite(tmp_path / FILE, 0)
    with Store(tmp_path) as store:
        assert sorted(store.records(), key=lambda one: one.bytes or 0) == whole


def test_a_folder_without_its_store_continues_from_its_tables(tmp_path: Path) -> None:
    """As in a fresh clone: records.csv and run.json are under version control, the store is not."""
    verdict = Verdict("fresh_decode", "a", "q=1", "i", True)
    row = record(
        bytes=4, width=8, height=4, frames=1, bpp=1.0, bitstream_sha256="0" * 64, fingerprint="f"
    )
    with Store(tmp_path) as store:
        store.set_codecs([info("a", "q=1")], add_points=False)
        store.add([row], [verdict])
        store.export_csv(tmp_path / "records.csv")
        codecs = store.codecs()
    run_info(codecs=codecs, verdicts=(verdict,)).write(tmp_path)
    (tmp_path / FILE).unlink()
    with Store(tmp_path) as store:
        assert (store.restored, store.repaired) == (1, None)
        assert list(store.records()) == [row]
        assert (store.codecs(), store.verdicts()) == (codecs, (verdict,))
        assert "measured on a processor" in str(store.meta("continued"))
    with Store(tmp_path) as store:
        assert store.restored is None
    (tmp_path / FILE).unlink()
    with Store(tmp_path, fresh=True) as store:
        assert store.done() == {}


def test_a_table_of_another_run_is_taken_up_beside_a_store(tmp_path: Path) -> None:
    """As after a pull: records.csv and run.json are newer than the store, which nobody committed.
    The next run would write its table without their records."""
    whole = record(
        bytes=4, width=8, height=4, frames=1, bpp=1.0, bitstream_sha256="0" * 64, fingerprint="f"
    )
    one, other = replace(whole, codec="a"), replace(whole, codec="b")
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    for folder, records in ((mine, [one]), (theirs, [replace(one, bytes=5, bpp=1.25), other])):
        folder.mkdir()
        with Store(folder) as store:
            store.claim(suite=whole.suite)
            store.set_codecs([info(each.codec, "q=1") for each in records], add_points=False)
            store.add(records)
            store.export_csv(folder / TABLE)
            run_info(suite=whole.suite, codecs=store.codecs()).write(folder)
    for name in (TABLE, "run.json"):
        shutil.copy(theirs / name, mine)
    with Store(mine) as store:
        assert store.restored == 1 and list(store.records()) == [one, other]
        store.export_csv(mine / TABLE)
    with Store(mine) as store:
        assert store.restored is None
    shutil.copy(theirs / TABLE, mine)
    with Store(mine) as store:
        assert store.restored is None and list(store.records()) == [one, other]
    text = (theirs / TABLE).read_text().replace(f"\n{whole.suite},", "\nanother,")
    (mine / TABLE).write_text(text.replace(",b,", ",c,"))
    with Store(mine) as store:
        assert store.restored is None and len(store.done()) == 2


def test_a_value_that_is_not_what_was_written_is_dropped(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.add([record(item="i", psnr_rgb=30.0), record(item="j", psnr_rgb=31.0)])
    with sqlite3.connect(tmp_path / FILE) as db:
        db.execute("UPDATE records SET psnr_rgb = 30.5 WHERE item = 'i'")
    with Store(tmp_path) as store:
        assert store.export_csv(tmp_path / TABLE) == 1
        assert [key[2] for key in store.done()] == ["j"]


def test_a_store_of_format_1_is_carried_on(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.add([record(item="i")])
    with sqlite3.connect(tmp_path / FILE) as db:
        db.execute("ALTER TABLE records DROP COLUMN checksum")
        db.execute("UPDATE meta SET value = '1' WHERE key = 'format'")
    with Store(tmp_path) as store:
        store.add([record(item="j")])
        assert store.export_csv(tmp_path / TABLE) == 0
        assert len(store.done()) == 2


def test_a_store_of_format_2_is_carried_on(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.add([record(item="i"), record(item="j")])
    with sqlite3.connect(tmp_path / FILE) as db:
        db.execute("ALTER TABLE records DROP COLUMN bpp_likelihood")
        db.execute("ALTER TABLE records DROP COLUMN remarks")
        old = [name for name in COLUMNS if name not in ("bpp_likelihood", "remarks")]
        named = ", ".join(f'"{name}"' for name in old)
        for row in db.execute(f"SELECT {named} FROM records").fetchall():
            values = dict(zip(old, row, strict=True))
            mark = (checksum(values), values["item"])
            db.execute("UPDATE records SET checksum = ? WHERE item = ?", mark)
        db.execute("UPDATE records SET psnr_rgb = 30.5 WHERE item = 'j'")
        db.execute("UPDATE meta SET value = '2' WHERE key = 'format'")
    with Store(tmp_path) as store:
        assert store.export_csv(tmp_path / TABLE) == 1
        store.add([record(item="k", bpp_likelihood=0.5)])
        assert [row["bpp_likelihood"] for row in read_csv(store, tmp_path)] == ["", "0.5"]


def test_a_store_of_format_5_is_carried_on(tmp_path: Path) -> None:
    old = Verdict("fresh_decode", "a", "q=1", "i", True)
    new = Verdict("fresh_decode", "a", "q=2", "i", True, isolation="isolated")
    with Store(tmp_path) as store:
        store.add([], [old])
    with sqlite3.connect(tmp_path / FILE) as db:
        db.execute("ALTER TABLE verdicts DROP COLUMN isolation")
        db.execute("UPDATE meta SET value = '5' WHERE key = 'format'")
    with Store(tmp_path) as store:
        store.add([], [new])
        assert store.verdicts() == (old, new)


def test_a_store_of_format_7_is_carried_on(tmp_path: Path) -> None:
    """It knows no frames; its records stay whole, and new ones bring theirs."""
    with Store(tmp_path) as store:
        store.add([record(psnr_y=40.0)])
    with sqlite3.connect(tmp_path / FILE) as db:
        for column in ("frames_identical", "worst_frame"):
            db.execute(f"ALTER TABLE records DROP COLUMN {column}")
        db.execute("UPDATE meta SET value = '7' WHERE key = 'format'")
    frames = FrameSummary(3, 1, {"psnr_y_min": 30.0, "psnr_y_p5": 31.0})
    with Store(tmp_path) as store:
        store.add([record(point="q=2", psnr_y=41.0).with_frames(frames)])
        old, new = read_csv(store, tmp_path)
        assert (old["psnr_y"], old["frames_identical"], old["psnr_y_min"]) == ("40.0", "", "")
        assert (new["frames_identical"], new["worst_frame"]) == ("3", "1")
        assert (new["psnr_y_min"], new["psnr_y_p5"]) == ("30.0", "31.0")
        assert store.export_csv(tmp_path / TABLE) == 0


def test_what_a_metric_says_of_frames_comes_and_goes_with_it(tmp_path: Path) -> None:
    frames = FrameSummary(0, 1, {"psnr_y_min": 30.0, "psnr_y_p5": 31.0, "mse_max": 9.0})
    with Store(tmp_path) as store:
        store.add([record(psnr_y=40.0, mse=4.0, bytes=9).with_frames(frames)])
        assert store.forget("psnr_y") == 1
        (left,) = store.records()
        assert (left.scores, left.frame_scores) == ({"mse": 4.0}, {"mse_max": 9.0})
        again = FrameSummary(2, 0, {"psnr_y_min": 35.0})
        store.add_scores(("a", "q=1", "i"), {"psnr_y": 41.0}, {}, again)
        (found,) = store.records()
        assert found.scores == {"mse": 4.0, "psnr_y": 41.0}
        assert found.frame_scores == {"mse_max": 9.0, "psnr_y_min": 35.0}
        assert (found.frames_identical, found.worst_frame) == (2, 0)
        store.export_csv(tmp_path / TABLE)
        assert [one for _, one in read_records(tmp_path / TABLE, ())] == [found]


def test_a_table_without_later_columns_is_read(tmp_path: Path) -> None:
    row = record(
        bytes=4, width=8, height=4, frames=1, bpp=1.0, bitstream_sha256="0" * 64, fingerprint="f"
    )
    with Store(tmp_path) as store:
        store.add([row])
        lines = read_csv(store, tmp_path)
    path = tmp_path / "records.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [c for c in COLUMNS if c != "bpp_likelihood"])
        writer.writeheader()
        for line in lines:
            del line["bpp_likelihood"]
            writer.writerow(line)
    (tmp_path / FILE).unlink()
    with Store(tmp_path) as store:
        assert list(store.records()) == [row]


def test_points_that_left_the_ladder_are_unseen_but_not_lost(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.set_codecs([info("a", "q=1", "q=2")], add_points=False)
        store.add([record(point="q=1"), record(point="q=2")])
        store.set_codecs([info("a", "q=2")], add_points=False)
        assert [row["point"] for row in read_csv(store, tmp_path)] == ["q=2"]
        store.set_codecs([info("a", "q=1")], add_points=True)
        assert [row["point"] for row in read_csv(store, tmp_path)] == ["q=1", "q=2"]


def test_codecs_that_left_the_suite_are_unseen_but_not_lost(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.set_codecs([info("a", "q=1"), info("b", "q=1")], add_points=False)
        store.add([record("a"), record("b")])
        store.set_codecs([info("b", "q=1")], add_points=False)
        assert [codec.id for codec in store.codecs()] == ["b"]
        assert [row["codec"] for row in read_csv(store, tmp_path)] == ["b"]
        assert len(store.done()) == 2
        store.set_codecs([info("a", "q=1")], add_points=True)
        assert [row["codec"] for row in read_csv(store, tmp_path)] == ["b", "a"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        Store(tmp_path / "file" / "out")


@pytest.mark.parametrize(
    ("make", "verdict"),
    [
        ("", "continued"),
        ("VACUUM", "continued"),
        ("CREATE TABLE photos (a, b)", "another program"),
        ("CREATE TABLE records (a, b)", "another program"),
        ("CREATE TABLE meta (k, v); CREATE TABLE records (a)", "another program"),
    ],
)
def test_a_store_of_nothing_is_continued_and_that_of_others_is_refused(
    tmp_path: Path, make: str, verdict: str
) -> None:
    with Store(tmp_path) as store:
        sha, size = "0" * 64, {"width": 16, "height": 1, "frames": 1}
        store.add([record(bytes=1, bpp=0.5, bitstream_sha256=sha, **size)])
        store.export_csv(tmp_path / TABLE)
    (tmp_path / FILE).unlink()
    with sqlite3.connect(tmp_path / FILE) as db:
        db.executescript(make)
    before = (tmp_path / FILE).read_bytes()
    if verdict == "continued":
        with Store(tmp_path) as store:
            assert store.restored == 1
            assert len(read_csv(store, tmp_path)) == 1
        return
    with pytest.raises(StoreError, match=verdict):
        Store(tmp_path)
    assert (tmp_path / FILE).read_bytes() == before


def test_a_damaged_store_keeps_the_ladders_of_its_run(tmp_path: Path) -> None:
    codecs = (info("a", "q=1", "q=2"),)
    run_info(codecs=codecs).write(tmp_path)
    (tmp_path / FILE).write_bytes(b"no database")
    with Store(tmp_path) as store:
        store.set_codecs([info("a", "q=2")], add_points=True)
        assert store.codecs()[0].ladder == ("q=2", "q=1")
