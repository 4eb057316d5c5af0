"""The metrics that every run can have: squared error, PSNR, SSIM and MS-SSIM.

Owns their info; what they compute lies in error.py and ssim.py, imported on first use.
"""

from __future__ import annotations

from typing import ClassVar

from bench.metrics.base import SharedMetric
from bench.metrics.info import YUV, MetricInfo

_PURPOSE = (
    "Predicts error energy, the quantity that most codecs minimise. Ranks settings of one codec; "
    "says little of how pictures of different codecs look beside each other."
)
_STRUCTURE = (
    "Predicts the loss of local structure in grayscale viewing tests of JPEG-like distortions. "
    "Forgives smooth changes of colour and brightness, and blur more than people do."
)
_SIMILARITY = (
    "SSIM and MS-SSIM: Wang et al., 11×11 Gaussian, valid region, mean over channels, "
    "in dB as −10·log10(1 − mean)."
)
_PSNR_CAP_DB = 100.0
_DEPTHS = (8, 10, 12, 16)
_SIMILARITY_SATURATION_DB = 50.0
_TOLERANCE_DB = 0.05


class Mse(SharedMetric):
    """Mean squared error; every measured record has it."""

    shares = "bench.metrics.error:SquaredErrors"
    info: ClassVar[MetricInfo] = MetricInfo(
        id="mse",
        title="MSE",
        definition="mean squared error on the 8-bit scale (real samples: as they are)",
        purpose=_PURPOSE,
        higher_is_better=False,
        scale="error_db",
        cap=_PSNR_CAP_DB,
        saturation=_PSNR_CAP_DB,
        tolerance=_TOLERANCE_DB,
        media=("image", "video", "vector"),
        samples=("rgb", "gray", *YUV, "real"),
        depths=_DEPTHS,
    )


class PsnrRgb(SharedMetric):
    """PSNR of all samples of RGB or gray."""

    shares = "bench.metrics.error:SquaredErrors"
    info: ClassVar[MetricInfo] = MetricInfo(
        id="psnr_rgb",
        title="PSNR-RGB",
        unit="dB",
        definition="10·log10(peak²/MSE) per image or frame of RGB or gray, then the mean; the peak "
        "of n bits is 2ⁿ − 1",
        purpose=_PURPOSE,
        depths=_DEPTHS,
        cap=_PSNR_CAP_DB,
        saturation=_PSNR_CAP_DB,
        tolerance=_TOLERANCE_DB,
        default_for=("image", "video"),
        pooled=True,
        aliases=("psnr-rgb", "psnr"),
        footnote="PSNR per image or frame on 8-bit samples, then averaged.",
    )


PsnrY = PsnrRgb.variant(
    id="psnr_y",
    title="PSNR-Y",
    definition="PSNR of BT.709 luma; for YUV sources of the plane as it is, at its depth",
    purpose=f"{_PURPOSE} Blind to colour.",
    samples=("rgb", "gray", *YUV),
    pooled=False,
    aliases=(),
    footnote="",
)
PsnrYPooled = PsnrY.variant(
    id="psnr_y_pooled",
    title="PSNR-Y (pooled)",
    definition="PSNR of the mean squared error of luma over the frames of a clip",
    of_errors=True,
    default_for=(),
)
PsnrU = PsnrY.variant(
    id="psnr_u",
    title="PSNR-U",
    definition="PSNR of the plane U (Cb); for RGB by BT.709, before rounding",
    purpose=f"{_PURPOSE} Blind to luma.",
    samples=("rgb", *YUV),
    default_for=(),
)
PsnrV = PsnrU.variant(
    id="psnr_v",
    title="PSNR-V",
    definition=PsnrU.info.definition.replace("U (Cb)", "V (Cr)"),
)
PsnrRgb709 = PsnrRgb.variant(
    of={"shares": "bench.metrics.error:ErrorsAsRgb"},
    id="psnr_rgb_bt709",
    title="PSNR-RGB (BT.709)",
    definition="PSNR-RGB of YUV sources: both sides converted to 8-bit RGB by BT.709, chroma "
    "bilinear, whatever matrix the source says",
    samples=YUV,
    default_for=(),
    pooled=False,
    aliases=(),
    footnote="",
)
PsnrRgb601 = PsnrRgb709.variant(
    id="psnr_rgb_bt601",
    title="PSNR-RGB (BT.601)",
    definition=PsnrRgb709.info.definition.replace("709", "601"),
)
PsnrYuv = PsnrY.variant(
    id="psnr_yuv",
    title="PSNR-YUV",
    definition="(6·PSNR-Y + PSNR-U + PSNR-V)/8, BT.709",
    purpose=_PURPOSE,
    samples=("rgb", *YUV),
)


class Ssim(SharedMetric):
    """Structural similarity (Wang et al. 2004)."""

    shares = "bench.metrics.ssim:Structure"
    info: ClassVar[MetricInfo] = MetricInfo(
        id="ssim",
        title="SSIM",
        definition="Wang et al. 2004: 11×11 Gaussian, σ 1.5, valid region, mean over RGB",
        purpose=_STRUCTURE,
        scale="one_minus_db",
        cap=_PSNR_CAP_DB,
        saturation=_SIMILARITY_SATURATION_DB,
        tolerance=_TOLERANCE_DB,
        depths=_DEPTHS,
        smallest=(11, 11),
        default_for=("image", "video"),
        footnote=_SIMILARITY,
    )


MsSsim = Ssim.variant(
    id="ms_ssim",
    title="MS-SSIM",
    definition="Wang et al. 2003, five scales; short side above 160 pixels",
    smallest=(161, 161),
    aliases=("ms-ssim-rgb", "ms-ssim"),
)
SsimY = Ssim.variant(
    id="ssim_y",
    title="SSIM-Y",
    definition="SSIM of the plane Y of YUV sources as it is, data range 2ⁿ − 1 of n bits",
    purpose=f"{_STRUCTURE} Blind to colour.",
    samples=YUV,
    default_for=("video",),
    footnote=_SIMILARITY.replace("mean over channels", "of YUV sources luma alone"),
)
MsSsimY = MsSsim.variant(
    id="ms_ssim_y",
    title="MS-SSIM-Y",
    definition="MS-SSIM of the plane Y of YUV sources; short side above 160 pixels",
    purpose=SsimY.info.purpose,
    samples=YUV,
    default_for=("video",),
    aliases=(),
    footnote=SsimY.info.footnote,
)
