"""Grids of invented curves for the tests of comparisons."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench.analysis.curves import Grid

PIXELS = 1000.0


def grid(
    codec: str,
    rates: Sequence[float],
    qualities: Sequence[float],
    *,
    items: int = 1,
    column: str = "psnr_rgb",
    labels: Sequence[str] = (),
    headers: float | None = None,
    groups: tuple[str, ...] = (),
) -> Grid:
    """``items`` alike, of one curve; ``headers`` in bits per pixel at every point."""
    rate, quality = (np.tile(np.array(axis), (items, 1)) for axis in (rates, qualities))
    return Grid(
        codec,
        tuple(f"item{index}" for index in range(items)),
        tuple(labels) or tuple(f"q={index + 1}" for index in range(len(rates))),
        rate,
        PIXELS * rate,
        np.full(items, PIXELS),
        {column: quality},
        np.zeros_like(rate),
        header_bits=None if headers is None else np.full_like(rate, PIXELS * headers),
        groups=groups,
    )
