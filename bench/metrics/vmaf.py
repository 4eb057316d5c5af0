"""VMAF, as libvmaf computes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from bench.facts import MetricFacts
from bench.metrics.base import SignalMetric

if TYPE_CHECKING:
    from bench.signals import Signal


class Vmaf(SignalMetric["Signal"]):
    """VMAF of clips, of libvmaf's default model."""

    facts: ClassVar[MetricFacts] = MetricFacts(
        id="vmaf",
        title="VMAF",
        definition="libvmaf's default model on luma, mean over frames; from 176×144",
        purpose=(
            "Predicts opinion scores of H.264 at several resolutions, watched as video on a "
            "television. Blind to colour, and encoders that sharpen can raise it without gain. Of "
            "a picture it sees no motion, and identical ones score about 97."
        ),
        cap=100.0,
        saturation=100.0,
        tolerance=0.1,
        samples=("rgb", "gray", "yuv420"),
        # the model was fitted to pictures of hundreds of lines, and below QCIF its four-scale
        # features see next to no pixels
        smallest=(144, 176),
        whole=True,
        default_for=("video",),
        needs="ffmpeg with libvmaf, as imageio-ffmpeg brings it",
    )

    def prepare(self, reference: Signal) -> Signal:
        return reference

    def score(self, prepared: Signal, decoded: Signal) -> float:
        from bench.codecs.support.ffmpeg_binary import find_ffmpeg
        from bench.metrics.libvmaf import vmaf

        return vmaf(prepared, decoded.frames(), find_ffmpeg())
