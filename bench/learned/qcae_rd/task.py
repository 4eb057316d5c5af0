"""The training task of codec ``qcae-rd``: rate + λ·distortion over sequences of coded frames."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from bench.datasets.moving_mnist import FRAMES
from bench.learned.qcae_rd.network import QUALITIES, ConditionalAutoencoder, trade_off
from bench.learned.training.digits import MovingDigits
from bench.learned.training.task import (
    Losses,
    ParameterGroup,
    TaskBase,
    TrainingContext,
    foreign_start,
)

_HELD_OUT = 3
_EASY_STEPS = 300
"""At first distortion counts more: with the final weights no bits at all would be a minimum."""

_LEARNED_STEPS = 10_000
"""Weights that a training starts from count as so many steps: past all of this."""


class ConditionalTask(TaskBase[tuple[Tensor, Tensor]]):
    """The first frames of clips, each clip at a quality of its own, real values included.

    ``options.frames`` are coded in sequence; those after the first stand for all of a clip.
    """

    def __init__(self, context: TrainingContext) -> None:
        super().__init__(context)
        self.model: ConditionalAutoencoder = ConditionalAutoencoder()
        self.frames = context.options.whole("frames", 6)
        self.learned = 0
        self.digits = MovingDigits.open(context.data)
        held_out = MovingDigits.open(context.data, held_out=True)
        self.held_out = held_out.clips(np.random.default_rng(0), _HELD_OUT)

    def batch(self, step: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        clips = self.digits.clips(rng, self.settings.batch, self.frames)
        quality = rng.uniform(1, QUALITIES, self.settings.batch).astype(np.float32)
        return clips, torch.from_numpy(quality)

    def loss(self, batch: tuple[Tensor, Tensor], step: int) -> Losses:
        pixels, quality = batch
        x = pixels.transpose(1, 2).float() / 255
        coded = self.model(x, quality)
        mse = 255**2 * (coded.frames - x).square().mean((2, 3, 4))
        predicted = 255**2 * (coded.predicted - x).square().mean((2, 3, 4))
        bpp = coded.bits / x[0, 0].numel()
        step += self.learned
        weight = trade_off(quality)[:, None] * (1 + 9 * max(0.0, 1 - step / _EASY_STEPS))
        share = torch.full((self.frames,), (FRAMES - 1) / (self.frames - 1), device=x.device)
        share[0] = 1
        # dividing by √λ lets every rate contribute gradients of the same order
        cost = bpp + weight * mse
        total = (cost / weight.sqrt() * share / FRAMES).sum(1).mean() / 20
        parts = {
            "bpp_first": bpp[:, 0].mean().detach(),
            "bpp": bpp[:, 1:].mean().detach(),
            "mse": mse.mean().detach(),
            "mse_predicted": predicted[:, 1:].mean().detach(),
        }
        return Losses(total, parts)

    def parameter_groups(self) -> list[ParameterGroup]:
        """What starts as a working transform codec moves slowly."""
        slow = ("transform", "inverse", "log_gain")
        groups: dict[float, list[nn.Parameter]] = {}
        for name, each in self.model.named_parameters():
            groups.setdefault(0.2 if name.startswith(slow) else 1.0, []).append(each)
        return [ParameterGroup(each, factor) for factor, each in groups.items()]

    def validate(self) -> Mapping[str, float]:
        """bpp and PSNR of whole clips of held-out training digits, at four qualities."""
        x = self.held_out.transpose(1, 2).double().to(self.context.device) / 255
        figures = {}
        for value in (1, 3, 5, QUALITIES):
            quality = torch.full((len(x),), float(value), device=self.context.device)
            coded = self.model(x, quality)
            mse = (coded.frames.clamp(0, 1) - x).square().mean((2, 3, 4))
            figures[f"bpp_q{value}"] = float(coded.bits.mean()) / x[0, 0].numel()
            figures[f"psnr_q{value}"] = float((-10 * mse.log10()).mean())
        return figures

    def export(self) -> Mapping[str, Tensor]:
        """Weights with the coding tables, so that decoding never rebuilds them."""
        model = copy.deepcopy(self.model)
        model.finalise()
        tensors: dict[str, Tensor] = model.state_dict()
        return tensors

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Exported weights, also of fewer qualities: the gains of further ones continue the last
        step. The coding tables are built anew at the end; what only a beginning needs is over."""
        tables = ("_offset", "_quantized_cdf", "_cdf_length")
        kept = {name: value for name, value in tensors.items() if not name.endswith(tables)}
        if "log_gain" in kept:
            kept["log_gain"] = _further_gains(kept["log_gain"])
        try:
            self.model.load_state_dict(kept, strict=False)
        except RuntimeError as error:
            raise foreign_start(self.context.recipe, error) from error
        self.learned = _LEARNED_STEPS

    def data_digest(self) -> str:
        return self.digits.digest


def _further_gains(table: Tensor) -> Tensor:
    """Logarithms of gains ``(references, qualities, latents)`` for all qualities there are."""
    missing = QUALITIES - table.shape[1]
    if missing <= 0 or table.shape[1] < 2:
        return table
    last = table[:, -1:]
    steps = torch.arange(1, missing + 1).to(table)[:, None]
    return torch.cat([table, last + steps * (last - table[:, -2:-1])], 1)
