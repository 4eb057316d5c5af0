"""RGB ↔ Y'CbCr, with one rounding to nearest at the end; the only colour maths.

Codec adapters, metrics and the page convert through the same functions, so that a colour path has
one definition. Never resamples alpha, reads files or knows a codec.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.signals import Chroma, Frame, Layout, Matrix, PixelFormat, Range, split_planes

KR = 0.2126
KB = 0.0722
"""Luma weights of ITU-R BT.709-6, item 3.2."""
_LUMA_WEIGHTS: Mapping[Matrix, tuple[float, float]] = {
    "bt709": (KR, KB),
    "bt601": (0.299, 0.114),
    "bt2020": (0.2627, 0.0593),
}
"""Of red and blue: ITU-T H.273, table 4."""


def _rgb_to_yuv_matrix(kr: float, kb: float) -> NDArray[np.float64]:
    kg = 1.0 - kr - kb
    return np.array(
        [
            [kr, kg, kb],
            [-kr / (2 * (1 - kb)), -kg / (2 * (1 - kb)), 0.5],
            [0.5, -kg / (2 * (1 - kr)), -kb / (2 * (1 - kr))],
        ]
    )


def _yuv_to_rgb_matrix(kr: float, kb: float) -> NDArray[np.float64]:
    """The inverse, written out so that gray is exactly gray."""
    kg = 1.0 - kr - kb
    return np.array(
        [
            [1.0, 0.0, 2 * (1 - kr)],
            [1.0, -2 * kb * (1 - kb) / kg, -2 * kr * (1 - kr) / kg],
            [1.0, 2 * (1 - kb), 0.0],
        ]
    )


RGB_TO_YUV = _rgb_to_yuv_matrix(KR, KB)
YUV_TO_RGB = _yuv_to_rgb_matrix(KR, KB)
_CHROMA_OFFSET = np.array([0.0, 128.0, 128.0])
CHROMA_RESAMPLING = {"chroma_resampling": "float"}
"""What codecs that code RGB at 4:2:0 add to their versions: chroma is halved and doubled without
rounding in between. Before, it was rounded to 8 bits ahead of halving."""


def rgb_to_yuv_float(rgb: Frame) -> NDArray[np.float32]:
    """Y', Cb, Cr of RGB samples ``(H, W, 3)`` on the 8-bit scale, before rounding.

    Full range: Y' in 0–255, Cb and Cr in 0.5–255.5 around 128 (ITU-T H.273, equations 4–6 with
    VideoFullRangeFlag 1). In single precision, which is part of what streams are: of samples that
    lie halfway between two integers it rounds some the other way than exact arithmetic does.
    """
    return _affine(rgb, RGB_TO_YUV, _CHROMA_OFFSET)


def rgb_to_yuv(rgb: Frame) -> NDArray[np.uint8]:
    """Y', Cb, Cr as uint8 ``(H, W, 3)``: rounded to nearest and clipped to 0–255."""
    return round_to_uint8(rgb_to_yuv_float(rgb))


def rgb_to_yuv_truncated(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Y', Cb, Cr as CompressAI's bench hands them to HM and VTM: BT.709, full range, chroma around
    127.5, cut to whole numbers instead of rounded; bit by bit its arithmetic, for comparison with
    the curves that it published (compressai/utils/bench/codecs.py)."""
    r, g, b = (rgb[..., index].astype(np.float32) / 255 for index in range(3))
    y = KR * r + 0.7152 * g + KB * b
    parts = (y, 0.5 * (b - y) / (1 - KB) + 0.5, 0.5 * (r - y) / (1 - KR) + 0.5)
    cut: NDArray[np.uint8] = (np.clip(np.stack(parts, axis=-1), 0, 1) * 255).astype(np.uint8)
    return cut


def truncated_yuv_to_rgb(yuv: Frame) -> NDArray[np.uint8]:
    """The inverse of `rgb_to_yuv_truncated`, rounded and clipped."""
    return yuv_to_rgb(yuv + np.array([0, 0.5, 0.5], np.float32))


def yuv_to_rgb(yuv: Frame) -> NDArray[np.uint8]:
    """RGB as uint8 of Y', Cb, Cr ``(H, W, 3)`` on the 8-bit scale: rounded and clipped, float64 in
    double precision, all else in single."""
    if yuv.dtype == np.float64:
        return _centred_to_rgb(yuv - _CHROMA_OFFSET, YUV_TO_RGB)
    return round_to_uint8(_affine(yuv, YUV_TO_RGB, -YUV_TO_RGB @ _CHROMA_OFFSET))


def to_yuv(rgb: Frame, matrix: Matrix, *, full_range: bool) -> NDArray[np.float64]:
    """Y', Cb, Cr of RGB ``(H, W, 3)`` on the 8-bit scale by a named matrix, in double precision and
    not rounded."""
    centred: NDArray[np.float64] = (
        rgb.astype(np.float64) @ _rgb_to_yuv_matrix(*_LUMA_WEIGHTS[matrix]).T
    )
    if full_range:
        return np.asarray(centred + _CHROMA_OFFSET)
    return np.asarray(centred * (np.array([219, 224, 224]) / 255) + np.array([16.0, 128.0, 128.0]))


def to_rgb(yuv: Frame, matrix: Matrix) -> NDArray[np.float64]:
    """RGB of Y', Cb, Cr ``(H, W, 3)`` of full range on the 8-bit scale, in double precision,
    neither rounded nor clipped."""
    found: NDArray[np.float64] = (yuv - _CHROMA_OFFSET) @ _yuv_to_rgb_matrix(
        *_LUMA_WEIGHTS[matrix]
    ).T
    return found


def shown(frame: Frame, layout: Layout) -> NDArray[np.uint8]:
    """One frame as a screen of 8 bits shows it, gray or RGB in full range: by the matrix and range
    of its layout, BT.709 where that has no matrix; rounded once."""
    kind, unit = layout.format, 1 << (layout.depth - 8)
    black, luma_steps, chroma_steps = 16 * unit, 219 * unit, 224 * unit
    if kind.full_range or kind.samples == "rgb":
        black, luma_steps, chroma_steps = 0, kind.peak, kind.peak
    if not kind.is_yuv:
        if (black, luma_steps) == (0, 255):
            return frame
        return round_to_uint8((frame.astype(np.float64) - black) * 255 / luma_steps)
    luma, *parts = split_planes(frame, layout)
    chroma = [full_chroma(plane, kind.chroma, *luma.shape) for plane in parts]
    centred = np.stack([luma, *chroma], axis=-1) - np.array([black, *[128 * unit] * 2], np.float64)
    matrix = _yuv_to_rgb_matrix(*_LUMA_WEIGHTS[kind.matrix or "bt709"])
    return _centred_to_rgb(centred, matrix * (255 / np.array([luma_steps, *[chroma_steps] * 2])))


def convertible(kind: PixelFormat, wanted: PixelFormat) -> PixelFormat | None:
    """The format that `converted` makes of ``kind`` where a format of this name is asked for: YUV
    keeps matrix and range, RGB becomes BT.709 of limited range. None for what it does not make."""
    if "real" in (kind.samples, wanted.samples) or (wanted.samples == "rgb" and wanted.depth != 8):
        return None
    if kind.name == wanted.name:
        return kind
    if wanted.samples == "rgb":
        return wanted
    matrix: Matrix | None = "bt709" if kind.samples == "rgb" else kind.matrix
    range_: Range = "full" if kind.is_yuv and kind.full_range else "limited"
    return replace(wanted, matrix=matrix if wanted.is_yuv else None, range=range_)


def converted(frame: Frame, layout: Layout, wanted: PixelFormat) -> Frame:
    """A frame in the format that `convertible` names, rounded once: chroma is averaged or
    interpolated bilinearly, sited at the centre of its luma samples; depths of YUV are shifted."""
    if wanted.samples == "rgb":
        found = shown(frame, layout)
        return found if found.ndim == 3 else np.repeat(found[..., np.newaxis], 3, axis=2)
    kind, depth = layout.format, layout.depth
    full = kind.is_yuv and kind.full_range
    if kind.is_yuv:
        parts = [
            on_8_bits(plane, depth, full, is_chroma=index > 0)
            for index, plane in enumerate(split_planes(frame, layout))
        ]
    else:
        parts = _limited(on_8_bits(frame, depth, kind.full_range), kind)
    if wanted.samples == "gray":
        return _to_depth(parts[0], wanted.depth, full, is_chroma=False)
    shapes = wanted.plane_shapes(layout.width, layout.height)
    planes = [
        _to_depth(_resized(part, shape), wanted.depth, full, is_chroma=index > 0).ravel()
        for index, (part, shape) in enumerate(zip(parts, shapes, strict=True))
    ]
    return np.concatenate(planes)


def from_rgb(rgb: Frame, layout: Layout, wanted: PixelFormat) -> Frame:
    """The way back from what `converted` makes of YUV: by the matrix and range of the YUV format,
    BT.709 and limited range where it says none, rounded once."""
    full = wanted.full_range
    yuv = rgb @ _rgb_to_yuv_matrix(*_LUMA_WEIGHTS[wanted.matrix or "bt709"]).T
    scale = (1.0, 1.0) if full else (219 / 255, 224 / 255)
    parts = [yuv[..., 0] * scale[0] + (0 if full else 16)]
    parts += [yuv[..., index] * scale[1] + 128 for index in (1, 2)]
    shapes = wanted.plane_shapes(layout.width, layout.height)
    planes = [
        _to_depth(_resized(part, shape), wanted.depth, full, is_chroma=index > 0).ravel()
        for index, (part, shape) in enumerate(zip(parts, shapes, strict=True))
    ]
    return np.concatenate(planes)


def _limited(samples: Frame, kind: PixelFormat) -> list[Frame]:
    """Y', Cb and Cr of gray or RGB on the 8-bit scale, not rounded, in limited range."""
    if kind.samples == "gray":
        chroma = np.full(samples.shape, 128.0)
        return [16 + samples * (219 / 255) if kind.full_range else samples, chroma, chroma]
    yuv = rgb_to_yuv_float(samples)
    chromas = (128 + (yuv[..., index] - 128) * (224 / 255) for index in (1, 2))
    return [16 + yuv[..., 0] * (219 / 255), *chromas]


def _resized(plane: Frame, shape: tuple[int, int]) -> Frame:
    """A plane with halved or doubled rows and columns, where its shape is another."""
    for axis in (0, 1):
        plane, length = plane.T if axis else plane, shape[axis]
        if plane.shape[0] > length:
            padded = np.pad(plane, ((0, plane.shape[0] % 2), (0, 0)), mode="edge")
            plane = (padded[0::2] + padded[1::2].astype(np.float64)) / 2
        elif plane.shape[0] < length:
            plane = _double_rows(plane.astype(np.float64))[:length] / 4
        plane = plane.T if axis else plane
    return plane


def _centred_to_rgb(centred: NDArray[np.float64], matrix: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Of samples around 0 in double precision, in which halves of gray stay halves."""
    import cv2

    return round_to_uint8(np.asarray(cv2.transform(np.ascontiguousarray(centred), matrix)))


def round_to_uint8(samples: Frame) -> NDArray[np.uint8]:
    """Samples on the 8-bit scale rounded (halves to even) and clipped to 0–255; uint8 as it is."""
    if samples.dtype == np.uint8:
        return samples
    rounded: Frame = np.rint(samples)
    return np.clip(rounded, 0, 255, out=rounded).astype(np.uint8)


def _affine(
    samples: Frame, matrix: NDArray[np.float64], offset: NDArray[np.float64]
) -> NDArray[np.float32]:
    """``matrix · sample + offset`` per pixel in single precision, ten times as fast in OpenCV as
    a NumPy matrix product."""
    import cv2

    pixels = np.ascontiguousarray(samples, np.float32)
    return np.asarray(cv2.transform(pixels, np.column_stack([matrix, offset])), np.float32)


def halve_chroma(plane: Frame) -> NDArray[np.float32]:
    """A chroma plane ``(H, W)`` at 4:2:0 ``(⌈H/2⌉, ⌈W/2⌉)``, not rounded: the mean of 2×2 samples,
    edges repeated where the size is odd."""
    height, width = plane.shape
    padded = np.pad(plane, ((0, height % 2), (0, width % 2)), mode="edge")
    squares = padded.reshape((height + 1) // 2, 2, (width + 1) // 2, 2)
    halved: NDArray[np.float32] = squares.mean(axis=(1, 3), dtype=np.float32)
    return halved


def full_chroma(plane: Frame, chroma: Chroma, height: int, width: int) -> NDArray[np.float64]:
    """A chroma plane of up to 12 bits at full size ``(height, width)``, not rounded: bilinear, the
    samples sited at the centre of their 2×2 or 1×2 luma samples, as `halve_chroma` puts them."""
    if chroma == "444":
        return plane.astype(np.float64)
    rows, scale = plane.astype(np.uint16), 4.0
    if chroma == "420":
        rows, scale = _double_rows(rows)[:height], 16.0
    return _double_rows(rows.T).T[:, :width] / scale


def _double_rows(samples: NDArray[Any]) -> NDArray[Any]:
    """Rows at twice the density, weights 3/4 and 1/4, scaled by 4; edges repeated."""
    above = np.concatenate([samples[:1], samples[:-1]])
    below = np.concatenate([samples[1:], samples[-1:]])
    doubled = np.empty((2 * samples.shape[0], *samples.shape[1:]), samples.dtype)
    doubled[0::2] = 3 * samples + above
    doubled[1::2] = 3 * samples + below
    return doubled


def at_depth(
    plane: Frame, depth: int, wanted: int, full_range: bool, *, is_chroma: bool = False
) -> Frame:
    """Samples of a depth rounded once at another; whole ones of the same depth as they are."""
    if depth == wanted and plane.dtype.kind == "u":
        return plane
    scaled = on_8_bits(plane, depth, full_range, is_chroma=is_chroma)
    return _to_depth(scaled, wanted, full_range, is_chroma=is_chroma)


def _to_depth(plane: Frame, depth: int, full_range: bool, *, is_chroma: bool) -> Frame:
    """Samples on the 8-bit scale, rounded once at their depth: shifted in limited range, scaled so
    that white stays white in full range (ITU-T H.273, equations 20–31)."""
    if depth == 8:
        return round_to_uint8(plane)
    samples, high = plane.astype(np.float32), (1 << depth) - 1
    if not full_range:
        scaled = samples * (1 << (depth - 8))
    elif is_chroma:
        scaled = (samples - 128) * (high / 255) + (1 << (depth - 1))
    else:
        scaled = samples * (high / 255)
    rounded: Frame = np.clip(np.rint(scaled), 0, high)
    return rounded.astype("<u2")


def on_8_bits(plane: Frame, depth: int, full_range: bool, *, is_chroma: bool = False) -> Frame:
    """Samples on the 8-bit scale, not yet rounded; the inverse of `_to_depth`."""
    if depth == 8:
        return plane
    samples: Frame = plane if plane.dtype == np.float64 else plane.astype(np.float32)
    if not full_range:
        return samples / np.float32(1 << (depth - 8))
    scale, middle = 255 / ((1 << depth) - 1), 1 << (depth - 1)
    return (samples - middle) * scale + 128 if is_chroma else samples * scale
