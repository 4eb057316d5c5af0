"""The self-test of the whole pipeline: Pillow's JPEG and WebP on Kodak against published curves."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from bench.analysis.overlays import PUBLISHED
from bench.cards import load_registry
from bench.codecs.base import Codec
from bench.codecs.build import build_codec
from bench.datasets.base import DataOptions, build_loader
from bench.metrics.evaluate import Evaluator
from bench.records import Point

# CompressAI's results/image/kodak, measured with its own PSNR and pytorch-msssim
_TABLE = PUBLISHED / "kodak.csv"


def _published(codec: str) -> dict[int, tuple[float, ...]]:
    with _TABLE.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["codec"] == codec]
    return {
        int(row["quality"]): tuple(float(row[name]) for name in ("bpp", "psnr_rgb", "ms_ssim"))
        for row in rows
    }


def _measured(folder: Path, name: str, qualities: list[int]) -> dict[int, tuple[float, ...]]:
    registry = load_registry()
    codec: Codec = build_codec(registry.codec(name))
    loader = build_loader(registry.dataset("kodak"), {}, DataOptions(folder))
    found: dict[int, list[tuple[float, ...]]] = {quality: [] for quality in qualities}
    for item in loader.items():
        signal = loader.load(item)
        evaluator = Evaluator(signal, ("psnr_rgb", "ms_ssim"))
        for quality, values in found.items():
            payload = codec.encode(signal, Point("quality", quality)).payload
            scores = evaluator.score(codec.decode(payload))
            bpp = 8 * len(payload) / signal.layout.pixels
            values.append((bpp, scores.values["psnr_rgb"], scores.values["ms_ssim"]))
    return {quality: tuple(np.mean(values, axis=0)) for quality, values in found.items()}


@pytest.mark.parametrize(
    "part", [0, *(pytest.param(part, marks=pytest.mark.nightly) for part in range(1, 6))]
)
def test_webp_agrees_to_four_decimals_at_all_points(kodak_folder: Path, part: int) -> None:
    published = _published("webp")
    assert len(published) == 19
    for quality, found in _measured(kodak_folder, "webp", list(published)[part::6]).items():
        assert found == pytest.approx(published[quality], abs=6e-5), f"quality {quality}"


@pytest.mark.nightly
def test_jpeg_agrees_at_all_points(kodak_folder: Path) -> None:
    published = _published("jpeg")
    assert len(published) == 19
    for quality, found in _measured(kodak_folder, "jpeg", list(published)).items():
        bpp, psnr, _ = published[quality]
        assert found[0] == pytest.approx(bpp, rel=0.003), f"quality {quality}"
        assert found[1] == pytest.approx(psnr, abs=0.15), f"quality {quality}"
