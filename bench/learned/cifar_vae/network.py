"""Convolutional VAE for 32×32 pictures with a 512-dimensional latent.

After Gashgash & Kim, "Data Compression using Autoencoders and an Optimal Scalar Quantizer": the
encoder gives mean and variance of a Gaussian posterior, the prior is N(0, 1), and the latent is
quantised by the codec, never here.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

LATENT = (8, 8, 8)
"""Channels, height and width of the latent: 512 numbers."""


class Residual(nn.Module):
    """Two 3×3 convolutions and a skip."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.conv2(functional.silu(self.conv1(functional.silu(x))))
        return out


class CifarVae(nn.Module):
    """``analyse``: (B, 3, 32, 32) on [0, 1] → normalised means (B, 8, 8, 8);
    ``synthesise``: back to pixels on [0, 1], not clipped in training.

    ``shift`` and ``scale`` normalise each latent over the training data, so that the aggregate is
    N(0, 1)-like in every dimension; they are buffers, not trained by the loss.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(3, width, 5, stride=2, padding=2),  # 16×16
            nn.SiLU(),
            nn.Conv2d(width, 2 * width, 5, stride=2, padding=2),  # 8×8
            Residual(2 * width),
            nn.SiLU(),
            nn.Conv2d(2 * width, 2 * LATENT[0], 3, padding=1),  # mean and log variance
        )
        self.decoder = nn.Sequential(
            nn.Conv2d(LATENT[0], 2 * width, 3, padding=1),
            Residual(2 * width),
            Residual(2 * width),
            nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1),  # 16×16
            nn.SiLU(),
            nn.ConvTranspose2d(width, 3, 6, stride=2, padding=2),  # 32×32
        )
        self.register_buffer("shift", torch.zeros(LATENT))
        self.register_buffer("scale", torch.ones(LATENT))

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of q(z|x), each (B, 8, 8, 8)."""
        mean, log_variance = self.encoder(x - 0.5).float().chunk(2, dim=1)
        return mean, log_variance.clamp(-12.0, 4.0)

    def reconstruct(self, z: Tensor) -> Tensor:
        out: Tensor = self.decoder(z).float() + 0.5
        return out

    def analyse(self, x: Tensor) -> Tensor:
        return (self.posterior(x)[0] - self.shift) / self.scale

    def synthesise(self, normalised: Tensor) -> Tensor:
        return self.reconstruct(normalised * self.scale + self.shift).clamp(0, 1)
