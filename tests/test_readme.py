"""The README's commands do what it shows: each is run as written, on one item."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^\$ python -m bench (.+)$", README, flags=re.MULTILINE)
NEEDS_NETWORK = ("fetch",)
TAKES_LONG = ("train",)
NEEDS_CLUSTER = "--cluster"


def words_of(command: str) -> list[str]:
    """The command as written, on one item."""
    words = shlex.split(command)
    return [*words, "--limit", "1", "--jobs", "2"] if words[0] == "run" else words


def test_it_is_short_and_shows_the_plot_and_the_two_commands() -> None:
    assert README.count("\n") <= 150
    assert "$ make run" in README
    assert "$ make test" in README
    for path in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / path).exists(), path


def test_it_names_every_subcommand() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--help"], cwd=ROOT, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    for name in re.findall(r"^    (\w+) ", done.stdout, flags=re.MULTILINE):
        assert f"bench {name}" in README, name


@pytest.mark.slow
def test_its_commands_run(tmp_path: Path) -> None:
    """All in one folder and in order, since later ones read what earlier ones left."""
    data = os.environ.get("BENCH_DATA", "")
    if not data:
        pytest.skip("needs real data: set BENCH_DATA to the folder that holds kodak/, mnist/, …")
    assert COMMANDS
    shutil.copytree(Path(data) / "basketballpass", tmp_path / "BasketballPass")
    for command in COMMANDS:
        words = words_of(command)
        if words[0] in (*NEEDS_NETWORK, *TAKES_LONG) or NEEDS_CLUSTER in words:
            continue
        done = subprocess.run(
            [sys.executable, "-m", "bench", *words], cwd=tmp_path, capture_output=True, text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
