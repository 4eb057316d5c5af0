"""What stands in tables where a curve has no BD-rate: the hull's value and single points, by name;
and beside it where headers are many."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

import bench.report
from bench.analysis.table import bd_table
from bench.commands.summary import print_bd, print_summary
from bench.report.content import collect
from bench.report.remarks import warnings_of
from tests.unit.report import samples

QUALITY = {q: 25.0 + 3.0 * q for q in range(1, 6)}


def curve(codec: str, factor: float, headers: float = 0.0) -> list[samples.Record]:
    """3 dB an octave, the payload times ``factor`` beside ``headers`` bits per pixel; at q=3 of
    ``dented`` quality falls below that of q=2."""
    size = samples.WIDTH * samples.HEIGHT
    rows = []
    for q, psnr in QUALITY.items():
        for item in range(6):
            bpp = factor * 0.125 * 2**q + headers
            psnr_here = psnr - (4.0 if codec == "dented" and q == 3 else 0.0)
            total, head = round(bpp * size / 8), round(headers * size / 8)
            rows.append(
                samples.record(codec, f"q={q}", f"item{item}", 8 * total / size, psnr_here,
                               bytes=total, header_bytes=head)
            )  # fmt: skip
    return rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    records = [
        *curve("good", 1.0),
        *curve("dented", 1.0),
        *curve("heavy", 0.75, headers=0.125),
        *(samples.record("one", "mode=only", f"item{i}", 0.375, 31.0) for i in range(6)),
        *(samples.record("far", "mode=only", f"item{i}", 9.0, 50.0) for i in range(6)),
    ]
    made = samples.results_folder(tmp_path_factory.mktemp("withheld"), records)
    bench.report.build(made)
    return made


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def tex_cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.rstrip("\\").split("&")]


def markdown(folder: Path) -> dict[str, dict[str, str]]:
    lines = (folder / "table.md").read_text().splitlines()
    columns = cells(lines[2])
    return {(row := cells(line))[0]: dict(zip(columns, row, strict=True)) for line in lines[4:9]}


def test_table_md_names_what_is_no_bd_rate(folder: Path) -> None:
    rows = markdown(folder)
    rate, gain = "BD-rate PSNR-RGB, %", "BD PSNR-RGB, dB"
    assert re.fullmatch(r"hull [+−]\d+\.\d", rows["dented"][rate])
    assert (rows["dented"]["spread, %"], rows["dented"][gain]) == ("–", "–")
    # half way between 28 and 31 dB in log rate: q=2 needs 0.5 bits, one 0.375
    assert rows["one"][rate].startswith("1 point −25.0 [−25.")
    assert rows["one"][gain].startswith("1 point +1.2")
    assert rows["one"]["spread, %"] == "–"
    assert rows["far"][rate] == rows["far"][gain] == "–"


def test_payloads_stand_beside_where_headers_are_many(folder: Path) -> None:
    rows = markdown(folder)
    assert rows["heavy"]["no headers, %"] == "−25.0"
    assert not rows["heavy"]["BD-rate PSNR-RGB, %"].startswith("−25.0")
    assert rows["good"]["no headers, %"] == rows["dented"]["no headers, %"] == "–"


def test_a_table_without_many_headers_has_no_such_column(tmp_path: Path) -> None:
    made = samples.results_folder(tmp_path, curve("good", 1.0) + curve("dear", 1.5))
    bench.report.build(made)
    assert "no headers" not in (made / "table.md").read_text().split("## How")[0]
    assert "& no headers" not in (made / "table.tex").read_text()


def test_table_tex_has_the_same(folder: Path) -> None:
    text = (folder / "table.tex").read_text()
    head = next(line for line in text.splitlines() if "{no headers} &" in line)
    assert [cell.rpartition("{")[2] for cell in tex_cells(head)[1:3]] == [
        "PSNR-RGB}",
        "no headers}",
    ]
    rows = {tex_cells(line)[0]: tex_cells(line) for line in text.splitlines() if " & " in line}
    assert rows["dented"][2] == "hull"
    assert rows["one"][2:4] == ["one point", "$-$25.0"]
    assert "-25.0" in rows["heavy"][3]


def test_bd_csv_keeps_each_number_in_its_own_column(folder: Path) -> None:
    with (folder / "bd.csv").open() as file:
        rows = {row["codec"]: row for row in csv.DictReader(file) if row["metric"] == "psnr_rgb"}
    for name in ("dented", "one", "far"):
        row = rows[name]
        headline = ("bd_rate", "bd_rate_low", "bd_rate_high", "significant", "mean_pchip")
        assert [row[column] for column in headline] == [""] * 5
    assert rows["dented"]["hull_rate"] and rows["dented"]["point_rate"] == ""
    assert "q=3 has less quality than q=2" in rows["dented"]["warnings"]
    assert float(rows["one"]["point_rate"]) == pytest.approx(-25.0, abs=1e-6)
    assert rows["one"]["point_rate_low"] and rows["one"]["point_rate_high"]
    assert float(rows["one"]["point_quality"]) > 1 and rows["one"]["hull_rate"] == ""
    assert float(rows["heavy"]["bd_rate_without_headers"]) == pytest.approx(-25.0, abs=1e-6)


def test_the_terminal_shows_them_too(folder: Path) -> None:
    shown = io.StringIO()
    print_summary(collect(folder), Console(file=shown, width=200))
    print_bd(bd_table(folder, metric="psnr_rgb"), {}, Console(file=shown, width=200))
    lines = shown.getvalue().splitlines()
    for name, word in (("dented", "hull "), ("one", "1 point −25.0"), ("heavy", " −25.0 ")):
        rows = [line for line in lines if line.startswith(f"│ {name} ")]
        assert len(rows) == 2 and all(word in row for row in rows), name
    (bare,) = (line for line in lines if line.startswith("! far"))
    assert "a curve of one point; no BD-rate" in bare
    table = bd_table(folder, metric="psnr_rgb")
    alone = io.StringIO()
    far = tuple(one for one in table.comparisons if one.codec == "far")
    print_bd(replace(table, comparisons=far), {}, Console(file=alone, width=200))
    assert bare in alone.getvalue().splitlines()  # no row, but the reason


def test_the_page_shows_the_table_and_draws_no_headline(folder: Path) -> None:
    text = (folder / "report.html").read_text()
    found = re.search(r'<script[^>]*id="data"[^>]*>(.*?)</script>', text, re.DOTALL)
    assert found is not None
    data = json.loads(found.group(1))
    rows = {row[0]: row for row in data["summary"]["rows"]}
    assert any(cell.startswith("hull ") for cell in rows["dented"])
    assert any(cell.startswith("1 point −25.0") for cell in rows["one"])
    rates = {c["codec"]: c["rate"] for c in data["comparisons"] if c["metric"] == "psnr_rgb"}
    assert rates["dented"] is None and rates["one"] is None and rates["heavy"] is not None


def test_remarks_tell_points_that_are_compared_from_those_that_are_not(folder: Path) -> None:
    said = warnings_of(collect(folder))
    assert (
        "One operating point has no BD-rate; shown are the rate at its quality and the quality at "
        "its rate: one"
    ) in said
    assert "One operating point has no BD-rate: far" in said
    # 0.125 bits of 0.3125, 0.5, 0.875, 1.625 and 3.125
    assert "heavy: headers are 18 % of its rate" in " ".join(said)
    assert not any("not told" in text for text in said)


def test_little_overlap_and_too_little_are_told_apart(tmp_path: Path) -> None:
    """Under PSNR a quarter and more is common, under SSIM less: two sentences, not a range."""
    records = samples.curve_records("good", 1.0)
    rows = [
        samples.record(
            "other", f"q={q}", f"item{i}", 0.2 * 2**q, 35.0 + 3 * q + 0.5 * i, ssim=0.975 + q / 400
        )
        for q in range(4)
        for i in range(6)
    ]
    said = warnings_of(collect(samples.results_folder(tmp_path, records + rows)))
    text = next(line for line in said if line.startswith("other: "))
    assert re.search(r"overlap by [\d.–]+ %, below 75 % \(PSNR-RGB, MS-SSIM\)", text)
    assert re.search(r"overlap by [\d.]+ %, below 25 %: no BD-rate \(SSIM\)", text)
