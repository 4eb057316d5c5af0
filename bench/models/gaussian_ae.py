"""Autoencoder of iid Gaussian vectors with d latents, and its training.

Gashgash & Kim, section 2.2: input of length 100, linear output, MSE, Adam. Its latents are made
N(0, 1)-like by a fixed affine map, so that a Lloyd–Max quantiser of N(0, 1) fits.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.datasets.synthetic import TRAINING_SEED, draw
from bench.training.task import Losses, TaskBase, TrainingContext

LENGTH = 100
_TRAINING_VECTORS = 20_000
_VALIDATION_SEED = 30_001


class GaussianAutoencoder(nn.Module):
    """``analyse``: (B, 100) → (B, d), zero mean and unit variance; ``synthesise`` back."""

    shift: Tensor
    scale: Tensor

    def __init__(self, latents: int, hidden: int = 100) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Linear(LENGTH, hidden), nn.Tanh(), nn.Linear(hidden, latents)
        )
        self.decoder = nn.Sequential(
            nn.Linear(latents, hidden), nn.Tanh(), nn.Linear(hidden, LENGTH)
        )
        self.register_buffer("shift", torch.zeros(latents))
        self.register_buffer("scale", torch.ones(latents))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.decoder(self.encoder(x))
        return out

    def analyse(self, x: Tensor) -> Tensor:
        out: Tensor = (self.encoder(x) - self.shift) / self.scale
        return out

    def synthesise(self, normalised: Tensor) -> Tensor:
        out: Tensor = self.decoder(normalised * self.scale + self.shift)
        return out


class GaussianAutoencoderTask(TaskBase):
    """Minimises MSE on 20,000 vectors; validates on 5,000 that are neither these nor the test's."""

    model: GaussianAutoencoder

    def __init__(self, context: TrainingContext) -> None:
        super().__init__(context)
        self.model = GaussianAutoencoder(int(context.options["latents"]))
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
