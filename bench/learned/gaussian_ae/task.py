"""The training task of codec ``gaussian-ae``: mean squared error on generated vectors."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from bench.datasets.synthetic import TRAINING_SEED, draw
from bench.learned.gaussian_ae.network import LENGTH, GaussianAutoencoder
from bench.learned.training.task import Losses, TaskBase, TrainingContext

_TRAINING_VECTORS = 20_000
_VALIDATION_SEED = 30_001


class GaussianAutoencoderTask(TaskBase[Tensor]):
    """Minimises MSE on 20,000 vectors; validates on 5,000 that are neither these nor the test's."""

    model: GaussianAutoencoder

    def __init__(self, context: TrainingContext) -> None:
        super().__init__(context)
        self.model = GaussianAutoencoder(context.options.whole("latents"))
        self.vectors = _vectors(_TRAINING_VECTORS, TRAINING_SEED)
        self.held_out = _vectors(5_000, _VALIDATION_SEED)

    def batch(self, step: int, rng: np.random.Generator) -> Tensor:
        chosen = rng.integers(len(self.vectors), size=self.settings.batch)
        return self.vectors[torch.from_numpy(chosen)]

    def loss(self, batch: Tensor, step: int) -> Losses:
        mse = functional.mse_loss(self.model(batch), batch)
        return Losses(mse, {"mse": mse.detach()})

    def validate(self) -> Mapping[str, float]:
        x = self.held_out.to(self.context.device)
        return {"mse": float(functional.mse_loss(self.model(x), x))}

    @torch.no_grad()
    def export(self) -> Mapping[str, Tensor]:
        latents = self.model.encoder(self.vectors.to(self.context.device))
        self.model.shift.copy_(latents.mean(dim=0))
        self.model.scale.copy_(latents.std(dim=0).clamp_min(1e-6))
        return self.model.state_dict()

    def data_digest(self) -> str:
        return f"generated: seed {TRAINING_SEED}"


def _vectors(count: int, seed: int) -> Tensor:
    return torch.from_numpy(draw("gaussian", count, LENGTH, seed=seed)).to(torch.float32)
