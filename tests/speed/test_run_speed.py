"""Whole runs against what people use today, side by side in one session; run by `make speed`.

Prints ratios and figures; asserts only the ratios that the project promises.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bench.codecs.support.ffmpeg_binary import find_ffmpeg
from tests.fakes import write_cards

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


def test_jpeg_on_kodak_against_compressai(kodak_folder: Path, tmp_path: Path) -> None:
    """JPEG at 10 qualities with PSNR, SSIM and MS-SSIM in a fifth of the wall time of CompressAI's
    own bench, which has no SSIM. Like it without plots; what they take is printed as well."""
    qualities = range(5, 96, 10)
    cards = tmp_path / "cards" / "datasets"
    cards.mkdir(parents=True)
    text = (ROOT / "datasets" / "kodak.toml").read_text()
    text = text.replace("[suites.kodak]", "[suites.kodak-speed]")
    text = text.replace('"psnr_rgb", "psnr_y", "psnr_yuv", "ssim"', '"psnr_rgb", "ssim"')
    (cards / "kodak-speed.toml").write_text(text)
    (cards.parent / "codecs").mkdir()
    words = ["--suite", "kodak-speed", "--cards", cards.parent, "--data", kodak_folder,
             "--codecs", "jpeg:quality=" + "+".join(map(str, qualities)),
             "--out", tmp_path / "ours"]  # fmt: skip
    ours = best(lambda: bench(*words, "--no-report"))
    reported = best(lambda: bench(*words))
    theirs = best(
        lambda: subprocess.run(
            [sys.executable, "-m", "compressai.utils.bench", "jpeg", str(kodak_folder),
             "-j", str(CORES), "-q", ",".join(map(str, qualities))],
            cwd=tmp_path, env=ENVIRONMENT, check=True, stdout=subprocess.DEVNULL,
        )
    )  # fmt: skip
    print(
        f"\nJPEG on Kodak: ours {ours:.2f} s ({reported:.2f} s with the report), "
        f"CompressAI {theirs:.2f} s: {ours / theirs:.3f}"
    )
    assert ours / theirs <= 1 / 5


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
    assert ours / theirs <= 1.15


@pytest.mark.parametrize("count", [20_000])
def test_the_harness_itself(tmp_path: Path, count: int) -> None:
    """The cost of one task of the codec that does nothing, on 16×16 pictures with PSNR."""
    cards = write_cards(tmp_path / "cards", count=count, codecs='["none"]')

    def run(limit: int) -> float:
        words = ["--suite", "noise", "--cards", cards, "--limit", limit, "--out", tmp_path / "out"]
        return best(lambda: bench(*words))

    few, many = run(1000), run(count)
    microseconds = 1e6 * (many - few) / (count - 1000)
    print(f"\nnone: {microseconds:.0f} µs of wall time a task on {CORES} cores, all included")
