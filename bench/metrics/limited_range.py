"""Frames as ffmpeg's metrics take them: Y'CbCr of limited range, BT.709 where they were RGB.

One rule for every source, at its own depth: what is limited already stays as it is, full range is
scaled (ITU-T H.273, equations 20–22), gray has neutral chroma. Runs nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bench.colour import RGB_TO_YUV
from bench.signals import Frame, Layout, split_planes

Plane = NDArray[Any]
Chroma = Literal["none", "420", "444"]
"""What a metric reads besides luma. ``none`` is sent as neutral 4:2:0."""


def converter(layout: Layout, chroma: Chroma) -> Callable[[Frame], list[Plane]]:
    """What makes Y, U and V of a frame of a source of this layout.

    RGB at 4:2:0 has the mean of 2×2 chroma samples. Luma of halved chroma has even sides, its last
    row or column repeated.
    """
    scale = _Scale(layout)
    if layout.samples == "rgb":
        return lambda frame: _of_rgb(frame, chroma, scale)
    if layout.samples == "gray":
        return lambda frame: _neutral(scale.limited(frame), scale)
    if chroma == "none":
        return lambda frame: _neutral(scale.limited(split_planes(frame, layout)[0]), scale)
    return lambda frame: _of_planes(frame, layout, scale)


def planes_of(layout: Layout, chroma: Chroma) -> str:
    """The chroma format that ``converter`` makes of signals of this layout."""
    if layout.is_yuv and chroma != "none":
        return layout.format.chroma
    return "444" if layout.samples == "rgb" and chroma == "444" else "420"


class _Scale:
    """From samples of a source to limited range, at its depth."""

    def __init__(self, layout: Layout) -> None:
        self.unit, self.peak = 1 << (layout.depth - 8), layout.format.peak
        self.is_full = layout.format.full_range
        self.dtype = layout.frame_dtype

    def limited(self, luma: Plane) -> Plane:
        return self.luma(luma) if self.is_full else luma

    def luma(self, samples: NDArray[Any]) -> Plane:
        """Of full range; RGB's luma, not yet rounded, as well."""
        return self._rounded(16 * self.unit + samples * np.float32(219 * self.unit / self.peak))

    def chroma(self, centred: NDArray[Any]) -> Plane:
        """Of full range, around 0."""
        return self._rounded(128 * self.unit + centred * np.float32(224 * self.unit / self.peak))

    def _rounded(self, samples: NDArray[Any]) -> Plane:
        rounded: Plane = np.clip(np.rint(samples), 0, self.peak).astype(self.dtype)
        return rounded


def _of_planes(frame: Frame, layout: Layout, scale: _Scale) -> list[Plane]:
    luma, *chroma = split_planes(frame, layout)
    if scale.is_full:
        chroma = [scale.chroma(plane - np.float32(128 * scale.unit)) for plane in chroma]
    halved = {"420": (2, 2), "422": (1, 2)}.get(layout.format.chroma, (1, 1))
    return [_even(scale.limited(luma), halved), *chroma]


def _of_rgb(frame: Frame, chroma: Chroma, scale: _Scale) -> list[Plane]:
    pixels = frame.astype(np.float32)
    weights = RGB_TO_YUV.astype(np.float32)
    luma = scale.luma(pixels @ weights[0])
    if chroma == "none":
        return _neutral(luma, scale)
    if chroma == "444":
        return [luma, *(scale.chroma(pixels @ row) for row in weights[1:])]
    halves = _halved(_even(pixels))
    return [_even(luma), *(scale.chroma(halves @ row) for row in weights[1:])]


def _halved(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Means of 2×2 pixels."""
    height, width = pixels.shape[:2]
    means: NDArray[np.float32] = pixels.reshape(height // 2, 2, width // 2, 2, -1).mean((1, 3))
    return means


def _neutral(luma: Plane, scale: _Scale) -> list[Plane]:
    luma = _even(luma)
    half = np.full((luma.shape[0] // 2, luma.shape[1] // 2), 128 * scale.unit, scale.dtype)
    return [luma, half, half]


def _even(samples: NDArray[Any], steps: tuple[int, int] = (2, 2)) -> NDArray[Any]:
    """With sides that are multiples of the steps, the last row or column repeated."""
    grow = [(0, -side % step) for side, step in zip(samples.shape[:2], steps, strict=True)]
    grow += [(0, 0)] * (samples.ndim - 2)
    return np.pad(samples, grow, mode="edge") if any(end for _, end in grow) else samples
