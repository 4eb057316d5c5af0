"""Convolutions whose result is the same on every machine, for networks that drive entropy coders.

Fixed-point numbers held in float64: every product and partial sum is a multiple of 2⁻²⁰ below 2⁵³
units, so the result does not depend on the order of summation, the device or the thread count (the
aim of Ballé et al. 2019, "Integer networks for data compression with latent-variable models").
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

# Weights in units of 2⁻¹² up to ±8, activations in units of 2⁻⁸ up to ±2¹¹: a sum of n products
# needs 15 + 19 + log2(n) bits.
WEIGHT_UNIT, WEIGHT_LIMIT = 2.0**-12, 8.0
ACTIVATION_UNIT, ACTIVATION_LIMIT = 2.0**-8, 2.0**11
_BIAS_UNIT = WEIGHT_UNIT * ACTIVATION_UNIT
_SLOPE = 0.125
"""Of the leaky ReLU: dyadic, so that the activation is exact as well."""


class ExactConv2d(nn.Conv2d):
    """A convolution that is exact in evaluation, with float64 results; in training an ordinary
    one. Strides, dilations and groups are not offered."""

    by_winograd = False
    """Whether a 3×3 kernel takes half the time on a CPU, by fewer products; the result is the same,
    with channels last in memory."""

    _fixed: tuple[tuple[int, ...], Tensor, Tensor] | None = None
    _factors: tuple[Tensor, Tensor] | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            return super().forward(x)
        weight, bias = self.fixed_point()
        if self.by_winograd and x.device.type == "cpu":
            return self._convolve(exact_activation(x), weight, bias)
        return F.conv2d(exact_activation(x), weight, bias, padding=self.padding)

    def _convolve(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        from bench.learned.shared import winograd

        fits = self.kernel_size == (3, 3) and self.padding == (1, 1)
        if not fits or self.in_channels > winograd.MOST_CHANNELS:
            return F.conv2d(x, weight, bias, padding=self.padding)
        if self._factors is None or self._factors[0] is not weight:
            self._factors = (weight, winograd.transformed(weight))
        return winograd.convolve(x, self._factors[1], bias)

    def fixed_point(self) -> tuple[Tensor, Tensor]:
        """Weight and bias of the evaluation, in float64; computed again when they changed."""
        assert self.bias is not None
        of = (self.weight, self.bias)
        changes = (0 if one.is_inference() else one._version for one in of)
        state = (*changes, *(one.data_ptr() for one in of))
        if self._fixed is None or self._fixed[0] != state:
            self._fixed = (state, *self._round())
        return self._fixed[1:]

    def _round(self) -> tuple[Tensor, Tensor]:
        weight = self.weight.double().clamp(-WEIGHT_LIMIT, WEIGHT_LIMIT)
        weight = torch.round(weight / WEIGHT_UNIT) * WEIGHT_UNIT
        assert self.bias is not None
        return weight, torch.round(self.bias.double() / _BIAS_UNIT) * _BIAS_UNIT


def exact_activation(x: Tensor) -> Tensor:
    """x in float64, rounded to the unit of activations."""
    rounded = torch.round(x.double() / ACTIVATION_UNIT) * ACTIVATION_UNIT
    return rounded.clamp(-ACTIVATION_LIMIT, ACTIVATION_LIMIT)


def geometric_scales(low: float, high: float, count: int) -> list[float]:
    """The scales of coding tables, from low to high by equal factors. Not by torch, whose exp()
    differs in the last bit between instruction sets."""
    step = math.log(high / low) / (count - 1)
    return [low * math.exp(step * place) for place in range(count)]


def exact_relu(x: Tensor) -> Tensor:
    """Leaky ReLU of slope 1/8."""
    return F.leaky_relu(x, _SLOPE)
