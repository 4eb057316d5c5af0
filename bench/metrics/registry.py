"""Names, titles, units and directions of the metrics; imports nothing heavy, measures nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from bench.errors import UsageError, near_matches


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: ``title`` is its name in prose, ``axis`` the label of a plot's axis."""

    id: str
    title: str
    unit: str
    axis: str
    higher_is_better: bool = True
    derived: bool = False
    """True: only in curves, computed from the means of another metric; never asked of a run."""
    definition: str = ""


_ALL = (
    Metric(
        "mse",
        "MSE",
        "",
        "MSE",
        higher_is_better=False,
        definition="mean squared error on the 8-bit scale (real samples: as they are)",
    ),
    Metric(
        "psnr_rgb",
        "PSNR-RGB",
        "dB",
        "PSNR-RGB (dB)",
        definition="10·log10(255²/MSE) per image or frame on 8-bit RGB or gray, then the mean",
    ),
    Metric(
        "psnr_rgb_pooled",
        "PSNR-RGB, pooled",
        "dB",
        "PSNR-RGB of the mean MSE (dB)",
        derived=True,
        definition="PSNR of the mean MSE of the set",
    ),
    Metric(
        "psnr_y",
        "PSNR-Y",
        "dB",
        "PSNR-Y (dB)",
        definition="PSNR of BT.709 luma; for 4:2:0 sources of the plane as it is",
    ),
    Metric(
        "psnr_yuv",
        "PSNR-YUV",
        "dB",
        "PSNR-YUV 6:1:1 (dB)",
        definition="(6·PSNR-Y + PSNR-U + PSNR-V)/8, BT.709",
    ),
    Metric(
        "ssim",
        "SSIM",
        "",
        "SSIM",
        definition="Wang et al. 2004: 11×11 Gaussian, σ 1.5, valid region, mean over RGB",
    ),
    Metric(
        "ssim_db",
        "SSIM",
        "dB",
        "SSIM (dB)",
        derived=True,
        definition="−10·log10(1 − mean SSIM)",
    ),
    Metric(
        "ms_ssim",
        "MS-SSIM",
        "",
        "MS-SSIM",
        definition="Wang et al. 2003, five scales; short side above 160 pixels",
    ),
    Metric(
        "ms_ssim_db",
        "MS-SSIM",
        "dB",
        "MS-SSIM (dB)",
        derived=True,
        definition="−10·log10(1 − mean MS-SSIM)",
    ),
    Metric(
        "vmaf",
        "VMAF",
        "",
        "VMAF",
        definition="libvmaf's default model on luma, mean over frames; clips from 176×144",
    ),
)
METRICS: Mapping[str, Metric] = MappingProxyType({metric.id: metric for metric in _ALL})
MEASURED: tuple[str, ...] = tuple(metric.id for metric in _ALL if not metric.derived)
"""What a suite or command may ask for; the columns of a record."""


def check_metrics(names: Iterable[str], where: str) -> tuple[str, ...]:
    """``names`` unchanged, or UsageError for one that cannot be measured, with near matches."""
    names = tuple(names)
    for name in names:
        if name not in METRICS:
            raise UsageError(f"{where}: unknown metric {name!r}; {near_matches(name, MEASURED)}")
        if METRICS[name].derived:
            raise UsageError(
                f"{where}: metric {name!r} is derived from others in curves.csv and cannot be "
                f"measured by itself; ask for {name.removesuffix('_db').removesuffix('_pooled')!r}"
            )
    return names
