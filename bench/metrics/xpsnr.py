"""XPSNR, as ffmpeg's filter computes it."""

from __future__ import annotations

from typing import ClassVar

from bench.metrics.filter_metric import FilterMetric
from bench.metrics.info import YUV, MetricInfo


class Xpsnr(FilterMetric):
    """The PSNR of luma, weighted block by block (Helmrich et al., ICASSP 2020)."""

    info: ClassVar[MetricInfo] = MetricInfo(
        id="xpsnr",
        title="XPSNR",
        unit="dB",
        definition=(
            "ffmpeg's xpsnr of luma alone, limited range (RGB: BT.709); of a clip the "
            "filter's own average: −20·log10 of the mean of 10^(−x/20)"
        ),
        purpose=(
            "Predicts opinion scores of video codecs by a PSNR whose blocks count by their "
            "activity in space and time. Blind to colour: luma only, neither the least of Y, Cb "
            "and Cr that the filter suggests nor a weighted sum."
        ),
        cap=100.0,
        saturation=100.0,
        tolerance=0.05,
        samples=("rgb", "gray", *YUV),
        depths=(8, 10, 12),
        whole=True,
        needs="ffmpeg 7.1 or later with xpsnr, as imageio-ffmpeg brings it",
    )
