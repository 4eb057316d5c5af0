"""A metric is one class in one file and its registration: it then reaches every room."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bench.errors import UsageError
from bench.metrics import registry
from tests.command import ROOT, bench

METRIC = """
import numpy as np
from bench.metrics.base import FrameMetric, MetricInfo

class WorstBlock(FrameMetric[np.ndarray]):
    info = MetricInfo(
        id="worst_block", title="Worst block", unit="dB", cap=60.0, saturation=60.0, tolerance=0.2,
        definition="PSNR of the worst 8×8 block of the mean over channels",
        purpose="Finds one spoilt block; says nothing of the rest.", smallest=(8, 8),
        samples=("rgb",), footnote="Worst block: PSNR of the worst 8×8 block.",
    )

    def prepare(self, reference):
        return reference.mean(axis=2)

    def score(self, prepared, decoded):
        height, width = (side // 8 * 8 for side in prepared.shape)
        error = (prepared - decoded.mean(axis=2))[:height, :width] ** 2
        blocks = error.reshape(height // 8, 8, width // 8, 8).mean(axis=(1, 3))
        return 10 * np.log10(255**2 / max(blocks.max(), 1e-9))
"""
SUITE = """
[suites.blocks]
codecs = ["jpeg"]
metrics = ["psnr_rgb", "worst_block"]
anchor = "jpeg"
items = 2
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A site-packages folder with a distribution of one module, as pip would leave it, and a
    folder of cards with a suite that asks for its metric."""
    (tmp_path / "blocks.py").write_text(METRIC)
    info = tmp_path / "blocks-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: blocks\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[bench.metrics]\nworst = blocks:WorstBlock\n")
    (tmp_path / "cards" / "datasets").mkdir(parents=True)
    (tmp_path / "cards" / "codecs").mkdir()
    card = (ROOT / "datasets" / "starter.toml").read_text()
    suite = card.replace("[suites.starter]", f"{SUITE}\n[suites.as-it-was]")
    (tmp_path / "cards" / "datasets" / "blocks-data.toml").write_text(suite)
    return tmp_path


def installed(site: Path, *words: object) -> subprocess.CompletedProcess[str]:
    """Of an interpreter that has the package of the metric."""
    return subprocess.run(
        [sys.executable, "-m", "bench", *map(str, words)], capture_output=True, text=True,
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(site), "COLUMNS": "200"},
    )  # fmt: skip


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def test_a_metric_of_one_file_reaches_every_room(site: Path, tmp_path: Path) -> None:
    out, baseline = tmp_path / "out", tmp_path / "baseline"
    done = installed(site, "run", "--suite", "blocks", "--cards", site / "cards", "--out", out,
                 "--codecs", "jpeg:quality=10+30+50+70+90,webp:quality=5+25+50+75")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert re.search("worst_block +Worst block: PSNR", installed(site, "list", "metrics").stdout)

    records = rows(out / "records.csv")
    assert list(records[0])[-1] == "worst_block"
    assert all(10 < float(row["worst_block"]) < 60 for row in records)
    assert all(float(row["worst_block"]) > 0 for row in rows(out / "curves.csv"))
    deltas = {row["codec"]: row for row in rows(out / "bd.csv") if row["metric"] == "worst_block"}
    assert float(deltas["webp"]["bd_rate"]) < 0
    assert (out / "rd_worst_block.pdf").is_file()
    table = (out / "table.md").read_text()
    assert "BD-rate Worst block, %" in table and "PSNR of the worst 8×8 block." in table
    assert '"id":"worst_block"' in (out / "report.html").read_text()
    assert json.loads((out / "run.json").read_text())["metric_facts"][0]["cap"] == 60.0

    assert installed(site, "check", out, "--against", baseline, "--update").returncode == 0
    _lower(out / "records.csv", "worst_block", 0.5)
    checked = installed(site, "check", out, "--against", baseline)
    assert checked.returncode == 1
    assert "worst_block -0.500 dB (tolerance 0.2 dB)" in " ".join(checked.stdout.split())


def _lower(path: Path, metric: str, by: float) -> None:
    lines = rows(path)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(lines[0]))
        writer.writeheader()
        for line in lines:
            writer.writerow({**line, metric: float(line[metric]) - by})


def test_a_report_and_a_check_need_no_plug_in(site: Path, tmp_path: Path) -> None:
    """What run.json says of the metric is enough where its package is not installed."""
    out = tmp_path / "out"
    words = ("--suite", "blocks", "--cards", site / "cards", "--out", out, "--no-report")
    assert installed(site, "run", *words, "--limit", 1).returncode == 0
    assert bench("report", out).returncode == 0
    assert (out / "rd_worst_block.pdf").is_file()
    checked = bench("check", out, "--against", out)
    assert checked.returncode == 0 and "worst_block (0.2 dB)" in checked.stdout


@pytest.mark.parametrize(
    ("points", "says"),
    [
        ("worst = blocks:Nothing", "'worst' of group bench.metrics: 'blocks:Nothing' cannot be"),
        ("worst = blocks:np", "'blocks:np' is no class of a metric"),
        (
            "worst = blocks:WorstBlock\nother = again:Psnr",
            "metric 'psnr_rgb' is claimed by both bench.metrics.basics:PsnrRgb and again:Psnr",
        ),
    ],
)
def test_an_entry_point_that_is_no_metric_is_named(site: Path, points: str, says: str) -> None:
    (site / "again.py").write_text(
        "from dataclasses import replace\nfrom blocks import WorstBlock\n"
        "class Psnr(WorstBlock):\n    info = replace(WorstBlock.info, id='psnr_rgb')\n"
    )
    (site / "blocks-1.0.dist-info" / "entry_points.txt").write_text(f"[bench.metrics]\n{points}\n")
    done = installed(site, "list", "metrics")
    assert done.returncode == 2 and says in done.stderr


@pytest.mark.parametrize("name", ["bytes", "items", "ssim_db", "psnr_rgb_pooled"])
def test_a_metric_cannot_have_the_name_of_another_column(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    from bench.metrics.basics import PsnrY

    monkeypatch.setattr(registry, "_table", dict(registry.metrics()))
    other = type("Other", (PsnrY,), {"info": replace(PsnrY.info, id=name)})
    with pytest.raises(UsageError, match=name):
        registry._add(other)
