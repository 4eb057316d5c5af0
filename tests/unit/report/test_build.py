"""The files of a report: present, readable by others and saying what must be said."""

from __future__ import annotations

import csv
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import bench.report
from bench.analysis import bd_table
from bench.cards.choice import Choice
from bench.cli import main
from bench.commands.summary import print_bd, print_summary
from bench.commands.terminal import make_console
from bench.errors import StoreError, UsageError
from bench.report.content import collect
from bench.report.remarks import warnings_of
from tests.unit.report import samples


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> bench.report.BuiltReport:
    return bench.report.build(samples.plain_folder(tmp_path_factory.mktemp("plain")))


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_named_file_is_written(built: bench.report.BuiltReport) -> None:
    names = {path.name for path in built.files}
    assert {"curves.csv", "curves.tsv", "bd.csv", "table.md", "table.tex"} <= names
    for metric in ("psnr_rgb", "ssim_db", "ms_ssim_db"):
        assert {f"rd_{metric}.pdf", f"rd_{metric}.png", f"rd_{metric}.tex"} <= names
    assert all(path.stat().st_size > 0 for path in built.files)


def test_bd_csv_holds_headline_interval_and_conventions(built: bench.report.BuiltReport) -> None:
    rows = {(r["metric"], r["codec"]): r for r in _rows(built.folder / "bd.csv")}
    dear = rows["psnr_rgb", "dear"]
    assert float(dear["bd_rate"]) == pytest.approx(50.0, abs=1e-3)
    assert float(dear["bd_rate_low"]) <= 50.0 <= float(dear["bd_rate_high"])
    assert float(dear["item_akima"]) == pytest.approx(50.0, abs=0.1)
    assert dear["significant"] == "true"
    exact = rows["psnr_rgb", "exact"]
    assert exact["bd_rate"] == ""
    assert "no lossy point" in exact["warnings"]


def test_tables_state_interval_spread_and_convention(built: bench.report.BuiltReport) -> None:
    text = (built.folder / "table.md").read_text(encoding="utf-8")
    assert re.search(r"\| cheap .*\| −20\.0 \[−20\.0, −20\.0\] \| −20\.0 … −20\.0 \|", text)
    assert "| exact | 1 | 6 | 12.000 | lossless |" in text
    assert "PCHIP on the mean curves" in text
    assert "preset=veryslow" in text
    assert "Encode, s, parallel" in text


def test_latex_is_balanced_booktabs_with_its_notes(built: bench.report.BuiltReport) -> None:
    whole = (built.folder / "table.tex").read_text(encoding="utf-8")
    text = whole.split("\\end{table", 1)[0].split("\\begin{tabular}", 1)[1]
    text = "\\begin{tabular}" + text
    for rule in (r"\toprule", r"\midrule", r"\bottomrule"):
        assert text.count(rule) == 1
    assert whole.count("{") == whole.count("}")
    assert "$-20.0$" in text
    assert "paired bootstrap" in (built.folder / "table_notes.tex").read_text(encoding="utf-8")
    body = text.split(r"\midrule")[1].split(r"\bottomrule")[0].strip().splitlines()
    shape = re.sub(r"\[[^]]*\]", "", text.split(r"\begin{tabular}{")[1].split("\n")[0]).rstrip("}")
    assert all(re.sub(r"\\&", "", line).count("&") == len(shape) - 1 for line in body)


def test_latex_escapes_what_tex_would_read(tmp_path: Path) -> None:
    rows = samples.curve_records("x_265:preset=50%&$#{}~^\\", 1.0)
    bench.report.build(samples.results_folder(tmp_path, rows, anchor=None))
    text = (tmp_path / "table.tex").read_text(encoding="utf-8")
    escaped = r"x\_265:preset=50\%\&\$\#\{\}\textasciitilde{}\textasciicircum{}\textbackslash{}"
    assert escaped in text


def test_markdown_cannot_be_broken_by_a_name(tmp_path: Path) -> None:
    rows = samples.curve_records("<img src=x>|y", 1.0)
    bench.report.build(samples.results_folder(tmp_path, rows, anchor=None))
    text = (tmp_path / "table.md").read_text(encoding="utf-8")
    assert "<img" not in text
    assert "&lt;img src=x>\\|y" in text


def test_plots_show_the_curves(built: bench.report.BuiltReport) -> None:
    pixels = np.asarray(Image.open(built.folder / "rd_psnr_rgb.png").convert("RGB"))
    assert pixels.shape[0] >= 700
    colours = np.unique(pixels.reshape(-1, 3), axis=0)
    # the black anchor and two coloured curves on white
    for wanted in ((0, 0, 0), (0x33, 0x22, 0x88), (0x44, 0xAA, 0x99), (255, 255, 255)):
        assert (colours == wanted).all(axis=1).any()
    assert (built.folder / "rd_psnr_rgb.pdf").read_bytes().startswith(b"%PDF")


def test_pdf_embeds_truetype_fonts(built: bench.report.BuiltReport) -> None:
    """Type 3 fonts are refused by the submission systems of IEEE."""
    data = (built.folder / "rd_psnr_rgb.pdf").read_bytes()
    assert b"/Type3" not in data
    assert b"/FontFile2" in data or b"/Type0" in data


def test_ieee_style_is_one_column_wide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    folder = samples.plain_folder(tmp_path)
    bench.report.build(folder, style="ieee")
    width, _ = Image.open(folder / "rd_psnr_rgb.png").size
    assert width == 3.5 * 200


def test_the_same_records_give_the_same_files(tmp_path: Path) -> None:
    folder = samples.plain_folder(tmp_path)
    first = {p.name: p.read_bytes() for p in bench.report.build(folder).files}
    second = {p.name: p.read_bytes() for p in bench.report.build(folder).files}
    assert first == second


def test_what_an_earlier_choice_left_goes_and_files_of_others_stay(tmp_path: Path) -> None:
    folder = samples.plain_folder(tmp_path)
    whole = bench.report.build(folder, choice=Choice(points=True))
    mine = [folder / name for name in ("rd_sketch.pdf", "rd_notes.tex", "curve_of_mine.dat")]
    for path in mine:
        path.write_bytes(b"% of my own, /Keywords (none)")
    part = bench.report.build(folder, choice=Choice(codecs=("dear",), metrics=("ssim",)))
    assert all(path.is_file() for path in (*mine, *part.files))
    kinds = {path for kind in ("rd_*", "curve_*", "table_*") for path in folder.glob(kind)}
    assert kinds == {*mine, *part.files} & kinds
    gone = {path.name for path in whole.files if not path.exists()}
    assert {"rd_psnr_rgb.pdf", "rd_psnr_rgb.tex", "curve_cheap.dat", "table_points.tex"} <= gone
    assert (folder / "records.csv").is_file() and (folder / "run.json").is_file()


def test_failures_are_marked_and_told_with_their_reason(tmp_path: Path) -> None:
    rows = samples.curve_records("good", 1.0)
    bad = samples.curve_records("dear", 1.5)
    bad[3] = replace(bad[3], status="timeout", reason="encode took over 10 s")
    report = bench.report.build(samples.results_folder(tmp_path, rows + bad))
    text = (tmp_path / "table.md").read_text(encoding="utf-8")
    assert "| dear | 5 | 5* |" in text
    assert "dear: 1 tasks not done" in text
    assert "encode took over 10 s" in text
    assert any("over 5 of 6 items" in line for line in warnings_of(report.content))


def test_a_run_of_lossless_codecs_only_says_so(tmp_path: Path) -> None:
    rows = [
        samples.record("exact", "mode=only", f"item{i}", 12.0, math.inf, mse=0.0) for i in range(3)
    ]
    report = bench.report.build(samples.results_folder(tmp_path, rows, anchor="exact"))
    assert "no lossy curve to compare with" in (tmp_path / "table.md").read_text(encoding="utf-8")
    assert not [path for path in report.files if path.suffix == ".pdf"]


def test_an_absent_anchor_is_replaced_and_said(tmp_path: Path) -> None:
    rows = samples.curve_records("good", 1.0) + samples.curve_records("dear", 1.5)
    bench.report.build(samples.results_folder(tmp_path, rows, anchor="x265"))
    text = (tmp_path / "table.md").read_text(encoding="utf-8")
    assert "anchor x265 has no lossy result here: compared with good instead" in text


def test_everything_failed_still_gives_a_report(tmp_path: Path) -> None:
    rows = [
        replace(row, status="failed", reason="no such binary", bpp=None, scores={}, bytes=None)
        for row in samples.curve_records("good", 1.0)
    ]  # fmt: skip
    bench.report.build(samples.results_folder(tmp_path, rows))
    assert "no such binary" in (tmp_path / "table.md").read_text(encoding="utf-8")


def test_a_vector_source_is_drawn_per_symbol_above_its_bound(tmp_path: Path) -> None:
    rows = [
        samples.record("lloyd", f"levels={n}", f"item{i}", rate, 0.0, psnr_rgb=None, ssim=None,
                       ms_ssim=None, mse=mse)
        for i in range(3)
        for n, rate, mse in ((2, 1.0, 0.363), (4, 2.0, 0.117), (8, 3.0, 0.0345), (16, 4.0, 0.0095))
    ]  # fmt: skip
    folder = samples.results_folder(
        tmp_path,
        rows,
        anchor=None,
        change=lambda run: replace(run, media="vector", dataset="gaussian", metrics=("mse",)),
    )
    report = bench.report.build(folder)
    assert (folder / "rd_snr.png").is_file()
    assert "bits per symbol" in (folder / "rd_snr.tex").read_text(encoding="utf-8")
    assert "Gaussian R(D)" in (folder / "rd_snr.tex").read_text(encoding="utf-8")
    assert report.content.rate_unit == "bits per symbol"


def test_a_point_below_the_bound_is_an_accounting_error(tmp_path: Path) -> None:
    """D(1 bit) of a Gaussian is 0.25; the Lloyd–Max quantiser reaches 0.363."""
    for mse, wrong in ((0.363, False), (0.2, True)):
        rows = [
            samples.record("coder", "levels=2", f"item{i}", 1.0, 0.0, psnr_rgb=None, ssim=None,
                           ms_ssim=None, mse=mse, width=100, height=250, bytes=3125)
            for i in range(20)
        ]  # fmt: skip
        folder = samples.results_folder(
            tmp_path / str(mse),
            rows,
            anchor=None,
            change=lambda run: replace(run, media="vector", dataset="gaussian", metrics=("mse",)),
        )
        report = bench.report.build(folder)
        text = (folder / "table.md").read_text(encoding="utf-8")
        assert ("accounting error: coder levels=2" in text) is wrong
        gap = report.content.curves["bound_gap_db"].iloc[0]
        assert gap == pytest.approx(10 * math.log10(mse / 0.25), abs=1e-3)


def test_several_folders_need_one_of_their_own(tmp_path: Path) -> None:
    one = samples.results_folder(tmp_path / "one", samples.curve_records("good", 1.0))
    two = samples.results_folder(tmp_path / "two", samples.curve_records("dear", 1.5))
    with pytest.raises(UsageError, match="--out"):
        bench.report.build([one, two])
    bench.report.build([one, two], out=tmp_path / "both")
    rows = _rows(tmp_path / "both" / "bd.csv")
    assert [row["codec"] for row in rows if row["metric"] == "psnr_rgb"] == ["dear"]
    assert not (one / "bd.csv").exists()


def test_an_unwritable_folder_is_one_clear_line(tmp_path: Path) -> None:
    folder = samples.plain_folder(tmp_path / "run")
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        bench.report.build(folder, out=tmp_path / "file" / "below")


@pytest.mark.parametrize("wrong", [{"style": "iee"}, {"overlays": ["nowhere.csv"]}])
def test_wrong_options_are_usage_errors(tmp_path: Path, wrong: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        bench.report.build(samples.plain_folder(tmp_path), **wrong)


def test_overlay_of_a_data_set_without_published_curves_names_those_that_have(
    tmp_path: Path,
) -> None:
    with pytest.raises(UsageError, match="no published curves for data set 'made'; known: kodak"):
        bench.report.build(samples.plain_folder(tmp_path), overlays=["published"])


def test_bd_table_of_any_anchor_and_metric(built: bench.report.BuiltReport) -> None:
    table = bd_table(built.folder, "dear", "ms_ssim", matrix=True)
    found = table.find("cheap", "ms_ssim")
    assert found is not None
    assert found.rate_percent == pytest.approx(100 * (0.8 / 1.5 - 1), abs=0.1)
    assert table.matrices[0].codecs == ("good", "dear", "cheap")
    with pytest.raises(UsageError, match="no codec 'daer'; did you mean dear"):
        bd_table(built.folder, "daer")
    with pytest.raises(UsageError, match="metric vmaf was not measured"):
        bd_table(built.folder, metric="vmaf")
    with pytest.raises(UsageError, match="unknown metric"):
        bd_table(built.folder, metric="psnr")


def test_bd_calls_codecs_by_their_names_and_says_why_it_has_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """``x265`` and ``jpeg`` are cards of the project's own; a lossless codec alone has no curve."""
    rows = samples.curve_records("x265", 1.0) + samples.curve_records("jpeg", 1.5)
    assert main(["bd", str(samples.results_folder(tmp_path / "a", rows, anchor="x265"))]) == 0
    shown = capsys.readouterr().out
    assert "psnr_rgb against HEVC (x265)" in shown and "JPEG " in shown and "jpeg" not in shown
    alone = samples.results_folder(tmp_path / "b", rows[:30], anchor="x265")
    assert main(["bd", str(alone)]) == 0
    said = "! no BD-rates: HEVC (x265) is the only codec with a lossy curve"
    assert capsys.readouterr().out.splitlines() == [said]


def test_console_prints_names_as_they_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = samples.curve_records("[red]a", 1.0) + samples.curve_records("b", 1.5)
    folder = samples.results_folder(tmp_path, rows, anchor="b")
    print_summary(collect(folder), make_console())
    print_bd(bd_table(folder, matrix=True), {}, make_console())
    shown = capsys.readouterr().out
    assert "[red]a" in shown
    assert "−33.3" in shown
