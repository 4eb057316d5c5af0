"""Reports of suites that measure some codecs on their first items only."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from bench.analysis.table import bd_table
from bench.report.build import build
from bench.report.content import Content, collect
from bench.report.footnote import footnote
from bench.report.html.page import page_data
from bench.report.plots import curve_plot
from bench.report.remarks import warnings_of
from bench.results.reader import read_results
from bench.results.run_info import RunInfo
from tests.unit.report import samples

ITEMS, FEW = 12, 5
"""The limited codec has less than half of the items."""


def limited_folder(folder: Path) -> Path:
    """``good`` and ``dear`` on 12 items, ``slow``, which needs 20 % less, on the first five. The
    items grow dearer, so that means over other items are other numbers."""

    def change(run: RunInfo) -> RunInfo:
        codecs = [replace(info, items=FEW if info.id == "slow" else None) for info in run.codecs]
        digests = {f"item{index}": f"{index:016d}" for index in range(ITEMS)}
        return replace(run, codecs=tuple(codecs), item_digests=digests)

    records = [
        *samples.curve_records("good", 1.0, items=ITEMS),
        *samples.curve_records("dear", 1.5, items=ITEMS),
        *samples.curve_records("slow", 0.8, items=FEW),
    ]
    return samples.results_folder(folder, records, change=change)


@pytest.fixture
def content(tmp_path: Path) -> Content:
    return collect(limited_folder(tmp_path))


def test_each_row_says_its_count_and_none_is_incomplete(content: Content) -> None:
    rows = {row.codec: (row.items, row.items_expected, row.incomplete) for row in content.rows}
    assert rows == {
        "good": (ITEMS, ITEMS, False), "dear": (ITEMS, ITEMS, False), "slow": (FEW, FEW, False),
    }  # fmt: skip
    assert set(content.curves["items_expected"]) == {ITEMS, FEW}
    assert not any("slow" in text for text in warnings_of(content))
    (said,) = [text for text in footnote(content) if "the suite measures" in text]
    assert said == (
        "Of 12 images the suite measures slow on the first 5. A BD-rate is over the images that "
        "both codecs have. Plots are over the 5 that all have."
    )


def test_bd_rates_are_over_the_items_of_both(content: Content) -> None:
    found = {(c.codec, c.metric): c for c in content.bd.comparisons}
    slow, dear = found["slow", "psnr_rgb"], found["dear", "psnr_rgb"]
    assert (slow.items, dear.items) == (FEW, ITEMS)
    # the ratio of the rates on the same items; on 5 against 12 items it would be another
    assert slow.rate_percent == pytest.approx(-20.0)
    assert dear.rate_percent == pytest.approx(50.0)
    assert slow.warnings == dear.warnings == ()
    matrix = content.bd.matrices[0]
    place = {name: at for at, name in enumerate(matrix.codecs)}
    assert matrix.rates[place["dear"]][place["slow"]] == pytest.approx(87.5)
    assert matrix.items[place["dear"]][place["slow"]] == FEW
    assert matrix.items[place["dear"]][place["good"]] == ITEMS


def test_a_limited_anchor_compares_on_its_items(tmp_path: Path) -> None:
    table = bd_table(limited_folder(tmp_path), anchor="slow")
    assert {c.items for c in table.comparisons} == {FEW}
    assert table.comparisons[0].rate_percent == pytest.approx(25.0)


def test_plots_are_over_the_items_that_all_codecs_have_and_say_so(content: Content) -> None:
    plot = curve_plot(content, content.axes[0])
    assert plot is not None
    rates = {line.label: line.rate for line in plot.lines}
    ratios = [one / other for one, other in zip(rates["slow"], rates["good"], strict=True)]
    assert ratios == pytest.approx([0.8] * 5)
    assert plot.outside == "Means over the 5 images that all codecs have"
    page = page_data(content)
    points = {codec["id"]: codec["points"] for codec in page["codecs"]}
    assert {point["items"] for point in points["good"]} == {FEW}
    assert page["extents"][content.axes[0].id]["outside"] == plot.outside


def test_the_tables_say_the_counts(tmp_path: Path) -> None:
    folder = limited_folder(tmp_path)
    build(folder)
    text = (folder / "table.md").read_text(encoding="utf-8")
    assert "| slow | 5 | 5 |" in text and "| good | 5 | 12 |" in text
    latex = (folder / "table.tex").read_text(encoding="utf-8")
    assert "Codec & Images & " in latex and "slow & 5 & " in latex
    with (folder / "bd_matrix.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["metric"] == "psnr_rgb"]
    found = {(row["codec"], row["anchor"]): row["items"] for row in rows}
    assert (found["slow", "good"], found["dear", "good"]) == ("5", "12")
    assert r"\rdnote{Means over the 5 images" in (folder / "rd_psnr_rgb.tex").read_text(
        encoding="utf-8"
    )


def test_without_limits_nothing_is_said_or_left_out(tmp_path: Path) -> None:
    content = collect(samples.plain_folder(tmp_path))
    assert content.shared is content
    assert not any("the suite measures" in text for text in footnote(content))
    plot = curve_plot(content, content.axes[0])
    assert plot is not None and plot.outside == ""
    build(tmp_path)
    table = (tmp_path / "table.tex").read_text(encoding="utf-8")
    assert r"Codec & \multicolumn{2}{c}{PSNR-RGB} & " in table


def test_a_limited_codec_that_is_not_finished_is_incomplete(tmp_path: Path) -> None:
    folder = limited_folder(tmp_path)
    text = (folder / "records.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in text if ",item4,slow,q=2," not in line]
    assert len(kept) == len(text) - 1
    (folder / "records.csv").write_text("".join(kept), encoding="utf-8")
    content = collect(folder)
    (slow,) = [row for row in content.rows if row.codec == "slow"]
    assert (slow.items, slow.items_expected, slow.incomplete) == (4, FEW, True)
    found = content.bd.find("slow", "psnr_rgb")
    assert found is not None and found.items == 4
    assert "over 4 of 5 items: the others are missing in one of the two" in found.warnings


def test_folders_with_other_limits_are_reported_together(tmp_path: Path) -> None:
    """On the items that both hold, of which the codec has those among its first."""
    one = limited_folder(tmp_path / "one")
    other = samples.results_folder(
        tmp_path / "other",
        [row for row in samples.curve_records("new", 2.0, items=8) if row.item != "item1"],
        change=lambda run: replace(run, dataset_digest="e" * 64, items=7),
    )
    results = read_results([one, other], common=True)
    assert results.run.items == 7
    assert {name: results.expected(name) for name in results.codecs} == {
        "good": 7, "dear": 7, "slow": 4, "new": 7,
    }  # fmt: skip
    assert results.on_shared_items().run.items == 4
