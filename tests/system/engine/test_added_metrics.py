"""Metrics added to a finished folder: only they are measured, and nothing that is there changes."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from bench.engine.plan import codec_fingerprint, item_fingerprint
from tests import command
from tests.fakes import write_cards
from tests.leftovers import forgotten

PYTHONPATH = os.pathsep.join((str(Path(__file__).resolve().parents[3]), os.environ["PYTHONPATH"]))
ROOT = Path(__file__).resolve().parents[3]
PLUGIN = '''
import os

import numpy as np

from bench.errors import Unavailable
from bench.metrics.info import MetricInfo
from bench.metrics.base import FrameMetric, SignalMetric
from tests.fakes import Coarse, Noise


class Wavering(Coarse):
    """Its streams depend on the environment, its versions do not."""

    def check_available(self):
        if os.environ.get("NO_ENCODER"):
            raise Unavailable("no encoder; install it")

    def encode(self, signal, point):
        assert not os.environ.get("NO_ENCODER")
        encoded = super().encode(signal, point)
        if os.environ.get("OTHER_STREAM"):
            return type(encoded)(encoded.payload + b"!")
        return encoded


class MoreNoise(Noise):
    pass


class Largest(FrameMetric[np.ndarray]):
    info = MetricInfo(
        id="largest", title="Largest error", definition="largest difference of a sample",
        purpose="For tests.", higher_is_better=False, tolerance=1,
    )

    def prepare(self, reference):
        return reference.astype(int)

    def score(self, prepared, decoded):
        return abs(prepared - decoded).max() + float(os.environ.get("OFFSET", "0"))


class Stubborn(FrameMetric[None]):
    info = MetricInfo(
        id="stubborn", title="Stubborn", definition="raises on some pictures",
        purpose="For tests.", tolerance=1,
    )

    def prepare(self, reference):
        return int(reference[0, 0])

    def score(self, prepared, decoded):
        if prepared == 1:
            raise ValueError("does not like; item 1")
        return float("nan") if prepared == 2 else 0.5


class Whole(SignalMetric[int]):
    info = MetricInfo(
        id="whole", title="Whole", definition="frames", purpose="For tests.", tolerance=1,
        whole=True, samples=("rgb",),
    )

    def prepare(self, reference):
        return reference.layout.frames

    def score(self, prepared, decoded):
        return prepared / decoded.layout.frames


class Absent(Whole):
    info = MetricInfo(
        id="absent", title="Absent", definition="needs what is not here", purpose="For tests.",
        tolerance=1,
    )

    @classmethod
    def check_available(cls):
        raise Unavailable("its weights are missing; run `bench fetch absent`")
'''


@pytest.fixture
def cards(tmp_path: Path) -> Path:
    """Cards of the codec ``wavering`` and a data set whose classes are in the plug-in."""
    (tmp_path / "mine.py").write_text(PLUGIN)
    folder = write_cards(tmp_path / "cards", codecs='["wavering"]')
    card = folder / "codecs" / "coarse.toml"
    (folder / "codecs" / "wavering.toml").write_text(
        card.read_text().replace("bench.fakes:Coarse", "mine:Wavering")
    )
    card.unlink()
    data = folder / "datasets" / "noise.toml"
    data.write_text(
        data.read_text()
        .replace("bench.fakes:Noise", "mine:MoreNoise")
        .replace('anchor = "coarse"', 'anchor = "wavering"')
    )
    return folder


def bench(cards: Path, *words: object, **variables: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own where workers have to see these variables."""
    words = (*words, "--cards", cards, "--plugin", cards.parent / "mine.py")
    if not variables:
        return command.bench(*words)
    return subprocess.run(
        [sys.executable, "-m", "bench", *map(str, words)],
        capture_output=True, text=True, cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": PYTHONPATH, **variables},
    )  # fmt: skip


def measure(cards: Path, out: Path, *words: object, **variables: str) -> str:
    base = ("run", "--suite", "noise", "--out", out, "--no-report", "--jobs", 1)
    done = bench(cards, *base, *words, **variables)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "records.csv").open() as file:
        return list(csv.DictReader(file))


def test_only_the_new_metric_is_measured_and_nothing_else_changes(
    cards: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    measure(cards, out)
    before = rows(out)
    said = measure(cards, out, "--metrics", "largest")
    assert "16 with metrics added" in said and "0 measured" in said
    after = rows(out)
    assert all(float(row["largest"]) > 0 for row in after)
    assert [{k: v for k, v in row.items() if k != "largest"} for row in after] == before
    run = json.loads((out / "run.json").read_text())
    assert run["metrics"] == ["psnr_rgb", "largest"]
    assert set(run["metric_versions"]["largest"]) == {"plugin mine"}
    said = measure(cards, out)
    assert "16 kept" in said and "added" not in said
    assert rows(out) == after


@pytest.mark.nightly
def test_new_points_get_the_metrics_of_the_folder(cards: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    measure(cards, out, "--metrics", "largest")
    measure(cards, out, "--codecs", "wavering:bits=3")
    assert {bool(row["largest"]) for row in rows(out)} == {True}
    assert len(rows(out)) == 20


@pytest.mark.nightly
def test_kept_streams_are_measured_without_coding(cards: Path, tmp_path: Path) -> None:
    """Of items whose streams were not kept, another stream than the record's is not measured."""
    out = tmp_path / "out"
    measure(cards, out, "--keep", 2)
    measure(cards, out, "--keep", 2, "--metrics", "largest", OTHER_STREAM="1")
    found = {row["item"]: (bool(row["largest"]), row["remarks"]) for row in rows(out)}
    assert found["noise0"] == found["noise1"] == (True, "")
    empty, remark = found["noise3"]
    assert not empty and remark.startswith("largest: coded again it is another stream")


def kept(out: Path) -> set[str]:
    return {hashlib.sha256(path.read_bytes()).hexdigest() for path in out.glob("kept/*/*/*.bin")}


@pytest.mark.nightly
def test_every_stream_is_kept_and_what_is_stored_is_coded_again(
    cards: Path, tmp_path: Path
) -> None:
    """No picture is kept; a rerun codes again where the stream is missing or damaged, and changes
    no record. A stream that is not the record's is named and not kept."""
    out = tmp_path / "out"
    measure(cards, out)
    before = rows(out)
    assert "16 streams coded again and kept" in measure(cards, out, "--keep", "all")
    assert rows(out) == before and kept(out) == {row["bitstream_sha256"] for row in before}
    assert not list(out.glob("kept/**/*.png"))
    assert "16 kept; results" in measure(cards, out, "--keep", "all")
    damaged, gone = sorted(out.glob("kept/noise1/*/*.bin"))[:2]
    damaged.write_bytes(b"?")
    gone.unlink()
    base = ("run", "--suite", "noise", "--out", out, "--no-report", "--jobs", 1, "--keep", "all")
    failed = bench(cards, *base, OTHER_STREAM="1")
    assert failed.returncode == 1 and not gone.exists() and rows(out) == before
    assert "2 × wavering: coded again it is another stream than the record's" in failed.stdout
    assert "2 to measure" in bench(cards, *base, "--plan").stdout
    new = ("--keep", "all", "--metrics", "largest")
    assert "16 with metrics added, 2 streams coded again" in measure(cards, out, *new)
    assert kept(out) == {row["bitstream_sha256"] for row in before}
    measure(cards, out, *new, "--codecs", "wavering:bits=3")
    assert kept(out) == {row["bitstream_sha256"] for row in rows(out)} and len(rows(out)) == 20


def test_metrics_are_added_from_streams_without_the_encoder(cards: Path, tmp_path: Path) -> None:
    """What run.json says of the measuring machine stays; a record without a kept stream is named,
    and so is an original that is another one."""
    out = tmp_path / "out"
    measure(cards, out, "--keep", "all", "--limit", 3)
    before, run = rows(out), json.loads((out / "run.json").read_text())
    words = ("remeasure", out, "--metrics", "largest", "--jobs", 1)
    done = bench(cards, *words, NO_ENCODER="1")
    assert "12 with metrics added" in done.stdout and done.returncode == 0, done.stderr
    after = rows(out)
    assert all(float(row["largest"]) > 0 for row in after)
    assert [{k: v for k, v in row.items() if k != "largest"} for row in after] == before
    now = json.loads((out / "run.json").read_text())
    assert now["metrics"] == ["psnr_rgb", "largest"]
    assert {k for k in run if run[k] != now[k]} <= {"metrics", "metric_facts", "metric_versions"}
    next(out.glob("kept/noise1/*/*.bin")).unlink()
    lost = bench(cards, *words[:3], "stubborn", NO_ENCODER="1")
    assert lost.returncode == 1 and "wavering: 1 records have no kept stream" in lost.stdout
    run["item_digests"]["noise1"] = "0" * 16
    (out / "run.json").write_text(json.dumps(run))
    other = bench(cards, *words, NO_ENCODER="1")
    assert other.returncode == 2 and "the item noise1 differs from the one" in other.stderr


def test_a_metric_that_fails_spoils_its_own_cell_with_the_reason(
    cards: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    measure(cards, out, "--metrics", "psnr_rgb,stubborn,whole,absent")
    found = {row["item"]: row for row in rows(out)}
    assert {row["status"] for row in found.values()} == {"done"}
    assert found["noise0"]["stubborn"] == "0.5" and found["noise0"]["psnr_rgb"]
    assert found["noise1"]["stubborn"] == found["noise2"]["stubborn"] == ""
    assert "stubborn: ValueError: does not like, item 1" in found["noise1"]["remarks"]
    assert "stubborn: its value is not a number" in found["noise2"]["remarks"]
    assert "whole: not defined on gray" in found["noise0"]["remarks"]
    assert "absent: its weights are missing" in found["noise0"]["remarks"]


def test_what_cannot_run_here_is_said_once(cards: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    measure(cards, out)
    said = measure(cards, out, "--metrics", "absent")
    assert said.count("metric absent skipped: its weights are missing; run `bench fetch") == 1
    assert "16 kept" in said


@pytest.mark.nightly
def test_another_version_of_a_metric_is_measured_again_and_no_other(
    cards: Path, tmp_path: Path
) -> None:
    out, other = tmp_path / "out", tmp_path / "other.py"
    other.write_text(PLUGIN.replace("largest", "utmost").partition("class Stubborn")[0])
    measure(cards, out, "--metrics", "largest,utmost", "--plugin", other)
    before = rows(out)
    other.write_text(other.read_text().replace(".max() +", ".max() + 100 +"))
    said = measure(cards, out, "--plugin", other, OFFSET="1000")
    assert "16 values of utmost come from another version" in said
    assert "16 with metrics added" in said and "stored records" not in said
    after = rows(out)
    assert [row["largest"] for row in after] == [row["largest"] for row in before]
    assert [float(r["utmost"]) for r in after] == [float(r["utmost"]) + 1100 for r in before]


@pytest.mark.nightly
def test_a_store_whose_fingerprints_name_the_metrics_is_carried_on(
    cards: Path, tmp_path: Path
) -> None:
    """As those of format 3 do: a metric is added to it, and nothing is measured again."""
    from bench.cards import load_registry, plugins
    from bench.codecs.foreign.loader import open_dataset
    from bench.datasets.base import DataOptions
    from bench.engine.probe import probe

    out = tmp_path / "out"
    measure(cards, out)
    with forgotten():
        plugins.load(tmp_path / "mine.py")
        registry = load_registry([cards])
        card, data = registry.codec("wavering"), registry.dataset("noise")
        old = codec_fingerprint(card, probe(card, "cpu").with_known_code(()), ("psnr_rgb",))
        items = open_dataset(data, data.settings, DataOptions()).items()
    with sqlite3.connect(out / "records.sqlite") as db:
        for item in items:
            mark = item_fingerprint(old, item)
            db.execute("UPDATE records SET fingerprint = ? WHERE item = ?", (mark, item.name))
        db.execute("UPDATE records SET checksum = NULL")
        db.execute("DELETE FROM meta WHERE key = 'metrics'")
        db.execute("UPDATE meta SET value = '3' WHERE key = 'format'")
    said = measure(cards, out, "--metrics", "largest")
    assert "16 with metrics added" in said and "another version" not in said


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("json.py", "", "there is another module 'json'; rename the file"),
        ("wrong-name.py", "", "name it as a Python module"),
        ("broken_file.py", "1 / 0", "cannot be imported: ZeroDivisionError"),
    ],
)
def test_a_plug_in_that_cannot_be_loaded_is_named(
    tmp_path: Path, name: str, text: str, says: str
) -> None:
    (tmp_path / name).write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "bench", "list", "metrics", "--plugin", tmp_path / name],
        capture_output=True, text=True, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 2 and says in done.stderr and "Traceback" not in done.stderr


def test_two_plug_ins_of_one_name_are_refused(tmp_path: Path) -> None:
    """The second would take the place of the first without a word."""
    words = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine.py").write_text("")
        words += ["--plugin", tmp_path / name / "mine.py"]
    done = subprocess.run(
        [sys.executable, "-m", "bench", "list", "codecs", *words],
        capture_output=True, text=True, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 2
    assert "two/mine.py: there is another module 'mine'; rename" in done.stderr


def test_unknown_metrics_are_one_line(cards: Path, tmp_path: Path) -> None:
    done = bench(cards, "run", "--suite", "noise", "--out", tmp_path / "o", "--metrics", "larges")
    assert done.returncode == 2
    said = "bench run: argument --metrics: unknown metric 'larges'; did you mean largest?"
    assert done.stderr == f"{said}; see bench run --help\n"
    assert not (tmp_path / "o").exists()
