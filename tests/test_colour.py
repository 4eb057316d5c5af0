import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bench import colour


@pytest.mark.parametrize(
    ("rgb", "yuv"),
    [
        # ITU-R BT.709-6: Y' = 0.2126 R + 0.7152 G + 0.0722 B, Cb = (B − Y')/1.8556,
        # Cr = (R − Y')/1.5748, times 255 and offset by 128, worked by hand
        ((0, 0, 0), (0, 128, 128)),
        ((255, 255, 255), (255, 128, 128)),
        ((255, 0, 0), (54, 99, 255)),
        ((0, 255, 0), (182, 30, 12)),
        ((0, 0, 255), (18, 255, 116)),
        ((10, 200, 30), (147, 65, 41)),
    ],
)
def test_known_colours(rgb: tuple[int, ...], yuv: tuple[int, ...]) -> None:
    assert tuple(colour.rgb_to_yuv(np.array([[rgb]], np.uint8))[0, 0]) == yuv


def test_luma_is_rounded_not_truncated() -> None:
    # 0.7152 · 1 + 0.0722 · 1 = 0.787: truncation would give 0
    assert colour.rgb_to_yuv(np.array([[[0, 1, 1]]], np.uint8))[0, 0, 0] == 1


def test_gray_stays_gray() -> None:
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    yuv = colour.rgb_to_yuv(ramp)
    assert (yuv[0, :, 0] == np.arange(256)).all()
    assert (yuv[..., 1:] == 128).all()
    assert (colour.yuv_to_rgb(yuv) == ramp).all()


@given(arrays(np.uint8, (4, 5, 3)))
def test_round_trip_is_within_two_steps(rgb: np.ndarray) -> None:
    # rounding of Y, Cb, Cr by ≤ 0.5 each moves blue most: 0.5 + 1.8556·0.5 + 0.5 < 2
    back = colour.yuv_to_rgb(colour.rgb_to_yuv(rgb)).astype(int)
    # pure red and blue lose half a step of Cr or Cb to the clip at 255 beside the rounding
    assert np.abs(back - rgb).max() <= 2


def test_float_conversion_is_invertible() -> None:
    rgb = np.random.default_rng(0).uniform(0, 255, (1, 7, 3))
    yuv = colour.rgb_to_yuv_float(rgb)
    back = (yuv - [0, 128, 128]) @ colour.YUV_TO_RGB.T
    np.testing.assert_allclose(back, rgb, atol=1e-3)


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 255))
def test_flat_chroma_survives_420(height: int, width: int, value: int) -> None:
    plane = np.full((height, width), value, np.uint8)
    half = colour.halve_chroma(plane)
    assert half.shape == ((height + 1) // 2, (width + 1) // 2)
    assert (colour.double_chroma(half, height, width) == value).all()


def test_halving_is_the_rounded_mean() -> None:
    assert colour.halve_chroma(np.array([[0, 1], [1, 0]], np.uint8)).tolist() == [[1]]
    assert colour.halve_chroma(np.array([[10, 20, 40]], np.uint8)).tolist() == [[15, 40]]


def test_doubling_weights_the_nearer_sample_three_to_one() -> None:
    doubled = colour.double_chroma(np.array([[0, 64]], np.uint8), 1, 4)
    assert doubled.tolist() == [[0, 16, 48, 64]]
