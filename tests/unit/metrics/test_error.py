"""Squared errors and PSNR: literal values, and BT.709 against a conversion of whole pictures."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.colour import rgb_to_yuv_float
from bench.metrics.base import mean_over_frames
from bench.metrics.basics import PsnrRgb
from bench.metrics.error import frame_mse, plane_mse, psnr, rgb_yuv_mse, weighted_yuv
from bench.signals import YUV420, Layout


def test_psnr_of_one_level_of_error() -> None:
    # 10·log10(255²) = 48.1308 dB, the PSNR of ±1 everywhere
    assert psnr(1.0) == pytest.approx(48.130803608679)
    assert math.isinf(psnr(0.0))


def test_mean_over_frames_caps_lossless_ones() -> None:
    assert mean_over_frames(np.array([30.0, np.inf]), PsnrRgb.info) == 65.0
    assert mean_over_frames(np.array([np.inf, np.inf]), PsnrRgb.info) == math.inf
    assert mean_over_frames(np.array([104.0]), PsnrRgb.info) == 104.0


def test_yuv_weights_are_6_1_1() -> None:
    y, u, v = np.array([40.0]), np.array([44.0]), np.array([48.0])
    assert weighted_yuv(y, u, v)[0] == (6 * 40 + 44 + 48) / 8
    lossless = np.array([np.inf])
    assert weighted_yuv(lossless, lossless, lossless)[0] == math.inf
    assert weighted_yuv(y, lossless, v)[0] == (6 * 40 + 100 + 48) / 8


@given(st.integers(1, 5), st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_mse_is_exact(count: int, height: int, width: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    one = rng.integers(0, 256, (count, height, width, 3), dtype=np.uint8)
    other = rng.integers(0, 256, one.shape, dtype=np.uint8)
    expected = ((one.astype(float) - other) ** 2).mean(axis=(1, 2, 3))
    assert frame_mse(one, other) == pytest.approx(expected, rel=1e-12)


def test_mse_of_a_large_frame_does_not_overflow() -> None:
    one = np.zeros((1, 2200, 3900, 3), np.uint8)
    assert frame_mse(one, one + np.uint8(255))[0] == 255.0**2


@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 2**32 - 1))
def test_yuv_errors_equal_those_of_converted_pictures(height: int, width: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    one = rng.integers(0, 256, (2, height, width, 3), dtype=np.uint8)
    other = rng.integers(0, 256, one.shape, dtype=np.uint8)
    for frame in range(2):
        difference = rgb_to_yuv_float(one[frame]) - rgb_to_yuv_float(other[frame])
        expected = (difference.astype(float) ** 2).mean(axis=(0, 1))
        found = [plane[frame] for plane in rgb_yuv_mse(one, other)]
        assert found == pytest.approx(expected, rel=1e-4, abs=1e-3)


def test_plane_errors_of_an_odd_sized_frame() -> None:
    layout = Layout("video", YUV420, 5, 3)  # 15 luma, 2 × 6 chroma samples
    one = np.zeros((1, 27), np.uint8)
    other = one.copy()
    other[0, 14] = 3
    other[0, 15:21] = 2
    y, u, v = plane_mse(one, other, layout)
    assert (y[0], u[0], v[0]) == (9 / 15, 4, 0)
