"""`run --plan` says what a run would do and does nothing; `--quiet` says nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.cli import main
from tests.fakes import write_cards

WORDS = ["run", "--suite", "noise", "--codecs", "coarse:bits=2+4", "--jobs", "1", "--no-report"]


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    return [*WORDS, "--cards", str(write_cards(tmp_path)), "--out", str(tmp_path / "out")]


def test_nothing_is_done_and_all_is_said(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--plan"]) == 0
    printed = capsys.readouterr().out
    assert "2 points × 4 items, 8 to measure" in printed
    assert "nothing was done; no time is known yet of coarse" in " ".join(printed.split())
    assert not (tmp_path / "out").exists()


def test_what_is_stored_is_not_left_and_tells_the_time(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--quiet", "--limit", "2"]) == 0
    assert capsys.readouterr().out == ""
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    assert main([*words, "--plan"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "2 points × 4 items, 4 to measure" in printed and "s each" in printed
    assert "4 tasks for 1 worker" in printed
    assert main([*words, "--plan", "--limit", "2"]) == 0
    assert "all measured" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()} == before


def test_a_plan_counts_what_is_to_be_kept_and_is_not(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--quiet"]) == 0
    capsys.readouterr()
    assert main([*words, "--plan", "--keep", "1"]) == 0
    assert "2 points × 4 items, 2 to measure" in capsys.readouterr().out
    assert main([*words, "--quiet", "--keep", "1"]) == 0
    assert main([*words, "--plan", "--keep", "1"]) == 0
    assert "all measured" in capsys.readouterr().out


def test_a_plan_leaves_a_folder_without_its_store_to_be_continued(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--quiet"]) == 0
    for path in (tmp_path / "out").glob("records.sqlite*"):
        path.unlink()
    assert main([*words, "--plan"]) == 0
    assert not (tmp_path / "out" / "records.sqlite").exists()
    capsys.readouterr()
    assert main(words) == 0
    assert "8 records of" in capsys.readouterr().out


def test_a_codec_that_is_not_there_says_how_to_get_it(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    words[4] = "ssf2020"
    assert main([*words, "--plan"]) == 0
    assert "would be skipped: codec ssf2020: no checkpoint for quality=1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("bench run --suite star", "starter"),
        ("bench run --suite kodak --codecs x265,web", "x265,webp"),
        ("bench ru", "run"),
        ("bench doctor --codec qcae-r", "qcae-rd"),
    ],
)
def test_a_shell_completes_ids_from_the_cards(line: str, expected: str, tmp_path: Path) -> None:
    answer = tmp_path / "answer"
    subprocess.run(
        [sys.executable, "-m", "bench"], check=True, stderr=subprocess.PIPE,
        env={
            **os.environ, "_ARGCOMPLETE": "1", "COMP_LINE": line, "COMP_POINT": str(len(line)),
            "_ARGCOMPLETE_STDOUT_FILENAME": str(answer), "_ARGCOMPLETE_IFS": "\n",
            "_ARGCOMPLETE_COMP_WORDBREAKS": " ", "_ARGCOMPLETE_SHELL": "bash",
        },
    )  # fmt: skip
    assert expected in [word.strip() for word in answer.read_text().split("\n")]
