"""The network of codec ``qcae-rd``: the quantised autoencoder as section IV of its paper leaves it
to future work, trained for rate and distortion with its entropy model and motion compensation.

Each frame is coded given the two decoded before it and what layers that move predict of it
(:mod:`bench.learned.qcae_rd.layers`; conditional coding, Ladune et al. 2020). What a decoder
computes is exact (:mod:`bench.learned.shared.exact`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.learned.qcae_rd.layers import Motion, corrected, placed, started
from bench.learned.qcae_rd.motion_model import MotionModel
from bench.learned.qcae_rd.motion_search import estimate
from bench.learned.shared.constants import on_device
from bench.learned.shared.entropy_models import GaussianConditional
from bench.learned.shared.exact import ExactConv2d, exact_relu, geometric_scales
from bench.learned.shared.transforms import ResidualUnit

STRIDE = 4
QUALITIES = 8
LOWEST_LAMBDA = 3e-5
LAMBDA_RATIO = 2.5
REFERENCES = 2
"""Decoded frames that a frame sees."""
LATENTS = 12
GROUPS = 4
"""Latents of a frame are coded in this many groups: the places of 2×2 blocks, diagonal first."""
_GROUP_PLACES = ((0, 0), (1, 1), (0, 1), (1, 0))
_GAIN_STEP = math.log(6) / 4
"""Growth of the logarithm of the gains from one quality to the next, at the start."""
_FRAME_UNIT = 2.0**-8

_SCALE_MIN, _SCALE_MAX, SCALE_LEVELS = 0.11, 32.0, 64
_SCALE_STEP = math.log(_SCALE_MAX / _SCALE_MIN) / (SCALE_LEVELS - 1)


@dataclass(frozen=True, slots=True)
class Prediction:
    """What encoder and decoder know before they code a frame: features ``(B, N, h, w)`` and the
    predicted frame ``(B, 1, H, W)``."""

    features: Tensor
    frame: Tensor


@dataclass(frozen=True, slots=True)
class CodedFrames:
    """``frames`` and what was ``predicted`` of them ``(B, T, 1, H, W)``; ``bits`` ``(B, T)``, the
    negative log2 likelihood."""

    frames: Tensor
    predicted: Tensor
    bits: Tensor


def trade_off(quality: Tensor) -> Tensor:
    """λ of a quality, for the loss R + λ·255²·MSE in bits per pixel."""
    return LOWEST_LAMBDA * LAMBDA_RATIO ** (quality - 1)


def worth_of(quality: Tensor) -> Tensor:
    """Bits for a squared error of 1, in samples of 0–1."""
    return 255**2 * trade_off(quality)


class ExactResidual(nn.Module):
    """x + conv(act(conv(x)))."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = ExactConv2d(channels, channels, 3, padding=1)
        self.conv2 = ExactConv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        refined: Tensor = self.conv2(exact_relu(self.conv1(x)))
        return x + refined


def dct_basis(count: int) -> Tensor:
    """The ``count`` lowest basis pictures ``(count, 16)`` of the orthonormal 4×4 DCT."""
    place = torch.arange(STRIDE)
    wave = torch.cos(math.pi / STRIDE * place[:, None] * (place + 0.5)) * (2 / STRIDE) ** 0.5
    wave[0] /= 2**0.5
    basis = torch.einsum("uy,vx->uvyx", wave, wave).reshape(STRIDE**2, STRIDE**2)
    order = (place[:, None] ** 2 + place**2).flatten().argsort(stable=True)
    return basis[order[:count]]


class ConditionalAutoencoder(nn.Module):
    """One network for all frames and rates; a gain vector per quality scales the latents (Cui et
    al. 2021), another one for the first frame, which all later ones are predicted from, and the
    second."""

    def __init__(self, channels: int = 64) -> None:
        super().__init__()
        n, m, block = channels, LATENTS, STRIDE**2
        self.unshuffle, self.shuffle = nn.PixelUnshuffle(STRIDE), nn.PixelShuffle(STRIDE)
        # the past: references, how many there are, and the quality
        self.past = nn.Sequential(
            ExactConv2d(REFERENCES * block + REFERENCES + 1, n, 3, padding=1),
            ExactResidual(n),
            ExactResidual(n),
        )
        # the present: the brightest of the layers and the next
        self.present = nn.Sequential(ExactConv2d(n + 2 * block, n, 3, padding=1), ExactResidual(n))
        self.encoder = nn.Sequential(
            nn.Conv2d(2 * block + n, n, 3, padding=1),
            nn.LeakyReLU(),
            ResidualUnit(n),
            nn.Conv2d(n, m, 3, padding=1),
        )
        self.transform = nn.Conv2d(block, m, 1, bias=False)
        self.known = ExactConv2d(2 * m, n, 3, padding=1)
        self.entropy1 = ExactConv2d(n, n, 1)
        self.entropy2 = ExactConv2d(n, 2 * m, 1)
        self.decoder = nn.Sequential(
            ExactConv2d(m + n, n, 3, padding=1), ExactResidual(n), ExactResidual(n)
        )
        self.inverse = ExactConv2d(m, block, 1)
        self.residual = ExactConv2d(n, block, 1)
        self.refine1 = ExactConv2d(8, 32, 3, padding=1)
        self.refine2 = ExactConv2d(32, 4, 3, padding=1)
        self._start_as_transform_codec()
        scales = geometric_scales(_SCALE_MIN, _SCALE_MAX, SCALE_LEVELS)
        self.gaussian_conditional = GaussianConditional(scales)
        self.motion = MotionModel()
        start = math.log(2) + _GAIN_STEP * torch.arange(QUALITIES)
        self.log_gain = nn.Parameter(start[:, None].repeat(REFERENCES + 1, 1, m))

    @torch.no_grad()
    def _start_as_transform_codec(self) -> None:
        """A DCT of what the prediction leaves; what is learned starts at zero beside it (from
        noise, latents lost to their quantiser for hundreds of steps)."""
        encoded = self.encoder[-1]
        for last in (encoded, self.residual, self.refine2):
            assert isinstance(last, nn.Conv2d) and last.bias is not None
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
        basis = dct_basis(LATENTS)[..., None, None]
        self.transform.weight.copy_(basis)
        self.inverse.weight.copy_(basis.transpose(0, 1))
        assert self.inverse.bias is not None
        nn.init.zeros_(self.inverse.bias)
        assert self.entropy2.bias is not None
        self.entropy2.weight.mul_(0.1)
        nn.init.zeros_(self.entropy2.bias)

    def forward(self, clips: Tensor, quality: Tensor, count: int = 2) -> CodedFrames:
        """Clips ``(B, T, 1, H, W)`` in 0–1, in evaluation float64, at qualities ``(B,)`` in 1–8,
        real values included, by ``count`` layers.

        In training noise stands in for rounding in the rate, and rounding is straight-through for
        the distortion (Minnen and Singh 2020); in evaluation both are the coder's.
        """
        references: list[Tensor] = []
        bits, frames, predicted = [], [], []
        layers = started(torch.zeros_like(clips[:, 0]), count)
        motion: Motion | None = None
        for x in clips.unbind(1):
            cost = torch.zeros(len(x), device=x.device)
            if references:
                before, motion = motion, estimate(layers, x, motion, worth_of(quality))
                cost = self.motion.bits(layers, motion, before)
                layers = placed(layers, motion)
            prediction = self.predict(references, layers, quality)
            gain = self.gain(quality, len(references))
            y = self.analyse(x, prediction).to(gain) * gain
            latent, latent_bits = self._code(y, prediction.features)
            frame = self.synthesise(latent / gain, prediction)
            bits.append(cost + latent_bits)
            frames.append(frame)
            predicted.append(prediction.frame)
            reference = frame.clamp(0, 1) if self.training else exact_frame(frame)
            layers = corrected(layers, reference) if references else started(reference, count)
            references = [reference, *references][:REFERENCES]
        return CodedFrames(torch.stack(frames, 1), torch.stack(predicted, 1), torch.stack(bits, 1))

    def gain(self, quality: Tensor, references: int) -> Tensor:
        """``(B, M, 1, 1)`` for a frame with so many references."""
        table = self.log_gain[references]
        low = (quality - 1).floor().clamp(0, QUALITIES - 2).long()
        weight = (quality - 1 - low)[:, None]
        rows = table[low] * (1 - weight) + table[low + 1] * weight
        return rows.exp()[..., None, None]

    def predict(self, references: list[Tensor], layers: Tensor, quality: Tensor) -> Prediction:
        """From decoded frames ``(B, 1, H, W)``, the last one first, and layers ``(B, L, H, W)`` in
        their places, all zero where no frame was before."""
        shown = torch.cat([layers, torch.zeros_like(layers[:, :1])], 1).topk(2, 1).values
        blank = torch.zeros_like(layers[:, :1])
        last, before = (references + [blank] * REFERENCES)[:REFERENCES]
        height, width = layers.shape[-2] // STRIDE, layers.shape[-1] // STRIDE
        flags = layers.new_zeros(len(layers), REFERENCES + 1, height, width)
        flags[:, : len(references)] = 1
        flags[:, REFERENCES] = ((quality - 3) / 2).to(layers)[:, None, None]
        known = torch.cat([self.unshuffle(last), self.unshuffle(before), flags], 1)
        past = exact_relu(self.past(known))
        seen = torch.cat([past, self.unshuffle(shown).to(past)], 1)
        return Prediction(exact_relu(self.present(seen)), shown[:, :1])

    def analyse(self, x: Tensor, prediction: Prediction) -> Tensor:
        """The latent ``(B, M, h, w)`` of a frame, before its gain; only encoders run it."""
        seen = [self.unshuffle(x), self.unshuffle(prediction.frame)]
        known = torch.cat(
            [*(each.to(prediction.features) for each in seen), prediction.features], 1
        )
        latent: Tensor = self.encoder(known if self.training else known.float())
        left = self.unshuffle(x - prediction.frame)
        result: Tensor = latent + self.transform(left.to(latent))
        return result

    def synthesise(self, latent: Tensor, prediction: Prediction) -> Tensor:
        """The decoded frame ``(B, 1, H, W)``, not clipped."""
        known = torch.cat([latent, prediction.features.to(latent)], 1)
        x = exact_relu(self.decoder(known))
        residual = self.shuffle(self.residual(x) + self.inverse(latent))
        frame = prediction.frame + residual.to(prediction.frame)
        both = F.pixel_unshuffle(torch.cat([frame, prediction.frame], 1), 2)
        refined = self.refine2(exact_relu(self.refine1(both)))
        result: Tensor = frame + F.pixel_shuffle(refined, 2).to(frame)
        return result

    def gaussian(self, features: Tensor, known: Tensor, group: int) -> tuple[Tensor, Tensor]:
        """Scale index and mean ``(B, M, h, w)`` of the latents, given those of earlier groups;
        index 0 is σ = 0.11, 63 is σ = 32."""
        mask = _mask_below(known.device, group, *known.shape[-2:]).to(known).expand_as(known)
        x = exact_relu(features + self.known(torch.cat([known * mask, mask], 1)))
        x = exact_relu(self.entropy1(x))
        index, mean = self.entropy2(x).chunk(2, 1)
        return index * 8 + 16, mean

    def scales(self, index: Tensor) -> Tensor:
        """σ of an index: continuous in training, the table's entry in evaluation."""
        if self.training:
            return _SCALE_MIN * torch.exp(_SCALE_STEP * index.float().clamp(-4, SCALE_LEVELS - 1))
        table: Tensor = self.gaussian_conditional.scale_table
        return table[table_rows(index).long()]

    def finalise(self) -> None:
        """Builds the coding tables, part of the weights then."""
        self.gaussian_conditional.finalise()
        self.motion.finalise()

    def _code(self, y: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """The quantised latent of training and its bits ``(B,)``."""
        latent = torch.zeros_like(y)
        bits = torch.zeros(len(y), device=y.device)
        for group in range(GROUPS):
            here = _mask_of(y.device, group, *y.shape[-2:]).to(y)
            rounded, likelihoods = self._quantise(y, *self.gaussian(features, latent, group))
            bits = bits - (likelihoods.log2() * here).sum((1, 2, 3))
            latent = latent + rounded * here
        return latent, bits

    def _quantise(self, y: Tensor, index: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
        """Latents rounded to whole steps from their means, straight-through, and likelihoods."""
        mean = mean.to(y)
        likelihoods: Tensor = self.gaussian_conditional(y, self.scales(index), mean)
        return y + ((y - mean).round() - (y - mean)).detach(), likelihoods


def group_mask(
    height: int, width: int, *, only: int | None = None, below: int | None = None
) -> Tensor:
    """1 at the places ``(h, w)`` of one group, or of all groups below one."""
    mask = torch.zeros(height, width)
    groups = [only] if only is not None else range(below or 0)
    for group in groups:
        row, column = _GROUP_PLACES[group]
        mask[row::2, column::2] = 1
    return mask


@on_device
def _mask_of(group: int, height: int, width: int) -> Tensor:
    return group_mask(height, width, only=group)


@on_device
def _mask_below(group: int, height: int, width: int) -> Tensor:
    return group_mask(height, width, below=group)


def table_rows(index: Tensor) -> Tensor:
    """Rows (int32) of the table of scales."""
    return index.round().clamp(0, SCALE_LEVELS - 1).int()


def exact_frame(frame: Tensor) -> Tensor:
    """A decoded frame as reference of the next: in units of 1/256, clipped, float64."""
    return (torch.round(frame.double() / _FRAME_UNIT) * _FRAME_UNIT).clamp(0, 1)
