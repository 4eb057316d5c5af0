"""PSNR-HVS, as libvmaf computes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from bench.metrics.filter_metric import NEEDS, FilterMetric
from bench.metrics.info import YUV, MetricInfo

if TYPE_CHECKING:
    from bench.metrics.filter_probe import Chroma


class PsnrHvs(FilterMetric):
    """PSNR of DCT coefficients weighted by contrast sensitivity and masking."""

    feature = "psnr_hvs"
    chroma: ClassVar[Chroma] = "444"
    info: ClassVar[MetricInfo] = MetricInfo(
        id="psnr_hvs",
        title="PSNR-HVS",
        unit="dB",
        definition=("libvmaf's psnr_hvs: errors weighted 8:1:1, limited range (RGB: BT.709 4:4:4)"),
        purpose=(
            "Predicts the visibility of block-transform noise: errors count by the contrast "
            "sensitivity of their frequency and by what masks them. Made for JPEG-like coding; "
            "says little of invented texture or of colour. Xiph's masking, not that of the paper "
            "on PSNR-HVS-M: do not quote it as that."
        ),
        cap=100.0,
        saturation=100.0,
        tolerance=0.05,
        samples=("rgb", *YUV),
        depths=(8, 10, 12),
        smallest=(8, 8),
        needs=NEEDS,
    )
