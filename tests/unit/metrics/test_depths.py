"""PSNR and SSIM of planes of 8 to 16 bits, against NumPy and scikit-image."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from bench.metrics.evaluate import Evaluator
from bench.signals import Layout, PixelFormat, Samples, Signal

WIDTH, HEIGHT, FRAMES = 37, 21, 3
CHROMA = {"yuv420": (11, 19), "yuv422": (21, 19), "yuv444": (21, 37)}
"""Rows and columns of U and V: halves of 21 and 37 round up."""


def _planes(samples: str, depth: int, seed: int) -> list[list[np.ndarray]]:
    rng = np.random.default_rng(seed)
    shapes = [(HEIGHT, WIDTH), CHROMA[samples], CHROMA[samples]]
    dtype = np.uint8 if depth == 8 else np.uint16
    return [[rng.integers(0, 1 << depth, s).astype(dtype) for s in shapes] for _ in range(FRAMES)]


def _signal(frames: list[list[np.ndarray]], kind: PixelFormat) -> Signal:
    flat = [np.concatenate([plane.ravel() for plane in frame]) for frame in frames]
    return Signal(Layout("video", kind, WIDTH, HEIGHT, len(frames)), lambda: iter(flat))


@pytest.mark.parametrize("samples", ["yuv420", "yuv422", "yuv444"])
@pytest.mark.parametrize("depth", [8, 10, 12])
def test_planes_are_compared_against_their_own_peak(samples: Samples, depth: int) -> None:
    one, other = _planes(samples, depth, 0), _planes(samples, depth, 1)
    kind, peak = PixelFormat(samples, depth), (1 << depth) - 1
    names = (
        "psnr_y",
        "psnr_u",
        "psnr_v",
        "psnr_yuv",
        "psnr_y_pooled",
        "ssim_y",
        "ssim",
        "psnr_rgb",
    )
    scores = Evaluator(_signal(one, kind), names).score(_signal(other, kind))
    mse = np.array(
        [
            [((a.astype(float) - b) ** 2).mean() for a, b in zip(x, y, strict=True)]
            for x, y in zip(one, other, strict=True)
        ]
    )
    psnr = 10 * np.log10(peak**2 / mse)
    y, u, v = psnr.mean(axis=0)
    expected = {
        "psnr_y": y,
        "psnr_u": u,
        "psnr_v": v,
        "psnr_yuv": (6 * y + u + v) / 8,
        "psnr_y_pooled": 10 * np.log10(peak**2 / mse[:, 0].mean()),
        "ssim_y": np.mean([
            structural_similarity(a[0], b[0], gaussian_weights=True, sigma=1.5, data_range=peak,
                                  use_sample_covariance=False, full=True)[1][5:-5, 5:-5].mean()
            for a, b in zip(one, other, strict=True)
        ]),
    }  # fmt: skip
    for name, value in expected.items():
        assert scores.values[name] == pytest.approx(value, abs=2e-6), name
    # on the 8-bit scale, of all samples of a frame
    sizes = np.array([plane.size for plane in one[0]])
    whole = (mse @ sizes / sizes.sum()).mean()
    assert scores.values["mse"] == pytest.approx(whole * (255 / peak) ** 2, rel=1e-12)
    assert {"ssim", "psnr_rgb"} <= scores.remarks.keys()


@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bits_of_gray_and_rgb(channels: int) -> None:
    rng = np.random.default_rng(channels)
    shape = (1, HEIGHT, WIDTH, 3)[: 3 + (channels == 3)]
    one, other = (rng.integers(0, 1 << 16, shape).astype(np.uint16) for _ in range(2))
    layout = Layout("video", PixelFormat("rgb" if channels == 3 else "gray", 16), WIDTH, HEIGHT)
    pair = [Signal(layout, lambda frames=frames: iter(frames)) for frames in (one, other)]
    scores = Evaluator(pair[0], ("psnr_rgb", "ssim", "psnr_y")).score(pair[1])
    mse = ((one.astype(float) - other) ** 2).mean()
    assert scores.values["psnr_rgb"] == pytest.approx(10 * np.log10(65535**2 / mse), abs=1e-9)
    ssim = structural_similarity(
        one[0], other[0], gaussian_weights=True, sigma=1.5, data_range=65535,
        use_sample_covariance=False, full=True, channel_axis=2 if channels == 3 else None,
    )[1][5:-5, 5:-5].mean()  # fmt: skip
    assert scores.values["ssim"] == pytest.approx(ssim, abs=1e-5)
    if channels == 3:
        luma = (one.astype(float) - other) @ [0.2126, 0.7152, 0.0722]
        expected = 10 * np.log10(65535**2 / (luma**2).mean())
        assert scores.values["psnr_y"] == pytest.approx(expected, abs=1e-6)


def test_a_greater_depth_is_rounded_once() -> None:
    """Ten bits of an 8-bit source: 1022/4 = 255.5, which is clipped, and halves go to even."""
    kind = PixelFormat("yuv444")
    source = np.array([[255, 10, 11, 128, 128, 128]], np.uint8)
    deep = np.array([[1022, 42, 42, 512, 514, 509]], np.uint16)
    layout = Layout("video", kind, 2, 1)
    wide = Layout("video", PixelFormat("yuv444", 10), 2, 1)
    scores = Evaluator(Signal(layout, lambda: iter(source)), ("psnr_y", "psnr_v")).score(
        Signal(wide, lambda: iter(deep))
    )
    # 10.5 becomes 10; 128.5 becomes 128 and 127.25 127: one sample of V is off by one
    assert scores.values["mse"] == pytest.approx(2 / 6)
    assert scores.values["psnr_v"] == pytest.approx(10 * np.log10(255**2 / 0.5))


@pytest.mark.parametrize(
    ("name", "kr", "kb"),
    [("psnr_rgb_bt709", 0.2126, 0.0722), ("psnr_rgb_bt601", 0.299, 0.114)],
)
@pytest.mark.parametrize("depth", [8, 10])
def test_psnr_rgb_of_yuv_on_request(name: str, kr: float, kb: float, depth: int) -> None:
    """Of 4:4:4, where nothing is upsampled, in limited range, against BT.709 and BT.601 here."""

    def rgb(frame: list[np.ndarray]) -> np.ndarray:
        unit = 1 << (depth - 8)
        y = (frame[0] - 16.0 * unit) / (219 * unit)
        b = y + 2 * (1 - kb) * (frame[1] - 128.0 * unit) / (224 * unit)
        r = y + 2 * (1 - kr) * (frame[2] - 128.0 * unit) / (224 * unit)
        g = (y - kr * r - kb * b) / (1 - kr - kb)
        return np.clip(np.rint(255 * np.stack([r, g, b], -1)), 0, 255)

    one, other = _planes("yuv444", depth, 0), _planes("yuv444", depth, 1)
    # the source's own matrix does not count
    kind = PixelFormat("yuv444", depth, matrix="bt2020")
    scores = Evaluator(_signal(one, kind), (name,)).score(_signal(other, kind))
    errors = [((rgb(a) - rgb(b)) ** 2).mean() for a, b in zip(one, other, strict=True)]
    expected = np.mean(10 * np.log10(255**2 / np.array(errors)))
    assert scores.values[name] == pytest.approx(expected, abs=1e-3)
