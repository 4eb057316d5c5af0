"""Memory: clips are streamed, so that neither their number nor their length can fill it."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import bench.metrics.evaluate as evaluate
from bench.datasets import sources
from bench.datasets.inputs import input_loader
from bench.datasets.moving_mnist import generate
from bench.metrics.evaluate import Evaluator
from bench.signals import RGB, Frame, Layout, Signal


def _peak_bytes(call: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _raw_loader(path: Path, frames: int) -> Signal:
    with path.open("wb") as file:
        for value in range(frames):
            file.write(bytes([value % 256]) * (64 * 48 * 3))
    _, loader = input_loader(path, size="64x48", pixel_format="rgb24")
    return loader.load(loader.items()[0])


def test_long_clips_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "REMEMBERED_BYTES", 100_000)
    signal = _raw_loader(tmp_path / "clip.rgb", 400)  # 3.7 MB
    assert _peak_bytes(lambda: [frame.sum() for frame in signal.frames()]) < 1_000_000


def test_short_clips_are_decoded_once(tmp_path: Path) -> None:
    signal = _raw_loader(tmp_path / "clip.rgb", 4)
    first = signal.array()
    (tmp_path / "clip.rgb").unlink()
    assert np.array_equal(signal.array(), first)


def test_large_references_are_streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    def frames(count: int) -> Iterator[Frame]:
        for value in range(count):
            yield np.full((120, 160, 3), value % 256, np.uint8)

    def peak(count: int) -> int:
        layout = Layout("video", RGB, 160, 120, count)
        signal = Signal(layout, lambda: frames(count))
        evaluator = Evaluator(signal, ("psnr_rgb", "ssim"))
        return _peak_bytes(lambda: evaluator.score(signal))

    monkeypatch.setattr(evaluate, "CACHE_BYTES", 1_000_000)
    monkeypatch.setattr(evaluate, "STACK_SAMPLES", 120_000)
    peak(4)
    assert peak(200) < 1.3 * peak(20)


def test_generated_clips_do_not_add_up() -> None:
    digits = np.zeros((10, 28, 28), np.uint8)

    def peak(count: int) -> int:
        return _peak_bytes(lambda: [generate(digits, 0, index)[0, 0, 0] for index in range(count)])

    assert peak(150) < 1.3 * peak(15) + 20_000
