"""LPIPS, of the package lpips, on torchvision's AlexNet and VGG-16."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, ClassVar

from bench.metrics.base import BatchMetric
from bench.metrics.info import MetricInfo
from bench.metrics.packages import ALEXNET, EXTRA, VGG16, Backbone, Packaged, as_tensor

if TYPE_CHECKING:
    import lpips
    import torch

    from bench.signals import Frame

_PURPOSE = (
    "Predicts which of two distortions of a 64×64 patch people call nearer to the original; made "
    "with traditional and learned distortions. Forgives texture that was invented in the place of "
    "the real one: says nothing of fidelity, and codecs that train on it overstate themselves."
)


class _Lpips(Packaged, BatchMetric["list[torch.Tensor]"]):
    """Learned perceptual image patch similarity (Zhang et al. 2018); lower is better."""

    module = distribution = "lpips"
    network: ClassVar[str]
    backbone: ClassVar[Backbone]

    def prepare(self, reference: Frame) -> list[torch.Tensor]:
        return _features(_model(self.network, self.backbone, self.device), [reference], self.device)

    def score_many(self, prepared: list[torch.Tensor], decoded: Sequence[Frame]) -> list[float]:
        import torch

        model = _model(self.network, self.backbone, self.device)
        with torch.inference_mode():
            found = _features(model, decoded, self.device)
            layers = zip(model.lins, prepared, found, strict=True)
            distances = [lin((one - other) ** 2).mean([1, 2, 3]) for lin, one, other in layers]
        return [float(value) for value in torch.stack(distances).sum(0).cpu()]


def _features(model: lpips.LPIPS, frames: Sequence[Frame], device: str) -> list[torch.Tensor]:
    """Unit-normalised activations of each layer, ``(frames, C, H, W)``."""
    import lpips
    import torch

    with torch.inference_mode():
        stack = torch.cat([as_tensor(frame, device) for frame in frames]) / 127.5 - 1
        return [lpips.normalize_tensor(out) for out in model.net(model.scaling_layer(stack))]


@cache
def _model(network: str, backbone: Backbone, device: str) -> lpips.LPIPS:
    """The package's model with the backbone's features, which nothing downloads."""
    import lpips
    import torch

    model = lpips.LPIPS(net=network, pnet_rand=True, verbose=False)
    trained = torch.load(backbone.path, map_location="cpu", weights_only=True)
    state = model.net.state_dict()
    # ``slice2.5.weight`` is torchvision's ``features.5.weight``
    chosen = {name: trained[f"features.{name.partition('.')[2]}"] for name in state}
    model.net.load_state_dict(chosen)
    return model.eval().requires_grad_(False).to(device)


class LpipsAlex(_Lpips):
    """LPIPS on AlexNet, the variant that its authors recommend as a metric."""

    network = "alex"
    backbone = ALEXNET
    info: ClassVar[MetricInfo] = MetricInfo(
        id="lpips_alex",
        title="LPIPS (AlexNet)",
        definition="Zhang et al. 2018, version 0.1 on AlexNet, at the picture's own size",
        purpose=_PURPOSE,
        higher_is_better=False,
        tolerance=0.002,
        shown=True,
        samples=("rgb",),
        smallest=(64, 64),
        aliases=("lpips", "lpips-alex"),
        needs=f"{EXTRA} and `bench fetch {ALEXNET.name}`",
    )


LpipsVgg = LpipsAlex.variant(
    of={"network": "vgg", "backbone": VGG16},
    id="lpips_vgg",
    title="LPIPS (VGG)",
    definition="Zhang et al. 2018, version 0.1 on VGG-16, at the picture's own size",
    aliases=("lpips-vgg",),
    needs=f"{EXTRA} and `bench fetch {VGG16.name}`",
)
