"""Colour at 10 bits against BT.709 and ITU-T H.273 written out here, in double precision."""

from __future__ import annotations

import numpy as np
import pytest

from bench.codecs.support.planes import PlaneFormat, read_planes, write_planes
from bench.signals import RGB, Layout

SIDE = 32


def _rgb(y: np.ndarray, cb: np.ndarray, cr: np.ndarray) -> np.ndarray:
    """RGB on the 8-bit scale, not rounded, of full-range samples of 10 bits: luma 0 to 1023,
    chroma around 512 (H.273, equations 20-31; BT.709-6, items 3.2 and 3.3)."""
    luma, blue, red = y / 1023, (cb - 512) / 1023, (cr - 512) / 1023
    r, b = luma + 1.5748 * red, luma + 1.8556 * blue
    g = (luma - 0.2126 * r - 0.0722 * b) / 0.7152
    return 255 * np.clip(np.stack([r, g, b], axis=-1), 0, 1)


def _disagreeing(found: np.ndarray, exact: np.ndarray) -> float:
    """The share of samples that are not the exact ones rounded, ties aside."""
    return float(np.mean(np.abs(found - exact) > 0.5 + 1e-4))


def test_444_of_10_bits_becomes_the_nearest_rgb() -> None:
    rng = np.random.default_rng(0)
    y, cb, cr = rng.integers(0, 1024, (3, SIDE, SIDE))
    data = np.stack([y, cb, cr]).astype("<u2").tobytes()
    coded = PlaneFormat("444", 10, SIDE, SIDE)
    found = read_planes(data, coded, Layout("image", RGB, SIDE, SIDE))
    assert _disagreeing(found, _rgb(y, cb, cr)) == 0


def test_flat_420_of_10_bits_becomes_the_nearest_rgb() -> None:
    """Flat chroma is the same however it is upsampled."""
    rng, coded = np.random.default_rng(1), PlaneFormat("420", 10, 4, 4)
    for y, cb, cr in rng.integers(64, 960, (100, 3)):
        planes = [np.full(count, value, "<u2") for count, value in ((16, y), (4, cb), (4, cr))]
        found = read_planes(np.concatenate(planes).tobytes(), coded, Layout("image", RGB, 4, 4))
        assert _disagreeing(found, _rgb(y, cb, cr)) == 0, (y, cb, cr)


@pytest.mark.parametrize(
    ("rgb", "planes"),
    [
        # Y' = 0.2126 R + 0.7152 G + 0.0722 B, Cb = 512 + (B - Y') / 1.8556 and
        # Cr = 512 + (R - Y') / 1.5748, times 1023 / 255
        ((0, 0, 0), (0, 512, 512)),
        ((255, 255, 255), (1023, 512, 512)),
        ((85, 85, 85), (341, 512, 512)),
        # 308.998, 713.01 and 748.85; rounding to 8 bits on the way gives the same
        ((170, 40, 170), (309, 713, 749)),
        ((128, 255, 200), (899, 460, 267)),
        ((0, 170, 255), (562, 761, 155)),
    ],
)
def test_rgb_at_10_bits(rgb: tuple[int, int, int], planes: tuple[int, int, int]) -> None:
    frame = np.full((2, 2, 3), rgb, np.uint8)
    data = write_planes(frame, Layout("image", RGB, 2, 2), PlaneFormat("444", 10, 2, 2))
    assert np.frombuffer(data, "<u2")[::4].tolist() == list(planes)
