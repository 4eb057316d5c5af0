"""The sheet of example frames."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from bench.errors import StoreError, UsageError
from bench.learned.pages.examples import Row, choose_rows, write
from bench.report.content import collect
from bench.report.html.pictures import read_shots
from bench.report.pages import Page
from bench.results.run_info import RunInfo, read_run
from tests.unit.report import samples

COLOURS = {"good": (200, 0, 0), "cheap": (0, 200, 0), "net": (0, 0, 200)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three codecs, of which ``net`` is a network, at three rates on two kept items."""
    records = [
        samples.record(codec, f"q={q}", item, rate * q, 25.0 + q)
        for codec, rate in (("good", 0.2), ("cheap", 0.1), ("net", 0.05))
        for q in (1, 2, 3)
        for item in ("one", "two")
    ]

    def only_one_network(run: RunInfo) -> RunInfo:
        codecs = (i if i.id == "net" else replace(i, complexity={}) for i in run.codecs)
        return replace(run, codecs=tuple(codecs))

    samples.results_folder(tmp_path, records, change=only_one_network)
    kept = tmp_path / "kept"
    kept.mkdir()
    entries = []
    for row in records:
        original, name = f"{row.item}.png", f"{row.item}-{row.codec}-{row.point}.png"
        Image.new("RGB", (64, 32), (120, 120, 120)).save(kept / original)
        Image.new("RGB", (64, 32), COLOURS[row.codec]).save(kept / name)
        entries.append({
            "item": row.item, "codec": row.codec, "point": row.point, "bpp": row.bpp,
            "psnr_rgb": row.scores["psnr_rgb"], "original": original, "reconstruction": name,
        })  # fmt: skip
    (kept / "index.json").write_text(json.dumps(entries))
    return tmp_path


def _cells(path: Path) -> list[list[tuple[int, ...]]]:
    """Colours of the middles of all cells, left to right, top to bottom."""
    with Image.open(path) as sheet:
        width, height, columns = *sheet.size, (sheet.width - 150) // 200
        # frames of 64×32 are shown at three times their size
        rows = (height - 8) // (96 + 28)
        middles = [
            [sheet.getpixel((150 + 200 * c + 96, 8 + 124 * r + 48)) for c in range(columns)]
            for r in range(rows)
        ]
    assert (width, height) == (150 + 200 * columns, 8 + 124 * rows)
    return middles


def _write(folder: Path, *rows: str, keep: int = 0) -> Page:
    return write(collect(folder), folder, samples.suite(examples=rows, keep=keep))


def test_rows_are_points_and_columns_items(folder: Path) -> None:
    gray, red, blue = (120, 120, 120), COLOURS["good"], COLOURS["net"]
    assert _write(folder, "good@q=2", "net@q=1") == Page(folder / "examples.png")
    assert _cells(folder / "examples.png") == [[gray, gray], [red, red], [blue, blue]]
    _write(folder, "net@q=3", keep=1)
    assert _cells(folder / "examples.png") == [[gray], [blue]]


def test_rows_are_chosen_by_rate_where_none_is_named(folder: Path) -> None:
    run = read_run(folder)
    assert run.anchor == "good"
    rows = [str(row) for row in choose_rows(read_shots(folder), run)]
    assert rows == ["good@q=1", "cheap@q=1", "net@q=1", "net@q=2", "net@q=3"]
    page = _write(folder)
    assert page.path is not None and len(_cells(page.path)) == 6


def test_settings_of_a_codec_are_part_of_its_name() -> None:
    assert Row.parse("qcae:coder=zlib@codes=8") == Row("qcae:coder=zlib", "codes=8")
    for word in ("x264", "x264@", "@crf=3:4"):
        with pytest.raises(UsageError, match="is not codec@key=value"):
            Row.parse(word)


def test_what_is_not_kept_is_said(folder: Path) -> None:
    page = _write(folder, "good@q=9", "net@q=1")
    assert page.missing == "examples.png: not kept and left out: good@q=9"
    assert page.path is not None and len(_cells(page.path)) == 2
    (folder / "kept" / "one-net-q=1.png").unlink()
    with pytest.raises(StoreError, match="keep the items again"):
        _write(folder, "net@q=1")
    (folder / "kept" / "index.json").unlink()
    nothing = "examples.png: nothing is kept; run the suite with --keep 3"
    assert _write(folder, "net@q=1", keep=3) == Page(None, nothing)
