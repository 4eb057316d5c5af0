"""CIEDE2000, as libvmaf computes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from bench.metrics.filter_metric import NEEDS, FilterMetric
from bench.metrics.info import YUV, MetricInfo

if TYPE_CHECKING:
    from bench.metrics.filter_probe import Chroma


class Ciede(FilterMetric):
    """The mean colour difference ΔE₀₀ on a logarithmic scale."""

    feature = "ciede"
    chroma: ClassVar[Chroma] = "444"
    info: ClassVar[MetricInfo] = MetricInfo(
        id="ciede2000",
        title="CIEDE2000",
        unit="dB",
        definition=(
            "libvmaf's ciede2000: 45 − 20·log10(mean ΔE₀₀), k_L 0.65, k_C 1, k_H 4, of "
            "limited range that it takes for BT.709 whatever the source says"
        ),
        purpose=(
            "Predicts whether two flat patches of colour look alike. Says nothing of blur, "
            "ringing or blocks: it has no notion of space."
        ),
        cap=100.0,
        saturation=100.0,
        tolerance=0.05,
        samples=("rgb", *YUV),
        depths=(8, 10, 12),
        needs=NEEDS,
    )
