"""The training task of codec ``hyperprior``: rate + λ·distortion over all its qualities at once."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from bench.learned.hyperprior.network import QUALITIES, GainedHyperprior, trade_off
from bench.learned.training.pictures import Pictures
from bench.learned.training.task import Losses, ParameterGroup, TaskBase, TrainingContext

_HELD_OUT = 16
_WITHOUT = 16
"""One step in so many is without context, for streams that use none."""


class HyperpriorTask(TaskBase[tuple[Tensor, Tensor]]):
    """Every picture of a batch gets its own quality, real values included, so that the rates
    between two gain vectors are trained as well."""

    def __init__(self, context: TrainingContext) -> None:
        super().__init__(context)
        self.model: GainedHyperprior = GainedHyperprior(**context.options.sizes("network"))
        self.crop = context.options.whole("crop", 128)
        pictures = Pictures.open(context.data)
        self.held_out, self.pictures = pictures.split(_HELD_OUT)

    def batch(self, step: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        crops = self.pictures.crops(rng, self.settings.batch, self.crop)
        quality = rng.uniform(1, QUALITIES, self.settings.batch).astype(np.float32)
        return crops, torch.from_numpy(quality)

    def loss(self, batch: tuple[Tensor, Tensor], step: int) -> Losses:
        pixels, quality = batch
        x = pixels.float() / 255
        result = self.model(x, quality, context=(step + 1) % _WITHOUT != 0)
        mse = 255**2 * (result.picture - x).square().mean((1, 2, 3))
        bpp = result.bits / x[0, 0].numel()
        weight = trade_off(quality)
        # dividing by √λ lets every rate contribute gradients of the same order
        total = ((bpp + weight * mse) / weight.sqrt()).mean() / 20
        parts = {"bpp": bpp.mean().detach(), "mse": mse.mean().detach()}
        return Losses(total, parts)

    def parameter_groups(self) -> list[ParameterGroup]:
        """Parts that start as a working transform codec move slowly: at one rate for all, the first
        hundred steps would undo it (measured loss after 40 steps: 1.13, and 0.85 with these)."""
        groups: dict[float, list[nn.Parameter]] = {}
        for name, each in self.model.named_parameters():
            if name == "entropy_bottleneck.quantiles":  # set by finalise(), not by gradients
                continue
            if "entropy_bottleneck" in name:
                factor = 3.0
            elif ".linear" in name or "gain" in name or name == "context_unit":
                factor = 0.03
            elif name.startswith("context."):
                factor = 1.0
            else:
                factor = 0.1 if name.startswith(("h_a", "h_s")) else 0.3
            groups.setdefault(factor, []).append(each)
        return [ParameterGroup(each, factor) for factor, each in groups.items()]

    def validate(self) -> Mapping[str, float]:
        """bpp and PSNR on centre crops of held-out training pictures, at three qualities."""
        x = self.held_out.centre_crops(256).float() / 255
        figures = {}
        for value in (1, 4, QUALITIES):
            quality = torch.full((len(x),), float(value), device=self.context.device)
            result = self.model(x.to(self.context.device), quality)
            mse = (result.picture.clamp(0, 1).cpu() - x).square().mean((1, 2, 3))
            figures[f"bpp_q{value}"] = float(result.bits.mean()) / 256**2
            figures[f"psnr_q{value}"] = float((-10 * mse.log10()).mean())
        return figures

    def export(self) -> Mapping[str, Tensor]:
        """Weights with the coding tables, so that decoding never rebuilds them."""
        model = copy.deepcopy(self.model)
        model.finalise()
        tensors: dict[str, Tensor] = model.state_dict()
        return tensors

    def data_digest(self) -> str:
        return self.pictures.digest
