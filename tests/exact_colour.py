"""Colour conversions once more, in whole numbers, with nothing of the project: what ITU-T H.273 and
BT.709 say, exact, each value rounded once with halves to even."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
# BT.709-6: Kr 0.2126, Kg 0.7152, Kb 0.0722, in ten-thousandths
RED, GREEN, BLUE = 2126, 7152, 722
WHOLE = 10_000


def nearest(numerator: Integers, denominator: int) -> Integers:
    quotient, rest = np.divmod(numerator, denominator)
    up = (2 * rest > denominator) | ((2 * rest == denominator) & (quotient % 2 == 1))
    return quotient + up


def yuv_of(rgb: NDArray[np.uint8]) -> Integers:
    """Y', Cb, Cr ``(H, W, 3)`` in full range at 8 bits."""
    r, g, b = (rgb[..., index].astype(np.int64) for index in range(3))
    y = RED * r + GREEN * g + BLUE * b
    blue, red = 2 * (WHOLE - BLUE), 2 * (WHOLE - RED)
    planes = [
        nearest(y, WHOLE),
        nearest(WHOLE * b - y + 128 * blue, blue),
        nearest(WHOLE * r - y + 128 * red, red),
    ]
    return np.clip(np.stack(planes, axis=-1), 0, 255)


def sixteenfold(plane: NDArray[np.uint8] | NDArray[np.uint16], height: int, width: int) -> Integers:
    """A chroma plane at full size, times 16: each sample is 3/4 of the nearest and 1/4 of the
    next one, in either direction, edges repeated."""

    def places(size: int, half: int) -> tuple[Integers, Integers]:
        at = np.arange(size)
        near = at // 2
        return near, np.clip(near + np.where(at % 2 == 0, -1, 1), 0, half - 1)

    samples = plane.astype(np.int64)
    near, far = places(height, plane.shape[0])
    rows = 3 * samples[near] + samples[far]
    near, far = places(width, plane.shape[1])
    return 3 * rows[:, near] + rows[:, far]


def rgb_of_420(
    planes: list[NDArray[np.uint8]] | list[NDArray[np.uint16]],
    depth: int,
    height: int,
    width: int,
    *,
    shifted: bool = False,
) -> Integers:
    """8-bit RGB of full-range 4:2:0 planes of ``depth`` bits; ``shifted``: their white is 255 times
    a power of two."""
    middle = 128 << (depth - 8)
    white = 255 << (depth - 8) if shifted else (1 << depth) - 1
    y = planes[0][:height, :width].astype(np.int64)
    cb, cr = (sixteenfold(plane, height, width) - 16 * middle for plane in planes[1:])
    to_blue, to_red = 2 * (WHOLE - BLUE), 2 * (WHOLE - RED)
    scale = 16 * WHOLE
    red = scale * y + to_red * cr
    blue = scale * y + to_blue * cb
    green = GREEN * scale * y - BLUE * to_blue * cb - RED * to_red * cr
    parts = [
        nearest(255 * red, white * scale),
        nearest(255 * green, white * scale * GREEN),
        nearest(255 * blue, white * scale),
    ]
    return np.clip(np.stack(parts, axis=-1), 0, 255)
