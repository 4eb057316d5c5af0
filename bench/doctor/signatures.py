"""What a codec did to a pattern, recognised as one of the known mistakes by its signature.

Compares a source with what came back; never runs a codec.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.colour import RGB_TO_YUV, YUV_TO_RGB
from bench.signals import Frame

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Fault:
    """A mistake by its name, the numbers that show it, and what to do."""

    name: str
    evidence: str
    cure: str


# ITU-R BT.601-7, 2.5.1: the matrix of JFIF and of standard-definition video
_RGB_TO_YUV_601 = np.array(
    [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]]
)
_LIMITED = np.diag([219 / 255, 224 / 255, 224 / 255])
_TO_LIMITED = YUV_TO_RGB @ _LIMITED @ RGB_TO_YUV
_TO_FULL = YUV_TO_RGB @ np.linalg.inv(_LIMITED) @ RGB_TO_YUV
_SAME_MATRIX = "encode and decode with the same matrix, colorspace bt709"
_SAME_RANGE = "set color_range pc on both sides of the conversion"
_COLOUR_MISTAKES: Mapping[str, tuple[Vector, float, str]] = {
    "BT.601 for BT.709": (np.linalg.inv(_RGB_TO_YUV_601) @ RGB_TO_YUV, 0.0, _SAME_MATRIX),
    "BT.709 for BT.601": (YUV_TO_RGB @ _RGB_TO_YUV_601, 0.0, _SAME_MATRIX),
    "limited for full range": (_TO_LIMITED, 16.0, _SAME_RANGE),
    "full for limited range": (_TO_FULL, -16.0 * 255 / 219, _SAME_RANGE),
    "red and blue exchanged": (
        np.eye(3)[::-1], 0.0, "OpenCV orders channels BGR; convert before and after"
    ),
}  # fmt: skip
"""By name the matrix and offset that a mistake applies to colours, and what to do."""
_PATCH_ERROR = 2.0
"""Mean error of flat patches, in 8-bit levels, below which a colour path is taken as right."""


def colour_fault(source: Vector, decoded: Vector) -> Fault | None:
    """The colour mistake that turns the patches' colours ``(patches, 3)`` into what came back."""
    error = _rms(decoded - source)
    if error < _PATCH_ERROR:
        return None
    errors = {
        name: _rms(decoded - np.clip(source @ matrix.T + offset, 0, 255))
        for name, (matrix, offset, _) in _COLOUR_MISTAKES.items()
    }
    name = min(errors, key=errors.__getitem__)
    if errors[name] > 0.5 * error:
        return None
    return Fault(
        name,
        f"flat colours are off by {error:.1f} levels, by {errors[name]:.1f} from this mistake's",
        _COLOUR_MISTAKES[name][2],
    )


def _rms(error: Vector) -> float:
    return float(np.sqrt((error**2).mean()))


_HALF_709 = YUV_TO_RGB @ np.full(3, -0.5)
_HALF_601 = np.linalg.inv(_RGB_TO_YUV_601) @ np.full(3, -0.5)
_TRUNCATIONS: Sequence[tuple[Vector, str]] = (
    (np.full(3, -0.5), "RGB values are cut off, not rounded"),
    (_HALF_709, "Y'CbCr values are cut off, not rounded"),
    (_HALF_601, "Y'CbCr values are cut off, not rounded"),
    (_HALF_709 - 0.5, "both conversions cut off, not round"),
    (_HALF_601 - 0.5, "both conversions cut off, not round"),
)
_BIAS_MATCH = 0.17
"""How near each channel's bias must come; different mistakes lie 0.5 apart in some channel."""


def truncation_fault(biases: Sequence[Vector]) -> Fault | None:
    """Truncation by the mean error ``(3,)`` or, of gray, ``(1,)`` of several smooth pictures.

    Cutting off loses half a level on average in whichever space it happens. Coding errors differ
    from picture to picture and have no such direction.
    """
    bias = np.mean(biases, axis=0)
    if np.ptp(np.asarray(biases), axis=0).max() > 2 * _BIAS_MATCH:
        return None
    for signature, what in _TRUNCATIONS:
        if np.abs(bias - signature[: len(bias)]).max() < _BIAS_MATCH:
            shown = ", ".join(f"{value:+.2f}" for value in bias)
            return Fault(
                "truncation instead of rounding",
                f"{what}: mean error {shown} levels",
                "round to nearest, then clip, then convert to uint8",
            )
    return None


def mean_bias(source: Frame, decoded: Frame) -> Vector:
    """Mean of decoded − source by channel."""
    error = np.asarray(decoded, np.float64) - np.asarray(source, np.float64)
    channels = error.shape[-1] if error.ndim == 3 else 1
    return np.asarray(error.reshape(-1, channels).mean(axis=0), np.float64)


def subsampling_fault(fine: float, broad: float, direction: str) -> Fault | None:
    """Chroma lost at one pixel but kept at four: ``fine`` and ``broad`` are kept contrasts, 0–1."""
    if fine > 0.35 or broad < 0.7:
        return None
    return Fault(
        "chroma subsampling unnoticed",
        f"{direction} colour stripes of one pixel keep {100 * fine:.0f} % of their contrast, of "
        f"four pixels {100 * broad:.0f} %",
        "code 4:4:4, or say 4:2:0 in the card's title or settings",
    )


def chroma_contrast(pixels: Frame) -> float:
    """Standard deviation of red − green, the axis of the stripes' colours."""
    values = np.asarray(pixels, np.float64)
    return float((values[..., 0] - values[..., 1]).std())


def size_fault(source: Sequence[int], decoded: Sequence[int]) -> Fault | None:
    """Height and width that came back for those that went in."""
    if list(source) == list(decoded):
        return None
    shown = f"{source[1]}×{source[0]} came back as {decoded[1]}×{decoded[0]}"
    if decoded[0] >= source[0] and decoded[1] >= source[1]:
        return Fault(
            "padding counted as pixels",
            shown,
            "crop to the source's size in decode; carry that size in the payload",
        )
    return Fault("pixels lost", shown, "pad before coding and crop after, never the reverse")


def frame_fault(source: Frame, decoded: Frame) -> Fault | None:
    """Frames ``(T, …)`` that came back late, early or in another order."""
    if len(decoded) != len(source):
        return Fault(
            "frames lost or doubled",
            f"{len(source)} frames came back as {len(decoded)}",
            "flush the encoder and read the decoder to its end; keep the frame rate constant",
        )
    distances = np.array(
        [[np.mean((d.astype(float) - s.astype(float)) ** 2) for s in source] for d in decoded]
    )
    nearest = distances.argmin(axis=1)
    # wrong colours may bring a frame nearer to another one, but not much nearer
    if (distances.min(axis=1) >= 0.25 * distances.diagonal()).all():
        return None
    return Fault(
        "frame shift",
        f"decoded frames 1–{len(source)} look like source frames "
        + ", ".join(str(index + 1) for index in nearest),
        "drop the decoder's delay and put frames into display order",
    )


def output_fault(frame: Frame) -> Fault | None:
    """A decoded frame that is not uint8."""
    if frame.dtype == np.uint8:
        return None
    return Fault(
        "float output",
        f"decode gives {frame.dtype} in {float(frame.min()):.3g}–{float(frame.max()):.3g}",
        "round and clip to uint8 in decode; a viewer sees 8 bits",
    )


_DISPENSABLE: Mapping[str, bytes] = {
    "the encoder's signature (SEI) of x265": rb"x265 \(build",
    "the encoder's signature (SEI) of x264": rb"x264 - core",
    "the muxer's or encoder's name": rb"Lav[fc]\d",
    "a Matroska container": rb"\A\x1aE\xdf\xa3",
    "an MP4 container": rb"moov.{4}mvhd",
    "Exif metadata": rb"Exif\0\0",
    "an ICC profile": rb"ICC_PROFILE\0|iCCP",
    "XMP metadata": rb"http://ns\.adobe\.com/xap",
    "PNG text": rb"[tz]EXt|iTXt",
}


def container_fault(payload: bytes) -> Fault | None:
    """Bytes in a payload that no decoder needs."""
    for what, pattern in _DISPENSABLE.items():
        if found := re.search(pattern, payload, re.DOTALL):
            return Fault(
                "container or SEI bytes counted",
                f"the payload has {what} at byte {found.start()} of {len(payload)}",
                "strip it in encode and count it in discarded_bytes",
            )
    return None
