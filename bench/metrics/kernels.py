"""The loops of SSIM and of squared errors, in the part of Python that numba compiles.

Importing it imports numba, so only compiled.py does, to compile them once for a machine. Pictures
are rows of interleaved samples; whoever calls gives memory of the right size: nothing is checked.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import carray, cfunc, njit, types  # type: ignore[attr-defined]
from numpy.typing import NDArray

WINDOW = 11
MARGIN = WINDOW // 2
_SIGMA = 1.5
TILE = 1152
"""Samples of a row that are filtered before the next row: a strip that stays in the cache."""
_BLOCK = 16
"""Rows that are filtered before what is between them and the next ones is kept."""
PLANE_SHAPE = (3, _BLOCK + WINDOW - 1, TILE)
LINE_SHAPE = (11, TILE + 3 * (WINDOW - 1))
"""Memory of float32 that the caller lends for planes filtered along rows, and for single rows."""
SUMMED_ROWS = 256
"""float32 sums of as many squares of 8-bit differences are exact."""

# samples are shifted by this before squaring: variances then lose fewer digits
_CENTRE = np.float32(128)
_C1 = np.float32((0.01 * 255) ** 2)
_C2 = np.float32((0.03 * 255) ** 2)
_ZERO, _ONE, _TWO, _QUARTER = map(np.float32, (0, 1, 2, 0.25))
_weights = [math.exp(-((k - MARGIN) ** 2) / (2 * _SIGMA**2)) for k in range(WINDOW)]
_W0, _W1, _W2, _W3, _W4, _W5 = (np.float32(w / sum(_weights)) for w in _weights[: MARGIN + 1])

Samples = NDArray[Any]
Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
_compiled = njit(fastmath={"contract", "nsz"}, error_model="numpy")


@_compiled
def _copy(line: Floats, out: Floats, length: int) -> None:
    for i in range(length):
        out[i] = line[i]


@_compiled
def _clear(line: Floats, length: int) -> None:
    for i in range(length):
        line[i] = _ZERO


@_compiled
def _centre(samples: Samples, line: Floats, length: int) -> None:
    for i in range(length):
        line[i] = np.float32(samples[i]) - _CENTRE


@_compiled
def _products(lines: Floats, length: int) -> None:
    """Of centred samples in line 0 and the other picture's in line 2: squares in line 1, products
    in line 2."""
    for i in range(length):
        lines[1, i] = lines[0, i] * lines[0, i]
    for i in range(length):
        lines[2, i] = lines[2, i] * lines[0, i]


def _along_rows(channels: int) -> Callable[[Floats, Floats, int], None]:
    """The Gaussian along a row of pixels of so many samples, where the window lies inside."""
    k1, k2, k3, k4, k5, k6, k7, k8, k9, k10 = (channels * k for k in range(1, WINDOW))

    @_compiled
    def along_rows(a: Floats, out: Floats, length: int) -> None:
        for i in range(length):
            middle = (a[i + k4] + a[i + k6]) * _W4 + a[i + k5] * _W5
            inner = (a[i + k2] + a[i + k8]) * _W2 + ((a[i + k3] + a[i + k7]) * _W3 + middle)
            out[i] = (a[i] + a[i + k10]) * _W0 + ((a[i + k1] + a[i + k9]) * _W1 + inner)

    return along_rows


_along_gray = _along_rows(1)
_along_rgb = _along_rows(3)


@_compiled
def _down_columns(a: Floats, row: int, out: Floats, below: Floats, length: int) -> None:
    """The Gaussian down the columns for this row and the next, which share what they read."""
    for i in range(length):
        x0, x1, x2, x3 = a[row, i], a[row + 1, i], a[row + 2, i], a[row + 3, i]
        x4, x5, x6, x7 = a[row + 4, i], a[row + 5, i], a[row + 6, i], a[row + 7, i]
        x8, x9, x10, x11 = a[row + 8, i], a[row + 9, i], a[row + 10, i], a[row + 11, i]
        inner = (x2 + x8) * _W2 + ((x3 + x7) * _W3 + ((x4 + x6) * _W4 + x5 * _W5))
        out[i] = (x0 + x10) * _W0 + ((x1 + x9) * _W1 + inner)
        inner = (x3 + x9) * _W2 + ((x4 + x8) * _W3 + ((x5 + x7) * _W4 + x6 * _W5))
        below[i] = (x1 + x11) * _W0 + ((x2 + x10) * _W1 + inner)


@_compiled
def _fill(
    bytes_: Samples, floats: Samples, others: Samples, other_floats: Samples, is_bytes: int,
    planes: Floats, lines: Floats, top: int, used: int, first: int, length: int, channels: int,
    count: int,
) -> None:  # fmt: skip
    """Filters ``used`` rows from ``top`` on along the rows, but those that the block above had;
    ``count`` planes: means, squares, products."""
    kept = 0
    if top > 0:
        kept = WINDOW - 1
        for plane in range(count):
            for row in range(kept):
                _copy(planes[plane, row + _BLOCK], planes[plane, row], length)
    reach = length + (WINDOW - 1) * channels
    for row in range(kept, used):
        if is_bytes:
            _centre(bytes_[top + row, first : first + reach], lines[0], reach)
            _centre(others[top + row, first : first + reach], lines[2], reach)
        else:
            _centre(floats[top + row, first : first + reach], lines[0], reach)
            _centre(other_floats[top + row, first : first + reach], lines[2], reach)
        _products(lines, reach)
        for plane in range(count):
            if channels == 3:
                _along_rgb(lines[plane], planes[plane, row], length)
            else:
                _along_gray(lines[plane], planes[plane, row], length)


@_compiled
def _moments(lines: Floats, at: int, mean: Floats, variance: Floats, length: int) -> None:
    average, square = lines[at], lines[at + 1]
    for i in range(length):
        mean[i] = average[i]
    for i in range(length):
        variance[i] = square[i] - average[i] * average[i]


@_compiled
def _terms(
    lines: Floats, at: int, mean: Floats, variance: Floats, luminance: int, length: int
) -> None:
    """Adds both terms of one row to lines 9 (SSIM) and 10 (contrast and structure)."""
    average, square, product = lines[at], lines[at + 1], lines[at + 2]
    ssim, contrast = lines[9], lines[10]
    if luminance:
        for i in range(length):
            above = _TWO * (product[i] - average[i] * mean[i]) + _C2
            below = (square[i] - average[i] * average[i]) + variance[i] + _C2
            one, two = average[i] + _CENTRE, mean[i] + _CENTRE
            bright = one * one + two * two + _C1
            ratio = above / (below * bright)
            square[i] = bright * ratio
            product[i] = (_TWO * one * two + _C1) * ratio
        for i in range(length):
            ssim[i] += product[i]
        for i in range(length):
            contrast[i] += square[i]
    else:
        for i in range(length):
            above = _TWO * (product[i] - average[i] * mean[i]) + _C2
            below = (square[i] - average[i] * average[i]) + variance[i] + _C2
            contrast[i] += above / below


@_compiled
def _prepare(
    bytes_: Samples, floats: Samples, is_bytes: int, mean: Floats, variance: Floats,
    planes: Floats, lines: Floats, channels: int,
) -> None:  # fmt: skip
    height, width = mean.shape
    for first in range(0, width, TILE):
        length = min(TILE, width - first)
        for top in range(0, height, _BLOCK):
            rows = min(_BLOCK, height - top)
            _fill(bytes_, floats, bytes_, floats, is_bytes, planes, lines, top,
                  rows + WINDOW - 1, first, length, channels, 2)  # fmt: skip
            for row in range(0, rows, 2):
                # of an odd last row the second is not used
                _down_columns(planes[0], row, lines[3], lines[6], length)
                _down_columns(planes[1], row, lines[4], lines[7], length)
                for one in range(row, min(row + 2, rows)):
                    _moments(
                        lines,
                        3 + 3 * (one - row),
                        mean[top + one, first : first + length],
                        variance[top + one, first : first + length],
                        length,
                    )


@_compiled
def _compare(
    bytes_: Samples, floats: Samples, others: Samples, other_floats: Samples, is_bytes: int,
    mean: Floats, variance: Floats, planes: Floats, lines: Floats, channels: int, luminance: int,
    ssim: Doubles, contrast: Doubles,
) -> None:  # fmt: skip
    height, width = mean.shape
    for first in range(0, width, TILE):
        length = min(TILE, width - first)
        for top in range(0, height, _BLOCK):
            rows = min(_BLOCK, height - top)
            _fill(bytes_, floats, others, other_floats, is_bytes, planes, lines, top,
                  rows + WINDOW - 1, first, length, channels, 3)  # fmt: skip
            _clear(lines[9], length)
            _clear(lines[10], length)
            for row in range(0, rows, 2):
                for plane in range(3):
                    _down_columns(planes[plane], row, lines[3 + plane], lines[6 + plane], length)
                for one in range(row, min(row + 2, rows)):
                    _terms(
                        lines,
                        3 + 3 * (one - row),
                        mean[top + one, first : first + length],
                        variance[top + one, first : first + length],
                        luminance,
                        length,
                    )
            for i in range(length):
                ssim[first + i] += lines[9, i]
                contrast[first + i] += lines[10, i]


@_compiled
def _halve(samples: Samples, out: Floats, channels: int) -> None:
    for row in range(out.shape[0]):
        above, below, means = samples[2 * row], samples[2 * row + 1], out[row]
        for column in range(out.shape[1] // channels):
            if channels == 3:
                i, k = 3 * column, 6 * column
                for c in range(3):
                    upper = np.float32(above[k + c]) + np.float32(above[k + c + 3])
                    lower = np.float32(below[k + c]) + np.float32(below[k + c + 3])
                    means[i + c] = (upper + lower) * _QUARTER
            else:
                k = 2 * column
                upper = np.float32(above[k]) + np.float32(above[k + 1])
                lower = np.float32(below[k]) + np.float32(below[k + 1])
                means[column] = (upper + lower) * _QUARTER


@_compiled
def _cross_moments(one: Samples, other: Samples, lines: Floats, out: Doubles) -> None:
    rows, width = one.shape
    difference, square, next_one, next_two = lines[0], lines[1], lines[2], lines[3]
    for line in range(4):
        _clear(lines[line], width + 2)
    for row in range(rows):
        first, second = one[row], other[row]
        for i in range(width):
            difference[i] = np.float32(np.int16(first[i]) - np.int16(second[i]))
        for i in range(width):
            square[i] += difference[i] * difference[i]
            next_one[i] += difference[i] * difference[i + 1]
            next_two[i] += difference[i] * difference[i + 2]
        if row % SUMMED_ROWS == SUMMED_ROWS - 1 or row == rows - 1:
            for i in range(width):
                out[0, i] += square[i]
                out[1, i] += next_one[i]
                out[2, i] += next_two[i]
            for line in range(1, 4):
                _clear(lines[line], width)


_pointer: Any = types.CPointer
_bytes, _floats, _doubles = map(_pointer, (types.uint8, types.float32, types.float64))
_long = types.int64


@cfunc(
    types.void(
        _bytes, _floats, _long, _long, _long, _long, _floats, _floats, _floats, _floats
    ),
    error_model="numpy",
)  # fmt: skip
def prepare(
    as_bytes: Any, as_floats: Any, is_bytes: int, rows: int, width: int, channels: int,
    planes: Any, lines: Any, mean: Any, variance: Any,
) -> None:  # fmt: skip
    """Means (less 128) and variances of a picture's windows, of ``rows × width`` samples."""
    valid = (rows - WINDOW + 1, width - (WINDOW - 1) * channels)
    means, variances = carray(mean, valid), carray(variance, valid)
    blocks, single = carray(planes, PLANE_SHAPE), carray(lines, LINE_SHAPE)
    shape = (rows, width)
    _prepare(
        carray(as_bytes, shape), carray(as_floats, shape), is_bytes, means, variances, blocks,
        single, channels,
    )  # fmt: skip


@cfunc(
    types.void(
        _bytes, _floats, _bytes, _floats, _long, _long, _long, _long, _floats, _floats, _floats,
        _floats, _long, _doubles, _doubles,
    ),
    error_model="numpy",
)  # fmt: skip
def compare(
    reference_bytes: Any, reference_floats: Any, as_bytes: Any, as_floats: Any, is_bytes: int,
    rows: int, width: int, channels: int, planes: Any, lines: Any, mean: Any, variance: Any,
    luminance: int, ssim: Any, contrast: Any,
) -> None:  # fmt: skip
    """Adds both terms of SSIM to sums by column, where ``prepare`` gave mean and variance of the
    reference; without ``luminance`` the second alone."""
    valid = (rows - WINDOW + 1, width - (WINDOW - 1) * channels)
    means, variances = carray(mean, valid), carray(variance, valid)
    blocks, single = carray(planes, PLANE_SHAPE), carray(lines, LINE_SHAPE)
    one, two = carray(ssim, (valid[1],)), carray(contrast, (valid[1],))
    shape = (rows, width)
    _compare(
        carray(as_bytes, shape), carray(as_floats, shape), carray(reference_bytes, shape),
        carray(reference_floats, shape), is_bytes, means, variances, blocks, single, channels,
        luminance, one, two,
    )  # fmt: skip


@cfunc(
    types.void(_bytes, _floats, _long, _long, _long, _long, _floats), error_model="numpy"
)  # fmt: skip
def halve(
    as_bytes: Any, as_floats: Any, is_bytes: int, rows: int, width: int, channels: int, out: Any
) -> None:
    """2×2 means of a picture of even size into ``rows/2 × width/2`` samples."""
    means = carray(out, (rows // 2, width // 2))
    if is_bytes:
        _halve(carray(as_bytes, (rows, width)), means, channels)
    else:
        _halve(carray(as_floats, (rows, width)), means, channels)


@cfunc(types.void(_bytes, _bytes, _long, _long, _floats, _doubles), error_model="numpy")
def cross_moments(one: Any, other: Any, rows: int, width: int, lines: Any, sums: Any) -> None:
    """Adds to ``sums``, ``(3, width)``, of each column the products of its differences with those
    0, 1 and 2 samples to the right; ``lines`` is memory for ``(4, width + 2)``."""
    first, second = carray(one, (rows, width)), carray(other, (rows, width))
    sheet, out = carray(lines, (4, width + 2)), carray(sums, (3, width))
    _cross_moments(first, second, sheet, out)
