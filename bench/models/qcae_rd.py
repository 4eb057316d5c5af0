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

from bench.models.constants import on_device
from bench.models.exact import ExactConv2d, exact_relu, geometric_scales
from bench.models.hyperprior import ResidualUnit

STRIDE = 4
MOTION_STRIDE = 16
MOTION_LATENTS = 6
QUALITIES = 8
REFERENCES = 2
"""Decoded frames that a frame sees."""
_REACH = 4
_SPAN = 2 * _REACH + 1
_DISPLACEMENTS = _SPAN**2
_CHANGES = 9
LATENTS = 12
GROUPS = 4
"""Latents of a frame are coded in this many groups: the places of 2×2 blocks, diagonal first."""
_GROUP_PLACES = ((0, 0), (1, 1), (0, 1), (1, 0))
_CLOSENESS = 30.0
"""Half of the most where the mean squared error is 1/30 of the squared range."""
_SHARPNESS = 30.0
_GAIN_STEP = math.log(6) / 4
"""Growth of the logarithm of the gains from one quality to the next, at the start."""
_FRAME_UNIT = 2.0**-8
_WEIGHT_UNIT = 2.0**-10

_SCALE_MIN, _SCALE_MAX, _SCALE_LEVELS = 0.11, 32.0, 64
_SCALE_STEP = math.log(_SCALE_MAX / _SCALE_MIN) / (_SCALE_LEVELS - 1)


@dataclass(frozen=True, slots=True)
class Past:
    """What encoder and decoder know before they code a frame: features ``(B, N, h, w)``, logits of
    its motion ``(B, 81, h, w)``, the last frame in all displacements ``(B, 81, H, W)``, and
    whether there is one."""

    features: Tensor
    motion: Tensor
    moved: Tensor
    exists: bool


@dataclass(frozen=True, slots=True)
class Prediction:
    """What they know when its motion is coded: features ``(B, N, h, w)`` and the moved frame
    ``(B, 1, H, W)``."""

    features: Tensor
    frame: Tensor


@dataclass(frozen=True, slots=True)
class CodedFrames:
    """``frames`` and ``moved``, what motion alone makes of them, ``(B, T, 1, H, W)``; ``bits``
    ``(B, T)``, the negative log2 likelihood."""

    frames: Tensor
    moved: Tensor
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


@torch.no_grad()
def closeness(frame: Tensor, moved: Tensor) -> Tensor:
    """How well each displacement ``(B, 81, H, W)`` of a reference explains a frame around each
    place: 0–1, ``(B, 81, h, w)``. A measurement: no gradients pass, which saves a quarter of the
    time of a training step."""
    error = F.avg_pool2d((moved - frame).square(), 8, stride=STRIDE, padding=2)
    return 1 / (1 + _CLOSENESS * error)


def compensate(motion: Tensor, moved: Tensor) -> Tensor:
    """The frame that displacements of logits ``(B, 81, h, w)`` make of a reference's."""
    weights = rounded_weights(motion.softmax(1))
    spread = upsampled(weights)
    return (spread * moved).sum(1, keepdim=True)


def upsampled(weights: Tensor) -> Tensor:
    """Bilinear, by the stride. Of exact computation by products of matrices, whose sums are exact
    as well and take less time on a CPU."""
    if weights.dtype != torch.float64:
        return F.interpolate(weights, scale_factor=STRIDE, mode="bilinear")
    height, width = weights.shape[-2:]
    down, across = (_upsampling(weights.device, side) for side in (height, width))
    return down @ (weights @ across.mT)


@on_device
def _upsampling(side: int) -> Tensor:
    """The matrix ``(4 · side, side)`` of a bilinear upsampling along one axis."""
    lines = torch.eye(side, dtype=torch.float64)[:, None]
    return F.interpolate(lines, scale_factor=STRIDE, mode="linear")[:, 0].mT.contiguous()


def changed(motion: Tensor, changes: Tensor) -> Tensor:
    """Logits of displacements that differ from those of ``motion`` ``(B, 81, h, w)`` by −1…1 rows
    and columns, with weights ``(B, 9, h, w)``: objects move by whole samples, one more or less."""
    batch, _, height, width = motion.shape
    grid = F.pad(motion.reshape(batch, _SPAN, _SPAN, height * width), (0, 0, 1, 1, 1, 1))
    total = torch.zeros_like(motion)
    for place in range(_CHANGES):
        row, column = divmod(place, 3)
        shifted = grid[:, row : row + _SPAN, column : column + _SPAN].reshape_as(motion)
        total = total + changes[:, place : place + 1] * shifted
    return total


def rounded_weights(weights: Tensor) -> Tensor:
    """Weights of exact computation: in units far above what machines differ in."""
    if weights.dtype != torch.float64:
        return weights
    return torch.round(weights / _WEIGHT_UNIT) * _WEIGHT_UNIT


class ConditionalAutoencoder(nn.Module):
    """One network for all frames and rates; a gain vector per quality scales the latents (Cui et
    al. 2021), another one for the first frame, which all later ones are predicted from.

    A frame is coded in two stages: latents of its motion, for 16×16 pixels each, which say how it
    differs from the motion of the past; then latents of what the moved frame leaves.
    """

    def __init__(self, channels: int = 64) -> None:
        super().__init__()
        n, m, block = channels, LATENTS, STRIDE**2
        self.unshuffle, self.shuffle = nn.PixelUnshuffle(STRIDE), nn.PixelShuffle(STRIDE)
        # the past: references, their motion, how many there are, and the quality
        self.past = nn.Sequential(
            ExactConv2d(REFERENCES * block + _DISPLACEMENTS + REFERENCES + 1, n, 3, padding=1),
            ExactResidual(n),
            ExactResidual(n),
        )
        self.past_motion = ExactConv2d(n, _DISPLACEMENTS, 1)
        # motion: 81 displacements at 1/4 to latents at 1/16 and back
        self.motion_encoder = nn.Sequential(
            nn.Conv2d(_DISPLACEMENTS + n, n, 3, padding=1),
            nn.LeakyReLU(),
            nn.Conv2d(n, n, 4, stride=2, padding=1),
            nn.LeakyReLU(),
            nn.Conv2d(n, MOTION_LATENTS, 4, stride=2, padding=1),
        )
        self.motion_entropy = ExactConv2d(n, 2 * MOTION_LATENTS, 3, padding=1)
        self.motion_decoder = nn.Sequential(
            ExactConv2d(MOTION_LATENTS + n, n, 3, padding=1), ExactResidual(n)
        )
        self.change = ExactConv2d(n, _CHANGES, 1)
        self.motion = ExactConv2d(n, _DISPLACEMENTS, 1)
        # the rest, given the moved frame
        self.present = nn.Sequential(ExactConv2d(n + block, n, 3, padding=1), ExactResidual(n))
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
        scales = geometric_scales(_SCALE_MIN, _SCALE_MAX, _SCALE_LEVELS)
        self.gaussian_conditional = GaussianConditional(scales)
        start = math.log(2) + _GAIN_STEP * torch.arange(QUALITIES)
        self.log_gain = nn.Parameter(start[:, None].repeat(REFERENCES + 1, 1, m))

    @torch.no_grad()
    def _start_as_transform_codec(self) -> None:
        """A DCT of what displacement by the last motion leaves; what is learned starts at zero
        beside it (from noise, latents lost to their quantiser for hundreds of steps)."""
        encoded = self.encoder[-1]
        for last in (encoded, self.past_motion, self.residual, self.refine2):
            assert isinstance(last, nn.Conv2d) and last.bias is not None
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
        basis = dct_basis(LATENTS)[..., None, None]
        self.transform.weight.copy_(basis)
        self.inverse.weight.copy_(basis.transpose(0, 1))
        assert self.inverse.bias is not None
        nn.init.zeros_(self.inverse.bias)
        assert self.change.bias is not None
        self.change.bias[_CHANGES // 2] += 2
        for entropy in (self.entropy2, self.motion_entropy):
            assert entropy.bias is not None
            entropy.weight.mul_(0.1)
            nn.init.zeros_(entropy.bias)

    def forward(self, clips: Tensor, quality: Tensor) -> CodedFrames:
        """Clips ``(B, T, 1, H, W)`` in 0–1, in evaluation float64, at qualities ``(B,)`` in 1–8,
        real values included.

        In training noise stands in for rounding in the rate, and rounding is straight-through for
        the distortion (Minnen and Singh 2020); in evaluation both are the coder's.
        """
        references: list[Tensor] = []
        bits, frames, moved = [], [], []
        for x in clips.unbind(1):
            past = self.recall(references, quality, like=x)
            motion, motion_bits = self._code_motion(x, past)
            prediction = self.move(past, motion)
            gain = self.gain(quality, len(references))
            y = self.analyse(x, prediction).to(gain) * gain
            latent, cost = self._code(y, prediction.features)
            frame = self.synthesise(latent / gain, prediction)
            bits.append(cost + motion_bits)
            frames.append(frame)
            moved.append(prediction.frame)
            reference = frame.clamp(0, 1) if self.training else exact_frame(frame)
            references = [reference, *references][:REFERENCES]
        return CodedFrames(torch.stack(frames, 1), torch.stack(moved, 1), torch.stack(bits, 1))

    def gain(self, quality: Tensor, references: int) -> Tensor:
        """``(B, M, 1, 1)`` for a frame with so many references."""
        table = self.log_gain[references]
        low = (quality - 1).floor().clamp(0, QUALITIES - 2).long()
        weight = (quality - 1 - low)[:, None]
        rows = table[low] * (1 - weight) + table[low + 1] * weight
        return rows.exp()[..., None, None]

    def recall(self, references: list[Tensor], quality: Tensor, *, like: Tensor) -> Past:
        """From decoded frames, the last one first; ``like`` gives size and type only."""
        blank = torch.zeros_like(like)
        last, before = (references + [blank] * REFERENCES)[:REFERENCES]
        height, width = like.shape[-2] // STRIDE, like.shape[-1] // STRIDE
        flags = like.new_zeros(len(like), REFERENCES + 1, height, width)
        flags[:, : len(references)] = 1
        flags[:, REFERENCES] = ((quality - 3) / 2).to(like)[:, None, None]
        motion = closeness(last, displaced(before))
        known = torch.cat([self.unshuffle(last), self.unshuffle(before), motion, flags], 1)
        features = exact_relu(self.past(known))
        logits = _SHARPNESS * motion + self.past_motion(features).to(like)
        return Past(features, logits, displaced(last), bool(references))

    def analyse_motion(self, x: Tensor, past: Past) -> Tensor:
        """The motion latents ``(B, 6, H/16, W/16)`` of a frame; only encoders run it."""
        sharp = (_SHARPNESS * closeness(x, past.moved)).softmax(1) * _SPAN
        known = torch.cat([sharp.to(past.features), past.features], 1)
        latent: Tensor = self.motion_encoder(known if self.training else known.float())
        return 2 * latent

    def motion_gaussian(self, past: Past) -> tuple[Tensor, Tensor]:
        """Scale index and mean of the motion latents, as ``gaussian`` gives them."""
        index, mean = self.motion_entropy(F.avg_pool2d(past.features, STRIDE)).chunk(2, 1)
        return index * 8 + 24, mean

    def move(self, past: Past, motion: Tensor | None) -> Prediction:
        """The frame that is predicted with decoded motion latents, None for a first frame."""
        logits = past.motion
        if motion is not None:
            near = F.interpolate(motion.to(past.features), scale_factor=STRIDE, mode="nearest")
            steered = exact_relu(self.motion_decoder(torch.cat([near, past.features], 1)))
            changes = self.change(steered).to(logits).softmax(1)
            logits = changed(logits, rounded_weights(changes)) + self.motion(steered).to(logits)
        frame = compensate(logits, past.moved.to(logits))
        seen = torch.cat([past.features, self.unshuffle(frame).to(past.features)], 1)
        return Prediction(exact_relu(self.present(seen)), frame)

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
            return _SCALE_MIN * torch.exp(_SCALE_STEP * index.float().clamp(-4, _SCALE_LEVELS - 1))
        table: Tensor = self.gaussian_conditional.scale_table
        return table[table_rows(index).long()]

    def finalise(self) -> None:
        """Builds the coding tables, part of the weights then."""
        self.gaussian_conditional.update_scale_table(self.gaussian_conditional.scale_table)

    def _code_motion(self, x: Tensor, past: Past) -> tuple[Tensor | None, Tensor]:
        """The quantised motion latents of training and their bits ``(B,)``."""
        if not past.exists:
            return None, torch.zeros(len(x), device=x.device)
        y = self.analyse_motion(x, past).float()
        latent, likelihoods = self._quantise(y, *self.motion_gaussian(past))
        return latent, -likelihoods.log2().sum((1, 2, 3))

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
        likelihoods: Tensor = self.gaussian_conditional(y, self.scales(index), mean)[1]
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
    return index.round().clamp(0, _SCALE_LEVELS - 1).int()


def exact_frame(frame: Tensor) -> Tensor:
    """A decoded frame as reference of the next: in units of 1/256, clipped, float64."""
    return (torch.round(frame.double() / _FRAME_UNIT) * _FRAME_UNIT).clamp(0, 1)
