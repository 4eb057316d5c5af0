"""The network of codec ``qcae-rd``: the quantised autoencoder as section IV of its paper leaves it
to future work, trained for rate and distortion with its entropy model and motion compensation.

Each frame is coded given the two decoded before it (conditional coding, Ladune et al. 2020); motion
is a distribution over displacements at each place (dynamic filters, De Brabandere et al. 2016), of
which most is known from the past. What a decoder computes is exact (:mod:`bench.models.exact`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from compressai.entropy_models import GaussianConditional
from torch import Tensor, nn
from torch.nn import functional as F

from bench.models.exact import ExactConv2d, exact_relu
from bench.models.hyperprior import ResidualUnit

STRIDE = 4
QUALITIES = 5
REFERENCES = 2
"""Decoded frames that a frame sees."""
_REACH = 4
_SPAN = 2 * _REACH + 1
_DISPLACEMENTS = _SPAN**2
_LATENTS = 12
GROUPS = 4
"""Latents of a frame are coded in this many groups: the places of 2×2 blocks, diagonal first."""
_GROUP_PLACES = ((0, 0), (1, 1), (0, 1), (1, 0))
_CLOSENESS = 100.0
"""1 / (1 + 100·MSE): half for samples that differ by a tenth of the range."""
_FRAME_UNIT = 2.0**-8
_WEIGHT_UNIT = 2.0**-10

_SCALE_MIN, _SCALE_MAX, _SCALE_LEVELS = 0.11, 32.0, 64
_SCALE_STEP = math.log(_SCALE_MAX / _SCALE_MIN) / (_SCALE_LEVELS - 1)


@dataclass(frozen=True, slots=True)
class Prediction:
    """What encoder and decoder know of a frame before its latents: features ``(B, N, h, w)``,
    motion logits ``(B, 81, h, w)`` and the frame ``(B, 1, H, W)`` that they predict."""

    features: Tensor
    motion: Tensor
    frame: Tensor


@dataclass(frozen=True, slots=True)
class CodedFrames:
    """``frames`` ``(B, T, 1, H, W)``; ``bits`` ``(B, T)``, the negative log2 likelihood."""

    frames: Tensor
    bits: Tensor


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


def displaced(frame: Tensor) -> Tensor:
    """``(B, 81, H, W)``: a frame ``(B, 1, H, W)`` moved by −4…4 rows and columns over zeros."""
    padded = F.pad(frame, (_REACH,) * 4)
    height, width = frame.shape[-2:]
    return torch.cat(
        [
            padded[..., row : row + height, column : column + width]
            for row in range(_SPAN - 1, -1, -1)
            for column in range(_SPAN - 1, -1, -1)
        ],
        1,
    )


def closeness(frame: Tensor, moved: Tensor) -> Tensor:
    """How well each displacement ``(B, 81, H, W)`` of a reference explains a frame around each
    place: 0–1, ``(B, 81, h, w)``."""
    error = F.avg_pool2d((moved - frame).square(), 8, stride=STRIDE, padding=2)
    return 1 / (1 + _CLOSENESS * error)


def compensate(motion: Tensor, moved: Tensor) -> Tensor:
    """The frame that displacements of logits ``(B, 81, h, w)`` make of a reference's."""
    weights = motion.softmax(1)
    if motion.dtype == torch.float64:
        weights = torch.round(weights / _WEIGHT_UNIT) * _WEIGHT_UNIT
    spread = F.interpolate(weights, scale_factor=STRIDE, mode="bilinear")
    return (spread * moved).sum(1, keepdim=True)


class ConditionalAutoencoder(nn.Module):
    """One network for all frames and rates; a gain vector per quality scales the latents (Cui et
    al. 2021), another one for the first frame, which all later ones are predicted from."""

    def __init__(self, channels: int = 64) -> None:
        super().__init__()
        n, m, block = channels, _LATENTS, STRIDE**2
        self.unshuffle, self.shuffle = nn.PixelUnshuffle(STRIDE), nn.PixelShuffle(STRIDE)
        # the past: references, their motion, how many there are, and the quality
        self.past = nn.Sequential(
            ExactConv2d(REFERENCES * block + _DISPLACEMENTS + REFERENCES + 1, n, 3, padding=1),
            ExactResidual(n),
            ExactResidual(n),
        )
        self.past_motion = ExactConv2d(n, _DISPLACEMENTS, 1)
        self.persistence = nn.Parameter(torch.tensor(30.0))
        self.transform = nn.Conv2d(block, m, 1, bias=False)
        self.encoder = nn.Sequential(
            nn.Conv2d(2 * block + _DISPLACEMENTS + n, n, 3, padding=1),
            nn.LeakyReLU(),
            ResidualUnit(n),
            nn.Conv2d(n, m, 3, padding=1),
        )
        self.known = ExactConv2d(2 * m, n, 3, padding=1)
        self.entropy1 = ExactConv2d(n, n, 1)
        self.entropy2 = ExactConv2d(n, 2 * m, 1)
        self.decoder = nn.Sequential(
            ExactConv2d(m + n + block, n, 3, padding=1), ExactResidual(n), ExactResidual(n)
        )
        self.motion = ExactConv2d(n, _DISPLACEMENTS, 1)
        self.inverse = ExactConv2d(m, block, 1)
        self.residual = ExactConv2d(n, block, 1)
        self.refine1 = ExactConv2d(8, 32, 3, padding=1)
        self.refine2 = ExactConv2d(32, 4, 3, padding=1)
        self._start_as_transform_codec()
        scales = _SCALE_MIN * torch.exp(_SCALE_STEP * torch.arange(_SCALE_LEVELS))
        self.gaussian_conditional = GaussianConditional(scales.tolist())
        start = torch.linspace(math.log(2), math.log(12), QUALITIES)
        self.log_gain = nn.Parameter(start[:, None].repeat(REFERENCES + 1, 1, m))

    @torch.no_grad()
    def _start_as_transform_codec(self) -> None:
        """A DCT of what displacement by the last motion leaves; what is learned starts at zero
        beside it (from noise, latents lost to their quantiser for hundreds of steps)."""
        encoded = self.encoder[-1]
        for last in (encoded, self.past_motion, self.motion, self.residual, self.refine2):
            assert isinstance(last, nn.Conv2d) and last.bias is not None
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
        basis = dct_basis(_LATENTS)[..., None, None]
        self.transform.weight.copy_(basis)
        self.inverse.weight.copy_(basis.transpose(0, 1))
        assert self.inverse.bias is not None and self.entropy2.bias is not None
        nn.init.zeros_(self.inverse.bias)
        self.entropy2.weight.mul_(0.1)
        nn.init.zeros_(self.entropy2.bias)

    def forward(self, clips: Tensor, quality: Tensor) -> CodedFrames:
        """Clips ``(B, T, 1, H, W)`` in 0–1, in evaluation float64, at qualities ``(B,)`` in 1–5,
        real values included.

        In training noise stands in for rounding in the rate, and rounding is straight-through for
        the distortion (Minnen and Singh 2020); in evaluation both are the coder's.
        """
        references: list[Tensor] = []
        bits, frames = [], []
        for x in clips.unbind(1):
            prediction = self.predict(references, quality, like=x)
            gain = self.gain(quality, len(references))
            y = self.analyse(x, references, prediction).to(gain) * gain
            latent, cost = self._code(y, prediction.features)
            frame = self.synthesise(latent / gain, references, prediction)
            bits.append(cost)
            frames.append(frame)
            reference = frame.clamp(0, 1) if self.training else exact_frame(frame)
            references = [reference, *references][:REFERENCES]
        return CodedFrames(torch.stack(frames, 1), torch.stack(bits, 1))

    def gain(self, quality: Tensor, references: int) -> Tensor:
        """``(B, M, 1, 1)`` for a frame with so many references."""
        table = self.log_gain[references]
        low = (quality - 1).floor().clamp(0, QUALITIES - 2).long()
        weight = (quality - 1 - low)[:, None]
        rows = table[low] * (1 - weight) + table[low + 1] * weight
        return rows.exp()[..., None, None]

    def predict(self, references: list[Tensor], quality: Tensor, *, like: Tensor) -> Prediction:
        """From decoded frames, the last one first; ``like`` gives size and type only."""
        blank = torch.zeros_like(like)
        last, before = (references + [blank] * REFERENCES)[:REFERENCES]
        height, width = like.shape[-2] // STRIDE, like.shape[-1] // STRIDE
        flags = torch.zeros(len(like), REFERENCES + 1, height, width).to(like)
        flags[:, : len(references)] = 1
        flags[:, REFERENCES] = ((quality - 3) / 2).to(like)[:, None, None]
        moved = displaced(last)
        motion_before = closeness(last, displaced(before))
        known = torch.cat([self.unshuffle(last), self.unshuffle(before), motion_before, flags], 1)
        features = exact_relu(self.past(known))
        learned = self.past_motion(features)
        motion = self.persistence.to(like) * motion_before + learned.to(like)
        return Prediction(features, motion, compensate(motion, moved))

    def analyse(self, x: Tensor, references: list[Tensor], prediction: Prediction) -> Tensor:
        """The latent ``(B, M, h, w)`` of a frame, before its gain; only encoders run it."""
        moved = displaced(references[0] if references else torch.zeros_like(x))
        seen = [self.unshuffle(x), self.unshuffle(prediction.frame), closeness(x, moved)]
        known = torch.cat([*seen, prediction.features], 1)
        latent: Tensor = self.encoder(known if self.training else known.float())
        left = self.unshuffle(x - prediction.frame)
        result: Tensor = latent + self.transform(left.to(latent))
        return result

    def synthesise(
        self, latent: Tensor, references: list[Tensor], prediction: Prediction
    ) -> Tensor:
        """The decoded frame ``(B, 1, H, W)``, not clipped."""
        known = [latent, prediction.features, self.unshuffle(prediction.frame)]
        x = exact_relu(self.decoder(torch.cat([each.to(latent) for each in known], 1)))
        motion = prediction.motion + self.motion(x)
        last = references[0] if references else torch.zeros_like(prediction.frame)
        compensated = compensate(motion, displaced(last).to(motion))
        frame = compensated + self.shuffle(self.residual(x) + self.inverse(latent))
        both = F.pixel_unshuffle(torch.cat([frame, compensated], 1), 2)
        refined = self.refine2(exact_relu(self.refine1(both)))
        result: Tensor = frame + F.pixel_shuffle(refined, 2).to(frame)
        return result

    def gaussian(self, features: Tensor, known: Tensor, group: int) -> tuple[Tensor, Tensor]:
        """Scale index and mean ``(B, M, h, w)`` of the latents, given those of earlier groups;
        index 0 is σ = 0.11, 63 is σ = 32."""
        mask = group_mask(*known.shape[-2:], below=group).to(known).expand_as(known)
        x = exact_relu(features + self.known(torch.cat([known * mask, mask], 1)))
        x = exact_relu(self.entropy1(x))
        index, mean = self.entropy2(x).chunk(2, 1)
        return index * 8 + 16, mean

    def scales(self, index: Tensor) -> Tensor:
        """σ of an index: continuous in training, the table's entry in evaluation."""
        if self.training:
            return _SCALE_MIN * torch.exp(_SCALE_STEP * index.float().clamp(-4, _SCALE_LEVELS - 1))
        table: Tensor = self.gaussian_conditional.scale_table
        return table[table_rows(index).long()]

    def finalise(self) -> None:
        """Builds the coding tables, part of the weights then."""
        self.gaussian_conditional.update_scale_table(self.gaussian_conditional.scale_table)

    def _code(self, y: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """The quantised latent of training and its bits ``(B,)``."""
        latent = torch.zeros_like(y)
        bits = torch.zeros(len(y), device=y.device)
        for group in range(GROUPS):
            here = group_mask(*y.shape[-2:], only=group).to(y)
            index, mean = self.gaussian(features, latent, group)
            mean = mean.float()
            likelihoods = self.gaussian_conditional(y, self.scales(index), mean)[1]
            bits = bits - (likelihoods.log2() * here).sum((1, 2, 3))
            rounded = mean + (y - mean) + ((y - mean).round() - (y - mean)).detach()
            latent = latent + rounded * here
        return latent, bits


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


def table_rows(index: Tensor) -> Tensor:
    """Rows (int32) of the table of scales."""
    return index.round().clamp(0, _SCALE_LEVELS - 1).int()


def exact_frame(frame: Tensor) -> Tensor:
    """A decoded frame as reference of the next: in units of 1/256, clipped, float64."""
    return (torch.round(frame.double() / _FRAME_UNIT) * _FRAME_UNIT).clamp(0, 1)
