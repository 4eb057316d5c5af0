"""report.html: self-contained, safe against names, and alive in a real browser."""

from __future__ import annotations

import base64
import io
import json
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

import bench.report
from bench.errors import StoreError
from bench.report.content import collect
from bench.report.html.page import script_json
from bench.report.html.pictures import Embedded, Shot, embed, read_shots, spread_points
from bench.report.line_styles import line_styles
from bench.results.reader import read_results
from tests.unit.report import samples

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

HOSTILE = "<script>document.title='hurt'</script>"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    records = [
        *samples.curve_records("good", 1.0, noise=0.2),
        *samples.curve_records("dear", 1.5, noise=0.2, seed=1),
        *samples.curve_records(HOSTILE, 0.8, noise=0.2, seed=2),
        *(
            samples.record("exact", "mode=only", f"item{i}", 12.0, math.inf, mse=0.0)
            for i in range(6)
        ),
    ]
    folder = samples.results_folder(tmp_path_factory.mktemp("page"), records)
    samples.keep_pictures(folder)
    bench.report.build(folder)
    return folder / "report.html"


def test_page_is_one_file_below_2_5_mb_without_addresses(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert len(text.encode()) < 2_500_000
    own = text.split("<script>")[0]
    assert not re.search(r"(src|href)=[\"']?(https?:)?//", own)
    assert "default-src 'none'" in own


def test_names_cannot_become_markup(page: Path) -> None:
    assert HOSTILE not in page.read_text(encoding="utf-8")
    assert json.loads(script_json({"a": HOSTILE})) == {"a": HOSTILE}
    assert "<" not in script_json("</script><!--")


def test_numbers_that_are_not_finite_become_null() -> None:
    assert script_json({"a": [math.inf, np.float64("nan"), np.int64(3), 1 / 3]}) == (
        '{"a":[null,null,3,0.333333]}'
    )


def test_points_are_spread_over_rates() -> None:
    shots = [
        Shot("a", "codec", f"q={q}", float(q), None, Path("o"), Path("r")) for q in range(1, 12)
    ]
    assert [shot.bpp for shot in spread_points(shots, 6)] == [1, 3, 5, 7, 9, 11]
    assert [shot.bpp for shot in spread_points(shots, 3)] == [1, 6, 11]


def _noisy_shots(folder: Path, items: tuple[str, ...]) -> list[Shot]:
    """Pictures that nothing makes small, five points an item."""
    generator = np.random.default_rng(1)
    shots = []
    for item in items:
        paths = [folder / f"{item}{q}.png" for q in range(6)]
        for path in paths:
            Image.fromarray(generator.integers(0, 256, (64, 64, 3), np.uint8)).save(path)
        for q in range(1, 6):
            shots.append(Shot(item, "codec", f"q={q}", float(q), 30.0, paths[0], paths[q]))
    return shots


def _pixels(address: str) -> np.ndarray:
    kind, _, text = address.partition(",")
    assert kind == "data:image/webp;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))).convert("RGB"))


def test_pictures_that_fit_are_exact(tmp_path: Path) -> None:
    shots = _noisy_shots(tmp_path, ("a",))
    shown = embed(shots)
    assert shown.note == "" and len(shown.items[0]["shots"]) == 5
    for shot, entry in zip(shots, shown.items[0]["shots"], strict=True):
        kept = np.asarray(Image.open(shot.reconstruction))
        assert np.array_equal(_pixels(entry["source"]), kept)


def test_points_go_before_exactness_and_exactness_before_items(tmp_path: Path) -> None:
    """Of noise a picture is about 12.3 kB lossless and 8 kB lossy."""
    shots = _noisy_shots(tmp_path, ("a", "b"))
    exact = embed(shots, budget=2 * 5 * 13_000)
    assert exact.note == "" and len(exact.items[0]["shots"]) == 4
    lossy = embed(shots, budget=2 * 4 * 10_000)
    assert "lossy WebP" in lossy.note and len(lossy.items) == 2
    one = embed(shots, budget=5 * 9_500)
    assert len(one.items) == 1 and "1 of 2 kept items are in this file" in one.note
    none = embed(shots, budget=1000)
    assert none.items == [] and "too large" in none.note
    assert embed([]) == Embedded([], "")


@pytest.mark.parametrize("text", ["{", '[{"item": 1}]', '{"a": 1}'])
def test_a_broken_index_is_one_clear_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "index.json").write_text(text)
    with pytest.raises(StoreError, match=r"index\.json: cannot be read"):
        read_shots(tmp_path)


def test_an_index_cannot_reach_outside_its_folder(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    entry = {"item": "i", "codec": "c", "point": "p", "bpp": 1, "psnr_rgb": 30,
             "original": "../run.json", "reconstruction": "x.png"}  # fmt: skip
    (tmp_path / "kept" / "index.json").write_text(json.dumps([entry]))
    with pytest.raises(StoreError, match="outside"):
        read_shots(tmp_path)


@pytest.fixture
def opened(browser: Chrome, page: Path) -> Chrome:
    browser.get(page.as_uri())
    _wait(browser, "return Boolean(document.documentElement.dataset.ready)")
    return browser


def _wait(browser: Chrome, script: str) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, 60).until(lambda chrome: chrome.execute_script(script))


def _names(browser: Chrome) -> list[str]:
    found: list[str] = browser.execute_script(
        "return document.getElementById('curves-chart').data.map((trace) => trace.name)"
    )
    return found


def _chip(browser: Chrome, name: str) -> Any:
    return browser.find_element("xpath", f"//div[@id='chips']/button[text()='{name}']")


def test_scripts_are_of_lines_that_can_be_read() -> None:
    folder = Path(bench.report.__file__).parent / "html"
    for path in folder.glob("*.js"):
        long = [line for line in path.read_text(encoding="utf-8").splitlines() if len(line) > 100]
        assert long == [], path.name


def _choose(browser: Chrome, select: str, value: str) -> None:
    browser.execute_script(
        "const s = document.getElementById(arguments[0]); s.value = arguments[1];"
        "s.dispatchEvent(new Event('change'))", select, value,
    )  # fmt: skip


def test_renders_without_errors_and_not_blank(opened: Chrome) -> None:
    for part in opened.find_elements("css selector", "section:not([hidden])"):
        opened.execute_script("arguments[0].scrollIntoView()", part)
        _wait(opened, "return true")
    _wait(opened, "return Boolean(document.getElementById('compare-view').dataset.drawn)")
    assert opened.title == "Made-up suite"
    opened.execute_script("document.getElementById('curves').scrollIntoView()")
    pixels = np.asarray(Image.open(io.BytesIO(opened.get_screenshot_as_png())).convert("RGB"))
    assert pixels.std() > 5
    # the second codec's colour is on the page, as chip and as curve
    assert (np.abs(pixels.astype(int) - (0x33, 0x22, 0x88)).max(axis=2) < 8).sum() > 100
    errors = [entry for entry in opened.get_log("browser") if entry["level"] == "SEVERE"]
    assert errors == []


def test_a_chip_takes_its_curve_away_and_brings_it_back(opened: Chrome) -> None:
    assert "dear" in _names(opened)
    chip = _chip(opened, "dear")
    chip.click()
    assert "dear" not in _names(opened)
    assert chip.get_attribute("aria-pressed") == "false"
    chip.click()
    assert "dear" in _names(opened)
    _chip(opened, "none").click()
    assert _names(opened) == []
    _chip(opened, "all").click()
    assert len(_names(opened)) == 3


def test_metric_rate_axis_and_bands_follow_their_choosers(opened: Chrome) -> None:
    layout = "const l = document.getElementById('curves-chart').layout; return "
    assert opened.execute_script(layout + "[l.xaxis.type, l.yaxis.title.text]") == [
        "log", "PSNR-RGB (dB)",
    ]  # fmt: skip
    _choose(opened, "scale", "linear")
    _choose(opened, "metric", "ms_ssim_db")
    assert opened.execute_script(layout + "[l.xaxis.type, l.yaxis.title.text]") == [
        "linear", "MS-SSIM (dB)",
    ]  # fmt: skip
    opened.find_element("id", "bands").click()
    assert len(_names(opened)) == 6
    hover = opened.execute_script("return document.getElementById('curves-chart').data[1].text[0]")
    assert "q=1" in hover
    assert "6 images" in hover


def test_hostile_codec_stays_text(opened: Chrome) -> None:
    assert HOSTILE in opened.find_element("id", "summary-table").text
    assert opened.find_elements("xpath", "//section//script") == []
    assert opened.title == "Made-up suite"


def _pixel(browser: Chrome, part: float) -> list[int]:
    found: list[int] = browser.execute_script(
        "const c = document.getElementById('compare-view');"
        "return Array.from(c.getContext('2d').getImageData("
        "Math.round(c.width * arguments[0]), Math.round(c.height / 2), 1, 1).data).slice(0, 3)",
        part,
    )
    return found


def _open_comparison(browser: Chrome) -> None:
    browser.execute_script("document.getElementById('compare').scrollIntoView()")
    _wait(browser, "return Boolean(document.getElementById('compare-view').dataset.drawn)")


def _slide(browser: Chrome, value: int) -> None:
    browser.execute_script(
        "const s = document.getElementById('compare-split'); s.value = arguments[0];"
        "s.dispatchEvent(new Event('input'))", value,
    )  # fmt: skip


def test_slider_moves_the_border_between_left_and_right(opened: Chrome) -> None:
    _open_comparison(opened)
    red, blue = [200, 0, 0], [0, 0, 200]
    assert (_pixel(opened, 0.3), _pixel(opened, 0.7)) == (red, blue)
    _slide(opened, 40)
    assert (_pixel(opened, 0.3), _pixel(opened, 0.5)) == (red, blue)
    _slide(opened, 75)
    assert (_pixel(opened, 0.7), _pixel(opened, 0.8)) == (red, blue)


def test_flicker_shows_both_in_turn(opened: Chrome) -> None:
    _open_comparison(opened)
    _choose(opened, "compare-mode", "flicker")
    side = "return document.getElementById('compare-view').dataset.side === "
    _wait(opened, side + "'left'")
    _wait(opened, side + "'right'")
    _wait(opened, side + "'left'")


def test_difference_map_is_the_amplified_error(opened: Chrome) -> None:
    _open_comparison(opened)
    _choose(opened, "compare-gain", "1")
    _choose(opened, "compare-mode", "difference")
    # |200 − 120|, |0 − 120|, |0 − 120|
    assert _pixel(opened, 0.3) == [80, 120, 120]
    _choose(opened, "compare-right", "original")
    _wait(
        opened, "return document.getElementById('compare-right-caption').textContent === 'original'"
    )
    assert _pixel(opened, 0.7) == [0, 0, 0]


def test_rates_are_matched_and_zoom_reaches_the_pixel(opened: Chrome) -> None:
    _open_comparison(opened)
    _choose(opened, "compare-rate", "0.5")
    for side in ("left", "right"):
        assert "q=2: 0.500 bpp" in opened.find_element("id", f"compare-{side}-caption").text
    button = opened.find_element("css selector", "[data-zoom='8']")
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    assert opened.find_element("id", "compare-view").get_attribute("data-scale") == "8"


def _press(browser: Chrome, key: str) -> None:
    browser.execute_script(
        "document.getElementById('compare-view').focus({ preventScroll: true });"
        "document.dispatchEvent(new KeyboardEvent('keydown',"
        "{ key: arguments[0], bubbles: true, cancelable: true }))", key,
    )  # fmt: skip


def _text(browser: Chrome, name: str) -> str:
    return str(browser.find_element("id", name).text)


def test_keys_choose_codec_and_rate_and_flick(opened: Chrome) -> None:
    _open_comparison(opened)
    assert "dear q=1" in _text(opened, "compare-right-caption")
    _press(opened, "1")
    assert "good q=1" in _text(opened, "compare-right-caption")
    _press(opened, "ArrowRight")
    assert "dear q=1" in _text(opened, "compare-right-caption")
    _press(opened, "ArrowUp")
    for side in ("left", "right"):
        assert "q=2" in _text(opened, f"compare-{side}-caption")
    _press(opened, "ArrowDown")
    assert "q=1" in _text(opened, "compare-left-caption")
    _press(opened, "0")
    assert _text(opened, "compare-right-caption") == "original"
    _press(opened, "2")
    side = "return document.getElementById('compare-view').dataset.side"
    for wanted in ("right", "left", "right"):
        _press(opened, " ")
        assert opened.execute_script(side) == wanted
    _press(opened, "Escape")
    assert opened.execute_script(side) == "split"


def test_a_chooser_keeps_its_own_keys(opened: Chrome) -> None:
    _open_comparison(opened)
    before = _text(opened, "compare-right-caption")
    opened.execute_script(
        "document.getElementById('compare-item').focus();"
        "document.dispatchEvent(new KeyboardEvent('keydown', { key: '0', bubbles: true }))"
    )
    assert _text(opened, "compare-right-caption") == before


@pytest.mark.parametrize("width", [420, 1400])
def test_a_table_that_goes_on_says_so(opened: Chrome, width: int) -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 640}
    opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    box = "const b = document.getElementById('summary-table'); const c = b.nextElementSibling;"
    try:
        opened.refresh()
        _wait(opened, "return Boolean(document.documentElement.dataset.ready)")
        goes_on = opened.execute_script(box + "return b.scrollWidth > b.clientWidth + 2")
        assert goes_on or width == 1400
        assert opened.execute_script(box + "return !c.hidden") == goes_on
        opened.execute_script(box + "b.scrollLeft = b.scrollWidth")
        _wait(opened, box + "return c.hidden")
    finally:
        opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_codecs_look_as_in_the_plots(opened: Chrome, page: Path) -> None:
    found = line_styles(collect(page.parent))
    drawn = opened.execute_script(
        "return document.getElementById('curves-chart').data"
        ".map((t) => [t.meta, t.line.color, t.line.dash, t.marker.symbol])"
    )
    assert drawn
    for codec, colour, dash, symbol in drawn:
        look = found[codec]
        assert (dash, symbol) == (look.dash.page, look.marker.page)
        assert look.weight == "anchor" or colour == look.colour


def test_phone_width_has_no_sideways_scroll(opened: Chrome) -> None:
    size = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        opened.refresh()
        _wait(opened, "return Boolean(document.documentElement.dataset.ready)")
        assert opened.execute_script("return document.documentElement.scrollWidth") <= 390
    finally:
        opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_dark_scheme_darkens_paper_and_charts(opened: Chrome) -> None:
    paper = "return getComputedStyle(document.body).backgroundColor"
    ink = "return document.getElementById('curves-chart').layout.font.color"
    assert opened.execute_script(paper) == "rgb(255, 255, 255)"
    button = opened.find_element("id", "scheme")
    button.click()
    button.click()
    assert button.text == "Scheme: dark"
    assert opened.execute_script(paper) == "rgb(20, 23, 27)"
    assert opened.execute_script(ink) == "#e8ebee"


def test_a_run_without_anything_lossy_still_opens(browser: Chrome, tmp_path: Path) -> None:
    rows = [
        samples.record("exact", "mode=only", f"item{i}", 12.0, math.inf, mse=0.0) for i in range(3)
    ]
    folder = samples.results_folder(tmp_path, rows, anchor=None)
    bench.report.build(folder)
    assert read_results(folder).codecs == ("exact",)
    browser.get((folder / "report.html").as_uri())
    _wait(browser, "return Boolean(document.documentElement.dataset.ready)")
    errors = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert errors == []
    assert "lossless" not in browser.find_element("id", "summary-table").text
    assert "12.000" in browser.find_element("id", "summary-table").text
