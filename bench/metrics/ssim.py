"""SSIM and MS-SSIM of many distorted versions of one reference, by the loops of kernels.py.

Owns the reference side (means, variances, pyramid), which is computed once; knows nothing of
files, codecs or which metrics a suite wants.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.metrics.base import Basis, Stack, Values
from bench.metrics.compiled import address, addresses, kernels
from bench.signals import Layout

WINDOW = 11
MARGIN = WINDOW // 2
# Wang, Simoncelli, Bovik: Multi-scale structural similarity (2003), section 3.2
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
STRIP_SAMPLES = 300_000
"""What of a frame that is not kept is prepared at a time."""
BYTES_PER_SAMPLE = 8
"""What a kept reference takes per sample at its first scale; all five together take 4/3 of it."""
# kernels.py has the same: importing it takes half a second
PLANE_SHAPE, LINE_SHAPE = (3, 26, 1152), (11, 1182)

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
    """Frames to compare against: uint8 ``(T, H, W)`` gray or ``(T, H, W, 3)``.

    SSIM follows Wang et al., Image quality assessment (2004), equation 13, over the region where
    the window lies inside the picture; MS-SSIM follows Wang et al. (2003) with 2×2 means between
    scales, negative terms set to 0 and odd sizes padded by a zero row or column in front, which
    is pytorch-msssim's definition.
    """

    def __init__(self, frames: Samples, *, multi_scale: bool, keep: bool = True) -> None:
        levels = len(WEIGHTS) if multi_scale else 1
        self._scales: list[_Scale] = []
        samples = np.ascontiguousarray(frames)
        for level in range(levels):
            if level:
                samples = _halve(samples)
            last = level == levels - 1
            self._scales.append(_Scale(samples, luminance=level == 0 or last, keep=keep))

    def compare(self, frames: Samples) -> Similarity:
        """SSIM and MS-SSIM of frames of the reference's shape."""
        samples = np.ascontiguousarray(frames)
        ssim, contrast = self._scales[0].compare(samples)
        if len(self._scales) == 1:
            return Similarity(_at_most_one(ssim), None)
        product = np.maximum(contrast, 0) ** WEIGHTS[0]
        for scale, weight in zip(self._scales[1:], WEIGHTS[1:], strict=True):
            samples = _halve(samples)
            last, contrast = scale.compare(samples)
            if scale is self._scales[-1]:
                contrast = last
            product *= np.maximum(contrast, 0) ** weight
        return Similarity(_at_most_one(ssim), _at_most_one(product))


def _at_most_one(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over channels; rounding puts that of (nearly) identical pictures up to 3e-6 above 1."""
    return np.asarray(np.minimum(values.mean(axis=1), 1), np.float64)


def _channels(samples: Samples) -> int:
    return int(samples.shape[3]) if samples.ndim == 4 else 1


def _halve(samples: Samples) -> Floats:
    """2×2 means of each frame, float32."""
    count, height, width, *tail = samples.shape
    odd_rows, odd_columns = height % 2, width % 2
    if odd_rows or odd_columns:
        padded = np.zeros((count, height + odd_rows, width + odd_columns, *tail), samples.dtype)
        padded[:, odd_rows:, odd_columns:] = samples
        samples = padded
    rows, columns = samples.shape[1:3]
    channels = _channels(samples)
    means = np.empty((count, rows // 2, columns // 2, *tail), np.float32)
    kernels().halve(
        *addresses(samples), count * rows, columns * channels, channels, address(means)
    )  # fmt: skip
    return means


class _Scale:
    """One scale of the reference side: means and variances of its windows, computed once if
    ``keep``, else in strips for every comparison: it then takes no memory but its samples."""

    def __init__(self, samples: Samples, *, luminance: bool, keep: bool) -> None:
        self._samples = samples
        self._channels = _channels(samples)
        self._luminance = luminance
        count, height, width = samples.shape[:3]
        self._row = width * self._channels
        self._valid = (height - 2 * MARGIN, (width - 2 * MARGIN) * self._channels)
        self._kept: tuple[Floats, Floats] | None = None
        if keep:
            self._kept = (np.empty((count, *self._valid), np.float32),
                          np.empty((count, *self._valid), np.float32))  # fmt: skip
            for frame, mean, variance in zip(samples, *self._kept, strict=True):
                self._prepare(frame, mean, variance)

    def _prepare(self, frame: Samples, mean: Floats, variance: Floats) -> None:
        kernels().prepare(
            *addresses(frame), len(frame), self._row, self._channels,
            address(_scratch.array("planes", PLANE_SHAPE, np.float32)),
            address(_scratch.array("lines", LINE_SHAPE, np.float32)),
            address(mean), address(variance),
        )  # fmt: skip

    def compare(self, samples: Samples) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean SSIM and mean contrast-structure term, each ``(frames, channels)``; where the
        luminance term was not asked for, the first is 0."""
        count, (rows, columns) = len(samples), self._valid
        sums = np.zeros((count, 2, columns))
        for index in range(count):
            if self._kept is not None:
                mean, variance = (one[index] for one in self._kept)
                self._add(self._samples[index], samples[index], mean, variance, sums[index])
            else:
                self._add_strips(self._samples[index], samples[index], sums[index])
        means = sums.reshape(count, 2, -1, self._channels).sum(axis=2)
        means /= rows * columns // self._channels
        return means[:, 0], means[:, 1]

    def _add_strips(self, reference: Samples, frame: Samples, sums: NDArray[np.float64]) -> None:
        rows, columns = self._valid
        for first, last in pairwise(_edges(rows, STRIP_SAMPLES // columns)):
            shape = (last - first, columns)
            mean = _scratch.array("mean", shape, np.float32)
            variance = _scratch.array("variance", shape, np.float32)
            strip = slice(first, last + 2 * MARGIN)
            self._prepare(reference[strip], mean, variance)
            self._add(reference[strip], frame[strip], mean, variance, sums)

    def _add(
        self, reference: Samples, frame: Samples, mean: Floats, variance: Floats,
        sums: NDArray[np.float64],
    ) -> None:  # fmt: skip
        places, other = addresses(frame), addresses(reference)
        kernels().compare(
            *other[:2], *places, len(frame), self._row, self._channels,
            address(_scratch.array("planes", PLANE_SHAPE, np.float32)),
            address(_scratch.array("lines", LINE_SHAPE, np.float32)),
            address(mean), address(variance), int(self._luminance),
            address(sums[0]), address(sums[1]),
        )  # fmt: skip


def _edges(rows: int, at_a_time: int) -> list[int]:
    """Where strips of about so many rows begin, and the last one ends."""
    parts = max(1, round(rows / max(1, at_a_time)))
    return [rows * part // parts for part in range(parts + 1)]
