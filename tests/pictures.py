"""Pictures that tests draw."""

from __future__ import annotations

import numpy as np


def picture(
    height: int, width: int, seed: int = 0, *, grain: int = 4, noise_level: float = 5
) -> np.ndarray:
    """A coloured texture of this grain with some noise, uint8 ``(height, width, 3)``."""
    rng = np.random.default_rng(seed)
    coarse = rng.normal(size=(1, 3, height // grain + 2, width // grain + 2))[0]
    smooth = _cubic(_cubic(coarse, width).swapaxes(1, 2), height)
    noise = noise_level * rng.normal(size=(height, width, 3))
    return np.clip(128 + 50 * smooth.transpose(2, 1, 0) + noise, 0, 255).astype(np.uint8)


def _cubic(values: np.ndarray, size: int) -> np.ndarray:
    """The last axis interpolated to this size, with the cubic kernel of a = -3/4."""
    at = (np.arange(size) + 0.5) * values.shape[-1] / size - 0.5
    first = np.floor(at).astype(int) - 1
    total = np.zeros((*values.shape[:-1], size))
    for tap in range(4):
        x = np.abs(at - first - tap)
        near, far = (1.25 * x - 2.25) * x**2 + 1, -0.75 * (((x - 5) * x + 8) * x - 4)
        place = np.clip(first + tap, 0, values.shape[-1] - 1)
        total += values[..., place] * np.where(x <= 1, near, far)
    return total
