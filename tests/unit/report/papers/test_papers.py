"""How pages about papers are found: a suite's card names them, and nothing else does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bench.cards import load_registry
from bench.errors import CardError
from bench.report import build
from bench.report.pages import writers_of
from bench.results.run_info import RunInfo
from tests.fakes import write_cards
from tests.unit.report import samples

CARD = """
title = "Pages"
loader = "bench.fakes:Pages"
media = "image"
[suites.pages]
papers = ["{writer}"]
keep = 2
examples = ["good@q=1"]
"""


def _cards(folder: Path, writer: str) -> Path:
    (write_cards(folder) / "datasets" / "pages.toml").write_text(CARD.format(writer=writer))
    return folder


def _results(folder: Path, suite: str) -> Path:
    def change(run: RunInfo) -> RunInfo:
        return replace(run, suite=suite)

    return samples.results_folder(folder, samples.curve_records("good", 1.0), change=change)


@pytest.mark.parametrize("suite", ["pages", "noise+pages"])
def test_the_card_of_the_suite_names_its_pages(tmp_path: Path, suite: str) -> None:
    registry = load_registry([_cards(tmp_path / "cards", "bench.fakes:write_codecs")])
    built = build(_results(tmp_path / "out", suite), registry=registry)
    path = tmp_path / "out" / "codecs.txt"
    assert path.read_text() == "pages 2 ('good@q=1',) ('good',)"
    assert path in built.files and built.missing == ("half of it",)


def test_a_suite_whose_card_is_not_at_hand_has_no_pages(tmp_path: Path) -> None:
    built = build(_results(tmp_path, "pages"))
    assert built.missing == () and not (tmp_path / "codecs.txt").exists()


@pytest.mark.parametrize(
    ("writer", "says"),
    [
        ("bench.fakes:write_nothing", "write_nothing' cannot be imported"),
        ("os:system", "papers names 'os:system', no page of bench; take it out"),
    ],
)
def test_a_writer_that_does_not_exist_or_is_not_ours_is_named(
    tmp_path: Path, writer: str, says: str
) -> None:
    registry = load_registry([_cards(tmp_path / "cards", writer)])
    with pytest.raises(CardError, match=f"suite pages: .*{says}"):
        build(_results(tmp_path / "out", "pages"), registry=registry)


def test_every_page_of_the_projects_own_suites_exists() -> None:
    writers = {
        writer.__module__.rpartition(".")[2]
        for suite in load_registry().suites().values()
        for writer in writers_of(suite)
    }
    pages = Path(__file__).parents[4] / "bench" / "learned" / "pages"
    assert writers and writers <= {path.stem for path in pages.glob("*.py")}
