"""Figures as files: marked, whole, not written twice, and the same from a process of their own."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pypdfium2
import pytest
from PIL import Image

from bench.figures.drawing_process import DrawingProcess
from bench.figures.files import Sheet, make_sheet, write_sheet
from bench.figures.plot import BarPlot, CurvePlot, Line, OtherLine
from bench.figures.style import STYLES

LINE = Line("a codec", (0.1, 0.4, 1.6), (28.0, 33.0, 39.0), "#332288", "s", "-", "field")
CURVES = CurvePlot(
    (LINE, replace(LINE, label="⨀ κ ▲", colour="#000000", dash=(0, (5, 1.5)), weight="anchor")),
    (OtherLine("elsewhere", (0.1, 0.5), (27.0, 34.0), bound=False),),
    (0.1, 1.6),
    (27.0, 40.0),
    "Rate (bits per pixel)",
    "PSNR (dB)",
)
BARS = BarPlot(("a q=1", "b"), (0.2, 0.01), (0.0, 0.1))


def sheet(folder: Path, plot: CurvePlot | BarPlot = CURVES, style: str = "paper") -> Sheet:
    return make_sheet(plot, STYLES[style], folder / "rd")


@pytest.mark.parametrize("style", sorted(STYLES))
@pytest.mark.parametrize("plot", [CURVES, BARS])
def test_a_sheet_is_written_once(tmp_path: Path, plot: CurvePlot | BarPlot, style: str) -> None:
    one = sheet(tmp_path, plot, style)
    assert not one.written
    write_sheet(one)
    assert one.written
    first = [path.read_bytes() for path in one.paths]
    write_sheet(one)
    assert [path.read_bytes() for path in one.paths] == first


def test_the_picture_is_the_page_at_200_dots_an_inch(tmp_path: Path) -> None:
    one = sheet(tmp_path)
    write_sheet(one)
    with pypdfium2.PdfDocument(one.paths[0]) as document:
        points = document[0].get_size()
    with Image.open(one.paths[1]) as picture:
        assert picture.size == tuple(pytest.approx(200 / 72 * side, abs=1) for side in points)
        colours = np.unique(np.asarray(picture.convert("RGB")).reshape(-1, 3), axis=0)
    for wanted in ((0, 0, 0), (0x33, 0x22, 0x88), (255, 255, 255)):
        assert (colours == wanted).all(axis=1).any()


def test_anything_that_a_figure_shows_makes_it_another(tmp_path: Path) -> None:
    write_sheet(sheet(tmp_path))
    moved = replace(CURVES, lines=(replace(LINE, quality=(28.0, 33.0, 39.001)), CURVES.lines[1]))
    assert not sheet(tmp_path, moved).written
    assert not sheet(tmp_path, style="ieee").written
    assert sheet(tmp_path).written


@pytest.mark.parametrize("kind", [0, 1])
def test_a_file_cut_short_or_gone_is_drawn_again(tmp_path: Path, kind: int) -> None:
    one = sheet(tmp_path)
    write_sheet(one)
    path = one.paths[kind]
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    assert not one.written
    path.unlink()
    with DrawingProcess(1) as drawing:
        drawing.draw([one])
        drawing.finish()
    assert path.read_bytes() == whole


def test_a_process_of_its_own_draws_the_same(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    here, there = sheet(tmp_path), sheet(tmp_path / "there")
    write_sheet(here)
    with DrawingProcess(2) as drawing:
        drawing.start()
        drawing.draw([there, make_sheet(BARS, STYLES["ieee"], tmp_path / "there" / "ledger")])
        drawing.finish()
    assert [p.read_bytes() for p in there.paths] == [p.read_bytes() for p in here.paths]
    assert (tmp_path / "there" / "ledger.png").is_file()


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    with DrawingProcess(1) as drawing:
        drawing.start()
        drawing.draw([sheet(tmp_path / "no-such-folder")])
        with pytest.raises(FileNotFoundError):
            drawing.finish()


def test_a_killed_process_costs_time_but_no_figure(tmp_path: Path) -> None:
    one = sheet(tmp_path)
    with DrawingProcess(1) as drawing:
        drawing.start()
        assert drawing._drawer is not None
        os.kill(drawing._drawer.pid, signal.SIGKILL)
        drawing._drawer.wait()
        drawing.draw([one])
        drawing.finish()
    assert one.written
