"""Frames of clips on the page, in a browser: the plot, the slider, and colours as they are."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

import bench.report
from bench.records import Record
from bench.report.content import collect
from bench.report.html import clips
from bench.report.html.pictures import read_shots
from bench.report.plots import frame_plots
from bench.results.kept_clips import playable
from bench.signals import clip
from tests.system.report.in_browser import seen, settings, use_all, wait
from tests.unit.report import samples

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

FRAMES = 8
COLOURS = {"original": (120, 120, 120), "good": (200, 30, 30), "dear": (30, 60, 200)}


def _webm(colour: tuple[int, int, int]) -> bytes:
    """A plain colour whose green grows by 15 a frame."""
    frames = np.zeros((FRAMES, 32, 48, 3), np.uint8)
    frames[...] = colour
    frames[..., 1] += 15 * np.arange(FRAMES, dtype=np.uint8)[:, None, None]
    signal = clip(frames)
    return playable(signal, signal.layout)


def _as_clip(record: Record) -> Record:
    size = round((record.bpp or 0) * samples.WIDTH * samples.HEIGHT * FRAMES / 8)
    return replace(record, frames=FRAMES, bytes=size, kbps=8 * size / (FRAMES / 25) / 1000)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    records = [
        _as_clip(one)
        for name, factor in (("good", 1.0), ("dear", 1.5))
        for one in samples.curve_records(name, factor, items=2)
    ]
    folder = samples.results_folder(
        tmp_path_factory.mktemp("clips"), records, items=2,
        change=lambda run: replace(run, media="video"),
    )  # fmt: skip
    samples.keep_pictures(folder)
    for shot in read_shots(folder):
        shot.original.with_suffix(".webm").write_bytes(_webm(COLOURS["original"]))
        shot.reconstruction.with_suffix(".webm").write_bytes(_webm(COLOURS[shot.codec]))
    with (folder / "frames.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("codec", "point", "item", "frame", "type", "bytes", "mse", "psnr_rgb"))
        for one in records:
            for place in range(FRAMES):
                row = (one.codec, one.point, one.item, place, "IP"[place > 0], 100 - place, 2.0)
                writer.writerow((*row, 30 + place))
    bench.report.build(folder)
    return folder / "report.html"


def _shown(browser: Chrome, side: str) -> list[int]:
    """The colour in the middle of a video as the browser paints it."""
    found: list[int] = browser.execute_script(
        "const v = clips.videos[arguments[0]]; const c = document.createElement('canvas');"
        "c.width = v.videoWidth; c.height = v.videoHeight; const x = c.getContext('2d');"
        "x.drawImage(v, 0, 0);"
        "return [...x.getImageData(v.videoWidth / 2, v.videoHeight / 2, 1, 1).data].slice(0, 3)",
        side,
    )
    return found


READY = (
    "return document.documentElement.dataset.ready && ['left', 'right'].every("
    "(s) => clips.videos[s].readyState > 1 && !clips.videos[s].seeking)"
)


def test_quality_over_frames_is_a_figure_as_well(page: Path) -> None:
    """Of each clip the plot of all codecs at about one rate, frame by frame."""
    plots = dict(frame_plots(collect(page.parent)))
    assert sorted(plots) == ["frames_item0", "frames_item1"]
    for plot in plots.values():
        assert [line.label.split(",")[0] for line in plot.lines] == ["good", "dear"]
        for line in plot.lines:
            assert line.rate == tuple(range(FRAMES))
            assert line.quality == tuple(range(30, 30 + FRAMES))
    assert plots["frames_item0"].rates == (0, FRAMES - 1)
    for name in plots:
        assert (page.parent / f"{name}.pdf").stat().st_size > 1000


@settings
def test_every_control_of_clips_does_something(
    browser: Chrome, page: Path, tmp_path: Path, width: int, scheme: str
) -> None:
    with seen(browser, page, width, scheme, READY):
        used = use_all(browser, tmp_path, width, "#clips")
        # one metric alone has values a frame: there is nothing to choose
        assert {"select clips-item", "select clips-left", "select clips-right"} <= used
        assert {"button clips-play", "input clips-frame"} <= used
        assert any(name.endswith("Zoom in") for name in used)


def test_any_frame_is_chosen_and_has_its_colour(browser: Chrome, page: Path) -> None:
    browser.get(page.as_uri())
    wait(browser, READY)
    for frame in (0, 3, 7, 2):
        browser.execute_script(
            "const s = document.getElementById('clips-frame'); s.value = arguments[0];"
            "s.dispatchEvent(new Event('input'))", frame,
        )  # fmt: skip
        wait(browser, READY)
        for side, name in (("left", "original"), ("right", "good")):
            red, green, blue = COLOURS[name]
            expected = np.array([red, green + 15 * frame, blue])
            assert np.abs(np.array(_shown(browser, side)) - expected).max() <= 6, (side, frame)
    caption = browser.find_element("id", "clips-right-caption").text
    assert "P frame, 98 bytes" in caption and "32.00" in caption
    assert browser.get_log("browser") == []


def test_clips_play_and_frames_are_plotted(browser: Chrome, page: Path) -> None:
    browser.get(page.as_uri())
    wait(browser, READY)
    browser.execute_script("document.getElementById('clips').scrollIntoView()")
    wait(browser, "return document.getElementById('clips-chart').data")
    traces = browser.execute_script(
        "return document.getElementById('clips-chart').data.map((t) => [t.name, t.y])"
    )
    assert len(traces) == 4
    qualities = {name: y for name, y in traces if y[0] == 30}
    # the middle of the anchor's five points is 1 bpp; of rates 1.5 times as high 0.75 is nearest
    assert set(qualities) == {"good, q=3, 1.000 bpp", "dear, q=2, 0.750 bpp"}
    assert next(iter(qualities.values())) == list(range(30, 38))
    browser.find_element("id", "clips-play").click()
    wait(browser, "return clips.videos.left.ended && clips.videos.right.currentTime > 0.2")
    assert browser.get_log("browser") == []


def test_clips_that_do_not_fit_are_left_out_and_said(
    page: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = {path.stat().st_size for path in (page.parent / "kept").rglob("*.webm")}
    monkeypatch.setattr(clips, "BUDGET_BYTES", 4 * max(sizes))
    content = collect(page.parent)
    data = clips.clip_data(content, read_shots(page.parent))
    named = [(one["codec"], one["point"]) for one in data["items"][0]["clips"]]
    # nearest to the common rate of 1 bpp first, as index.json has them, a codec before a second
    assert named[:2] == [("good", "q=3"), ("dear", "q=3")]
    assert f"{len(named)} of 6 kept clips are in this file" in data["note"]
