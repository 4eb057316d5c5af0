"""The page of `make agreement`: metrics beside their reference implementations."""

from __future__ import annotations

import numpy as np
import pytest

from bench.signals import image
from tests.speed.__main__ import main
from tests.speed.metric_agreement import compare
from tests.speed.metric_references import REFERENCES, Reference


def test_a_metric_that_is_off_its_reference_is_seen() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    pairs = [(image(pixels), image(pixels // 16 * 16))]
    (ssim,) = (one for one in REFERENCES if one.metric == "ssim")
    assert compare("ssim", pairs, ssim).largest < 1e-6
    off = Reference("ssim", ssim.ready, lambda one, other: ssim.compute(one, other) - 0.25)
    assert compare("ssim", pairs, off).largest == pytest.approx(0.25, abs=1e-6)


def test_without_the_pictures_it_says_so(
    tmp_path: object, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("BENCH_DATA", raising=False)
    assert main(["agreement"]) == 2
    said = capsys.readouterr()
    assert said.out == "" and "kodak" in said.err
