"""Autoencoder of iid Gaussian vectors with d latents.

Gashgash & Kim, section 2.2: input of length 100, linear output, MSE, Adam. Its latents are made
N(0, 1)-like by a fixed affine map, so that a Lloyd–Max quantiser of N(0, 1) fits.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

LENGTH = 100


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
