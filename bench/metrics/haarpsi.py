"""HaarPSI, of the package piq."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from bench.facts import MetricFacts
from bench.metrics.base import FrameMetric
from bench.metrics.packages import EXTRA, require, version

if TYPE_CHECKING:
    import torch

    from bench.signals import Frame


class HaarPsi(FrameMetric["torch.Tensor"]):
    """The Haar wavelet-based perceptual similarity index (Reisenhofer et al. 2018)."""

    facts: ClassVar[MetricFacts] = MetricFacts(
        id="haarpsi",
        title="HaarPSI",
        definition="Reisenhofer et al. 2018, YIQ of RGB, luma alone of gray, subsampled by two",
        purpose=(
            "Predicts opinion scores of common distortions from local edges at two scales. "
            "Computed at half size: says nothing of the finest detail, nor of invented texture."
        ),
        cap=1.0,
        tolerance=0.002,
        smallest=(32, 32),
        needs=EXTRA,
    )

    @classmethod
    def check_available(cls) -> None:
        require("piq")

    @classmethod
    def versions(cls) -> Mapping[str, str]:
        return version("piq")

    def prepare(self, reference: Frame) -> torch.Tensor:
        from bench.metrics.tensors import as_tensor

        return as_tensor(reference, self.device)

    def score(self, prepared: torch.Tensor, decoded: Frame) -> float:
        import piq

        from bench.metrics.tensors import as_tensor

        value = float(piq.haarpsi(as_tensor(decoded, self.device), prepared, data_range=255))
        return min(value, 1.0)  # rounding puts that of identical pictures 2e-7 above
