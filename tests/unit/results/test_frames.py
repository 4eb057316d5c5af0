"""Frames of clips in the store and in frames.csv: kept, merged, recovered, of the first items."""

from __future__ import annotations

import csv
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from bench.records import CodedFrames, FrameSummary, Record
from bench.results import frames
from bench.results.run_info import CodecInfo
from bench.results.store import TABLE, Store


def _record(item: str = "a", point: str = "crf=30", **changes: object) -> Record:
    record = Record(
        suite="s", dataset="d", item=item, codec="x265", point=point, status="done", width=16,
        height=8, frames=3, bytes=100, bpp=800 / 384, bitstream_sha256="0" * 64, fingerprint="f",
        scores={"mse": 2.0, "psnr_y": 40.0},
        frame_values={"mse": [1.0, 2.0, 3.0], "psnr_y": [41.5, 40.0, float("inf")]},
        coded_frames=CodedFrames((80, 15, 5), "IBP"),
    )  # fmt: skip
    return replace(record, **changes)  # type: ignore[arg-type]


def _rows(folder: Path) -> list[dict[str, str]]:
    with (folder / frames.FILE).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _write(folder: Path, *records: Record) -> None:
    with Store(folder) as store:
        store.add(records)
        store.export_csv(folder / TABLE)


def test_frames_are_written_and_rebuilt(tmp_path: Path) -> None:
    _write(tmp_path, _record())
    rows = _rows(tmp_path)
    assert [row["type"] for row in rows] == ["I", "B", "P"]
    assert [row["bytes"] for row in rows] == ["80", "15", "5"]
    assert [row["psnr_y"] for row in rows] == ["41.5", "40", "inf"]
    (tmp_path / frames.FILE).unlink()
    frames.rebuild(tmp_path)
    assert _rows(tmp_path) == rows


def test_a_codec_that_tells_nothing_leaves_cells_empty(tmp_path: Path) -> None:
    _write(tmp_path, _record(coded_frames=None))
    assert [(row["type"], row["bytes"], row["mse"]) for row in _rows(tmp_path)] == [
        ("", "", "1"), ("", "", "2"), ("", "", "3"),
    ]  # fmt: skip


def test_pictures_have_no_such_file(tmp_path: Path) -> None:
    _write(tmp_path, _record(frames=1, frame_values={}, coded_frames=None))
    assert not (tmp_path / frames.FILE).exists()


def test_a_metric_that_is_added_joins_the_others(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.add([_record()])
        summary = FrameSummary(0, 2, {"vmaf_min": 90.0}, {"vmaf": [90.0, 91.0, 92.0]})
        store.add_scores(("x265", "crf=30", "a"), {"vmaf": 91.0}, {}, summary)
        store.export_csv(tmp_path / TABLE)
        assert [(row["bytes"], row["mse"], row["vmaf"]) for row in _rows(tmp_path)] == [
            ("80", "1", "90"), ("15", "2", "91"), ("5", "3", "92"),
        ]  # fmt: skip
        store.forget("vmaf")
        store.export_csv(tmp_path / TABLE)
        assert "vmaf" not in _rows(tmp_path)[0]


def test_frames_go_with_their_record(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.add([_record(), _record("b")])
        store.drop([("x265", "crf=30", "a")])
        store.export_csv(tmp_path / TABLE)
    assert {row["item"] for row in _rows(tmp_path)} == {"b"}


def test_frames_of_points_that_are_not_shown_rest(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        info = CodecInfo("x265", "x265", {}, ("crf=30",), True, False, {})
        store.set_codecs([info], add_points=False)
        store.add([_record(), _record(point="crf=40")])
        store.export_csv(tmp_path / TABLE)
    assert {row["point"] for row in _rows(tmp_path)} == {"crf=30"}


@pytest.mark.parametrize("damage", ["missing", "broken"])
def test_frames_outlive_their_store(tmp_path: Path, damage: str) -> None:
    """A folder under version control has tables alone; a broken store is read as far as it goes."""
    _write(tmp_path, _record())
    rows, store = _rows(tmp_path), tmp_path / "records.sqlite"
    if damage == "missing":
        store.unlink()
    else:
        store.write_bytes(store.read_bytes()[:5000])
    with Store(tmp_path) as opened:
        opened.export_csv(tmp_path / TABLE)
    assert _rows(tmp_path) == rows


def test_damaged_frames_are_left_out(tmp_path: Path) -> None:
    _write(tmp_path, _record(), _record("b"))
    db = sqlite3.connect(tmp_path / "records.sqlite")
    db.execute("UPDATE frames SET content = x'789c00' WHERE item = 'a'")
    db.commit()
    db.close()
    frames.rebuild(tmp_path)
    assert {row["item"] for row in _rows(tmp_path)} == {"b"}


def test_the_file_has_the_first_items_and_every_one_on_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store(tmp_path) as store:
        names = [f"i{n:02d}" for n in range(20)]
        store.set_items([(name, "") for name in reversed(names)])
        store.add([_record(name) for name in names])
        store.export_csv(tmp_path / TABLE)
    assert list(dict.fromkeys(row["item"] for row in _rows(tmp_path))) == names[:3:-1]
    frames.rebuild(tmp_path, every=True)
    assert len(_rows(tmp_path)) == 60
    monkeypatch.setattr(frames, "MOST_ROWS", 7)
    frames.rebuild(tmp_path)
    assert len(_rows(tmp_path)) == 6
