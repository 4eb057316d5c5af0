"""VMAF by its named models, as libvmaf computes it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from bench.metrics.filter_metric import NEEDS, FilterMetric
from bench.metrics.info import YUV, MetricInfo

if TYPE_CHECKING:
    from bench.metrics.filter_probe import Chroma


class Vmaf(FilterMetric):
    """VMAF of version 0.6.1, for a television of 1080 lines."""

    model = "vmaf_v0.6.1"
    info: ClassVar[MetricInfo] = MetricInfo(
        id="vmaf",
        title="VMAF",
        definition=(
            "libvmaf's model vmaf_v0.6.1 on luma of limited range (RGB: BT.709), mean over "
            "frames; from 176×144"
        ),
        purpose=(
            "Predicts opinion scores of H.264 at several resolutions, watched as video on a "
            "television. Blind to colour, and encoders that sharpen can raise it without gain. Of "
            "a picture it sees no motion, and identical ones score about 97."
        ),
        cap=100.0,
        saturation=100.0,
        tolerance=0.1,
        samples=("rgb", "gray", *YUV),
        depths=(8, 10, 12),
        # the model was fitted to pictures of hundreds of lines, and below QCIF its four-scale
        # features see next to no pixels
        smallest=(144, 176),
        default_for=("video",),
        needs=NEEDS,
    )


class VmafNeg(FilterMetric):
    """VMAF without the gain of sharpening."""

    model = "vmaf_v0.6.1neg"
    info: ClassVar[MetricInfo] = replace(
        Vmaf.info,
        id="vmaf_neg",
        title="VMAF NEG",
        definition=Vmaf.info.definition.replace(Vmaf.model, model),
        purpose=(
            "Predicts what VMAF predicts without what sharpening and contrast add (no enhancement "
            "gain): ranks codecs, not what was done to the picture before. Blind to colour."
        ),
        default_for=(),
    )


class Vmaf4k(FilterMetric):
    """VMAF of version 0.6.1, for a television of 2160 lines at 1.5 times its height."""

    model = "vmaf_4k_v0.6.1"
    info: ClassVar[MetricInfo] = replace(
        Vmaf.info,
        id="vmaf_4k",
        title="VMAF 4K",
        definition=Vmaf.info.definition.replace(Vmaf.model, model),
        purpose=(
            "Predicts opinion scores of 2160 lines, watched at 1.5 times the height of the screen. "
            "Of smaller pictures it reads far too high: do not compare it with other models."
        ),
        default_for=(),
    )


class VmafV1(FilterMetric):
    """VMAF of version 1, which sees chroma and banding, at three times the height of the screen."""

    model = "vmaf_v1.0.16_3d0h"
    chroma: ClassVar[Chroma] = "420"
    info: ClassVar[MetricInfo] = replace(
        Vmaf.info,
        id="vmaf_v1",
        title="VMAF v1",
        definition=(
            "libvmaf's model vmaf_v1.0.16_3d0h on planes of limited range (RGB: BT.709 4:2:0), "
            "mean over frames; from 216×160"
        ),
        purpose=(
            "Predicts opinion scores of 1080 lines at three times the height of the screen, chroma "
            "and banding included. Its authors feed 10 bits, which see banding better; here the "
            "source's own depth is compared. Other numbers than VMAF 0.6.1."
        ),
        # below, its chroma and banding features have no pixels left at their coarsest scale
        smallest=(160, 216),
        default_for=(),
        needs="ffmpeg with libvmaf 3.2 or later, as imageio-ffmpeg brings it",
    )
