"""The metrics that are computed by the package piq: VIF and HaarPSI."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from bench.metrics.base import FrameMetric
from bench.metrics.info import MetricInfo
from bench.metrics.packages import EXTRA, Packaged, as_tensor

if TYPE_CHECKING:
    import torch

    from bench.signals import Frame


class PiqMetric(Packaged, FrameMetric["torch.Tensor"]):
    """A function of piq, of frames as tensors ``(1, C, H, W)`` in 0–255."""

    module = distribution = "piq"
    function: ClassVar[str]

    def prepare(self, reference: Frame) -> torch.Tensor:
        return as_tensor(reference, self.device)

    def score(self, prepared: torch.Tensor, decoded: Frame) -> float:
        import piq

        compare = getattr(piq, self.function)
        value = float(compare(self.prepare(decoded), prepared, data_range=255))
        return min(value, self.info.cap)  # rounding puts that of identical pictures 2e-7 above


class Vif(PiqMetric):
    """Visual information fidelity (Sheikh and Bovik 2006), the authors' pixel-domain version."""

    function = "vif_p"
    info: ClassVar[MetricInfo] = MetricInfo(
        id="vif",
        title="VIF",
        definition="Sheikh and Bovik 2006 in the pixel domain, on luma, four scales",
        purpose=(
            "Predicts how much of a natural picture's information survives blur, noise and JPEG "
            "or JPEG 2000. Above 1 where contrast was raised: that is no better picture. Blind "
            "to colour."
        ),
        tolerance=0.003,
        shown=True,
        smallest=(41, 41),
        needs=EXTRA,
    )


class HaarPsi(PiqMetric):
    """The Haar wavelet-based perceptual similarity index (Reisenhofer et al. 2018)."""

    function = "haarpsi"
    info: ClassVar[MetricInfo] = MetricInfo(
        id="haarpsi",
        title="HaarPSI",
        definition="Reisenhofer et al. 2018, YIQ of RGB, luma alone of gray, subsampled by two",
        purpose=(
            "Predicts opinion scores of common distortions from local edges at two scales. "
            "Computed at half size: says nothing of the finest detail, nor of invented texture."
        ),
        cap=1.0,
        tolerance=0.002,
        shown=True,
        smallest=(32, 32),
        needs=EXTRA,
    )
