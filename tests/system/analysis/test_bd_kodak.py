"""BD-rates between Pillow's own codecs on the real Kodak pictures."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.analysis.bd import Comparison, compare
from bench.analysis.curves import Grid
from bench.analysis.qualities import quality

LADDER = (25, 40, 55, 75)
CODECS = {
    "jpeg": {"format": "JPEG"},
    "jpeg-huffman": {"format": "JPEG", "optimize": True},
    "webp": {"format": "WEBP"},
}


@pytest.fixture(scope="module")
def measured(kodak_folder: Path) -> dict[str, Grid]:
    paths = sorted(kodak_folder.glob("kodim*.png"))
    pictures = [np.array(Image.open(path).convert("RGB")) for path in paths]
    return {name: _grid(name, pictures) for name in CODECS}


def _grid(name: str, pictures: list[np.ndarray]) -> Grid:
    coded = np.array([[_code(name, p, q) for q in LADDER] for p in pictures])
    pixels = np.array([float(p.shape[0] * p.shape[1]) for p in pictures])
    bits, mse = coded[..., 0], coded[..., 1]
    return Grid(
        name,
        tuple(f"kodim{i + 1:02d}" for i in range(len(pictures))),
        tuple(f"quality={q}" for q in LADDER),
        bits / pixels[:, None],
        bits,
        pixels,
        {"mse": mse, "psnr_rgb": 10 * np.log10(255.0**2 / mse)},
        np.zeros_like(mse),
    )


def _code(name: str, picture: np.ndarray, quality: int) -> tuple[float, float]:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, quality=quality, **CODECS[name])
    decoded = np.array(Image.open(file).convert("RGB"), np.int16)
    error = (decoded - picture).astype(np.float32)
    return 8.0 * file.tell(), float(np.square(error).mean())


def _compare(measured: dict[str, Grid], anchor: str, codec: str) -> Comparison:
    return compare(measured[anchor], measured[codec], quality("psnr_rgb"))


def test_optimised_huffman_tables_save_a_twentieth(measured: dict[str, Grid]) -> None:
    """−4.5 % at qualities 25 to 75; the gain is a share of the rate and grows at lower ones."""
    found = _compare(measured, "jpeg", "jpeg-huffman")
    assert found.rate_percent == pytest.approx(-4.5, abs=0.3)
    assert found.significant is True


def test_webp_against_optimised_jpeg(measured: dict[str, Grid]) -> None:
    """About −32.6 % on the mean curve and −35 ± 2 % per image: the report shows both."""
    found = _compare(measured, "jpeg-huffman", "webp")
    assert found.under("mean") == pytest.approx(-32.6, abs=0.6)
    assert found.under("per item") == pytest.approx(-35.0, abs=2.0)
    assert found.spread[1] - found.spread[0] > 2.0
