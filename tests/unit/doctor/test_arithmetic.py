"""The checks of the harness's own arithmetic pass on it and name each planted fault."""

from typing import Any

import numpy as np
import pytest

from bench.colour import rgb_to_yuv, rgb_to_yuv_float, round_to_uint8
from bench.doctor.arithmetic import (
    arithmetic_faults,
    averaging_fault,
    bit_counting_fault,
    colour_matrix_fault,
    psnr_fault,
    rounding_fault,
    ssim_fault,
)
from bench.metrics.evaluate import Scores
from bench.signals import Signal


def test_the_harness_itself_is_right() -> None:
    assert [name for name, fault in arithmetic_faults() if fault is not None] == []


def test_truncation_is_named() -> None:
    fault = rounding_fault(lambda values: np.clip(values, 0, 255).astype(np.uint8))
    assert fault is not None and fault.name == "truncation instead of rounding"
    assert rounding_fault(round_to_uint8) is None


@pytest.mark.parametrize(
    ("convert", "name"),
    [
        (lambda rgb: np.array([76, 85, 255]), "BT.601 for BT.709"),
        (lambda rgb: np.array([63, 102, 240]), "limited for full range"),
        (lambda rgb: np.minimum(rgb_to_yuv_float(rgb), 255).astype(int), "truncation instead"),
        (lambda rgb: np.array([54, 99, 254]), "colour matrix"),
    ],
)
def test_another_matrix_range_or_rounding_is_named(convert: Any, name: str) -> None:
    fault = colour_matrix_fault(convert)
    assert fault is not None and fault.name.startswith(name)
    assert colour_matrix_fault(rgb_to_yuv) is None


def _score(*, pooled: bool = False, peak: float = 255.0) -> Any:
    def score(reference: Signal, decoded: Signal) -> Scores:
        error = reference.array().astype(float) - decoded.array()
        mse = (error**2).mean(axis=(1, 2, 3))
        psnr = 10 * np.log10(peak**2 / (mse.mean(keepdims=True) if pooled else mse))
        return Scores({"psnr_rgb": float(psnr.mean()), "ssim": 0.983607})

    return score


def test_another_average_peak_or_data_range_is_named() -> None:
    fault = averaging_fault(_score(pooled=True))
    assert fault is not None and fault.name == "PSNR of the mean MSE reported as the mean PSNR"
    assert averaging_fault(_score()) is None and psnr_fault(_score()) is None
    assert psnr_fault(_score(peak=256.0)) is not None
    fault = ssim_fault(_score())
    assert fault is not None and "0.983607, expected 0.984032" in fault.evidence


def test_padded_pixels_and_uncounted_bytes_are_named() -> None:
    fault = bit_counting_fault(lambda signal: (60, 8 * 60 / 64))
    assert fault is not None and fault.name == "padding counted as pixels"
    fault = bit_counting_fault(lambda signal: (60, 8 * 50 / 15))
    assert fault is not None and fault.name == "bit counting"
