"""PSNR-HVS, as libvmaf computes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from bench.facts import MetricFacts
from bench.metrics.base import SignalMetric, mean_over_frames

if TYPE_CHECKING:
    from bench.signals import Signal


class PsnrHvs(SignalMetric["Signal"]):
    """PSNR of DCT coefficients weighted by contrast sensitivity and masking."""

    facts: ClassVar[MetricFacts] = MetricFacts(
        id="psnr_hvs",
        title="PSNR-HVS",
        unit="dB",
        definition="libvmaf's psnr_hvs: errors weighted 8:1:1, BT.709 4:4:4 full range of RGB",
        purpose=(
            "Predicts the visibility of block-transform noise: errors count by the contrast "
            "sensitivity of their frequency and by what masks them. Made for JPEG-like coding; "
            "says little of invented texture or of colour. Xiph's masking, not that of the paper "
            "on PSNR-HVS-M: do not quote it as that."
        ),
        cap=100.0,
        saturation=100.0,
        tolerance=0.05,
        samples=("rgb", "yuv420"),
        smallest=(8, 8),
        whole=True,
        needs="ffmpeg with libvmaf, as imageio-ffmpeg brings it",
    )

    def prepare(self, reference: Signal) -> Signal:
        return reference

    def score(self, prepared: Signal, decoded: Signal) -> float:
        from bench.codecs.support.ffmpeg_binary import find_ffmpeg
        from bench.metrics.libvmaf import feature

        key = "psnr_hvs"
        frames = feature(prepared, decoded.frames(), find_ffmpeg(), key, key, values="full")
        return mean_over_frames(frames, self.facts)
