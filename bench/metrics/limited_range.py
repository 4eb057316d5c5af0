"""Frames as ffmpeg's metrics take them: 8-bit Y'CbCr of limited range, BT.709 where they were RGB.

One rule for every source: what is limited already stays as it is, full range is scaled (ITU-T
H.273, equations 20–22), gray has neutral chroma. Runs nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.colour import RGB_TO_YUV
from bench.metrics.filter_probe import Chroma
from bench.signals import Frame, Layout, split_planes

Plane = NDArray[np.uint8]

_LUMA, _CHROMA = np.float32(219 / 255), np.float32(224 / 255)


def converter(layout: Layout, chroma: Chroma) -> Callable[[Frame], list[Plane]]:
    """What makes Y, U and V of a frame of a source of this layout.

    RGB at 4:2:0 has the mean of 2×2 chroma samples; only RGB can be 4:4:4. The luma of 4:2:0 has
    even sides, its last row or column repeated.
    """
    if layout.samples == "rgb":
        return lambda frame: _of_rgb(frame, chroma)
    if layout.samples == "gray" or chroma == "none":
        return lambda frame: _neutral(_limited_luma(_luma(frame, layout), layout))
    return lambda frame: _of_planes(frame, layout)


def _luma(frame: Frame, layout: Layout) -> Plane:
    return split_planes(frame, layout)[0] if layout.is_yuv else frame


def _of_planes(frame: Frame, layout: Layout) -> list[Plane]:
    luma, *chroma = split_planes(frame, layout)
    if layout.format.full_range:
        chroma = [_rounded(128 + (plane - np.float32(128)) * _CHROMA) for plane in chroma]
    return [_even(_limited_luma(luma, layout)), *chroma]


def _of_rgb(frame: Frame, chroma: Chroma) -> list[Plane]:
    pixels = frame.astype(np.float32)
    weights = RGB_TO_YUV.astype(np.float32)
    luma = _rounded(16 + (pixels @ weights[0]) * _LUMA)
    if chroma == "none":
        return _neutral(luma)
    if chroma == "444":
        return [luma, *(_rounded(128 + (pixels @ row) * _CHROMA) for row in weights[1:])]
    halves = _halved(_even(pixels))
    return [_even(luma), *(_rounded(128 + (halves @ row) * _CHROMA) for row in weights[1:])]


def _halved(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Means of 2×2 pixels."""
    height, width = pixels.shape[:2]
    means: NDArray[np.float32] = pixels.reshape(height // 2, 2, width // 2, 2, -1).mean((1, 3))
    return means


def _limited_luma(luma: Plane, layout: Layout) -> Plane:
    return _rounded(16 + luma * _LUMA) if layout.format.full_range else luma


def _neutral(luma: Plane) -> list[Plane]:
    luma = _even(luma)
    half = np.full((luma.shape[0] // 2, luma.shape[1] // 2), 128, np.uint8)
    return [luma, half, half]


def _rounded(samples: NDArray[Any]) -> Plane:
    rounded: Plane = np.clip(np.rint(samples), 0, 255).astype(np.uint8)
    return rounded


def _even(samples: NDArray[Any]) -> NDArray[Any]:
    """With even sides, the last row or column repeated."""
    grow = [(0, side % 2) for side in samples.shape[:2]] + [(0, 0)] * (samples.ndim - 2)
    return np.pad(samples, grow, mode="edge") if any(end for _, end in grow) else samples
