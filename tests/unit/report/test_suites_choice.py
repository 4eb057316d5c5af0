"""What a suite's card chooses of a report, when it names what does not exist."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from bench.cards import load_registry
from bench.commands.report import _choice, add_options
from bench.errors import UsageError
from bench.report.content import Content, collect
from bench.report.latex import write_latex
from bench.report.plots import write_pgfplots
from tests.unit.report.samples import curve_records, results_folder

CARD = """title = "Mine"
loader = "bench.datasets.images:ImageFolder"
media = "image"
[suites.paper]
title = "Mine"
codecs = ["jpeg", "webp"]
metrics = ["psnr_rgb", "ms_ssim"]
[suites.paper.report]
"""


KEYS = """codecs = ["dear", "near"]
anchor = "near"
metrics = ["ms_ssim", "psnr_rgb"]
label = { near = "Ours & more" }
xlim = [0.3, 3]
ylim = { psnr_rgb = [29, 38] }
caption = "100 % ours"
points = true
bold = "none"
"""
OPTIONS = [
    *("--codecs", "dear,near", "--anchor", "near", "--metrics", "ms_ssim,psnr_rgb"),
    *("--label", "near=Ours & more", "--xlim", "0.3,3", "--ylim", "psnr_rgb=29,38"),
    *("--caption", "100 % ours", "--points", "--bold", "none"),
]


def report(folder: Path, choice: str, options: Sequence[str] = ()) -> Content:
    (folder / "cards" / "datasets").mkdir(parents=True)
    (folder / "cards" / "datasets" / "mine.toml").write_text(CARD + choice + "\n")
    rows = [row for name in ("good", "near", "dear") for row in curve_records(name, len(name) / 4)]
    out = results_folder(
        folder / "out", rows, change=lambda run: replace(run, suite="paper", dataset="mine")
    )
    parser = ArgumentParser()
    add_options(parser)
    given = _choice(parser.parse_args([str(out), *options]))
    return collect(out, choice=given, registry=load_registry([folder / "cards"]))


def test_keys_of_a_card_and_options_make_the_same_files(tmp_path: Path) -> None:
    found = []
    for name, content in (
        ("card", report(tmp_path / "card", KEYS)),
        ("options", report(tmp_path / "options", "", OPTIONS)),
    ):
        made = tmp_path / name / "made"
        made.mkdir()
        write_latex(content, made)
        write_pgfplots(content, made)
        found.append({path.name: path.read_text() for path in made.iterdir()})
    assert found[0] == found[1]
    assert "Ours \\& more, anchor" in found[0]["table.tex"] and "table_points.tex" in found[0]
    assert "100 \\% ours" in found[0]["table.tex"] and "boldmath" not in found[0]["table.tex"]
    assert "ymin=29" in found[0]["rd_psnr_rgb.tex"] and "xmax=3" in found[0]["rd_psnr_rgb.tex"]


@pytest.mark.parametrize(
    ("choice", "says"),
    [
        ('codecs = ["good", "jepg:quality=5"]', "jepg:quality=5: did you mean jpeg"),
        ('anchor = "x266"', "x266: did you mean x26"),
        ('label.webb = "WebP"', "webb: did you mean webp"),
        ('metrics = ["psnr_rbg"]', "psnr_rbg: did you mean psnr_rgb"),
    ],
)
def test_a_name_that_nothing_has_is_refused(tmp_path: Path, choice: str, says: str) -> None:
    with pytest.raises(UsageError, match=rf"\[report\] of suite paper: {says}"):
        report(tmp_path, choice)


def test_what_a_part_of_the_suite_does_not_hold_is_left_out(tmp_path: Path) -> None:
    content = report(tmp_path, 'codecs = ["good", "webp"]\nmetrics = ["psnr_rgb", "ms_ssim_db"]')
    assert content.choice.codecs == ("good",)
