"""The loops of loops.c, and OpenCV's filters where no compiler was: both against other code."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from bench.metrics import loops

_RNG = np.random.default_rng(7)


@pytest.fixture(params=["compiled", "filtered"], autouse=True)
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "filtered":
        monkeypatch.setattr(loops, "_library", lambda: None)
    elif not loops.is_compiled():
        pytest.skip("the package was built without a C compiler; install one and build it again")


@pytest.mark.parametrize("prepared", [False, True])
@pytest.mark.parametrize(("kind", "peak"), [(np.uint8, 255), (np.uint16, 1023), (np.float32, 255)])
@pytest.mark.parametrize("shape", [(11, 11), (12, 200), (163, 90)])
def test_similarity_is_that_of_scikit_image(
    shape: tuple[int, int], kind: type, peak: int, prepared: bool
) -> None:
    one = _RNG.integers(0, peak + 1, shape).astype(kind)
    other = np.clip(one + _RNG.normal(0, peak / 10, shape), 0, peak).astype(kind)
    moments = loops.moments(one, peak) if prepared else None
    whole, contrast = loops.similarity(one, other, moments, peak, luminance=True)
    expected = structural_similarity(
        one.astype(float), other.astype(float), gaussian_weights=True, sigma=1.5,
        use_sample_covariance=False, data_range=peak,
    )  # fmt: skip
    assert whole == pytest.approx(expected, abs=2e-6)
    assert loops.similarity(one, other, moments, peak, luminance=False) == (0, contrast)


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_halves_pad_odd_sizes_in_front(kind: type) -> None:
    plane = np.array([[4, 8, 12], [0, 4, 8], [8, 8, 0]], kind)
    assert loops.halve(plane).tolist() == [[1, 5], [2, 5]]
    assert loops.halve(plane[:2]).tolist() == [[1, 8]]
    assert loops.halve(np.ascontiguousarray(plane[:, :2])).tolist() == [[3], [5]]


@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 5, 3), (97, 131, 3)])
def test_cross_moments_are_exact(shape: tuple[int, ...]) -> None:
    one = _RNG.integers(0, 2, shape).astype(np.uint8) * 255
    other = _RNG.integers(0, 2, shape).astype(np.uint8) * 255
    difference = one.reshape(-1, 3).astype(int) - other.reshape(-1, 3)
    assert loops.cross_moments(one, other).tolist() == (difference.T @ difference).tolist()
