"""The hyperprior network of codec ``hyperprior``: one model for all rates.

Holds gain units and entropy models around its transforms; never opens files or bitstreams.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bench.learned.shared.checkerboard import (
    CheckerboardContext,
    Code,
    Conditional,
    Elements,
    Walked,
)
from bench.learned.shared.entropy_models import (
    EntropyBottleneck,
    GaussianConditional,
    with_noise,
)
from bench.learned.shared.exact import ACTIVATION_UNIT, geometric_scales
from bench.learned.shared.transforms import (
    SCALE_LEVELS,
    SCALE_MAX,
    SCALE_MIN,
    SCALE_STEP,
    HyperDecoder,
    analysis,
    bands_of,
    hyper_analysis,
    synthesis,
)

QUALITIES = 8
LAMBDA_RATIO = 2**0.75
"""Ratio of the rate-distortion trade-off λ of a quality to that of the quality below."""
LOWEST_LAMBDA = 0.0015
STRIDE = 32
"""Factor between the picture and the hyper-latent; pictures are padded to a multiple of it."""


def trade_off(quality: Tensor) -> Tensor:
    """λ of a quality, for the loss R + λ·255²·MSE in bits per pixel (Ballé et al. 2018)."""
    return LOWEST_LAMBDA * LAMBDA_RATIO ** (quality - 1)


@dataclass(frozen=True, slots=True)
class Reconstruction:
    """Output of the differentiable passes.

    ``picture`` is ``(B, 3, H, W)`` in 0–1, not clipped; ``bits`` is ``(B,)``, the negative log2
    likelihood of both latents.
    """

    picture: Tensor
    bits: Tensor


def _expected_offsets(scales: Tensor) -> tuple[Tensor, Tensor]:
    """How far Gaussian variables of these scales (float64), rounded to 1 and to 2, lie below."""
    found = []
    for middle in (1, 2):
        low, high = ((middle + side) / scales for side in (-0.5, 0.5))
        density = (torch.exp(-low.square() / 2) - torch.exp(-high.square() / 2)) / math.sqrt(
            2 * math.pi
        )
        mass = (torch.erfc(low * 0.5**0.5) - torch.erfc(high * 0.5**0.5)) / 2
        # of a scale at which the cell is never met, its border
        expected = torch.where(mass > 1e-30, scales * density / mass, middle - 0.5)
        found.append((middle - expected).float())
    return found[0], found[1]


def _interpolate(table: Tensor, quality: Tensor) -> Tensor:
    """Rows ``(B, M, 1, 1)`` of ``(QUALITIES, M)`` at real qualities ``(B,)`` from 1 on, linear."""
    low = (quality - 1).floor().clamp(0, QUALITIES - 2).long()
    weight = (quality - 1 - low)[:, None]
    return (table[low] * (1 - weight) + table[low + 1] * weight)[..., None, None]


class GainedHyperprior(nn.Module):
    """Mean-scale hyperprior (Minnen et al. 2018) with gain units (Cui et al. 2021, eqs. 4–6) and a
    context of what is decoded already, without which it works too.

    A gain vector per quality scales the latent before rounding and another one after, so that one
    network serves all rates; qualities between two integers interpolate geometrically.
    """

    def __init__(
        self,
        stem_channels: int = 64,
        hidden_channels: int = 128,
        latent_channels: int = 320,
        hyper_channels: int = 64,
    ) -> None:
        super().__init__()
        n, k, m, h = stem_channels, hidden_channels, latent_channels, hyper_channels
        self.arguments = {
            "stem_channels": n,
            "hidden_channels": k,
            "latent_channels": m,
            "hyper_channels": h,
        }
        self.g_a, self.g_s = analysis(n, k, m), synthesis(n, k, m)
        self.h_a = hyper_analysis(m, k, h)
        self.h_s = HyperDecoder(h, k, m)
        self.entropy_bottleneck = EntropyBottleneck(h, init_scale=4)
        scales = geometric_scales(SCALE_MIN, SCALE_MAX, SCALE_LEVELS)
        self.gaussian_conditional = GaussianConditional(scales)
        # the step size of a uniform quantiser goes with λ^(-1/2)
        start = (
            0.5 * math.log(LAMBDA_RATIO) * (torch.arange(QUALITIES) - 3.5)[:, None].expand(-1, m)
        )
        # linear, not logarithmic, so that the decoder's is exact; coarse where bits are scarce
        hyper = torch.linspace(0.5, 1.5, QUALITIES)[:, None].expand(-1, h)
        self.hyper_gain = nn.Parameter(hyper.clone())
        self.hyper_inverse_gain = nn.Parameter(1 / hyper)
        self.log_gain = nn.Parameter(start.clone())
        self.log_inverse_gain = nn.Parameter(-start.clone())
        deviation = bands_of(m)[1]
        self.context = CheckerboardContext(deviation, k)
        # a step of the quantiser in deviations; linear for the same reason
        self.context_unit = nn.Parameter((-start).exp() / deviation)
        # of cells beside the one in the middle, and what those farther out have more
        first, second = _expected_offsets(torch.tensor(scales, dtype=torch.float64))
        self.offset = nn.Parameter(torch.stack([first, second - first]))

    def gains(self, quality: Tensor) -> tuple[Tensor, Tensor]:
        """Gain and inverse gain ``(B, M, 1, 1)`` of qualities ``(B,)`` in 1–8, real values too."""
        return (
            _interpolate(self.log_gain, quality).exp(),
            _interpolate(self.log_inverse_gain, quality).exp(),
        )

    def forward(self, x: Tensor, quality: Tensor, *, context: bool = True) -> Reconstruction:
        """Differentiable pass over pictures ``(B, 3, H, W)`` in 0–1, H and W multiples of 64.

        In training noise stands in for rounding in the rate, and rounding is straight-through for
        the distortion (Minnen and Singh 2020, section 3.2); in evaluation both are the coder's.
        """
        gain, inverse = self.gains(quality)
        plain = self.g_a(x - 0.5).float()
        z, y = self._hyper_latent(plain, quality).float(), plain * gain
        z_likelihoods = self._hyper_likelihoods(z)
        with torch.autocast(x.device.type, enabled=False):
            walked = self.walk(
                self._straight_through(z),
                quality,
                lambda elements, found: self._straight_through(elements.of(y) - found.mean),
                context=context,
            )
        y_likelihoods = self.gaussian_conditional(y, self._scales(walked.index), walked.mean)
        picture = self.g_s(self.dequantised(walked) * inverse).float() + 0.5
        bits = -y_likelihoods.log2().sum((1, 2, 3)) - z_likelihoods.log2().sum((1, 2, 3))
        return Reconstruction(picture, bits)

    def relaxed(
        self,
        y: Tensor,
        z: Tensor,
        quality: Tensor,
        rounding: Callable[[Tensor], Tensor],
        *,
        context: bool = True,
    ) -> Reconstruction:
        """What latents as of :meth:`latents` cost and decode to, differentiable in both, of a
        network in training mode; ``rounding`` stands in for that of either."""
        z_hat = rounding(z)
        walked = self.walk(
            z_hat,
            quality,
            lambda elements, found: rounding(elements.of(y) - found.mean),
            context=context,
        )
        scales = self._scales(walked.index)
        y_likelihoods = self.gaussian_conditional.likelihood(walked.distance, scales)
        z_likelihoods = self.entropy_bottleneck(z_hat, lambda each: each)
        picture = self.g_s(self.dequantised(walked) * self.gains(quality)[1]) + 0.5
        bits = -y_likelihoods.log2().sum((1, 2, 3)) - z_likelihoods.log2().sum((1, 2, 3))
        return Reconstruction(picture, bits)

    def pixels_first(self, *, halves: bool) -> GainedHyperprior:
        """This network for one thread of a CPU: the weights of its transforms laid out by channels
        last, their networks in bfloat16 if ``halves``, and the hyper-decoder's products saved where
        that changes no sum."""
        for transform in (self.g_a, self.g_s, self.h_a):
            transform.to(memory_format=torch.channels_last)
        self.g_a.halves = self.g_s.halves = halves
        for conv in (self.h_s.conv1, self.h_s.conv2, self.h_s.conv3):
            conv.by_winograd = True
        return self

    def finalise(self) -> None:
        """Builds the coding tables from the trained distributions, part of the weights then."""
        conditional = self.gaussian_conditional
        # exported weights hold the scales as float16
        scales = geometric_scales(SCALE_MIN, SCALE_MAX, SCALE_LEVELS)
        conditional.scale_table = conditional.scale_table.new_tensor(scales)
        self.entropy_bottleneck.finalise()
        conditional.finalise()

    def _hyper_likelihoods(self, z: Tensor) -> Tensor:
        rounding = with_noise if self.training else torch.round
        likelihoods: Tensor = self.entropy_bottleneck(z, rounding)
        return likelihoods

    @staticmethod
    def _straight_through(x: Tensor) -> Tensor:
        return x + (x.round() - x).detach()

    def _scales(self, index: Tensor) -> Tensor:
        """σ of an index: continuous in training, the table's entry in evaluation."""
        if self.training:
            index = index.float().clamp(-8.0, SCALE_LEVELS - 1)
            return SCALE_MIN * torch.exp(SCALE_STEP * index)
        return self._table_scales(self.rows(index))

    def _table_scales(self, rows: Tensor) -> Tensor:
        table: Tensor = self.gaussian_conditional.scale_table
        return table[rows.long()]

    def latents(self, x: Tensor, quality: Tensor) -> tuple[Tensor, Tensor]:
        """y, scaled by the gain, and z of pictures ``(B, 3, H, W)``, both not yet rounded."""
        plain = self.g_a(x - 0.5)
        return plain * self.gains(quality)[0], self._hyper_latent(plain, quality)

    def _hyper_latent(self, plain: Tensor, quality: Tensor) -> Tensor:
        """z: what h_s predicts is log σ, so h_a is given the log magnitude beside the latent."""
        magnitude = (plain.abs() + 0.05).log()
        z: Tensor = self.h_a(torch.cat([plain, magnitude], 1))
        return z * _interpolate(self.hyper_gain, quality)

    def walk(self, z_hat: Tensor, quality: Tensor, code: Code, *, context: bool = True) -> Walked:
        """Has all elements of y coded, each by its scale index and mean; without ``context`` by the
        hyper-latent alone, all at once."""
        known, features = self._gaussian(z_hat, quality)
        gain = self.gains(quality)[0]

        def coded(elements: Elements, found: Conditional) -> Tensor:
            mean = found.mean.float() * gain[:, elements.channels].flatten(2)
            return code(elements, Conditional(found.index, mean))

        if context:
            walked = self.context(known, features, self._unit(quality), coded)
            return Walked(walked.index, walked.mean.float() * gain, walked.distance.float())
        everything = Elements(slice(None), None)
        flat = Conditional(everything.of(known.index), everything.of(known.mean))
        distance = coded(everything, flat).view(known.mean.shape)
        return Walked(known.index, known.mean.float() * gain, distance.float())

    def _gaussian(self, z_hat: Tensor, quality: Tensor) -> tuple[Conditional, Tensor]:
        """Scale index and mean of y before its gain, which moves σ along the table, and the
        hyper-decoder's features."""
        inverse: Tensor = self.hyper_inverse_gain
        gain: Tensor = self.log_gain
        if not self.training:  # qualities are multiples of 1/32: float64 interpolates exactly
            inverse, gain, quality = inverse.double(), gain.double(), quality.double()
        index, means, features = self.h_s(z_hat * _interpolate(inverse, quality))
        shift = _interpolate(gain, quality) / SCALE_STEP
        if not self.training:
            shift = torch.round(shift / ACTIVATION_UNIT) * ACTIVATION_UNIT
        return Conditional(index + shift, means), features

    def dequantised(self, walked: Walked) -> Tensor:
        """The values, with their gain, that a latent is decoded to: in each cell not its middle but
        where elements of that scale lie on average, nearer to the mean (Sullivan 1996, "Efficient
        scalar quantization of exponential and Laplacian random variables"), by a learned table.

        Distances that are not whole are moved as much as lies between their neighbours.
        """
        rows, far = self.rows(walked.index).flatten(), walked.distance.abs()
        near, farther = (each.index_select(0, rows).view(far.shape) for each in self.offset)
        offset = near * far.clamp(max=1) + farther * (far - 1).clamp(0, 1)
        values: Tensor = walked.mean + walked.distance - walked.distance.sign() * offset
        return values

    def _unit(self, quality: Tensor) -> Tensor:
        unit: Tensor = self.context_unit
        if not self.training:
            unit, quality = unit.double(), quality.double()
        return _interpolate(unit, quality)

    def rows(self, index: Tensor) -> Tensor:
        """Rows of the scale table, int32, of scale indices."""
        return index.round().clamp(0, SCALE_LEVELS - 1).int()

    def bits_table(self) -> Tensor:
        """Bits in float64 of an element of y by row of the scale table and distance from its mean,
        ``(64, n)``; what is farther away costs as much as the last."""
        values = torch.arange(8 * SCALE_MAX + 1, device=self.log_gain.device)
        conditional = self.gaussian_conditional
        scales = conditional.scale_table[:, None]
        return -conditional.likelihood(values[None], scales).double().log2()

    def hyper_bits(self, symbols: Tensor) -> float:
        """Bits of the rounded elements of z."""
        return float(-self._hyper_likelihoods(symbols.float()).double().log2().sum())

    def channels_of(self, shape: tuple[int, ...]) -> Tensor:
        """Rows of the coding tables, int32, of a hyper-latent ``(B, Z, h, w)``: its channels."""
        batch, height, width = shape
        count = len(self.entropy_bottleneck.quantiles)
        channels = torch.arange(count, dtype=torch.int32, device=self.log_gain.device)
        return channels[None, :, None, None].expand(batch, -1, height, width)

    def reconstruct(self, y_hat: Tensor, quality: Tensor) -> Tensor:
        """The picture ``(B, 3, H, W)`` in 0–1 of a decoded latent."""
        picture: Tensor = self.g_s(y_hat * self.gains(quality)[1]) + 0.5
        return picture.clamp(0, 1)
