"""Drawn pictures for the tests of training."""

from __future__ import annotations

import numpy as np
from PIL import Image


def scene(seed: int, width: int = 160, height: int = 96) -> np.ndarray:
    """A soft picture."""
    coarse = np.random.default_rng(seed).integers(0, 255, (9, 10, 3), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))
