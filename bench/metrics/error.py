"""Squared errors on the 8-bit scale and PSNR: RGB or gray, BT.709 Y'CbCr of RGB, planes of YUV.

Works on arrays of frames; knows nothing of files or of which metrics a suite wants.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.colour import RGB_TO_YUV, shown
from bench.metrics.base import Basis, Stack, Values
from bench.metrics.loops import cross_moments
from bench.signals import Layout, Matrix, split_planes

PSNR_CAP_DB = 100.0
"""What a lossless frame counts in a mean of frames that are not all lossless."""


_OF_PLANES = frozenset(("psnr_y", "psnr_u", "psnr_v", "psnr_yuv", "psnr_y_pooled"))


_MATRICES: tuple[Matrix, ...] = ("bt709", "bt601")


def to_8_bits(layout: Layout) -> float:
    """What puts a squared error of this depth on the 8-bit scale, on which 255² is the peak's."""
    return 1.0 if layout.samples == "real" else (255 / layout.format.peak) ** 2


class SquaredErrors(Basis):
    """``mse`` and the PSNRs of a stack of frames, each of every frame."""

    def __init__(
        self, frames: Stack, layout: Layout, wanted: frozenset[str], *, keep: bool
    ) -> None:
        self._frames, self._layout, self._wanted = frames, layout, wanted
        self._planes = layout.channels == 3 and bool(wanted & _OF_PLANES)

    def compare(self, decoded: Stack, mse: Values) -> Mapping[str, Values]:
        found = {"mse": mse}
        if self._planes:
            errors = self._plane_errors(decoded)
            y, u, v = map(psnr, errors)
            found |= {"psnr_y": y, "psnr_u": u, "psnr_v": v, "psnr_yuv": weighted_yuv(y, u, v)}
            found["psnr_y_pooled"] = y
        if "psnr_rgb" in self._wanted or not (self._planes or self._wanted == {"mse"}):
            found["psnr_rgb"] = psnr(mse)
            found.setdefault("psnr_y", found["psnr_rgb"])
            found.setdefault("psnr_y_pooled", found["psnr_rgb"])
        return found

    def _plane_errors(self, decoded: Stack) -> tuple[Values, ...]:
        if self._layout.samples == "rgb":
            errors = rgb_yuv_mse(self._frames, decoded)
        else:
            errors = plane_mse(self._frames, decoded, self._layout)
        return tuple(to_8_bits(self._layout) * plane for plane in errors)


class ErrorsAsRgb(Basis):
    """PSNR of YUV frames after conversion to 8-bit RGB, by the matrix in a metric's id."""

    def __init__(
        self, frames: Stack, layout: Layout, wanted: frozenset[str], *, keep: bool
    ) -> None:
        self._frames = frames
        self._layouts = {
            f"psnr_rgb_{matrix}": replace(layout, format=replace(layout.format, matrix=matrix))
            for matrix in _MATRICES
            if f"psnr_rgb_{matrix}" in wanted
        }

    def compare(self, decoded: Stack, mse: Values) -> Mapping[str, Values]:
        found = {}
        for name, layout in self._layouts.items():
            pairs = zip(self._frames, decoded, strict=True)
            errors = [
                frame_mse(shown(one, layout)[np.newaxis], shown(other, layout)[np.newaxis])[0]
                for one, other in pairs
            ]
            found[name] = psnr(np.array(errors))
        return found


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
    """Mean squared error of each frame of two stacks of equal shape, exact for whole samples."""
    if reference.dtype.kind == "u":
        sums = [_squared_error(one, other) for one, other in zip(reference, decoded, strict=True)]
        return np.array(sums, np.float64) / float(reference[0].size)
    errors: Values = (np.asarray(reference, np.float64) - decoded) ** 2
    return np.asarray(errors.reshape(len(reference), -1).mean(axis=1), np.float64)


def rgb_yuv_mse(reference: NDArray[Any], decoded: NDArray[Any]) -> tuple[Values, ...]:
    """Mean squared error of Y', Cb and Cr, BT.709 full range before rounding, of each RGB frame.

    The conversion is linear, so the error of a plane with weights w is wᵀMw, where M is the mean
    outer product of the RGB differences: no plane is ever computed.
    """
    sums = [cross_moments(one, other) for one, other in zip(reference, decoded, strict=True)]
    moments = np.array(sums) / (reference[0].size / 3)
    errors = np.einsum("pr,trc,pc->pt", RGB_TO_YUV, moments, RGB_TO_YUV)
    return tuple(np.maximum(errors, 0))


def plane_mse(reference: NDArray[Any], decoded: NDArray[Any], layout: Layout) -> tuple[Values, ...]:
    """Mean squared error of the Y, U and V planes of each frame of YUV, as they are."""
    errors = np.empty((3, len(reference)))
    for index, (one, other) in enumerate(zip(reference, decoded, strict=True)):
        planes = zip(split_planes(one, layout), split_planes(other, layout), strict=True)
        for plane, (source, copy) in enumerate(planes):
            errors[plane, index] = _squared_error(source, copy) / source.size
    return tuple(errors)


def _squared_error(one: NDArray[Any], other: NDArray[Any]) -> int:
    """Sum of squared differences of two arrays of one shape, exact: OpenCV adds whole numbers, and
    then takes the root's square. One long row takes it a fiftieth of the time of one long column,
    which it takes a flat array for."""
    import cv2

    row, other_row = (np.ascontiguousarray(samples).reshape(1, -1) for samples in (one, other))
    return round(cv2.norm(row, other_row, cv2.NORM_L2SQR))
