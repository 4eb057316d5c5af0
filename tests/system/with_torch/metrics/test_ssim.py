"""SSIM and MS-SSIM against scikit-image and pytorch-msssim, on random and real pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import pytorch_msssim
import skimage.data
import torch
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

from bench.metrics.registry import applicable
from bench.metrics.ssim import SsimReference
from bench.signals import RGB, Layout


def _degraded(picture: NDArray[np.uint8], strength: float) -> NDArray[np.uint8]:
    noise = np.random.default_rng(1).normal(0, strength, picture.shape)
    return np.clip(np.rint(picture + noise), 0, 255).astype(np.uint8)


def _torch(picture: NDArray[np.uint8]) -> torch.Tensor:
    planes = picture[..., np.newaxis] if picture.ndim == 2 else picture
    return torch.from_numpy(planes.astype(np.float64)).permute(2, 0, 1)[np.newaxis]


def _scikit(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    return float(
        structural_similarity(
            one,
            other,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=255,
            channel_axis=2 if one.ndim == 3 else None,
        )
    )


_RNG = np.random.default_rng(0)
_PICTURES = {
    "random rgb": _RNG.integers(0, 256, (192, 230, 3), dtype=np.uint8),
    "random gray": _RNG.integers(0, 256, (250, 190), dtype=np.uint8),
    "odd sizes": _RNG.integers(0, 256, (177, 211, 3), dtype=np.uint8),
    "astronaut": skimage.data.astronaut(),
    "chelsea": skimage.data.chelsea(),
    "camera": skimage.data.camera(),
    "dark": (skimage.data.camera() // 16).astype(np.uint8),
    "constant": np.full((176, 180), 200, np.uint8),
}


@pytest.mark.parametrize("strength", [0.4, 4, 60])
@pytest.mark.parametrize("name", _PICTURES)
def test_agrees_with_the_references(name: str, strength: float) -> None:
    picture = _PICTURES[name]
    other = _degraded(picture, strength)
    found = SsimReference(picture[np.newaxis], multi_scale=True).compare(other[np.newaxis])
    assert found.ms_ssim is not None
    assert found.ssim[0] == pytest.approx(_scikit(picture, other), abs=1e-4)
    msssim = pytorch_msssim.ms_ssim(_torch(picture), _torch(other), data_range=255)
    assert found.ms_ssim[0] == pytest.approx(float(msssim), abs=1e-4)


def test_real_images_agree(kodak_folder: Path) -> None:
    from PIL import Image

    for number in (4, 13, 20):
        picture = np.asarray(Image.open(kodak_folder / f"kodim{number:02d}.png"))
        other = _degraded(picture, 10)
        found = SsimReference(picture[np.newaxis], multi_scale=True).compare(other[np.newaxis])
        assert found.ms_ssim is not None
        assert found.ssim[0] == pytest.approx(_scikit(picture, other), abs=3e-5)
        msssim = pytorch_msssim.ms_ssim(_torch(picture), _torch(other), data_range=255)
        assert found.ms_ssim[0] == pytest.approx(float(msssim), abs=3e-5)


@pytest.mark.parametrize("shape", [(5, 64, 64), (3, 17, 33, 3), (2, 11, 11), (4, 181, 176)])
def test_stacked_frames_do_not_touch_each_other(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(2)
    frames = rng.integers(0, 256, shape, dtype=np.uint8)
    others = rng.integers(0, 256, shape, dtype=np.uint8)
    multi = min(shape[1:3]) > 160
    together = SsimReference(frames, multi_scale=multi).compare(others)
    for index in range(shape[0]):
        one = slice(index, index + 1)
        alone = SsimReference(frames[one], multi_scale=multi).compare(others[one])
        assert together.ssim[index] == pytest.approx(alone.ssim[0], abs=1e-6)
        assert together.ssim[index] == pytest.approx(
            _scikit(frames[index], others[index]), abs=1e-5
        )
        if multi:
            assert together.ms_ssim is not None and alone.ms_ssim is not None
            assert together.ms_ssim[index] == pytest.approx(alone.ms_ssim[0], abs=1e-6)


def test_identical_pictures_score_one() -> None:
    picture = _PICTURES["astronaut"][np.newaxis]
    found = SsimReference(picture, multi_scale=True).compare(picture)
    assert found.ms_ssim is not None
    assert found.ssim[0] == pytest.approx(1, abs=1e-5)
    assert found.ms_ssim[0] == pytest.approx(1, abs=1e-5)
    assert max(found.ssim[0], found.ms_ssim[0]) <= 1  # 1 − SSIM goes into a logarithm


def test_inverted_picture_is_negative_and_ms_ssim_stops_at_zero() -> None:
    picture = _PICTURES["random gray"][np.newaxis]
    found = SsimReference(picture, multi_scale=True).compare(255 - picture)
    assert found.ms_ssim is not None
    assert found.ssim[0] < -0.9
    assert found.ms_ssim[0] == 0


@pytest.mark.parametrize(
    ("height", "width", "ssim", "ms_ssim"),
    [
        (11, 11, True, False),
        (10, 400, False, False),
        (160, 500, True, False),
        (161, 161, True, True),
    ],
)
def test_sizes_that_apply(height: int, width: int, ssim: bool, ms_ssim: bool) -> None:
    able = applicable(Layout("image", RGB, width, height), ("ssim", "ms_ssim"))
    assert ("ssim" in able, "ms_ssim" in able) == (ssim, ms_ssim)


@pytest.mark.parametrize("shape", [(1, 163, 90, 3), (2, 40, 90)])
def test_a_reference_that_keeps_nothing_gives_the_same(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(3)
    frames, others = (rng.integers(0, 256, shape, dtype=np.uint8) for _ in range(2))
    kept, anew = (
        SsimReference(frames, multi_scale=False, keep=keep).compare(others)
        for keep in (True, False)
    )
    assert anew.ssim == pytest.approx(kept.ssim, abs=1e-6)
