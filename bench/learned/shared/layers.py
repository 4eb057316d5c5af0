"""Layers of published networks, with the names, starting values and gradients of CompressAI's: its
weights load here, and ours there."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class _Bounded(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, bound: Tensor) -> Tensor:
        ctx.save_for_backward(x, bound)
        return torch.max(x, bound)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        x, bound = ctx.saved_tensors
        return ((x >= bound) | (gradients[0] < 0)) * gradients[0], None


class LowerBound(nn.Module):
    """max(x, bound), whose gradient is kept where it moves x towards the bound."""

    bound: Tensor

    def __init__(self, bound: float) -> None:
        super().__init__()
        self.register_buffer("bound", torch.tensor([bound]))

    def forward(self, x: Tensor) -> Tensor:
        bounded: Tensor = _Bounded.apply(x, self.bound)
        return bounded


class _NonNegative(nn.Module):
    """The square of a parameter, not below ``minimum`` (Ballé 2018, "Efficient nonlinear transforms
    for lossy image compression", eq. 7)."""

    pedestal: Tensor

    def __init__(self, minimum: float = 0.0, offset: float = 2.0**-18) -> None:
        super().__init__()
        self.register_buffer("pedestal", torch.tensor([offset**2]))
        self.lower_bound = LowerBound((minimum + offset**2) ** 0.5)

    def start(self, x: Tensor) -> nn.Parameter:
        """The parameter whose value is x."""
        return nn.Parameter(torch.sqrt(torch.max(x + self.pedestal, self.pedestal)))

    def forward(self, x: Tensor) -> Tensor:
        bounded: Tensor = self.lower_bound(x)
        return bounded**2 - self.pedestal


class GDN(nn.Module):
    """Generalised divisive normalisation (Ballé et al. 2016, "Density modeling of images", eq. 4):
    x_i / sqrt(β_i + Σ_j γ_ij x_j²)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.beta_reparam = _NonNegative(minimum=1e-6)
        self.beta = self.beta_reparam.start(torch.ones(channels))
        self.gamma_reparam = _NonNegative()
        self.gamma = self.gamma_reparam.start(0.1 * torch.eye(channels))

    def forward(self, x: Tensor) -> Tensor:
        gamma = self.gamma_reparam(self.gamma)[..., None, None]
        return x * torch.rsqrt(F.conv2d(x**2, gamma, self.beta_reparam(self.beta)))


class _Bottleneck(nn.Module):
    """A residual unit of kernels 1×1, 3×3 and 1×1 on half as many channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.conv = nn.Sequential(
            nn.Conv2d(channels, half, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(half, half, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(half, channels, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        refined: Tensor = self.conv(x)
        return refined.add_(x).relu_()


class AttentionBlock(nn.Module):
    """x + a(x)·sigmoid(b(x)), without the non-local block (Cheng et al. 2020, figure 5)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_a = nn.Sequential(*(_Bottleneck(channels) for _ in range(3)))
        self.conv_b = nn.Sequential(
            *(_Bottleneck(channels) for _ in range(3)), nn.Conv2d(channels, channels, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        a, b = self.conv_a(x), self.conv_b(x)
        attended: Tensor = a * torch.sigmoid(b)
        return attended.add_(x)
