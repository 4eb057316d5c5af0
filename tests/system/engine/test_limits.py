"""A suite that measures some codecs on its first items only: plan, run, resume and report."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.cards import load_registry, read_dataset
from bench.cli import main
from bench.errors import CardError, UsageError
from bench.results.run_info import read_run
from tests.fakes import write_cards

SLOW = "coarse:flag=set"
CODECS = ["coarse:bits=1+2+4+6", f"{SLOW},bits=1+2+4+6"]


def limited(folder: Path, limits: str, count: int = 5) -> Path:
    """The fake suite with two codecs, and limits for them."""
    write_cards(folder, count=count, codecs=CODECS)
    card = folder / "datasets" / "noise.toml"
    card.write_text(f"{card.read_text()}[suites.noise.limits]\n{limits}\n")
    return folder


def run(cards: Path, out: Path, *words: str) -> int:
    asked = ["run", "--suite", "noise", "--cards", str(cards), "--out", str(out), "--jobs", "1"]
    return main([*asked, "--no-report", *words])


def counts(out: Path) -> dict[str, int]:
    """How many items each codec has at its first point."""
    found: dict[str, int] = {}
    with (out / "records.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            found[row["codec"]] = found.get(row["codec"], 0) + (row["point"] == "bits=1")
    return found


def test_a_codec_is_measured_on_its_first_items_and_the_second_run_measures_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cards, out = limited(tmp_path / "cards", f'"{SLOW}" = 2'), tmp_path / "out"
    assert run(cards, out, "--plan") == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "4 points × 5 items, 20 to measure" in printed
    assert "4 points × 2 items, 8 to measure" in printed and "28 tasks" in printed
    assert run(cards, out) == 0
    assert counts(out) == {"coarse": 5, SLOW: 2}
    described = read_run(out)
    assert described.items == 5
    assert {info.id: info.items for info in described.codecs} == {"coarse": None, SLOW: 2}
    capsys.readouterr()
    assert run(cards, out) == 0
    assert "0 measured, 28 kept" in capsys.readouterr().out


def test_a_higher_limit_measures_only_what_is_new(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where the folder has its tables only, as under version control."""
    out = tmp_path / "out"
    assert run(limited(tmp_path / "few", f'"{SLOW}" = 2', count=3), out) == 0
    for path in out.glob("records.sqlite*"):
        path.unlink()
    capsys.readouterr()
    assert run(limited(tmp_path / "more", f'"{SLOW}" = 4'), out) == 0
    assert "16 measured, 20 kept" in capsys.readouterr().out
    assert counts(out) == {"coarse": 5, SLOW: 4}


def test_the_limit_of_a_card_holds_for_its_variations_but_not_for_a_named_one(
    tmp_path: Path,
) -> None:
    limited(tmp_path, 'coarse = 2\n"coarse:flag=set" = 3')
    suite = load_registry([tmp_path]).suite("noise")
    names = ("coarse", "coarse:fault=none", SLOW, "other")
    assert [suite.limit(name) for name in names] == [2, 2, 3, None]


def test_what_the_user_asks_for_takes_the_place_of_limits(tmp_path: Path) -> None:
    cards, out = limited(tmp_path / "cards", "coarse = 1"), tmp_path / "out"
    assert run(cards, out, "--limit", "3") == 0
    assert counts(out) == {"coarse": 3, SLOW: 3}


def test_a_codec_that_is_not_there_is_skipped_on_its_first_items_only(tmp_path: Path) -> None:
    cards, out = limited(tmp_path / "cards", "coarse = 2"), tmp_path / "out"
    assert run(cards, out, "--codecs", "coarse:fault=absent,bits=1") == 0
    with (out / "records.csv").open(encoding="utf-8") as file:
        rows = [(row["item"], row["status"]) for row in csv.DictReader(file)]
    assert rows == [("noise0", "skipped"), ("noise1", "skipped")]


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        ("coarze = 2", r"limits.coarze: no such codec in this suite; did you mean coarse"),
        ("coarse = 0", "limits.coarse is 0; give a number of items"),
        ("coarse = 1.5", "limits.coarse is 1.5; give a number of items"),
    ],
)
def test_a_limit_that_limits_nothing_is_an_error(tmp_path: Path, limits: str, says: str) -> None:
    with pytest.raises((CardError, UsageError), match=says):
        read_dataset(limited(tmp_path, limits) / "datasets" / "noise.toml")


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="pins cores on Linux only")
def test_a_timing_worker_is_held_to_one_core() -> None:
    script = (
        "import os; from dataclasses import replace; from bench.engine.measure import *\n"
        "spec = WorkSpec('s', 'd', None, {}, {}, ('mse',))\n"
        "before = os.sched_getaffinity(0)\n"
        "start_worker(spec); assert os.sched_getaffinity(0) == before\n"
        "start_worker(replace(spec, repeats=3))\n"
        "print(os.sched_getaffinity(0) == {max(before)})"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "True", done.stderr
