"""report.html: self-contained, safe against names, and alive in a real browser."""

from __future__ import annotations

import csv
import io
import json
import math
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

import bench.report
from bench.analysis.overlays import ExtraCurve
from bench.report.content import collect
from bench.report.html.page import script_json, write_page
from bench.report.line_styles import line_styles
from tests.system.report.in_browser import seen, settings, use_all, wait
from tests.unit.report import samples

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

HOSTILE = "<script>document.title='hurt'</script>"
THEIRS = ExtraCurve("theirs", "published", (0.3, 1.0), {"psnr_rgb": (30.0, 34.0)})


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
    samples.keep_pictures(folder, ("item0", "item2"))
    return write_page(replace(collect([folder]), extras=(THEIRS,)), folder)


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


AS_OPENED = """
const first = {
  anchor: report.data.anchor, metric: "psnr_rgb", scale: "log", rate: "bpp",
  "compare-item": "0", "compare-mode": "split", "compare-gain": "8", "item-choice": "item0",
  "compare-left": "good", "compare-right": "dear", "compare-rate": "0.25", "compare-split": "50",
};
for (const [id, value] of Object.entries(first)) {
  if (byId(id).value === value || (id.startsWith("compare") && !report.comparison.left)) continue;
  byId(id).value = value;
  for (const name of ["change", "input"]) byId(id).dispatchEvent(new Event(name));
}
for (const [id, value] of [["bands", false], ["published", true]])
  if (byId(id).checked !== value) byId(id).click();
while (byId("scheme").textContent !== "Scheme: auto") byId("scheme").click();
Object.assign(report.comparison, { zoom: "fit", centre: [0.5, 0.5], showsRight: false });
const chosen = [report.hidden, report.hiddenMetrics, report.sorts];
const changed = chosen.some((one) => one.size);
chosen.forEach((one) => one.clear());
if (changed) redrawAll();
document.activeElement.blur();
scrollTo(0, 0);
"""
"""A page as it was when it was opened, which takes longer."""
READY = "return Boolean(document.documentElement.dataset.ready)"


@pytest.fixture
def opened(browser: Chrome, page: Path) -> Chrome:
    if not browser.current_url.startswith(page.as_uri()):
        browser.get(page.as_uri())
        wait(browser, READY)
    browser.execute_script(AS_OPENED)
    return browser


@settings
def test_every_control_does_something(
    browser: Chrome, page: Path, tmp_path: Path, width: int, scheme: str
) -> None:
    with seen(browser, page, width, scheme, READY):
        # a table that goes on says so
        box = "const b = document.getElementById('summary-table'); const c = b.nextElementSibling;"
        goes_on = browser.execute_script(box + "return b.scrollWidth > b.clientWidth + 2")
        assert goes_on or width == 1400
        assert browser.execute_script(box + "return !c.hidden") == goes_on
        browser.execute_script(box + "b.scrollLeft = b.scrollWidth")
        wait(browser, box + "return c.hidden")
        used = use_all(browser, tmp_path, width)
        # sections, codecs, orders of five tables, files, keys, choosers
        assert {
            "a nav #curves", "button chips dear", "button summary-table Codec",
            "canvas compare-view", "button points-table Save CSV", "button curves Save PNG",
            "select compare-rate", "summary provenance-lists Run (7)", "input compare-split",
        } <= used  # fmt: skip
        assert len(used) > 95
        # a name as long as those of variations must not push the bars aside, nor a word the page
        browser.execute_script(
            "report.data.codecs[1].points.forEach((p) => p.point += 'x'.repeat(60)); redrawAll();"
            "document.querySelector('#footnote li').textContent = 'x'.repeat(99)"
        )
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    browser.get("about:blank")


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
    assert opened.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    for part in opened.find_elements("css selector", "section:not([hidden])"):
        opened.execute_script("arguments[0].scrollIntoView()", part)
        wait(opened, "return true")
    wait(opened, "return Boolean(document.getElementById('compare-view').dataset.drawn)")
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
    _chip(opened, "theirs (published)").click()
    assert "theirs (published)" not in _names(opened)
    _chip(opened, "none").click()
    assert _names(opened) == []
    _chip(opened, "all").click()
    assert len(_names(opened)) == 4
    opened.find_element("id", "published").click()
    assert len(_names(opened)) == 3 and not _chip(opened, "theirs (published)").is_displayed()


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
    assert len(_names(opened)) == 6  # three curves and their bands; theirs has no MS-SSIM
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
    wait(browser, "return Boolean(document.getElementById('compare-view').dataset.drawn)")


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
    wait(opened, side + "'left'")
    wait(opened, side + "'right'")
    wait(opened, side + "'left'")


def test_difference_map_is_the_amplified_error(opened: Chrome) -> None:
    _open_comparison(opened)
    _choose(opened, "compare-gain", "1")
    _choose(opened, "compare-mode", "difference")
    # |200 − 120|, |0 − 120|, |0 − 120|
    assert _pixel(opened, 0.3) == [80, 120, 120]
    _choose(opened, "compare-right", "original")
    wait(
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


def _heads(browser: Chrome, box: str) -> list[str]:
    return [th.text for th in browser.find_elements("css selector", f"#{box} th[scope=col]")]


def _column(browser: Chrome, box: str, column: int) -> list[str]:
    cells = browser.find_elements("css selector", f"#{box} tbody td:nth-child({column + 1})")
    return [cell.text for cell in cells]


def test_tables_sort_by_number_and_back(opened: Chrome) -> None:
    heads = _heads(opened, "summary-table")
    column = heads.index("BD-rate PSNR-RGB, %")
    before = _column(opened, "summary-table", 0)
    rates = []
    for _ in range(2):
        button = opened.find_elements("css selector", "#summary-table th button")[column]
        button.click()
        rates.append(_column(opened, "summary-table", 0))
    dear_first = [rates[1].index(name) for name in ("dear", HOSTILE)]
    assert dear_first == sorted(dear_first) and rates[0].index(HOSTILE) < rates[0].index("dear")
    assert sorted(before) == sorted(rates[0])


def test_the_choice_of_anchor_metrics_and_codecs_is_in_the_address(opened: Chrome) -> None:
    def rates() -> dict[str, str]:
        column = _heads(opened, "summary-table").index("BD-rate PSNR-RGB, %")
        names = _column(opened, "summary-table", 0)
        return dict(zip(names, _column(opened, "summary-table", column), strict=True))

    assert rates()["good"] == "anchor"
    _choose(opened, "anchor", "dear")
    # the same curves, all rates of dear 1.5 times those of good: 100 · (1 / 1.5 − 1)
    assert rates()["dear"] == "anchor"
    assert float(rates()["good"].replace("−", "-")) == pytest.approx(-33.3, abs=1.5)
    assert "BD PSNR-RGB, dB" not in _heads(opened, "summary-table")
    assert opened.find_element("css selector", ".anchor").get_attribute("textContent") == "dear"
    opened.find_element("xpath", "//span[@id='metric-chips']/button[text()='SSIM']").click()
    opened.execute_script("document.querySelectorAll('#chips button')[5].click()")
    _choose(opened, "metric", "ms_ssim_db")
    address = opened.current_url
    opened.get("about:blank")
    opened.get(address)
    wait(opened, "return Boolean(document.documentElement.dataset.ready)")
    assert rates()["dear"] == "anchor" and "exact" not in rates()
    assert "BD-rate SSIM, %" not in _heads(opened, "summary-table")
    assert opened.execute_script("return document.getElementById('metric').value") == "ms_ssim_db"
    # a way to a section keeps it
    opened.find_element("link text", "Bytes").click()
    assert opened.current_url == address


def test_files_are_saved_under_suite_and_metric(opened: Chrome, tmp_path: Path) -> None:
    where = {"behavior": "allow", "downloadPath": str(tmp_path)}
    opened.execute_cdp_cmd("Browser.setDownloadBehavior", where)
    _open_comparison(opened)
    _choose(opened, "compare-rate", "0.5")
    _choose(opened, "item-choice", "item0")
    for part, count in (("items", 2), ("conventions", 1)):
        opened.execute_script("document.getElementById(arguments[0]).scrollIntoView()", part)
        wait(opened, f"return document.querySelectorAll('#{part} .save-csv').length === {count}")
    for button in opened.find_elements("css selector", "[data-save], .save-csv, #compare-save"):
        opened.execute_script("report.saved = null; arguments[0].click()", button)
        wait(opened, "return report.saved")
    expected = {
        "made_psnr_rgb.svg", "made_psnr_rgb.png", "made_psnr_rgb.csv", "made_summary.csv",
        "made_points.csv", "made_item_item0.csv", "made_points_item0.csv",
        "made_item0_good_dear_crop.png", "made_conventions.csv",
    }  # fmt: skip
    _wait_for(tmp_path, expected)
    assert (tmp_path / "made_psnr_rgb.svg").read_text(encoding="utf-8").startswith("<svg")
    with (tmp_path / "made_summary.csv").open(encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows[0][0] == "Codec" and [row[0] for row in rows[1:]] == [
        "good",
        "dear",
        HOSTILE,
        "exact",
    ]
    with (tmp_path / "made_psnr_rgb.csv").open(encoding="utf-8") as file:
        points = [row for row in csv.reader(file) if row[0] == "good"]
    # the means of six items: 0.25 · (1 + 0.1 · item) bits per pixel at the first point
    assert len(points) == 5 and float(points[0][1]) == pytest.approx(0.3125)
    crop = np.asarray(Image.open(tmp_path / "made_item0_good_dear_crop.png").convert("RGB"))
    wide = crop.shape[1]
    thirds = [tuple(crop[crop.shape[0] // 3, wide * part // 6]) for part in (1, 3, 5)]
    assert thirds == [(120, 120, 120), (200, 0, 0), (0, 0, 200)]


def _wait_for(folder: Path, names: set[str]) -> None:
    for _ in range(600):
        if names <= {path.name for path in folder.iterdir()}:
            return
        time.sleep(0.1)
    assert names <= {path.name for path in folder.iterdir()}


def test_no_button_leads_to_a_cloud(opened: Chrome) -> None:
    titles = opened.execute_script(
        "return [...document.querySelectorAll('.modebar-btn')].map((b) => b.dataset.title)"
    )
    assert titles and not [title for title in titles if re.search("cloud|studio|edit", title, re.I)]


def test_an_item_has_its_table_and_the_kept_picture_beside_it(opened: Chrome) -> None:
    opened.execute_script("document.getElementById('items').scrollIntoView()")
    wait(opened, "return Boolean(document.querySelector('#item-picture img'))")
    assert _heads(opened, "item-table")[:2] == ["BD-rate, %", "PSNR-RGB"]
    assert "0.2500" in opened.find_element("id", "item-table").text  # good at its first point
    _choose(opened, "item-choice", "item1")
    assert "0.2750" in opened.find_element("id", "item-table").text
    assert "item1 was not kept: run with --keep N" in _text(opened, "item-picture")


def test_the_heat_map_is_black_where_they_agree_and_warm_where_not(opened: Chrome) -> None:
    _open_comparison(opened)
    _choose(opened, "compare-gain", "1")
    _choose(opened, "compare-mode", "heat")
    # (|200 − 120| + |0 − 120| + |0 − 120|) / 3 = 106.7: red full, green a quarter
    assert _pixel(opened, 0.3) == pytest.approx([255, 65, 0], abs=2)
    _choose(opened, "compare-right", "original")
    wait(
        opened, "return document.getElementById('compare-right-caption').textContent === 'original'"
    )
    assert _pixel(opened, 0.7) == [0, 0, 0]


def test_codecs_look_as_in_the_plots(opened: Chrome, page: Path) -> None:
    found = line_styles(collect(page.parent))
    drawn = opened.execute_script(
        "return document.getElementById('curves-chart').data.filter((t) => t.meta)"
        ".map((t) => [t.meta, t.line.color, t.line.dash, t.marker.symbol])"
    )
    assert drawn
    for codec, colour, dash, symbol in drawn:
        look = found[codec]
        assert (dash, symbol) == (look.dash.page, look.marker.page)
        assert look.weight == "anchor" or colour == look.colour


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
    browser.get(write_page(collect([folder]), folder).as_uri())
    wait(browser, "return Boolean(document.documentElement.dataset.ready)")
    errors = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert errors == []
    assert "run with --keep N" in browser.find_element("id", "compare-none").text
    assert "lossless" not in browser.find_element("id", "summary-table").text
    assert "12.000" in browser.find_element("id", "summary-table").text
