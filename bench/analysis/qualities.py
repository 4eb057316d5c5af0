"""The quality axes of rate-distortion curves: which column each is read from and how it averages.

An axis always grows with quality, so that one BD computation serves all; never reads records.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bench.errors import UsageError, near_matches

Floats = NDArray[np.float64]

PSNR_CAP_DB = 100.0
"""Stands for infinite PSNR (identical pixels) in means."""


@dataclass(frozen=True, slots=True)
class Quality:
    """One quality axis.

    ``column`` is averaged over items first, then ``scale`` is applied: ``as_is``;
    ``one_minus_db`` is −10·log10(1 − mean), for similarities; ``error_db`` is −10·log10(mean),
    for errors, which shrink with quality. ``pooled`` says that a curve from the mean MSE of the
    set exists beside it.
    """

    id: str
    column: str
    title: str
    unit: str
    scale: Literal["as_is", "one_minus_db", "error_db"] = "as_is"
    pooled: bool = False

    def of(self, mean: Any) -> Floats:
        """The axis value of means of ``column``, any shape; caps at 100 dB."""
        values = np.asarray(mean, dtype=np.float64)
        if self.scale == "as_is":
            return values
        error = 1.0 - values if self.scale == "one_minus_db" else values
        with np.errstate(divide="ignore", invalid="ignore"):
            decibels: Floats = -10.0 * np.log10(np.maximum(error, 0.0))
        return np.minimum(decibels, PSNR_CAP_DB)


_ALL = (
    Quality("psnr_rgb", "psnr_rgb", "PSNR-RGB", "dB", pooled=True),
    Quality("psnr_y", "psnr_y", "PSNR-Y", "dB"),
    Quality("psnr_yuv", "psnr_yuv", "PSNR-YUV", "dB"),
    Quality("ssim", "ssim", "SSIM", ""),
    Quality("ssim_db", "ssim", "SSIM", "dB", scale="one_minus_db"),
    Quality("ms_ssim", "ms_ssim", "MS-SSIM", ""),
    Quality("ms_ssim_db", "ms_ssim", "MS-SSIM", "dB", scale="one_minus_db"),
    Quality("vmaf", "vmaf", "VMAF", ""),
    Quality("mse", "mse", "−10·log₁₀ MSE", "dB", scale="error_db"),
    Quality("snr", "mse", "SNR", "dB", scale="error_db"),
)
QUALITIES = {quality.id: quality for quality in _ALL}


def quality(name: str) -> Quality:
    """The axis of a metric id; ``mse`` is compared as −10·log10, so that it grows with quality.

    Raises UsageError naming near matches.
    """
    if name not in QUALITIES:
        raise UsageError(f"unknown metric {name!r}; {near_matches(name, QUALITIES)}")
    return QUALITIES[name]


def reported(metrics: Iterable[str], media: str) -> tuple[Quality, ...]:
    """The axes drawn and compared for a suite's metrics: similarities in dB; for a vector source,
    which has variance 1 and no peak value, the signal-to-noise ratio."""
    if media == "vector":
        return (QUALITIES["snr"],)
    named = {"ssim": "ssim_db", "ms_ssim": "ms_ssim_db"}
    ids = dict.fromkeys(named.get(metric, metric) for metric in metrics if metric != "mse")
    return tuple(QUALITIES[name] for name in ids if name in QUALITIES)
