"""SSIM and MS-SSIM of many distorted versions of one reference, by separable float32 filters.

Owns the reference side (means, variances, pyramid), which is computed once; knows nothing of
files, codecs or which metrics a suite wants.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.metrics.base import Basis, Stack, Values
from bench.signals import Layout

WINDOW = 11
SIGMA = 1.5
MARGIN = WINDOW // 2
C1 = (0.01 * 255) ** 2
C2 = (0.03 * 255) ** 2
# Wang, Simoncelli, Bovik: Multi-scale structural similarity (2003), section 3.2
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
STRIP_SAMPLES = 300_000
"""Large frames are best compared in strips of about this size."""
BYTES_PER_SAMPLE = 20
"""What a kept reference takes per sample at its first scale; all five together take 4/3 of it."""

# Samples are shifted by this before squaring: uint8 products then fit int16, which OpenCV filters
# in 0.75 of the time of float32, and variances lose fewer digits.
_CENTRE = 128
_KERNEL = cv2.getGaussianKernel(WINDOW, SIGMA, cv2.CV_32F)

Samples = NDArray[Any]
Floats = NDArray[np.float32]


class _Scratch(threading.local):
    """Arrays that comparisons of one thread reuse: the page faults of fresh ones cost more than
    the arithmetic on them. Each grows to the largest size asked for."""

    def __init__(self) -> None:
        self._buffers: dict[tuple[str, type], Samples] = {}

    def array(self, name: str, shape: tuple[int, ...], dtype: type) -> Samples:
        """An array with undefined content, valid until ``name`` is asked for again."""
        length = math.prod(shape)
        buffer = self._buffers.get((name, dtype))
        if buffer is None or len(buffer) < length:
            buffer = self._buffers[name, dtype] = np.empty(length, dtype)
        return buffer[:length].reshape(shape)


_scratch = _Scratch()


@dataclass(frozen=True, slots=True)
class Similarity:
    """Of each frame: mean SSIM, and MS-SSIM where it was asked for; shape ``(frames,)``."""

    ssim: NDArray[np.float64]
    ms_ssim: NDArray[np.float64] | None

    def exact_where(self, same: NDArray[np.bool_]) -> Similarity:
        """With exactly 1 for the frames that are identical, instead of 1 but for rounding."""
        ms_ssim = None if self.ms_ssim is None else np.where(same, 1.0, self.ms_ssim)
        return Similarity(np.where(same, 1.0, self.ssim), ms_ssim)


class Structure(Basis):
    """``ssim`` and ``ms_ssim`` of a stack of frames, each of every frame."""

    def __init__(
        self, frames: Stack, layout: Layout, wanted: frozenset[str], *, keep: bool
    ) -> None:
        self._multi_scale = "ms_ssim" in wanted
        self._reference = SsimReference(frames, multi_scale=self._multi_scale, keep=keep)

    def compare(self, decoded: Stack, mse: Values) -> Mapping[str, Values]:
        ones = np.ones(len(mse))
        found = Similarity(ones, ones if self._multi_scale else None)
        if mse.any():
            found = self._reference.compare(decoded)
        found = found.exact_where(mse == 0)
        scores = {"ssim": found.ssim}
        return scores if found.ms_ssim is None else scores | {"ms_ssim": found.ms_ssim}

    @staticmethod
    def kept_bytes(wanted: frozenset[str]) -> float:
        return BYTES_PER_SAMPLE * 4 / 3


class SsimReference:
    """Frames to compare against: uint8 ``(T, H, W)`` gray or ``(T, H, W, C)``.

    SSIM follows Wang et al., Image quality assessment (2004), equation 13, over the region where
    the window lies inside the picture; MS-SSIM follows Wang et al. (2003) with 2×2 means between
    scales, negative terms set to 0 and odd sizes padded by a zero row or column in front, which
    is pytorch-msssim's definition. All frames are filtered in one call, one below the other: what
    a window then takes from the neighbouring frame lies in the margin that is cut off.
    """

    def __init__(self, frames: Samples, *, multi_scale: bool, keep: bool = True) -> None:
        cv2.setNumThreads(1)
        self._count = len(frames)
        levels = len(WEIGHTS) if multi_scale else 1
        self._scales: list[_Scale] = []
        samples = _tall(frames)
        for level in range(levels):
            if level:
                samples = _halve(samples, self._count)
            last = level == levels - 1
            self._scales.append(
                _Scale(samples, self._count, luminance=level == 0 or last, keep=keep)
            )

    def compare(self, frames: Samples) -> Similarity:
        """SSIM and MS-SSIM of frames of the reference's shape."""
        samples = _tall(frames)
        ssim, contrast = self._scales[0].compare(samples)
        if len(self._scales) == 1:
            return Similarity(_at_most_one(ssim), None)
        product = np.maximum(contrast, 0) ** WEIGHTS[0]
        for scale, weight in zip(self._scales[1:], WEIGHTS[1:], strict=True):
            samples = _halve(samples, self._count)
            last, contrast = scale.compare(samples)
            if scale is self._scales[-1]:
                contrast = last
            product *= np.maximum(contrast, 0) ** weight
        return Similarity(_at_most_one(ssim), _at_most_one(product))


def _at_most_one(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over channels; rounding puts that of (nearly) identical pictures up to 3e-6 above 1."""
    return np.asarray(np.minimum(values.mean(axis=1), 1), np.float64)


def _tall(frames: Samples) -> Samples:
    """``(T, H, W[, C])`` as one picture ``(T·H, W[, C])``."""
    return frames.reshape(-1, *frames.shape[2:])


def _halve(samples: Samples, count: int) -> Floats:
    """2×2 means of each of ``count`` stacked frames, float32."""
    height, width, tail = samples.shape[0] // count, samples.shape[1], samples.shape[2:]
    odd_rows, odd_columns = height % 2, width % 2
    if odd_rows or odd_columns:
        padded = np.zeros((count, height + odd_rows, width + odd_columns, *tail), samples.dtype)
        padded[:, odd_rows:, odd_columns:] = samples.reshape(count, height, width, *tail)
        samples = _tall(padded)
    size = (samples.shape[1] // 2, samples.shape[0] // 2)
    if samples.dtype != np.uint8:
        return cast(Floats, cv2.resize(samples, size, interpolation=cv2.INTER_AREA))
    # 16 times the samples as uint16: their means need no rounding, and OpenCV has a vector path
    wide = _scratch.array("wide", samples.shape, np.uint16)
    np.multiply(samples, 16, out=wide, dtype=np.uint16)
    sixteenths = cv2.resize(wide, size, interpolation=cv2.INTER_AREA)
    return cast(Floats, sixteenths * np.float32(1 / 16))


class _Scale:
    """One scale of the reference side, in strips of rows that are prepared once if ``keep``, else
    for every comparison: the reference side then takes no memory but its samples."""

    def __init__(self, samples: Samples, count: int, *, luminance: bool, keep: bool) -> None:
        self._count = count
        self._luminance = luminance
        self._samples = samples
        height, width = samples.shape[0] // count, samples.shape[1]
        self._area = (height - 2 * MARGIN) * (width - 2 * MARGIN)
        self._rows = _strips(count, height, samples[0].size)
        self._kept = [self._strip(rows) for rows in self._rows] if keep else None

    def _strip(self, rows: slice) -> _Strip:
        return _Strip(self._samples[rows], self._count, luminance=self._luminance)

    def compare(self, samples: Samples) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean SSIM and mean contrast-structure term, each ``(frames, channels)``; where the
        luminance term was not asked for, the second stands in both places."""
        strips = self._kept or map(self._strip, self._rows)
        sums = [strip.sums(samples[rows]) for strip, rows in zip(strips, self._rows, strict=True)]
        ssim, contrast = (np.sum(parts, axis=0) for parts in zip(*sums, strict=True))
        return ssim / self._area, contrast / self._area


class _Strip:
    """What of both SSIM terms depends on the reference alone, for some rows of one frame or all
    rows of ``count`` frames."""

    def __init__(self, samples: Samples, count: int, *, luminance: bool) -> None:
        self._count = count
        self._width = samples.shape[1]
        self._channels = samples.shape[2] if samples.ndim == 3 else 1
        self._centred = _centre(samples)
        mean = _filter(samples, offset=-_CENTRE)
        self._variance = _filter(np.multiply(self._centred, self._centred))
        self._variance -= mean * mean
        self._twice_mean = 2 * mean
        self._twice_level: Floats | None = None
        self._level_square: Floats | None = None
        if luminance:
            mean += _CENTRE
            self._twice_level = 2 * mean
            self._level_square = mean * mean + np.float32(C1)

    def sums(self, samples: Samples) -> tuple[NDArray[np.float64], ...]:
        """Sums of both terms over the valid region, each ``(frames, channels)``."""
        shape, kind = self._centred.shape, self._centred.dtype.type
        product = _scratch.array("product", shape, kind)
        centred = _centre(samples, _scratch.array("centred", shape, kind))
        mean = _filter(samples, _scratch.array("mean", shape, np.float32), offset=-_CENTRE)

        # (2 cov + C2) / (var_x + var_y + C2), both negated: OpenCV's fused accumulations only add
        np.multiply(self._centred, centred, out=product)
        above = _scratch.array("above", shape, np.float32)
        _filter(product, above, scale=-2, offset=-C2)
        cv2.accumulateProduct(mean, self._twice_mean, above)
        np.multiply(centred, centred, out=product)
        below = _scratch.array("below", shape, np.float32)
        _filter(product, below, scale=-1, offset=-C2)
        cv2.accumulateSquare(mean, below)
        below -= self._variance
        contrast = np.divide(above, below, out=above)
        contrast_sum = self._valid_sum(contrast)
        if self._twice_level is None or self._level_square is None:
            return contrast_sum, contrast_sum
        # (2 mu_x mu_y + C1) / (mu_x^2 + mu_y^2 + C1)
        mean += np.float32(_CENTRE)
        np.multiply(mean, mean, out=below)
        below += self._level_square
        mean *= self._twice_level
        mean += np.float32(C1)
        mean /= below
        contrast *= mean
        return self._valid_sum(contrast), contrast_sum

    def _valid_sum(self, values: Floats) -> NDArray[np.float64]:
        """Sum over the valid region of each frame or of a strip, ``(frames, channels)``."""
        rows = values.reshape(self._count, -1, self._width * self._channels)[:, MARGIN:-MARGIN]
        columns = np.matmul(np.ones(rows.shape[1], np.float32), rows)
        valid = columns.reshape(self._count, self._width, self._channels)[:, MARGIN:-MARGIN]
        return np.asarray(valid.sum(axis=1, dtype=np.float64))


def _strips(count: int, height: int, row_samples: int) -> tuple[slice, ...]:
    """Rows to work on at a time: all, or overlapping strips of a large single frame, whose
    temporaries then stay within the processor's cache (0.84 of the time at 768×512)."""
    valid = height - 2 * MARGIN
    parts = 1 if count > 1 else max(1, round(height * row_samples / STRIP_SAMPLES))
    edges = [valid * part // parts for part in range(parts + 1)]
    if parts == 1:
        return (slice(0, count * height),)
    return tuple(slice(first, last + 2 * MARGIN) for first, last in pairwise(edges))


def _centre(samples: Samples, out: Samples | None = None) -> Samples:
    """Samples minus 128: int16 of uint8, else float32."""
    kind = np.int16 if samples.dtype == np.uint8 else np.float32
    centred: Samples = np.subtract(samples, _CENTRE, out=out, dtype=kind, casting="unsafe")
    return centred


def _filter(
    samples: Samples, out: Floats | None = None, *, scale: float = 1, offset: float = 0
) -> Floats:
    """``scale``·(Gaussian ∗ samples) + ``offset``, same shape, float32; margins are reflected."""
    row = _KERNEL if scale == 1 else _KERNEL * np.float32(scale)
    filtered = cv2.sepFilter2D(
        samples, cv2.CV_32F, row, _KERNEL, dst=out, delta=offset, borderType=cv2.BORDER_REFLECT_101
    )
    return cast(Floats, filtered)
