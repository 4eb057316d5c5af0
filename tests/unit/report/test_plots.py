"""What the RD plots put into one legend entry."""

from __future__ import annotations

from pathlib import Path

from bench.analysis.qualities import quality
from bench.figures.style import STYLES
from bench.report.content import collect
from bench.report.ledger import heaviest
from bench.report.plots import draw_curves
from bench.report.remarks import warnings_of
from tests.unit.report.samples import curve_records, record, results_folder


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


def test_the_ledger_shows_one_of_many_variations() -> None:
    rows = [(f"card:x={i}", "mode=only", 0.01 * i, 0.0) for i in range(4)]
    curves = [("a", "q=1", 0.1, 0.0), ("a:x=1", "q=1", 0.2, 0.0), ("a:x=2", "q=1", 0.2, 0.0)]
    other = [(f"b:x={i}", "mode=only", 0.5, 0.0) for i in range(3)]
    shown = heaviest([*rows, *curves, *other], {row[0] for row in [*rows, *other]})
    assert shown == [("card (4 variations)", "", 0.03, 0.0), *curves,
                     ("b (3 variations)", "", 0.5, 0.0)]  # fmt: skip


def test_codecs_with_one_point_are_named_once(tmp_path: Path) -> None:
    records = curve_records("good", 1.0)
    for name in ("one", "two"):
        records += [record(name, "mode=only", f"item{i}", 0.5, 30.0) for i in range(6)]
    found = warnings_of(collect(results_folder(tmp_path, records)))
    assert found == [
        "One operating point has no BD-rate; shown are the rate at its quality and the quality at "
        "its rate: one; two"
    ]
