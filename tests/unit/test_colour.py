from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from bench import colour
from bench.signals import GRAY, Layout, PixelFormat
from tests import exact_colour


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
    assert (colour.full_chroma(half, "420", height, width) == value).all()


def test_halving_is_the_mean_and_rounds_nothing() -> None:
    assert colour.halve_chroma(np.array([[0, 1], [1, 0]], np.uint8)).tolist() == [[0.5]]
    assert colour.halve_chroma(np.array([[10, 20, 40]], np.uint8)).tolist() == [[15, 40]]


def test_doubling_weights_the_nearer_sample_three_to_one() -> None:
    doubled = colour.full_chroma(np.array([[0, 64]], np.uint8), "420", 1, 4)
    assert doubled.tolist() == [[0, 16, 48, 64]]


def test_doubled_chroma_is_not_rounded() -> None:
    doubled = colour.full_chroma(np.array([[0, 1], [1, 3]], np.uint8), "420", 4, 4)
    # 9, 3, 3 and 1 sixteenths of the four samples
    assert doubled[1].tolist() == [0.25, 0.5625, 1.1875, 1.5]
    assert doubled.dtype == np.float64


@given(arrays(np.uint16, (2, 3), elements=st.integers(0, 4095)))
def test_doubling_of_twelve_bits_is_exact(plane: np.ndarray) -> None:
    assert (
        16 * colour.full_chroma(plane, "420", 4, 5) == exact_colour.sixteenfold(plane, 4, 5)
    ).all()


def test_samples_that_are_there_are_not_touched() -> None:
    samples = np.arange(256, dtype=np.uint8)
    assert colour.round_to_uint8(samples) is samples


def test_rounding_goes_to_the_even_of_two_and_keeps_what_it_was_given() -> None:
    given = np.array([-0.6, 0.5, 1.5, 254.5, 255.4, 300.0])
    assert colour.round_to_uint8(given).tolist() == [0, 0, 2, 254, 255, 255]
    assert given.tolist() == [-0.6, 0.5, 1.5, 254.5, 255.4, 300.0]


_NOISE = np.random.default_rng(29).integers(0, 256, (256, 384, 3), dtype=np.uint8)


def test_single_precision_of_the_way_in_is_held() -> None:
    """Streams hang on it: of 98,304 samples each, exact arithmetic rounds 1 of Y', 15 of Cb and 5
    of Cr the other way. The hash is of the samples as they went into all streams so far."""
    ours, exact = colour.rgb_to_yuv(_NOISE), exact_colour.yuv_of(_NOISE)
    assert np.count_nonzero(ours != exact, axis=(0, 1)).tolist() == [1, 15, 5]
    assert np.abs(ours.astype(int) - exact).max() <= 1
    assert sha256(ours.tobytes()).hexdigest()[:16] == "38c3802f53b766bb"


def test_single_precision_on_a_photograph(kodak_folder: Path) -> None:
    """28,249 of the 393,216 Cb samples of kodim20, of which 61,172 are halves."""
    pixels = np.asarray(Image.open(kodak_folder / "kodim20.png"))
    ours, exact = colour.rgb_to_yuv(pixels), exact_colour.yuv_of(pixels)
    assert np.count_nonzero(ours != exact, axis=(0, 1)).tolist() == [0, 28249, 1]


def _flat(layout: Layout, *levels: int) -> np.ndarray:
    shapes = layout.plane_shapes if layout.samples == "yuv420" else layout.plane_shapes[:1]
    planes = [np.full(h * w, level, np.uint8) for (h, w), level in zip(shapes, levels, strict=True)]
    return np.concatenate(planes).reshape(layout.frame_shape)


@pytest.mark.parametrize(
    ("facts", "levels", "expected"),
    [
        # limited range, which 4:2:0 is unless its file says otherwise: 16 is black, 235 white
        ({}, (16, 128, 128), (0, 0, 0)),
        ({}, (235, 128, 128), (255, 255, 255)),
        ({"range": "limited"}, (235, 128, 128), (255, 255, 255)),
        ({}, (126, 128, 128), (128, 128, 128)),
        ({"range": "full"}, (16, 128, 128), (16, 16, 16)),
        ({"range": "full"}, (235, 128, 128), (235, 235, 235)),
        # pure red at 8 bits: ITU-R BT.709-6 (63, 102, 240), BT.601-7 (81, 90, 240) and BT.2020-2
        # (74, 97, 240)
        ({}, (63, 102, 240), (255, 1, 0)),
        ({"matrix": "bt709"}, (63, 102, 240), (255, 1, 0)),
        ({"matrix": "bt601"}, (81, 90, 240), (254, 0, 0)),
        ({"matrix": "bt2020"}, (74, 97, 240), (255, 0, 1)),
        ({"range": "full", "matrix": "bt601"}, (76, 85, 255), (254, 0, 0)),
    ],
)
def test_planes_are_shown_by_their_range_and_matrix(
    facts: dict[str, str], levels: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    layout = Layout("video", PixelFormat("yuv420", **facts), 5, 3)  # type: ignore[arg-type]
    shown = colour.shown(_flat(layout, *levels), layout)
    assert shown.shape == (3, 5, 3) and shown.dtype == np.uint8
    assert (shown == expected).all()


def test_gray_and_rgb_are_shown_as_they_are_but_limited_gray() -> None:
    gray = Layout("video", GRAY, 4, 2)
    frame = np.full((2, 4), 235, np.uint8)
    assert colour.shown(frame, gray) is frame
    limited = Layout("video", PixelFormat("gray", range="limited"), 4, 2)
    assert (colour.shown(frame, limited) == 255).all()
    assert (colour.shown(np.full((2, 4), 16, np.uint8), limited) == 0).all()
    rgb = np.zeros((2, 4, 3), np.uint8)
    assert colour.shown(rgb, Layout("image", PixelFormat("rgb", range="limited"), 4, 2)) is rgb
