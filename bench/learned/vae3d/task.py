"""The training task of codec ``vae3d``: the ELBO at all points of its ladder at once."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from bench.learned.training.task import Losses, ParameterGroup, TaskBase, TrainingContext
from bench.learned.vae3d.motion import MotionClips
from bench.learned.vae3d.network import FRAMES, LAMBDAS, Vae3d, block_deviations, trade_off

_STATISTICS = 200
"""Clips from which the deviations of the starting transform are taken."""
_HELD_OUT = 12


class Vae3dTask(TaskBase[tuple[Tensor, Tensor, Tensor]]):
    """Every clip of a batch gets its own point of the ladder. For a share of the clips the latent
    is sampled from the posterior and the loss is the ELBO; for the others it is quantised, as the
    codec does, and the likelihood of the rounded latent takes the place of the KL divergence."""

    def __init__(self, context: TrainingContext) -> None:
        super().__init__(context)
        options = context.options
        self.model: Vae3d = Vae3d(**options.sizes("network"))
        self.size = options.whole("size", 96)
        self.sampled_share = options.number("sampled_share", 0.3)
        self.clips, self.held_out = MotionClips.open(context.data, size=self.size)
        rng = np.random.default_rng(self.settings.seed)
        statistics = self.clips.windows(rng, _STATISTICS, self.size, FRAMES)
        self.model.start_from(block_deviations(statistics.float() / 255))

    def batch(self, step: int, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        count = self.settings.batch
        clips = self.clips.windows(rng, count, self.size, FRAMES)
        points = rng.integers(len(LAMBDAS), size=count)
        quantised = rng.random(count) >= self.sampled_share
        return clips, torch.from_numpy(points), torch.from_numpy(quantised)

    def loss(self, batch: tuple[Tensor, Tensor, Tensor], step: int) -> Losses:
        pixels, point, quantised = batch
        x = pixels.float() / 255
        elbo = self.model(x, point, quantised)
        mse = 255**2 * (elbo.clips - x).square().mean((1, 2, 3, 4))
        bpp = elbo.bits / x[0, 0].numel()
        weight = trade_off(point)
        # dividing by √λ lets every point contribute gradients of the same order
        total = ((bpp + weight * mse) / weight.sqrt()).mean() / 5
        return Losses(total, {"bpp": bpp.mean().detach(), "mse": mse.mean().detach()})

    def parameter_groups(self) -> list[ParameterGroup]:
        """Parts that start as a working transform codec move slowly: at one rate for all, the first
        hundred steps would undo it. The table of scales is in steps of a tenth of log σ."""
        groups: dict[float, list[nn.Parameter]] = {}
        for name, each in self.model.named_parameters():
            if name == "prior.index":
                factor = 10.0
            elif name == "log_deviation":
                factor = 3.0
            elif ".linear" in name or "gain" in name:
                factor = 0.1
            else:
                factor = 1.0
            groups.setdefault(factor, []).append(each)
        return [ParameterGroup(each, factor) for factor, each in groups.items()]

    def validate(self) -> Mapping[str, float]:
        """bpp of the quantised latent and PSNR on held-out clips at three points."""
        rng = np.random.default_rng(0)
        pixels = self.held_out.windows(rng, _HELD_OUT, self.size, FRAMES)
        x = pixels.to(self.context.device).float() / 255
        figures = {}
        for place in (0, len(LAMBDAS) // 2, len(LAMBDAS) - 1):
            point = torch.full((len(x),), place, device=x.device)
            elbo = self.model(x, point, torch.ones_like(point, dtype=torch.bool))
            mse = (elbo.clips.clamp(0, 1) - x).square().mean((1, 2, 3, 4))
            figures[f"bpp_{LAMBDAS[place]}"] = float(elbo.bits.mean()) / x[0, 0].numel()
            figures[f"psnr_{LAMBDAS[place]}"] = float((-10 * mse.log10()).mean())
        return figures

    def data_digest(self) -> str:
        return self.clips.digest
