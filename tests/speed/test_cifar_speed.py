"""Tasks per second on very small pictures, where the harness itself is most of the cost; run by
`make speed`."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
CORES = 2
IMAGES = 1000
QUALITIES = range(5, 96, 5)


@pytest.fixture
def cifar_folder(tmp_path: Path) -> Path:
    """A data folder with 1,000 made-up 32×32 pictures in the layout of CIFAR-10."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:32, :32]
    phase = rng.uniform(0, 6, (IMAGES, 3, 1, 1))
    waves = 128 + 70 * np.sin(x / 5 + phase) * np.cos(y / 7 - phase)
    pixels = np.clip(waves + rng.normal(0, 12, waves.shape), 0, 255).astype(np.uint8)
    records = np.concatenate([np.zeros((IMAGES, 1), np.uint8), pixels.reshape(IMAGES, -1)], axis=1)
    folder = tmp_path / "data" / "cifar-10-batches-bin"
    folder.mkdir(parents=True)
    (folder / "test_batch_made_up.bin").write_bytes(records.tobytes())
    return folder.parent


def test_two_thousand_jpeg_tasks_a_second(cifar_folder: Path, tmp_path: Path) -> None:
    """Encode, decode, PSNR and SSIM of 19,000 tasks on two cores; starting the harness, which one
    task alone shows, is not counted."""

    def seconds(limit: int, qualities: str) -> float:
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "bench", "run", "--suite", "cifar10", "--no-report", "--fresh",
             "--codecs", f"jpeg:quality={qualities}", "--data", str(cifar_folder),
             "--limit", str(limit), "--jobs", str(CORES), "--out", str(tmp_path / "out")],
            cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=True,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        return time.perf_counter() - start

    alone = min(seconds(1, "50") for _ in range(3))
    tasks = IMAGES * len(QUALITIES)
    whole = min(seconds(IMAGES, "+".join(map(str, QUALITIES))) for _ in range(2))
    rate = tasks / (whole - alone)
    print(f"\n32×32 JPEG: {rate:.0f} tasks a second, {whole:.1f} s in all, {alone:.1f} s to start")
    assert rate >= 2000
