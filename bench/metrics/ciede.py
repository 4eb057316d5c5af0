"""CIEDE2000, as libvmaf computes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from bench.facts import MetricFacts
from bench.metrics.base import SignalMetric, mean_over_frames

if TYPE_CHECKING:
    from bench.signals import Signal


class Ciede(SignalMetric["Signal"]):
    """The mean colour difference ΔE₀₀ on a logarithmic scale."""

    facts: ClassVar[MetricFacts] = MetricFacts(
        id="ciede2000",
        title="CIEDE2000",
        unit="dB",
        definition="libvmaf's ciede2000: 45 − 20·log10(mean ΔE₀₀), k_L 0.65, k_C 1, k_H 4, BT.709",
        purpose=(
            "Predicts whether two flat patches of colour look alike. Says nothing of blur, "
            "ringing or blocks: it has no notion of space."
        ),
        cap=100.0,
        saturation=100.0,
        tolerance=0.05,
        samples=("rgb", "yuv420"),
        whole=True,
        needs="ffmpeg with libvmaf, as imageio-ffmpeg brings it",
    )

    def prepare(self, reference: Signal) -> Signal:
        return reference

    def score(self, prepared: Signal, decoded: Signal) -> float:
        from bench.codecs.support.ffmpeg_binary import find_ffmpeg
        from bench.metrics.libvmaf import feature

        # libvmaf takes its planes for limited range
        frames = feature(
            prepared, decoded.frames(), find_ffmpeg(), "ciede", "ciede2000", values="limited"
        )
        return mean_over_frames(frames, self.facts)
