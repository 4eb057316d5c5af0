"""The metrics that every run can have: squared error, PSNR, SSIM and MS-SSIM.

Owns their info; what they compute lies in error.py and ssim.py, imported on first use.
"""

from __future__ import annotations

from typing import ClassVar

from bench.metrics.base import Basis, SharedMetric
from bench.metrics.info import MetricInfo

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
_SIMILARITY_SATURATION_DB = 50.0
_TOLERANCE_DB = 0.05


class _OfSquaredError(SharedMetric):
    @classmethod
    def basis(cls) -> type[Basis]:
        from bench.metrics.error import SquaredErrors

        return SquaredErrors


class _OfStructure(SharedMetric):
    @classmethod
    def basis(cls) -> type[Basis]:
        from bench.metrics.ssim import Structure

        return Structure


class Mse(_OfSquaredError):
    """Mean squared error; every measured record has it."""

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
        samples=("rgb", "gray", "yuv420", "real"),
    )


class PsnrRgb(_OfSquaredError):
    """PSNR of all samples of RGB or gray."""

    info: ClassVar[MetricInfo] = MetricInfo(
        id="psnr_rgb",
        title="PSNR-RGB",
        unit="dB",
        definition="10·log10(255²/MSE) per image or frame on 8-bit RGB or gray, then the mean",
        purpose=_PURPOSE,
        cap=_PSNR_CAP_DB,
        saturation=_PSNR_CAP_DB,
        tolerance=_TOLERANCE_DB,
        default_for=("image", "video"),
        pooled=True,
        aliases=("psnr-rgb", "psnr"),
        footnote="PSNR per image or frame on 8-bit samples, then averaged.",
    )


class PsnrY(_OfSquaredError):
    """PSNR of luma."""

    info: ClassVar[MetricInfo] = MetricInfo(
        id="psnr_y",
        title="PSNR-Y",
        unit="dB",
        definition="PSNR of BT.709 luma; for 4:2:0 sources of the plane as it is",
        purpose=f"{_PURPOSE} Blind to colour.",
        cap=_PSNR_CAP_DB,
        saturation=_PSNR_CAP_DB,
        tolerance=_TOLERANCE_DB,
        samples=("rgb", "gray", "yuv420"),
        default_for=("image", "video"),
    )


class PsnrYuv(_OfSquaredError):
    """Weighted PSNR of the three planes (Ohm et al. 2012)."""

    info: ClassVar[MetricInfo] = MetricInfo(
        id="psnr_yuv",
        title="PSNR-YUV",
        unit="dB",
        definition="(6·PSNR-Y + PSNR-U + PSNR-V)/8, BT.709",
        purpose=_PURPOSE,
        cap=_PSNR_CAP_DB,
        saturation=_PSNR_CAP_DB,
        tolerance=_TOLERANCE_DB,
        samples=("rgb", "yuv420"),
        default_for=("image", "video"),
    )


class Ssim(_OfStructure):
    """Structural similarity (Wang et al. 2004)."""

    info: ClassVar[MetricInfo] = MetricInfo(
        id="ssim",
        title="SSIM",
        definition="Wang et al. 2004: 11×11 Gaussian, σ 1.5, valid region, mean over RGB",
        purpose=_STRUCTURE,
        scale="one_minus_db",
        cap=_PSNR_CAP_DB,
        saturation=_SIMILARITY_SATURATION_DB,
        tolerance=_TOLERANCE_DB,
        smallest=(11, 11),
        default_for=("image", "video"),
        footnote=_SIMILARITY,
    )


class MsSsim(_OfStructure):
    """SSIM over five scales (Wang, Simoncelli, Bovik 2003)."""

    info: ClassVar[MetricInfo] = MetricInfo(
        id="ms_ssim",
        title="MS-SSIM",
        definition="Wang et al. 2003, five scales; short side above 160 pixels",
        purpose=_STRUCTURE,
        scale="one_minus_db",
        cap=_PSNR_CAP_DB,
        saturation=_SIMILARITY_SATURATION_DB,
        tolerance=_TOLERANCE_DB,
        smallest=(161, 161),
        default_for=("image", "video"),
        aliases=("ms-ssim-rgb", "ms-ssim"),
        footnote=_SIMILARITY,
    )
