"""BD-rates by clip and class: of curves whose rates are in one ratio the BD-rate is this ratio."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from bench.records import Record
from bench.report import build
from tests.unit.report import samples

RATIOS = {"item0": 0.9, "item1": 0.8, "item2": 1.1}
CLASSES = {"item0": "Class B", "item1": "Class B", "item2": "Class C"}


def _folder(tmp_path: Path, *, media: str = "video", kbps: float | None = 8.0) -> Path:
    def as_clip(record: Record, ratio: float) -> Record:
        bpp = (record.bpp or 0.0) * ratio
        return replace(
            record, bpp=bpp, group=CLASSES[record.item], frames=1000,
            bytes=round(bpp * samples.WIDTH * samples.HEIGHT * 1000 / 8), kbps=kbps and kbps * bpp,
            encode_fps=12.5, decode_fps=250.0,
        )  # fmt: skip

    anchor = [as_clip(one, 1.0) for one in samples.curve_records("good", 1.0, items=3)]
    test = [as_clip(one, RATIOS[one.item]) for one in samples.curve_records("test", 1.0, items=3)]
    return samples.results_folder(
        tmp_path, [*anchor, *test], items=3, change=lambda run: replace(run, media=media)
    )


def test_each_clip_each_class_and_both_means(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    build(folder)
    with (folder / "bd_clips.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["metric"] == "psnr_rgb"]
    found = {(row["class"], row["clip"]): row for row in rows}
    rates = {key: float(row["bd_rate"]) for key, row in found.items()}
    assert rates == pytest.approx(
        {
            ("Class B", "item0"): -10, ("Class B", "item1"): -20, ("Class C", "item2"): 10,
            ("Class B", ""): -15, ("Class C", ""): 10, ("", ""): -20 / 3,
        }, abs=1e-3,
    )  # fmt: skip
    whole = found["", ""]
    assert float(whole["bd_rate_classes"]) == pytest.approx(-2.5, abs=1e-3)
    assert whole["clips"] == "3"
    # of one clip the mean curve is its own; of rates r·(1 + 0.1·i) the mean has their mean ratio
    assert float(found["Class C", ""]["bd_rate_curve"]) == pytest.approx(10, abs=1e-3)
    ratio = (0.9 * 1.0 + 0.8 * 1.1) / (1.0 + 1.1)
    assert float(found["Class B", ""]["bd_rate_curve"]) == pytest.approx(
        100 * (ratio - 1), abs=1e-3
    )
    ratio = (0.9 * 1.0 + 0.8 * 1.1 + 1.1 * 1.2) / (1.0 + 1.1 + 1.2)
    assert float(whole["bd_rate_curve"]) == pytest.approx(100 * (ratio - 1), abs=1e-3)


def test_the_table_sets_them_side_by_side(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    build(folder)
    text = (folder / "table.md").read_text(encoding="utf-8")
    assert "| test | −15.0 | +10.0 | −2.5 | −6.7 | −6.1 |" in text
    assert "| item1 | −20.0 |" in text
    header = next(line for line in text.splitlines() if line.startswith("| Codec | Points"))
    assert "Rate, kbps" in header and "Encode, fps, parallel" in header
    assert "| kbps | encode fps | decode fps |" in text


def test_pictures_have_no_such_table(tmp_path: Path) -> None:
    folder = _folder(tmp_path, media="image", kbps=None)
    build(folder)
    assert not (folder / "bd_clips.csv").exists()
    assert "by class and clip" not in (folder / "table.md").read_text(encoding="utf-8")
