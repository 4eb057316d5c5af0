from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.codecs.support.planes import PlaneFormat, read_planes, write_planes
from bench.signals import GRAY, RGB, YUV420, Layout, PixelFormat
from tests import exact_colour

SIZES = st.integers(1, 9)


@given(SIZES, SIZES, st.integers(0, 5), st.sampled_from([("400", 8), ("420", 8), ("420", 10)]))
def test_gray_comes_back_exactly_without_its_padding(
    height: int, width: int, pad: int, kind: tuple[str, int]
) -> None:
    frame = np.random.default_rng(height).integers(0, 256, (height, width), dtype=np.uint8)
    coded = PlaneFormat(kind[0], kind[1], width + pad, height + pad)  # type: ignore[arg-type]
    layout = Layout("image", GRAY, width, height)
    data = write_planes(frame, layout, coded)
    assert len(data) == coded.frame_bytes
    assert (read_planes(data, coded, layout) == frame).all()


@given(SIZES, SIZES, st.integers(0, 2), st.sampled_from([8, 10]))
def test_420_planes_come_back_exactly(height: int, width: int, pad: int, depth: int) -> None:
    layout = Layout("video", YUV420, width, height)
    frame = np.random.default_rng(width).integers(0, 256, layout.frame_shape, dtype=np.uint8)
    coded = PlaneFormat("420", depth, width + width % 2 + 2 * pad, height + height % 2)
    data = write_planes(frame, layout, coded)
    assert (read_planes(data, coded, layout) == frame).all()


@pytest.mark.parametrize(("chroma", "depth"), [("444", 8), ("420", 8), ("420", 10)])
def test_colours_survive(chroma: str, depth: int) -> None:
    """Flat colours lose nothing to subsampling: what is left is the rounding of BT.709."""
    layout = Layout("image", RGB, 5, 3)
    coded = PlaneFormat(chroma, depth, 6, 4)  # type: ignore[arg-type]
    for colour in [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (12, 200, 99)]:
        frame = np.full((3, 5, 3), colour, np.uint8)
        back = read_planes(write_planes(frame, layout, coded), coded, layout)
        assert back.shape == frame.shape
        assert np.abs(back.astype(int) - frame).max() <= 2


def test_ten_bits_keep_black_and_white_at_the_ends_of_full_range() -> None:
    # ITU-T H.273: full range of 10 bits is 0 to 1023; a shift would leave white at 1020
    frame = np.array([[0, 255]], np.uint8)
    coded = PlaneFormat("420", 10, 2, 2)
    data = write_planes(frame, Layout("image", GRAY, 2, 1), coded)
    assert np.frombuffer(data, "<u2").tolist() == [0, 1023, 0, 1023, 512, 512]


def test_ten_bits_of_limited_range_are_shifted() -> None:
    layout = Layout("video", YUV420, 2, 2)
    frame = np.array([16, 235, 16, 235, 128, 240], np.uint8)
    data = write_planes(frame, layout, PlaneFormat("420", 10, 2, 2))
    assert np.frombuffer(data, "<u2").tolist() == [64, 940, 64, 940, 512, 960]


@pytest.mark.parametrize(
    ("depth", "shifted"), [(8, False), (10, False), (12, False), (10, True), (12, True)]
)
def test_rgb_of_420_planes_is_rounded_once(depth: int, shifted: bool) -> None:
    """To the sample what exact arithmetic gives: no rounding between chroma and RGB."""
    width, height = 331, 127
    coded = PlaneFormat("420", depth, width + 5, height + 1, shifted=shifted)
    rng = np.random.default_rng(depth)
    dtype = np.uint8 if depth == 8 else np.dtype("<u2")
    # chroma near gray, so that few samples are clipped
    middle, reach = 1 << (depth - 1), 1 << (depth - 3)
    ranges = [(0, 1 << depth), *[(middle - reach, middle + reach)] * 2]
    planes = [
        rng.integers(*between, shape).astype(dtype)
        for between, shape in zip(ranges, coded.shapes, strict=True)
    ]
    data = b"".join(plane.tobytes() for plane in planes)
    found = read_planes(data, coded, Layout("image", RGB, width, height))
    expected = exact_colour.rgb_of_420(planes, depth, height, width, shifted=shifted)
    assert (found == expected).all()


def test_planes_that_are_the_samples_are_not_copied() -> None:
    for samples, chroma in [("yuv420", "420"), ("gray", "400")]:
        layout = Layout("video", PixelFormat(samples), 5, 3)  # type: ignore[arg-type]
        coded = PlaneFormat(chroma, 8, 5, 3)  # type: ignore[arg-type]
        frame = np.arange(np.prod(layout.frame_shape), dtype=np.uint8).reshape(layout.frame_shape)
        data = write_planes(frame, layout, coded)
        assert np.shares_memory(np.frombuffer(data, np.uint8), frame)
        back = read_planes(data, coded, layout)
        assert np.shares_memory(back, frame) and (back == frame).all()


@pytest.mark.parametrize("depth", [8, 10, 12])
def test_planes_of_rgb_are_rounded_once(depth: int) -> None:
    """Against fractions: H.273 with exact weights, the mean of four, then the coded depth."""
    rgb = np.random.default_rng(6).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    coded = PlaneFormat("420", depth, 7, 5)
    data = write_planes(rgb, Layout("image", RGB, 7, 5), coded)
    found = np.frombuffer(data, np.uint8 if depth == 8 else "<u2").tolist()
    kr, kb, white = Fraction("0.2126"), Fraction("0.0722"), (1 << depth) - 1
    luma, chroma = [], [[], []]
    for row in rgb.tolist():
        for r, g, b in row:
            luma.append(kr * r + (1 - kr - kb) * g + kb * b)
    for channel, weight in ((2, kb), (0, kr)):
        for top in range(0, 5, 2):
            for left in range(0, 7, 2):
                square = [
                    (rgb[y][x][channel] - luma[7 * y + x]) / (2 * (1 - weight))
                    for y in (top, min(top + 1, 4))
                    for x in (left, min(left + 1, 6))
                ]
                chroma[channel == 0].append(sum(square) / 4)
    exact = [value * white / 255 for value in luma]
    exact += [v * white / 255 + (1 << (depth - 1)) for plane in chroma for v in plane]
    halves_and_single_precision = Fraction(1, 2) + Fraction(1, 1000)
    assert len(found) == len(exact)
    for one, other in zip(found, exact, strict=True):
        assert abs(one - min(max(other, 0), white)) <= halves_and_single_precision
