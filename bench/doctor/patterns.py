"""Synthetic pictures and clips on which each known mistake leaves a trace of its own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.colour import round_to_uint8

Pixels = NDArray[np.uint8]
HEIGHT, WIDTH = 64, 96
PATCH = 32


def colour_field(seed: int, height: int = HEIGHT, width: int = WIDTH) -> Pixels:
    """Smooth colours ``(H, W, 3)`` away from black and white: their fractions after a colour
    conversion are spread evenly, so that truncation shows as a bias."""
    rng = np.random.default_rng(seed)
    rows = np.linspace(0, 1, height)[:, None, None]
    columns = np.linspace(0, 1, width)[None, :, None]
    phase, across, down = rng.uniform(0, 1, 3), rng.uniform(0.5, 1.5, 3), rng.uniform(0.5, 1.5, 3)
    return round_to_uint8(128 + 60 * np.sin(2 * np.pi * (phase + across * columns + down * rows)))


def colour_patches() -> tuple[Pixels, NDArray[np.float64]]:
    """Flat patches of 32×32 in saturated and gray colours, and the colours ``(patches, 3)``."""
    colours = np.array(
        [
            [200, 40, 40], [40, 200, 40], [40, 40, 200], [200, 200, 40], [40, 200, 200],
            [200, 40, 200], [20, 20, 20], [90, 90, 90], [160, 160, 160], [235, 235, 235],
            [220, 120, 60], [60, 120, 220],
        ],
        dtype=np.uint8,
    )  # fmt: skip
    rows = colours.reshape(3, 4, 3)
    return rows.repeat(PATCH, axis=0).repeat(PATCH, axis=1), colours.astype(np.float64)


def patch_means(pixels: NDArray[np.generic]) -> NDArray[np.float64]:
    """Mean colour of each patch's inner half ``(patches, 3)``, away from its edges."""
    grid = np.asarray(pixels, np.float64).reshape(3, PATCH, 4, PATCH, 3)
    inner = grid[:, PATCH // 4 : -PATCH // 4, :, PATCH // 4 : -PATCH // 4]
    return np.asarray(inner.mean(axis=(1, 3)).reshape(-1, 3), np.float64)


def chroma_stripes(period: int, *, upright: bool) -> Pixels:
    """Two colours of the same BT.709 luma in stripes of ``period`` pixels."""
    size = np.arange(WIDTH if upright else HEIGHT) // period % 2
    line = np.where(size[:, None] == 0, [190, 100, 118], [66, 137, 118]).astype(np.uint8)
    if upright:
        return np.broadcast_to(line[None], (HEIGHT, WIDTH, 3)).copy()
    return np.broadcast_to(line[:, None], (HEIGHT, WIDTH, 3)).copy()


def numbered_clip(frames: int = 6) -> Pixels:
    """Frames ``(T, H, W, 3)`` that cannot be taken for each other: a field that jumps."""
    return np.stack([colour_field(100 + 7 * t) for t in range(frames)])
