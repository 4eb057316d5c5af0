"""What the RD plots put into one legend entry."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bench.analysis.qualities import quality
from bench.figures.style import STYLES
from bench.records import Record
from bench.report.content import collect
from bench.report.plots import ledger_plot
from bench.report.remarks import warnings_of
from tests.unit.report.samples import curve_records, draw_curves, record, results_folder


def test_variations_with_one_point_share_a_legend_entry(tmp_path: Path) -> None:
    records = [*curve_records("good", 1.0), *curve_records("good:preset=fast", 1.2)]
    for index, words in enumerate(("", ":coder=zlib", ":coder=fixed", ":coder=adaptive,tiling=no")):
        for item in range(6):
            name = f"points{words}"
            records.append(record(name, "mode=only", f"item{item}", 0.5 + 0.1 * index, 30.0))
    for item in range(6):
        records.append(record("alone", "mode=only", f"item{item}", 0.4, 31.0))
    content = collect(results_folder(tmp_path, records))
    axes = draw_curves(content, quality("psnr_rgb"), STYLES["paper"]).axes[0]
    drawn = {line.get_label(): line for line in axes.get_lines()}
    assert list(drawn) == ["good", "good:preset=fast", "points (4 variations)", "alone"]
    points = drawn["points (4 variations)"]
    assert [round(rate, 3) for rate in points.get_xdata()] == [0.5, 0.6, 0.7, 0.8]
    assert points.get_linestyle() == "None" and drawn["good"].get_linestyle() == "-"


def test_the_ledger_shows_one_of_many_variations(tmp_path: Path) -> None:
    def coded(codec: str, point: str, share: float) -> Record:
        row = record(codec, point, "item0", 0.5, 30.0, discarded_bytes=0)
        return replace(row, header_bytes=round(share * (row.bytes or 0)))

    rows = [coded(f"card:x={i}", "mode=only", 0.01 * i) for i in range(4)]
    curves = [("a", 0.1), ("a:x=1", 0.2), ("a:x=2", 0.2)]
    rows += [coded(name, f"q={q}", share) for name, share in curves for q in (1, 2)]
    rows += [coded(f"b:x={i}", "mode=only", 0.5) for i in range(3)]
    plot = ledger_plot(collect(results_folder(tmp_path, rows, items=1)))
    assert plot is not None
    assert plot.labels == ("card (4 variations)", "a q=1", "a:x=1 q=1", "a:x=2 q=1",
                           "b (3 variations)")  # fmt: skip
    assert plot.headers == pytest.approx((0.03, 0.1, 0.2, 0.2, 0.5), abs=2e-3)


def test_codecs_with_one_point_are_named_once(tmp_path: Path) -> None:
    records = curve_records("good", 1.0)
    for name in ("one", "two"):
        records += [record(name, "mode=only", f"item{i}", 0.5, 30.0) for i in range(6)]
    found = list(warnings_of(collect(results_folder(tmp_path, records))))
    assert found == [
        "One operating point has no BD-rate; shown are the rate at its quality and the quality at "
        "its rate: one; two"
    ]
