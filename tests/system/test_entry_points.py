"""A codec of another installed package registers through the entry-point group bench.codecs."""

import subprocess
import sys
from pathlib import Path

import pytest

from bench.cards import load_registry
from bench.errors import CardError

ADAPTER = """
from bench.codecs.raw import Raw as Codec
"""
CARD = 'title = "Theirs"\nadapter = "theirs.adapter:Codec"\nmedia = ["image"]\nlossless = true\n'


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site-packages folder with the package ``theirs`` as pip would leave it."""
    cards = tmp_path / "theirs" / "cards"
    cards.mkdir(parents=True)
    (tmp_path / "theirs" / "__init__.py").touch()
    (tmp_path / "theirs" / "adapter.py").write_text(ADAPTER)
    (cards / "__init__.py").touch()
    (cards / "theirs.toml").write_text(CARD)
    info = tmp_path / "theirs-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[bench.codecs]\ntheirs = theirs.cards\n")
    return tmp_path


def test_its_cards_are_listed(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(site))
    assert load_registry().codec("theirs").title == "Theirs"


def test_it_runs(site: Path, tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-m", "bench", "run", "--suite", "starter", "--limit", "1",
         "--codecs", "theirs", "--no-report", "--out", str(tmp_path / "out")],
        cwd=root, env={"PYTHONPATH": f"{site}"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "1 measured" in done.stdout


def test_an_entry_point_that_is_no_package_is_named(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (site / "theirs-1.0.dist-info" / "entry_points.txt").write_text(
        "[bench.codecs]\ntheirs = theirs.adapter\n"
    )
    monkeypatch.syspath_prepend(str(site))
    with pytest.raises(CardError, match=r"'theirs' of group bench\.codecs: 'theirs\.adapter'"):
        load_registry()
