"""VIF in the pixel domain, of the package piq."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from bench.facts import MetricFacts
from bench.metrics.base import FrameMetric
from bench.metrics.packages import EXTRA, require, version

if TYPE_CHECKING:
    import torch

    from bench.signals import Frame


class Vif(FrameMetric["torch.Tensor"]):
    """Visual information fidelity (Sheikh and Bovik 2006), the authors' pixel-domain version."""

    facts: ClassVar[MetricFacts] = MetricFacts(
        id="vif",
        title="VIF",
        definition="Sheikh and Bovik 2006 in the pixel domain, on luma, four scales",
        purpose=(
            "Predicts how much of a natural picture's information survives blur, noise and JPEG "
            "or JPEG 2000. Above 1 where contrast was raised: that is no better picture. Blind "
            "to colour."
        ),
        tolerance=0.003,
        smallest=(41, 41),
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

        return float(piq.vif_p(as_tensor(decoded, self.device), prepared, data_range=255))
