"""The README's commands run as written, and what it prints is what committed results give."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shlex
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from bench.cards import load_registry
from bench.cli import COMMANDS as SUBCOMMANDS
from bench.commands.summary import print_summary
from bench.engine.campaign import select_codecs
from bench.records import COLUMNS
from bench.report.content import Content, collect
from bench.results.table import FILE
from tests.baselines import GUARDS
from tests.command import ROOT, bench

README = (ROOT / "README.md").read_text(encoding="utf-8")
RESULTS = (ROOT / "results" / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^\$ python -m bench (.+)$", README, flags=re.MULTILINE)
NEEDS_NETWORK = ("fetch",)
TAKES_LONG = ("train",)
NEEDS_CLUSTER = "--cluster"
FRAMES = 3
"""Of the clip, which is long enough to be one."""
TERMINAL = 80
"""Columns of the terminal on which the printed table stands."""
TOLD = {
    "kodak": {"VVenC": "vvenc", "AVIF": "avif", "x264": "x264", "our hyperprior": "hyperprior",
              "JPEG": "jpeg", "HM": "hm", "VTM": "vtm"},
    "moving-mnist": {"SVT-AV1": "svtav1", "x264": "x264", "`x264-medium`": "x264-medium",
                     "`x265-medium`": "x265-medium", "`x265-zerolatency`": "x265-zerolatency",
                     "`x264-zerolatency`": "x264-zerolatency", "`qcae`": "qcae",
                     "`qcae-rd`": "qcae-rd"},
}  # fmt: skip
"""By suite: what the table of results calls a codec whose BD-rate it tells."""


def words_of(command: str) -> list[str]:
    """The command as written, on one item; a whole suite, whose codecs have tests of their own, is
    planned: every card, weight file and program is looked at, nothing is measured."""
    words = shlex.split(command)
    if words[0] != "run":
        return words
    whole = "--codecs" not in words
    return [*words, "--limit", "1", *(["--plan"] if whole else ["--jobs", "2"])]


def test_it_is_short_and_shows_the_plot_and_the_two_commands() -> None:
    assert README.count("\n") <= 125
    assert "$ make run" in README
    assert "$ make test" in README
    paths = re.findall(r"\]\(([^)#:]+)\)", README)
    assert len(paths) > 5
    for path in paths:
        assert (ROOT / path).exists(), path


def test_it_names_every_subcommand() -> None:
    for name in SUBCOMMANDS:
        assert f"bench {name}" in README, name


def measured_by_make_run(folder: Path) -> Content:
    """What `make run` measures, as it was when the baseline was written: a results folder from the
    baseline's columns, of RGB pictures, on two cores."""
    baseline = next(guard.baseline for guard in GUARDS if guard.name == "starter")
    with (baseline / FILE).open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    with (folder / FILE).open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="")
        writer.writeheader()
        for row in rows:
            pixels = int(row["width"]) * int(row["height"]) * int(row["frames"])
            rest = {"channels": 3, "bpp": 8 * int(row["bytes"]) / pixels, "parallel": 2}
            writer.writerow({**row, **rest})
    shutil.copy(baseline / "run.json", folder)
    return collect(folder)


def make_run_prints(content: Content) -> list[str]:
    """The lines of its table and remarks, on a terminal."""
    text = io.StringIO()
    print_summary(content, Console(file=text, width=TERMINAL))
    return [line.rstrip() for line in text.getvalue().splitlines()]


@pytest.fixture(scope="module")
def starter(tmp_path_factory: pytest.TempPathFactory) -> Content:
    return measured_by_make_run(tmp_path_factory.mktemp("starter"))


def printed_by_make_run() -> list[str]:
    return README.partition("$ make run\n")[2].partition("$ make test\n")[0].splitlines()


def test_its_table_is_what_make_run_prints(starter: Content) -> None:
    wanted = make_run_prints(starter)
    assert printed_by_make_run()[: len(wanted)] == wanted


def test_its_counts_and_files_are_those_of_make_run(starter: Content) -> None:
    count, files = printed_by_make_run()[-2:]
    assert count == f"{len(starter.results.records)} measured; results in results/starter"
    plots = [f"rd_{axis.id}.png" for axis in starter.axes]
    assert files == f"see {', '.join(['table.md', *plots, 'ledger.png', 'report.html'])}"


@pytest.mark.parametrize(
    ("suite", "name", "codec"),
    [(suite, name, codec) for suite, told in TOLD.items() for name, codec in told.items()],
)
def test_its_bd_rates_are_those_of_the_results(suite: str, name: str, codec: str) -> None:
    (row,) = re.findall(rf"^\| `{suite}` \|.*$", RESULTS, flags=re.MULTILINE)
    said = re.search(rf"{re.escape(name)} ([−+])(\d+)(?:\.(\d+))? %", row)
    assert said is not None, row
    digits = len(said[3] or "")
    with (ROOT / "results" / suite / "bd.csv").open(encoding="utf-8") as file:
        rates = {line["codec"]: float(line["bd_rate"] or "nan") for line in csv.DictReader(file)
                 if line["metric"] == "psnr_rgb"}  # fmt: skip
    sign = -1 if said[1] == "−" else 1
    assert sign * float(f"{said[2]}.{said[3] or 0}") == round(rates[codec], digits)


@pytest.mark.parametrize(
    "folder",
    [path.parent for path in sorted(ROOT.glob("results/*/curves.csv"))],
    ids=lambda p: p.name,
)
def test_every_row_of_a_suites_results_is_one_that_the_suite_names(folder: Path) -> None:
    """So that `run --suite NAME` alone makes it."""
    suite = load_registry().suite(folder.name)
    named = {(card.id, str(point)) for card in select_codecs(load_registry(), suite.codecs)
             for point in card.ladder}  # fmt: skip
    with (folder / "curves.csv").open(encoding="utf-8") as file:
        assert {(row["codec"], row["point"]) for row in csv.DictReader(file)} <= named
    items = json.loads((folder / "run.json").read_text(encoding="utf-8")).get("item_digests")
    if items and (clips := suite.settings.get("clips")):
        assert list(items) == [clip["name"] if isinstance(clip, dict) else clip for clip in clips]


def test_its_hours_of_training_are_those_of_the_model_cards() -> None:
    cards = [json.loads(path.read_text(encoding="utf-8"))
             for path in (ROOT / "codecs" / "weights").glob("*/*.json")]  # fmt: skip
    spent = [sum(one["seconds"] for one in (*card["earlier_trainings"], card)) for card in cards]
    page = (ROOT / "docs" / "learned.md").read_text(encoding="utf-8")
    said = re.search(r"in (\d+) hours at most", page)
    assert said is not None and 3600 * (int(said[1]) - 1) < max(spent) <= 3600 * int(said[1])


def test_its_ranges_of_overlap_are_those_of_the_results() -> None:
    with (ROOT / "results" / "kodak-crops" / "bd.csv").open(encoding="utf-8") as file:
        overlaps = [float(row["overlap"]) for row in csv.DictReader(file)
                    if row["codec"].startswith("coolchic")]  # fmt: skip
    assert f"share {min(overlaps):.0f}–{max(overlaps):.0f} %" in RESULTS


@pytest.mark.nightly
def test_its_commands_run(tmp_path: Path) -> None:
    """All in one folder and in order, since later ones read what earlier ones left."""
    data = os.environ.get("BENCH_DATA", "")
    if not data:
        pytest.skip("needs real data: set BENCH_DATA to the folder that holds kodak/, mnist/, …")
    assert COMMANDS
    clip = tmp_path / "BasketballPass"
    clip.mkdir()
    for frame in sorted((Path(data) / "basketballpass").glob("*.png"))[:FRAMES]:
        shutil.copy(frame, clip)
    for command in COMMANDS:
        words = words_of(command)
        if words[0] in (*NEEDS_NETWORK, *TAKES_LONG) or NEEDS_CLUSTER in words:
            continue
        done = bench(*words, folder=tmp_path)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
