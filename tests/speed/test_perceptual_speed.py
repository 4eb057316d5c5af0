"""SSIMULACRA 2 against the call of the package whose weights it takes; run by `make speed`."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image

from bench.metrics.evaluate import Evaluator
from bench.signals import image


def test_ssimulacra2_against_the_package(tmp_path: Path) -> None:
    package = pytest.importorskip("ssimulacra2")
    source = skimage.data.astronaut()
    decoded = ((source // 16) * 16 + 8).astype(np.uint8)
    paths = [str(tmp_path / name) for name in ("source.png", "decoded.png")]
    for path, picture in zip(paths, (source, decoded), strict=True):
        Image.fromarray(picture).save(path)

    def ours() -> None:
        Evaluator(image(source), ("ssimulacra2",)).score(image(decoded))

    def best(call: object) -> float:
        assert callable(call)
        seconds = []
        for _ in range(3):
            start = time.perf_counter()
            call()
            seconds.append(time.perf_counter() - start)
        return min(seconds)

    mine, theirs = best(ours), best(lambda: package.compute_ssimulacra2(*paths))
    print(f"\nSSIMULACRA 2 of 512×512: {mine * 1e3:.0f} ms against {theirs * 1e3:.0f} ms")
    assert mine <= 1.2 * theirs
