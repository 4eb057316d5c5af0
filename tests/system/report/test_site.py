"""A site of several suites: its links, its files, and alive in a real browser from a folder."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import json
import re
import shutil
import zipfile
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import bench.report
from bench.cards import load_registry
from bench.errors import UsageError
from bench.report.site import build, build_site
from bench.report.site.suites import read_suite, slug
from bench.results.run_info import read_run
from bench.results.vault_file import write_vault
from tests.command import bench as command
from tests.system.report.in_browser import seen, settings, use_all, wait
from tests.unit.report import samples

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

FACTORS = {"good": 1.0, "dear": 1.5, "cheap": 0.8, "x:a=1": 2.0}
HOSTILE = "<img src=x onerror=alert(1)>"


def _results(
    folder: Path, factors: dict[str, float], title: str, *, digits: str = "", anchor: str = "good"
) -> Path:
    folder.mkdir(parents=True)
    records = [
        dataclasses.replace(row, bitstream_sha256=f"{digits}{seed}{row.point}{row.item}")
        for seed, (codec, factor) in enumerate(factors.items())
        for row in samples.curve_records(codec, factor, noise=0.2, seed=seed)
    ]
    return samples.results_folder(
        folder,
        records,
        anchor=anchor,
        change=lambda run: dataclasses.replace(run, suite_title=title),
    )


def _vault(path: Path, folder: Path, by: str) -> None:
    """Of a folder's records, whose streams nobody will decode."""
    with (folder / "records.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    write_vault(path, read_run(folder), rows, [], {}, {}, by)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of two suites, one with kept pictures, of one that has only its report, and of a vault."""
    home = tmp_path_factory.mktemp("site")
    one = _results(
        home / "one", {"good": 1.0, "dear": 1.5, "cheap": 0.8, "x:a=1": 2.0}, "Suite one"
    )
    samples.keep_pictures(one)
    _results(home / "two", {"good": 1.0, "cheap": 0.9, HOSTILE: 1.2}, "Suite & two")
    three = _results(home / "three", {"good": 1.0, "dear": 1.4}, "Suite three")
    bench.report.build(three)
    (three / "records.csv").unlink()
    (home / "anchors").mkdir()
    _vault(home / "anchors" / "one-good.zip", one, "A. Author")
    (home / "notes.md").write_text("no results")
    said = command("site", *sorted(home.iterdir()), "--out", home / "out")
    assert said.returncode == 0, said.stderr
    assert "left out: " in said.stdout and "notes.md: neither a results folder" in said.stdout
    assert "three: records.csv is not in this folder" in said.stdout
    return home / "out"


class _Addresses(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.ids: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("href", "src"):
                self.found.append(value or "")
            if name == "id":
                self.ids.add(value or "")


def _parsed(page: Path) -> _Addresses:
    parser = _Addresses()
    parser.feed(page.read_text(encoding="utf-8"))
    return parser


def test_every_address_leads_to_a_file_of_the_site(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    names = {str(page.relative_to(site)) for page in pages}
    assert {"index.html", "methods.html", "suites/one.html", "suites/two.html",
            "suites/three.html", "codecs/good.html", "codecs/dear.html"} <= names  # fmt: skip
    for page in pages:
        for address in _parsed(page).found:
            if address == "data:,":
                continue
            path, _, part = address.partition("#")
            target = (page.parent / path).resolve() if path else page
            assert target.is_file() and target.is_relative_to(site), f"{page.name}: {address}"
            assert not part or part in _parsed(target).ids, f"{page.name}: {address}"


def test_addresses_are_of_names_alone(site: Path) -> None:
    assert slug("x265") == "x265"
    # printf 'x:a=1' | sha256sum
    assert slug("x:a=1") == "x-a-1-3dc12a" and (site / "codecs" / "x-a-1-3dc12a.html").is_file()
    assert slug("a:b=1") != slug("a-b=1")


def test_nothing_comes_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert "default-src 'none'" in text
        assert HOSTILE not in text
        own = text.split("<script>")[0]
        assert not re.search(r"(src|href)=[\"']?(https?:)?//", own), page.name


def test_downloads_hold_tables_records_and_curves(site: Path) -> None:
    with zipfile.ZipFile(site / "files" / "one.zip") as file:
        names = set(file.namelist())
    assert {"one/records.csv", "one/curves.csv", "one/bd.csv", "one/rd_psnr_rgb.tex",
            "one/curve_good.dat", "one/table.tex", "one/run.json"} <= names  # fmt: skip
    assert (site / "files" / "vaults" / "one-good.zip").is_file()
    front = (site / "index.html").read_text(encoding="utf-8")
    assert "files/vaults/one-good.zip" in front
    assert "streams of good, dear, cheap, x:a=1 on Made-up pictures, measured by A. Author" in front


def test_a_vault_of_other_streams_stands_beside_the_suites_of_its_data(tmp_path: Path) -> None:
    mine = _results(tmp_path / "mine", {"good": 1.0, "dear": 1.5}, "Mine", digits="a")
    theirs = _results(tmp_path / "theirs", {"best": 0.7}, "Theirs", digits="b", anchor="best")
    (tmp_path / "others").mkdir()
    _vault(tmp_path / "others" / "mine.zip", mine, "Me")
    _vault(tmp_path / "others" / "theirs.zip", theirs, "B. Else")
    build_site([mine, tmp_path / "others"], tmp_path / "out", load_registry())
    page = (tmp_path / "out" / "suites" / "mine.html").read_text(encoding="utf-8")
    assert "best, by B. Else" in page and "by Me" not in page


def test_a_second_build_gives_the_same_bytes_and_removes_what_is_gone(
    site: Path, tmp_path: Path
) -> None:
    again = tmp_path / "again"
    shutil.copytree(site, again)
    home = site.parent
    registry = load_registry()
    build_site([home / "two", home / "three", home / "anchors"], again, registry)
    assert not (again / "suites" / "one.html").exists()
    for same in ("suites/two.html", "files/two.zip", "parts/style.css"):
        assert (again / same).read_bytes() == (site / same).read_bytes(), same
    listed = json.loads((again / "site.json").read_text())["files"]
    there = sorted(str(p.relative_to(again)) for p in again.rglob("*") if p.is_file())
    assert there == listed


def test_vaults_and_pictures_that_do_not_fit_are_listed_or_made_smaller(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, out = site.parent, tmp_path / "out"
    large = tmp_path / "large.zip"
    with (home / "one" / "records.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    write_vault(large, read_run(home / "one"), rows, [bytes(900_000)], {}, {}, "C. Else")
    monkeypatch.setattr(build, "LIMIT", build._FRONT + 400_000 + sum(
        path.stat().st_size for path in site.rglob("*") if path.is_file()))  # fmt: skip
    monkeypatch.setattr(build, "_PICTURES", 0)
    paths = [home / "one", home / "two", home / "three", large, home / "anchors"]
    built = build_site(paths, out, load_registry())
    assert built.left_out[0].startswith(f"{large}: 0.9 MB would make the site larger than ")
    assert [path.name for path in (out / "files" / "vaults").iterdir()] == ["one-good.zip"]
    front = (out / "index.html").read_text(encoding="utf-8")
    assert hashlib.sha256(large.read_bytes()).hexdigest() in front and 'large.zip"' not in front
    page = (out / "suites" / "one.html").read_text(encoding="utf-8")
    assert "The kept pictures are too large for this file" in page
    assert "image/webp" in (site / "suites" / "one.html").read_text(encoding="utf-8")


def test_refuses_by_name(site: Path, tmp_path: Path) -> None:
    home, registry = site.parent, load_registry()
    with pytest.raises(UsageError, match=r"both would be suites/one\.html"):
        other = tmp_path / "one"
        shutil.copytree(home / "one", other)
        build_site([home / "one", other], tmp_path / "out", registry)
    with pytest.raises(UsageError, match=r"both would be files/vaults/one-good\.zip"):
        (tmp_path / "again").mkdir()
        shutil.copy(home / "anchors" / "one-good.zip", tmp_path / "again")
        build_site([home / "one", home / "anchors", tmp_path / "again"], tmp_path / "out", registry)
    with pytest.raises(UsageError, match="is a results folder"):
        build_site([home / "one"], home / "two", registry)
    with pytest.raises(UsageError, match="holds other files"):
        build_site([home / "one"], home, registry)
    with pytest.raises(UsageError, match="no results folder among"):
        build_site([home / "notes.md"], tmp_path / "none", registry)


def _open(browser: Chrome, page: Path, *, report: bool = False) -> Chrome:
    browser.get(page.as_uri())
    if report:
        wait(browser, "return Boolean(document.documentElement.dataset.ready)")
    return browser


def _column(browser: Chrome, place: int, table: str = "table.sortable") -> list[str]:
    found: list[str] = browser.execute_script(
        "return [...document.querySelector(arguments[0]).tBodies[0].rows].map((row) =>"
        "(row.cells[arguments[1]].querySelector('a') ?? row.cells[arguments[1]]).textContent)",
        table, place,
    )  # fmt: skip
    return found


def _sort(browser: Chrome, place: int, table: str) -> list[str]:
    browser.find_elements("css selector", f"{table} thead th")[place].find_element(
        "css selector", "button"
    ).click()
    return _column(browser, place, table)


@pytest.mark.parametrize("items", [1, 6])
def test_the_lowest_bd_rate_of_a_suite_also_of_one_item(tmp_path: Path, items: int) -> None:
    """One item has no interval, and a codec of 0.8 of the anchor's rate its -20 % all the same."""
    records = [
        row
        for codec, factor in FACTORS.items()
        for row in samples.curve_records(codec, factor, items=items)
    ]
    folder = samples.results_folder(tmp_path / "one", records)
    best = read_suite(folder, load_registry([]), []).best()
    assert best == "cheap: −20.0 %"


def test_front_page_sorts_and_leads_to_suites(browser: Chrome, site: Path) -> None:
    _open(browser, site / "index.html")
    assert _column(browser, 0) == ["Suite one", "Suite three", "Suite & two"]
    assert len(browser.find_elements("css selector", "td svg.plot polyline")) >= 9
    # curves end at the axes, and are whole between them: a clip of each would be of its own box
    clips = "return [...document.querySelectorAll('svg.plot > svg')].map(inside => [" \
        "getComputedStyle(inside).overflowX, ...[...inside.children].map(" \
        "curve => getComputedStyle(curve).clipPath)])"  # fmt: skip
    found = browser.execute_script(clips)
    assert len(found) == 3 and all({*rest} == {"none"} for _, *rest in found)
    assert {first for first, *_ in found} == {"hidden"}
    shown = "table.sortable"
    assert _sort(browser, 0, shown) == ["Suite & two", "Suite one", "Suite three"]
    assert _sort(browser, 0, shown) == ["Suite three", "Suite one", "Suite & two"]
    assert _sort(browser, 0, shown) == ["Suite one", "Suite three", "Suite & two"]
    assert _sort(browser, 3, shown) == ["2", "3", "4"]
    browser.find_element("link text", "Suite one").click()
    assert browser.current_url.endswith("suites/one.html")
    assert [e["message"] for e in browser.get_log("browser")] == []


def test_a_suite_is_its_report_with_charts_sorting_and_comparison(
    browser: Chrome, site: Path
) -> None:
    _open(browser, site / "suites" / "one.html", report=True)
    assert browser.execute_script("return document.getElementById('curves-chart').data.length") == 4
    table = "#summary-table table"
    codecs = _column(browser, 0, table)
    assert codecs == ["good", "dear", "cheap", "x:a=1"]
    heads = [h.text for h in browser.find_elements("css selector", f"{table} thead th")]
    place = next(i for i, head in enumerate(heads) if head.startswith("BD-rate"))
    _sort(browser, place, table)
    # factors of rate: 0.8, 1 (the anchor), 1.5, 2
    assert _column(browser, 0, table) == ["cheap", "good", "dear", "x:a=1"]
    _sort(browser, place, table)
    assert _column(browser, 0, table) == ["x:a=1", "dear", "good", "cheap"]
    browser.execute_script("document.getElementById('cost').scrollIntoView()")
    wait(browser, "return document.getElementById('cost-quality').options.length > 1")
    shown = browser.execute_script(
        "const s = document.getElementById('cost-quality');"
        "s.value = s.options[3].value; s.dispatchEvent(new Event('change'));"
        "const [marks, line] = document.getElementById('cost-chart').data;"
        "return [marks.text, marks.y, line.y, Number(s.value)]"
    )
    rates = dict(zip(*shown[:2], strict=True))
    # at one quality rates are to each other as the factors, and all decode in the same time
    assert rates["dear"] / rates["good"] == pytest.approx(1.5, rel=0.06)
    assert rates["cheap"] / rates["good"] == pytest.approx(0.8, rel=0.06)
    assert shown[2][-1] == min(rates.values())
    browser.execute_script("document.getElementById('compare').scrollIntoView()")
    left = browser.find_element("id", "compare-left-caption")
    assert left.text and "item0" in browser.execute_script(
        "return document.getElementById('compare-item').value + "
        "document.getElementById('compare-item').textContent"
    )
    browser.find_element("css selector", f"{table} td a").click()
    assert "codecs/" in browser.current_url
    assert [e["message"] for e in browser.get_log("browser")] == []


def test_a_codec_has_a_row_for_each_suite_and_what_it_is(browser: Chrome, site: Path) -> None:
    _open(browser, site / "codecs" / "good.html")
    assert _column(browser, 0) == ["Suite one", "Suite three", "Suite & two"]
    text = browser.find_element("css selector", "main").text
    assert "Title of good" in text and "preset=veryslow" in text
    assert "2024-01-01" in text


def test_a_suite_without_records_shows_its_tables(browser: Chrome, site: Path) -> None:
    _open(browser, site / "suites" / "three.html")
    assert "records.csv is not in this folder" in browser.find_element("css selector", ".mind").text
    assert _column(browser, 0) == ["good", "dear"]
    assert "+4" in _column(browser, 4)[1] or "+3" in _column(browser, 4)[1]  # 1.4 times the rate


PAGES = ("index.html", "codecs/good.html", "suites/three.html", "methods.html")


@settings
def test_every_control_does_something(
    browser: Chrome, site: Path, tmp_path: Path, width: int, scheme: str
) -> None:
    for page in PAGES:
        ready = "return Boolean(document.querySelector('th button'))"
        with seen(browser, site / page, width, scheme, ready):
            used = use_all(browser, tmp_path, width)
            assert any(name.startswith("button") for name in used), page


def test_a_suite_fits_a_phone_in_the_dark(browser: Chrome, site: Path, tmp_path: Path) -> None:
    """Its report's controls are those of test_page.py."""
    ready = "return Boolean(document.documentElement.dataset.ready)"
    with seen(browser, site / "suites" / "one.html", 420, "dark", ready):
        assert "a downloads ../files/one.zip" in use_all(browser, tmp_path, 420, "#downloads")
