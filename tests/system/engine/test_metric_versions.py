"""Values of a metric of another version, or of one that was not recorded, are measured again."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.codecs.support import ffmpeg_binary
from bench.codecs.support.ffmpeg_binary import find_ffmpeg
from tests.command import ROOT, bench


@pytest.fixture
def other(tmp_path: Path) -> str:
    """An ffmpeg of another version whose libvmaf would take another model by itself."""
    ours, path = find_ffmpeg(), tmp_path / "other"
    path.write_text(
        "#!/bin/bash\n"
        f'case "$*" in *-version*) {ours} "$@" | sed "s/ffmpeg version [^ ]*/ffmpeg version 6.1/";'
        ' exit;; esac\na=(); for x in "$@"; do\n'
        'a+=("${x//libvmaf/libvmaf=model=version=vmaf_4k_v0.6.1}"); done\n'
        f'exec {ours} "${{a[@]}}"\n'
    )
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    y, x = np.mgrid[:176, :192]
    wave = 128 + 60 * np.sin(x / 9) * np.cos(y / 13) + 40 * np.sin(x * y / 300)
    Image.fromarray(np.stack([wave] * 3, 2).astype(np.uint8)).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def measure(picture: Path, out: Path, ffmpeg: str = "") -> str:
    variables = {**os.environ, "OMP_NUM_THREADS": "1"}
    variables.pop(ffmpeg_binary.VARIABLE, None)
    codecs = "jpeg:quality=10+30,x264:crf=40+30"
    words = ("run", "--input", picture, "--codecs", codecs, "--metrics", "psnr_y,vmaf",
             "--out", out, "--jobs", "1", "--no-report")  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "bench", *words], capture_output=True, text=True, cwd=ROOT,
        env=variables | ({ffmpeg_binary.VARIABLE: ffmpeg} if ffmpeg else {}),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return " ".join(done.stdout.split())


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "records.csv").open() as file:
        return list(csv.DictReader(file))


def run_json(out: Path) -> dict[str, dict[str, dict[str, str]]]:
    found: dict[str, dict[str, dict[str, str]]] = json.loads((out / "run.json").read_text())
    return found


def test_with_another_ffmpeg_no_codec_keeps_its_values(
    picture: Path, tmp_path: Path, other: str
) -> None:
    out, base = tmp_path / "out", tmp_path / "base"
    measure(picture, base)
    measure(picture, out)
    versions = run_json(out)["metric_versions"]["vmaf"]
    assert versions["model"] == "vmaf_v0.6.1" and set(versions) == {"ffmpeg", "libvmaf", "model"}
    said = measure(picture, out, ffmpeg=other)
    assert f"4 values of vmaf come from another version (ffmpeg {versions['ffmpeg']}, now" in said
    # JPEG is coded by another library and keeps all but its VMAF
    assert "2 measured, 2 with metrics added" in said
    assert run_json(out)["metric_versions"]["vmaf"] == {**versions, "ffmpeg": "6.1"}
    # the model is named to ffmpeg, so that one of another mind gives the same
    assert [row["vmaf"] for row in rows(out)] == [row["vmaf"] for row in rows(base)]
    assert all(row["vmaf"] for row in rows(out))
    done = bench("check", out, "--against", base)
    # the other metrics are judged, this one is named
    assert done.returncode == 0
    assert f"vmaf (another version: ffmpeg {versions['ffmpeg']} → 6.1)" in " ".join(
        done.stdout.split()
    )
    assert bench("check", base, "--against", base).returncode == 0


def test_a_version_that_was_not_recorded_is_said_and_measured_again(
    picture: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    measure(picture, out)
    before = rows(out)
    run = run_json(out)
    del run["metric_versions"]["vmaf"]
    (out / "run.json").write_text(json.dumps(run))
    for path in out.glob("records.sqlite*"):
        path.unlink()
    assert "VMAF: version not recorded." in bench("bd", out, "--metric", "vmaf").stdout
    assert bench("report", out).returncode == 0
    assert "- VMAF: version not recorded." in (out / "table.md").read_text()
    # the plan says it before anything is measured
    plan = bench(
        "run", "--input", picture, "--codecs", "jpeg:quality=10+30,x264:crf=40+30", "--out", out,
        "--metrics", "psnr_y,vmaf", "--plan",
    )  # fmt: skip
    assert "4 to measure" not in plan.stdout and "2 to measure" in plan.stdout
    said = measure(picture, out)
    assert "4 values of vmaf come from a version that was not recorded; they are measured" in said
    assert "0 measured, 4 with metrics added" in said
    assert [row["vmaf"] for row in rows(out)] == [row["vmaf"] for row in before]
    assert bench("report", out).returncode == 0
    version = run_json(out)["metric_versions"]["vmaf"]
    told = f"- VMAF: ffmpeg {version['ffmpeg']}, libvmaf {version['libvmaf']}, model vmaf_v0.6.1."
    assert told in (out / "table.md").read_text()
