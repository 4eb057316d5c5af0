"""Squared errors on the 8-bit scale and PSNR: RGB or gray, BT.709 Y'CbCr of RGB, planes of YUV.

Works on arrays of frames; knows nothing of files or of which metrics a suite wants.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.colour import RGB_TO_YUV
from bench.metrics.base import Basis, Stack, Values
from bench.metrics.loops import cross_moments
from bench.signals import Layout, split_planes

PSNR_CAP_DB = 100.0
"""What a lossless frame counts in a mean of frames that are not all lossless."""


class SquaredErrors(Basis):
    """``mse`` and the PSNRs of a stack of frames, each of every frame."""

    def __init__(
        self, frames: Stack, layout: Layout, wanted: frozenset[str], *, keep: bool
    ) -> None:
        self._frames, self._layout, self._wanted = frames, layout, wanted
        self._planes = layout.channels == 3 and bool(wanted & {"psnr_y", "psnr_yuv"})

    def compare(self, decoded: Stack, mse: Values) -> Mapping[str, Values]:
        found = {"mse": mse}
        if self._planes:
            y, u, v = map(psnr, self._plane_errors(decoded))
            found |= {"psnr_y": y, "psnr_yuv": weighted_yuv(y, u, v)}
        if "psnr_rgb" in self._wanted or ("psnr_y" in self._wanted and not self._planes):
            found["psnr_rgb"] = psnr(mse)
            found.setdefault("psnr_y", found["psnr_rgb"])
        return found

    def _plane_errors(self, decoded: Stack) -> tuple[Values, ...]:
        if self._layout.samples == "rgb":
            return rgb_yuv_mse(self._frames, decoded)
        return plane_mse(self._frames, decoded, self._layout)


def psnr(mse: Values | float) -> Values:
    """10·log10(255²/mse) in dB; infinite where mse is 0."""
    with np.errstate(divide="ignore"):
        decibels: Values = 10 * np.log10(255.0**2 / np.asarray(mse, np.float64))
    return decibels


def weighted_yuv(y: Values, u: Values, v: Values) -> Values:
    """(6Y + U + V)/8 of per-frame PSNRs in dB (Ohm et al. 2012, equation 1); infinite only if all
    three are, else each capped at 100 dB."""
    planes = np.stack([y, u, v])
    lossless = np.isinf(planes).all(axis=0)
    combined: Values = np.array([6.0, 1.0, 1.0]) @ np.minimum(planes, PSNR_CAP_DB) / 8
    combined[lossless] = np.inf
    return combined


def frame_mse(reference: NDArray[Any], decoded: NDArray[Any]) -> Values:
    """Mean squared error of each frame of two stacks of equal shape, exact for uint8."""
    if reference.dtype == np.uint8:
        sums = [_squared_error(one, other) for one, other in zip(reference, decoded, strict=True)]
        return np.array(sums, np.float64) / float(reference[0].size)
    errors: Values = (np.asarray(reference, np.float64) - decoded) ** 2
    return np.asarray(errors.reshape(len(reference), -1).mean(axis=1), np.float64)


def rgb_yuv_mse(reference: NDArray[np.uint8], decoded: NDArray[np.uint8]) -> tuple[Values, ...]:
    """Mean squared error of Y', Cb and Cr, BT.709 full range before rounding, of each RGB frame.

    The conversion is linear, so the error of a plane with weights w is wᵀMw, where M is the mean
    outer product of the RGB differences: no plane is ever computed.
    """
    sums = [cross_moments(one, other) for one, other in zip(reference, decoded, strict=True)]
    moments = np.array(sums) / (reference[0].size / 3)
    errors = np.einsum("pr,trc,pc->pt", RGB_TO_YUV, moments, RGB_TO_YUV)
    return tuple(np.maximum(errors, 0))


def plane_mse(
    reference: NDArray[np.uint8], decoded: NDArray[np.uint8], layout: Layout
) -> tuple[Values, ...]:
    """Mean squared error of the Y, U and V planes of each yuv420 frame, as they are."""
    errors = np.empty((3, len(reference)))
    for index, (one, other) in enumerate(zip(reference, decoded, strict=True)):
        planes = zip(split_planes(one, layout), split_planes(other, layout), strict=True)
        for plane, (source, copy) in enumerate(planes):
            errors[plane, index] = _squared_error(source, copy) / source.size
    return tuple(errors)


def _squared_error(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> int:
    """Sum of squared differences of two arrays of one shape, exact: OpenCV adds whole numbers, and
    then takes the root's square."""
    import cv2

    return round(cv2.norm(np.ascontiguousarray(one), np.ascontiguousarray(other), cv2.NORM_L2SQR))
