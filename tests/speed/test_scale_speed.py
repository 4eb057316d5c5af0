"""What grows with a run: planning, resuming and a cluster, each beside what it cannot do without;
run by `make speed`."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.datasets.images import PictureFiles
from tests.fakes import written
from tests.speed.clips import Clip
from tests.speed.scaling import measure_resume
from tests.speed.test_run_speed import CORES, ENVIRONMENT, bench, best

_PATH = os.pathsep.join((str(Path(__file__).parents[2]), os.environ["PYTHONPATH"]))
PICTURES, RECORDS = 10_000, 1_000_000
_DASK = {"DASK_DISTRIBUTED__ADMIN__TICK__INTERVAL": "500ms"}
"""As docs/cluster.md says."""


def test_planning_ten_thousand_small_pictures(tmp_path: Path) -> None:
    """Every file is read, hashed and its header understood before the first task."""
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    paths = [tmp_path / f"{number:05d}.png" for number in range(PICTURES)]
    for number, path in enumerate(paths):
        Image.fromarray(np.roll(pixels, number, 0)).save(path, compress_level=1)

    def bare() -> None:
        for path in paths:
            hashlib.sha256(path.read_bytes()).hexdigest()
            with Image.open(path) as picture:
                assert picture.size == (32, 32)

    ours, theirs = best(lambda: PictureFiles(paths, tmp_path)), best(bare)
    print(
        f"\n{PICTURES:,} small pictures planned in {ours:.2f} s; Pillow and a hash alone "
        f"{theirs:.2f} s: {ours / theirs:.2f}"
    )
    assert ours <= 2.0


def test_resuming_a_million_records(tmp_path: Path) -> None:
    """Opening the store and planning what is left, beside SQLite handing over as many rows."""
    found = measure_resume(RECORDS)
    database = sqlite3.connect(tmp_path / "bare.sqlite")
    database.execute("CREATE TABLE t (a, b, c, d, PRIMARY KEY (a, b, c)) WITHOUT ROWID")
    rows = ((f"made-up-{n % 10}", f"quality={n // 10 % 10}", f"{n // 100:06d}", "0" * 24)
            for n in range(RECORDS))  # fmt: skip
    database.executemany("INSERT INTO t VALUES (?, ?, ?, ?)", rows)
    database.commit()
    start = time.perf_counter()
    held = {row[:3]: row[3] for row in database.execute("SELECT * FROM t")}
    bare = time.perf_counter() - start
    assert len(held) == RECORDS
    ours = found.open_seconds + found.plan_seconds
    print(
        f"\na store of {RECORDS:,} records resumes in {ours:.1f} s ({found.cpu_seconds:.1f} s of "
        f"CPU, {found.peak_mebibytes:.0f} MiB); SQLite alone {bare:.1f} s: {ours / bare:.1f}"
    )
    assert ours <= 5.0


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[str]:
    """Address of a Dask scheduler with as many workers of one thread as there are cores."""
    pytest.importorskip("distributed")
    file, running = tmp_path / "scheduler.json", []

    def dask(*words: str) -> None:
        with (tmp_path / f"log{len(running)}").open("wb") as log:
            running.append(
                subprocess.Popen(
                    [sys.executable, "-m", "dask", *words], stdout=log, stderr=log,
                    env={**ENVIRONMENT, **_DASK, "PYTHONPATH": _PATH},
                )
            )  # fmt: skip

    dask("scheduler", "--port", "0", "--no-dashboard", "--scheduler-file", str(file))
    while not written(file) and running[0].poll() is None:
        time.sleep(0.05)
    address = str(json.loads(file.read_text())["address"])
    for number in range(CORES):
        dask("worker", address, "--nthreads", "1", "--no-dashboard", "--host", "127.0.0.1",
             "--local-directory", str(tmp_path / f"worker{number}"))  # fmt: skip
    yield address
    for process in running:
        process.terminate()
    for process in running:
        process.wait()


@pytest.mark.parametrize("media", ["pictures", "a clip"])
def test_a_cluster_on_loopback_against_the_local_pool(
    media: str, scheduler: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """JPEG on Kodak, and x264 with VMAF on a clip: the tasks a second that further points add to a
    run of one, so that what lies between the coordinator and its workers is measured and not the
    start of either."""
    if media == "pictures":
        source = ["--suite", "kodak", "--data", request.getfixturevalue("kodak_folder").resolve()]
        codec, few, more = "jpeg:quality=", "50", range(5, 96, 2)
    else:
        clip = Clip(30, width=960, height=540).write(tmp_path / "clip.y4m")
        source = ["--input", clip, "--metrics", "psnr_y,vmaf"]
        codec, few, more = "x264:preset=medium,crf=", "30", range(20, 40, 2)
    many = "+".join(map(str, more))
    words = [*source, "--no-report", "--out", tmp_path / "out"]

    def seconds(qualities: str, *more: object) -> float:
        return best(lambda: bench(*words, "--codecs", codec + qualities, *more))

    start, local = seconds(few), seconds(many)
    cluster_start, cluster = (
        seconds(few, "--cluster", scheduler),
        seconds(many, "--cluster", scheduler),
    )
    ratio = (local - start) / (cluster - cluster_start)
    print(
        f"\n{media}: local pool {local:.2f} s, two Dask workers on loopback {cluster:.2f} s; "
        f"of these {start:.2f} and {cluster_start:.2f} s for one point, so {ratio:.2f} of the "
        "throughput"
    )
    assert ratio >= 0.9
