"""SSIM and MS-SSIM of many distorted versions of one reference.

Owns the reference side (pyramid, means, variances), which is computed once; loops.py has the loops.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.metrics import loops
from bench.metrics.base import Basis, Stack, Values
from bench.signals import Layout

# Wang, Simoncelli, Bovik: Multi-scale structural similarity (2003), section 3.2
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
BYTES_PER_SAMPLE = 1 + 4 / 3 + 8 * 4 / 3
"""What a kept reference takes: its samples at five scales, of which the last four are float32, and
two float32 of each."""

Samples = NDArray[Any]


class Similarity(NamedTuple):
    """Of each frame: mean SSIM, and MS-SSIM where it was asked for; shape ``(frames,)``."""

    ssim: Values
    ms_ssim: Values | None


class Structure(Basis):
    """``ssim`` and ``ms_ssim`` of a stack of frames, of YUV ``ssim_y`` and ``ms_ssim_y``."""

    def __init__(
        self, frames: Stack, layout: Layout, wanted: frozenset[str], *, keep: bool
    ) -> None:
        self._layout = layout
        self._names = ("ssim_y", "ms_ssim_y") if layout.is_yuv else ("ssim", "ms_ssim")
        self._multi_scale = self._names[1] in wanted
        self._reference = SsimReference(
            self._compared(frames), layout.format.peak, multi_scale=self._multi_scale, keep=keep
        )

    def _compared(self, frames: Stack) -> Stack:
        """Of YUV luma alone."""
        if not self._layout.is_yuv:
            return frames
        height, width = self._layout.plane_shapes[0]
        return frames[:, : height * width].reshape(-1, height, width)

    def compare(self, decoded: Stack, mse: Values) -> Mapping[str, Values]:
        names = self._names if self._multi_scale else self._names[:1]
        if not mse.any():
            return dict.fromkeys(names, np.ones(len(mse)))
        found = zip(names, self._reference.compare(self._compared(decoded)), strict=False)
        # of identical frames exactly 1, instead of 1 but for rounding
        return {name: np.where(mse == 0, 1.0, np.asarray(values)) for name, values in found}

    @staticmethod
    def kept_bytes(wanted: frozenset[str]) -> float:
        return BYTES_PER_SAMPLE


class SsimReference:
    """Frames to compare against: ``(T, H, W)`` gray or ``(T, H, W, 3)`` of samples up to ``peak``.

    SSIM follows Wang et al., Image quality assessment (2004), equation 13, over the region where
    the window lies inside the picture; MS-SSIM follows Wang et al. (2003) with 2×2 means between
    scales, negative terms set to 0 and odd sizes padded by a zero row or column in front, which
    is pytorch-msssim's definition. Without ``keep`` it takes no memory but its samples.
    """

    def __init__(
        self, frames: Samples, peak: float = 255, *, multi_scale: bool, keep: bool = True
    ) -> None:
        self._peak = peak
        self._levels = len(WEIGHTS) if multi_scale else 1
        self._channels = frames.shape[3] if frames.ndim == 4 else 1
        self._planes = [list(_pyramid(plane, self._levels)) for plane in _planes(frames)]
        self._moments = [
            [loops.moments(scale, peak) if keep else None for scale in scales]
            for scales in self._planes
        ]

    def compare(self, frames: Samples) -> Similarity:
        """SSIM and MS-SSIM of frames of the reference's shape."""
        found = [
            self._compare_plane(scales, moments, plane)
            for scales, moments, plane in zip(
                self._planes, self._moments, _planes(frames), strict=True
            )
        ]
        ssim, product = np.array(found).T
        return Similarity(self._mean(ssim), self._mean(product) if self._levels > 1 else None)

    def _compare_plane(
        self, scales: list[Samples], moments: list[loops.Moments | None], plane: Samples
    ) -> tuple[float, float]:
        """SSIM, and the product of all scales."""
        last, product = self._levels - 1, 1.0
        for level, decoded in enumerate(_pyramid(plane, self._levels)):
            ssim, contrast = loops.similarity(
                scales[level], decoded, moments[level], self._peak, luminance=level in (0, last)
            )
            if level == 0:
                first = ssim
            product *= max(ssim if level == last else contrast, 0.0) ** WEIGHTS[level]
        return first, product

    def _mean(self, values: Values) -> Values:
        """Mean over channels; rounding puts that of (nearly) identical pictures up to 3e-6 above
        1."""
        of_frames = values.reshape(-1, self._channels).mean(axis=1)
        return np.asarray(np.minimum(of_frames, 1), np.float64)


def _planes(frames: Samples) -> Iterator[Samples]:
    """The channels of all frames, one after the other."""
    for frame in frames:
        yield from cv2.split(frame) if frame.ndim == 3 else (np.ascontiguousarray(frame),)


def _pyramid(plane: Samples, levels: int) -> Iterator[Samples]:
    """A plane and the 2×2 means of the one before, ``levels`` in all."""
    yield plane
    for _ in range(1, levels):
        plane = loops.halve(plane)
        yield plane
