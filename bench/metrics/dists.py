"""DISTS, of the package DISTS-pytorch, on torchvision's VGG-16."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from bench.metrics.base import BatchMetric
from bench.metrics.info import MetricInfo
from bench.metrics.packages import EXTRA, VGG16, Packaged, as_tensor

if TYPE_CHECKING:
    import torch
    from DISTS_pytorch import DISTS

    from bench.signals import Frame


class Dists(Packaged, BatchMetric["list[torch.Tensor]"]):
    """Deep image structure and texture similarity (Ding et al. 2020), lower is better."""

    module, distribution, backbone = "DISTS_pytorch", "DISTS-pytorch", VGG16
    info: ClassVar[MetricInfo] = MetricInfo(
        id="dists",
        title="DISTS",
        definition="Ding et al. 2020 on VGG-16, at the picture's own size; lower is better",
        purpose=(
            "Predicts opinion scores while it tolerates texture that was resampled. Says little "
            "of fidelity: grass in another place costs next to nothing. Its authors scaled "
            "pictures to 256 lines; here they are not."
        ),
        higher_is_better=False,
        tolerance=0.002,
        shown=True,
        samples=("rgb",),
        smallest=(64, 64),
        needs=f"{EXTRA} and `bench fetch {VGG16.name}`",
    )

    def prepare(self, reference: Frame) -> list[torch.Tensor]:
        return _features(_model(self.device), [reference], self.device)

    def score_many(self, prepared: list[torch.Tensor], decoded: Sequence[Frame]) -> list[float]:
        model = _model(self.device)
        found = _features(model, decoded, self.device)
        values = model(prepared, found)
        return [float(value) for value in values.reshape(-1).cpu()]


def _features(model: DISTS, frames: Sequence[Frame], device: str) -> list[torch.Tensor]:
    """What the network makes of frames at each of its stages, ``(frames, C, H, W)``."""
    import torch

    with torch.inference_mode():
        stack = torch.cat([as_tensor(frame, device) for frame in frames]) / 255
        stages: list[torch.Tensor] = model.forward_once(stack)
        return stages


@cache
def _model(device: str) -> DISTS:
    """The package's model, whose comparison takes stages that are computed already."""
    import DISTS_pytorch
    import torch

    class Staged(DISTS_pytorch.DISTS):  # type: ignore[misc]
        def forward_once(self, x: object) -> object:
            return x if isinstance(x, list) else super().forward_once(x)

    # torchvision finds the file that check_available saw, and downloads nothing
    model = Staged(load_weights=False)
    weights = torch.load(Path(DISTS_pytorch.__file__).parent / "weights.pt", weights_only=True)
    model.alpha.data, model.beta.data = weights["alpha"], weights["beta"]
    return model.eval().requires_grad_(False).to(device)
