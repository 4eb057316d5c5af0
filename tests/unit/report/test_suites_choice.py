"""What a suite's card chooses of a report, when it names what does not exist."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bench.cards import load_registry
from bench.errors import UsageError
from bench.report.content import Content, collect
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


def report(folder: Path, choice: str) -> Content:
    (folder / "cards" / "datasets").mkdir(parents=True)
    (folder / "cards" / "datasets" / "mine.toml").write_text(CARD + choice + "\n")
    out = results_folder(
        folder / "out", curve_records("good", 1.0),
        change=lambda run: replace(run, suite="paper", dataset="mine"),
    )  # fmt: skip
    return collect(out, registry=load_registry([folder / "cards"]))


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
