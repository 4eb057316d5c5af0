"""Every command of the documentation runs as written, page by page, in a folder of its own."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.cli import COMMANDS, main, make_parser
from tests.command import ROOT, bench
from tests.pictures import picture

PAGES = sorted((ROOT / "docs").glob("*.md"))
FENCE = re.compile(r'^```(\w*)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
NIGHTLY = ("codec", "determinism", "metric", "site", "suite", "tutorial", "vault")
"""Pages whose commands take longest; by day their options are read."""
ELSEWHERE = ("--cluster", "kodak", "hevc-d", "uvg")
"""Words of commands that need a cluster or data sets that are not in a package."""


def steps(page: Path) -> Iterator[tuple[str, str, str]]:
    """(language, title, content) of the fenced blocks, in order."""
    for match in FENCE.finditer(page.read_text(encoding="utf-8")):
        yield match[1], match[2] or "", match[3]


def commands(block: str) -> Iterator[list[str]]:
    for line in block.splitlines():
        if line.startswith("$ python "):
            words = shlex.split(line[2:])
            if not any(mark in words for mark in ELSEWHERE):
                yield words


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """What the pages take for granted: a picture, two folders of pictures, a clip, streams."""
    Image.fromarray(picture(96, 128)).save(tmp_path / "photo.png")
    for folder in ("pictures", "data/corner"):
        (tmp_path / folder).mkdir(parents=True)
        for seed, name in enumerate(("one", "two")):
            Image.fromarray(picture(96, 128, seed)).save(tmp_path / folder / f"{name}.png")
    (tmp_path / "clips").mkdir()
    luma = np.add.outer(3 * np.arange(40), 2 * np.arange(64 * 48)).astype(np.uint8)
    frames = np.hstack([luma, np.full((40, 2 * 32 * 24), 128, np.uint8)])
    (tmp_path / "clips" / "waves_64x48_25.yuv").write_bytes(frames.tobytes())
    for folder in ("streams", "decoded"):
        (tmp_path / folder).mkdir()
    rows = ["item,point,bytes"]
    for seed, name in enumerate(("one", "two")):
        for quality in (20, 60):
            stream = tmp_path / "streams" / f"{name}-{quality}.jpg"
            Image.fromarray(picture(96, 128, seed)).save(stream, quality=quality)
            Image.open(stream).save(tmp_path / "decoded" / f"{name}-{quality}.png")
            rows.append(f"{name},{quality},{stream.stat().st_size}")
    (tmp_path / "sizes.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=[pytest.mark.nightly] * (page.stem in NIGHTLY)) for page in PAGES],
    ids=lambda page: page.stem,
)
def test_its_commands_run_as_written(page: Path, home: Path) -> None:
    for language, title, block in steps(page):
        if title:
            (home / title).parent.mkdir(parents=True, exist_ok=True)
            (home / title).write_text(block)
        for words in commands(block) if language == "console" else ():
            if words[1:3] == ["-m", "bench"]:
                done = bench(*words[3:], folder=home)
            else:
                done = subprocess.run(
                    [sys.executable, *words[1:]], cwd=home, capture_output=True, text=True,
                    env={**os.environ, "PYTHONPATH": str(ROOT)},
                )  # fmt: skip
            assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout}\n{done.stderr}"
    for paper in home.glob("*.tex"):
        _compile(paper)


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=lambda page: page.stem)
def test_its_commands_are_known(
    page: Path, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also those that need a cluster or data sets: every subcommand and option is there."""
    monkeypatch.chdir(home)
    for language, title, block in steps(page):
        if title:
            (home / title).parent.mkdir(parents=True, exist_ok=True)
            (home / title).write_text(block)
        for line in block.splitlines() if language == "console" else ():
            if line.startswith("$ python -m bench "):
                words = shlex.split(line, comments=True)[4:]
                try:
                    make_parser(words).parse_args(words)
                except SystemExit:
                    pytest.fail(f"{line}\n{capsys.readouterr().err}")


def _compile(paper: Path) -> None:
    if shutil.which("pdflatex") is None:
        pytest.skip("no pdflatex here; install texlive-latex-extra, -publishers, -pictures")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", paper.name],
        cwd=paper.parent, capture_output=True, text=True, errors="replace",
    )  # fmt: skip
    assert done.returncode == 0 and "Overfull" not in done.stdout, done.stdout[-2000:]


def test_the_site_builds_and_its_search_finds_what_readers_look_for(tmp_path: Path) -> None:
    pytest.importorskip("mkdocstrings", reason="needs mkdocstrings")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "search" / "search_index.json").read_text(encoding="utf-8"))
    texts = [f"{one['title']} {one['text']}".lower().split() for one in found["docs"]]
    for word in ("latex", "tutorial", "api"):
        assert any(word in text for text in texts), word
    assert (tmp_path / "results" / "kodak" / "rd_psnr_rgb.png").is_file()
    commands = (tmp_path / "commands" / "index.html").read_text(encoding="utf-8")
    assert all(f"usage: bench {name}" in commands for name in COMMANDS)
    reference = (tmp_path / "reference" / "index.html").read_text(encoding="utf-8")
    assert all(f"toolkit.{name}" in reference for name in ("CodecBase", "Layout", "untimed"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_its_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^):#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_the_site_names_every_page() -> None:
    named = re.findall(r": (\w+\.md)$", (ROOT / "mkdocs.yml").read_text(), flags=re.MULTILINE)
    assert sorted(named) == [page.name for page in PAGES]


def test_the_columns_are_those_of_today(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "columns"]) == 0
    assert capsys.readouterr().out == (ROOT / "docs" / "columns.md").read_text(encoding="utf-8")


def test_the_documentation_says_of_each_metric_what_it_is_good_for() -> None:
    from bench.metrics.registry import metrics

    page = (ROOT / "docs" / "metric.md").read_text(encoding="utf-8")
    for name, one in metrics().items():
        assert f"| `{name}` | {one.info.purpose} |" in page
