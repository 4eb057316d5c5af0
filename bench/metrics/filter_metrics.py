"""The metrics of ffmpeg's filters: VMAF by its named models, PSNR-HVS and CIEDE2000 as libvmaf
computes them, and XPSNR."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from bench.metrics.base import ClipValues, JointMetric
from bench.metrics.info import YUV, MetricInfo

if TYPE_CHECKING:
    from bench.metrics.filters import Wanted
    from bench.metrics.limited_range import Chroma
    from bench.signals import Signal

_NEEDS = "ffmpeg with libvmaf, as imageio-ffmpeg brings it"


class FilterMetric(JointMetric):
    """With neither ``model`` nor ``feature`` of libvmaf, the luma of xpsnr."""

    model: ClassVar[str] = ""
    feature: ClassVar[str] = ""
    chroma: ClassVar[Chroma] = "none"
    """What it reads of RGB besides luma."""

    @classmethod
    def wanted(cls) -> Wanted:
        """What the filters are asked for."""
        from bench.metrics.filters import Wanted

        return Wanted(cls.info.id, cls.model, cls.feature, cls.chroma)

    @classmethod
    def check_available(cls) -> None:
        cls.versions()

    @classmethod
    def versions(cls) -> Mapping[str, str]:
        from bench.codecs.support.ffmpeg_binary import find_ffmpeg
        from bench.metrics.filters import versions

        return versions(cls.wanted(), find_ffmpeg())

    @staticmethod
    def measure(
        metrics: Sequence[FilterMetric], reference: Signal, decoded: Signal
    ) -> Mapping[str, ClipValues]:
        from bench.codecs.support.ffmpeg_binary import find_ffmpeg
        from bench.metrics.filters import measure

        return measure([one.wanted() for one in metrics], reference, decoded, find_ffmpeg())


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
        needs=_NEEDS,
    )


VmafNeg = Vmaf.variant(
    of={"model": "vmaf_v0.6.1neg"},
    id="vmaf_neg",
    title="VMAF NEG",
    definition=Vmaf.info.definition.replace(Vmaf.model, "vmaf_v0.6.1neg"),
    purpose=(
        "Predicts what VMAF predicts without what sharpening and contrast add (no enhancement "
        "gain): ranks codecs, not what was done to the picture before. Blind to colour."
    ),
    default_for=(),
)
Vmaf4k = Vmaf.variant(
    of={"model": "vmaf_4k_v0.6.1"},
    id="vmaf_4k",
    title="VMAF 4K",
    definition=Vmaf.info.definition.replace(Vmaf.model, "vmaf_4k_v0.6.1"),
    purpose=(
        "Predicts opinion scores of 2160 lines, watched at 1.5 times the height of the screen. "
        "Of smaller pictures it reads far too high: do not compare it with other models."
    ),
    default_for=(),
)
VmafV1 = Vmaf.variant(
    of={"model": "vmaf_v1.0.16_3d0h", "chroma": "420"},
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
Xpsnr = Vmaf.variant(
    of={"model": ""},
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
    tolerance=0.05,
    smallest=(1, 1),
    default_for=(),
    whole=True,
    needs="ffmpeg 7.1 or later with xpsnr, as imageio-ffmpeg brings it",
)
Ciede = Xpsnr.variant(
    of={"feature": "ciede", "chroma": "444"},
    id="ciede2000",
    title="CIEDE2000",
    definition=(
        "libvmaf's ciede2000: 45 − 20·log10(mean ΔE₀₀), k_L 0.65, k_C 1, k_H 4, of "
        "limited range that it takes for BT.709 whatever the source says"
    ),
    purpose=(
        "Predicts whether two flat patches of colour look alike. Says nothing of blur, "
        "ringing or blocks: it has no notion of space."
    ),
    samples=("rgb", *YUV),
    whole=False,
    needs=_NEEDS,
)
PsnrHvs = Ciede.variant(
    of={"feature": "psnr_hvs", "chroma": "444"},
    id="psnr_hvs",
    title="PSNR-HVS",
    definition="libvmaf's psnr_hvs: errors weighted 8:1:1, limited range (RGB: BT.709 4:4:4)",
    purpose=(
        "Predicts the visibility of block-transform noise: errors count by the contrast "
        "sensitivity of their frequency and by what masks them. Made for JPEG-like coding; "
        "says little of invented texture or of colour. Xiph's masking, not that of the paper "
        "on PSNR-HVS-M: do not quote it as that."
    ),
    smallest=(8, 8),
)
