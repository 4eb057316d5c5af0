"""Whole runs against what people use today, side by side in one session; run by `make speed`.

Prints ratios and figures; asserts only the ratios that the project promises.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bench.cards import load_registry
from bench.codecs.support.ffmpeg_binary import find_ffmpeg
from tests.speed.scaling import measure_cost

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
ROUNDS = 3
CORES = 2


def best(call: Callable[[], object]) -> float:
    """The shortest wall time of a few rounds, in seconds."""
    seconds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def bench(*words: object) -> None:
    subprocess.run(
        [sys.executable, "-m", "bench", "run", "--jobs", str(CORES), "--fresh",
         *map(str, words)],
        cwd=ROOT, env=ENVIRONMENT, check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip


def report(folder: Path) -> None:
    """`bench report` as typed, with every figure to draw."""
    for path in folder.glob("*.png"):
        path.unlink()
    subprocess.run(
        [sys.executable, "-m", "bench", "report", str(folder)],
        cwd=ROOT, env=ENVIRONMENT, check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip


def typed_first(out: Path, *words: object) -> float:
    """A run into a folder that is not there, so that every figure is drawn. Seconds from its table
    of records, written some hundredths of a second after the last task, to its end."""
    shutil.rmtree(out, ignore_errors=True)
    bench(*words, "--out", out)
    return time.time() - (out / "records.csv").stat().st_mtime


def test_jpeg_on_kodak_against_compressai(kodak_folder: Path, tmp_path: Path) -> None:
    """JPEG at 10 qualities with PSNR, SSIM and MS-SSIM, its tables, plots and page included, in a
    fifth of the wall time of CompressAI's own bench, which has neither SSIM nor a report."""
    pytest.importorskip("compressai")
    qualities = range(5, 96, 10)
    cards = tmp_path / "cards" / "datasets"
    cards.mkdir(parents=True)
    text = (ROOT / "datasets" / "kodak.toml").read_text()
    text = text.replace("[suites.kodak]", "[suites.kodak-speed]")
    text = text.replace('"psnr_rgb", "psnr_y", "psnr_yuv", "ssim"', '"psnr_rgb", "ssim"')
    text = re.sub(r"^papers = .*\n", "", text, flags=re.MULTILINE)  # for data set kodak alone
    (cards / "kodak-speed.toml").write_text(text)
    (cards.parent / "codecs").mkdir()
    data = ["--data", kodak_folder, "--codecs", "jpeg:quality=" + "+".join(map(str, qualities))]
    words = ["--suite", "kodak-speed", "--cards", cards.parent, *data]
    after: list[float] = []
    measured = best(lambda: typed_first(tmp_path / "ours", *words, "--no-report"))
    three = best(lambda: after.append(typed_first(tmp_path / "ours", *words)))
    five = best(lambda: typed_first(tmp_path / "five", "--suite", "kodak", *data))
    alone = best(lambda: report(tmp_path / "five"))
    theirs = best(
        lambda: subprocess.run(
            [sys.executable, "-m", "compressai.utils.bench", "jpeg", str(kodak_folder),
             "-j", str(CORES), "-q", ",".join(map(str, qualities))],
            cwd=tmp_path, env=ENVIRONMENT, check=True, stdout=subprocess.DEVNULL,
        )
    )  # fmt: skip
    print(
        f"\nJPEG on Kodak, CompressAI's bench {theirs:.2f} s:\n"
        f"  without report, its metrics and SSIM  {measured:.2f} s: {theirs / measured:.1f} ×\n"
        f"  with report                           {three:.2f} s: {theirs / three:.1f} ×\n"
        f"  as typed, five metrics and report     {five:.2f} s: {theirs / five:.1f} ×\n"
        f"  what a report adds to a run           {three - measured:.2f} s\n"
        f"  the report after the last task        {min(after):.2f} s of at most 0.8\n"
        f"  `bench report` alone                  {alone:.2f} s of at most 1.5"
    )
    assert theirs / five >= 5
    assert min(after) <= 0.8
    assert alone <= 1.5


def test_x265_on_kodak_against_bare_ffmpeg(kodak_folder: Path, tmp_path: Path) -> None:
    """The harness with PSNR against the encode and decode commands alone, on the same cores."""
    points = (22, 32, 42)
    ours = best(
        lambda: bench("--suite", "kodak", "--data", kodak_folder, "--no-report",
                      "--codecs", "x265:crf=" + "+".join(map(str, points)),
                      "--out", tmp_path / "ours")
    )  # fmt: skip
    images = sorted(kodak_folder.glob("kodim*.png"))
    tasks = [(image, crf) for image in images for crf in points]

    def bare(task: tuple[Path, int]) -> None:
        image, crf = task
        stream = tmp_path / f"{image.stem}-{crf}.hevc"
        quiet = [find_ffmpeg(), "-y", "-v", "error", "-threads", "1"]
        subprocess.run(
            [*quiet, "-i", str(image), "-pix_fmt", "yuv444p", "-c:v", "libx265", "-preset",
             "veryslow", "-tune", "psnr", "-crf", str(crf), "-x265-params",
             "pools=none:frame-threads=1:log-level=none:info=0:keyint=1", str(stream)],
            check=True,
        )  # fmt: skip
        subprocess.run(
            [*quiet, "-i", str(stream), "-pix_fmt", "rgb24", "-f", "rawvideo", os.devnull],
            check=True,
        )

    def all_bare() -> None:
        with ThreadPoolExecutor(CORES) as pool:
            list(pool.map(bare, tasks))

    theirs = best(all_bare)
    print(f"\nx265 on Kodak: ours {ours:.2f} s, bare ffmpeg {theirs:.2f} s: {ours / theirs:.3f}")
    assert ours / theirs <= 1.0


_PILLOW = """
import sys
from io import BytesIO
from PIL import Image
picture = Image.open(sys.argv[1]).convert("RGB")
stream = BytesIO()
picture.save(stream, "jpeg", quality=50)
Image.open(stream).load()
"""


def test_one_picture_against_pillow_alone(kodak_folder: Path, tmp_path: Path) -> None:
    """What a user waits for a first number, beside an interpreter that codes it with Pillow."""
    words = ["--suite", "kodak", "--data", kodak_folder, "--codecs", "jpeg:quality=50",
             "--limit", 1, "--no-report", "--out", tmp_path / "out"]  # fmt: skip
    ours = best(lambda: bench(*words))
    first = str(min(kodak_folder.glob("kodim*.png")))
    theirs = best(
        lambda: subprocess.run([sys.executable, "-c", _PILLOW, first], check=True, env=ENVIRONMENT)
    )
    print(
        f"\none picture, measured, proved by a fresh process, stored: {ours:.2f} s, "
        f"Pillow in an interpreter of its own {theirs:.2f} s: {ours / theirs:.1f} ×"
    )
    assert ours <= 1.0


def test_the_harness_itself() -> None:
    """Runs of the codec that does nothing, on 16×16 pictures with PSNR, from start to records; the
    process that workers are forked from stands already."""
    card = load_registry().codec("none")
    measure_cost(card, 1, 1)
    start = min(measure_cost(card, 1, 1).wall_seconds for _ in range(ROUNDS))
    print(f"\nnone: a run of one task takes {start:.2f} s")
    seconds, efficiency = {}, {}
    for tasks in (100, 1_000, 10_000):
        one, two = (
            min(measure_cost(card, tasks, cores).wall_seconds for _ in range(ROUNDS))
            for cores in (1, CORES)
        )
        seconds[tasks], efficiency[tasks] = two, one / CORES / two
        print(
            f"  {tasks:6,} tasks: {one:.2f} s on one worker, {two:.2f} s on {CORES}: "
            f"{efficiency[tasks]:.0%} efficiency"
        )
    assert seconds[100] <= 0.6
    assert seconds[1_000] <= 1.0
    assert min(efficiency[1_000], efficiency[10_000]) >= 0.85
