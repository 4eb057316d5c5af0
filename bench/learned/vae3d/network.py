"""The 3-D convolutional VAE of codec ``vae3d``: one network for a ladder of β.

Follows Husnain, "Learning-Based Video Coding with Variational Autoencoders" (3-D convolutional
encoder and decoder, Gaussian posterior and prior, ELBO), with the prior of
:mod:`bench.learned.vae3d.prior`. Holds the transforms; never codes a bit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.learned.shared.constants import on_device
from bench.learned.vae3d.prior import Conditional, ContextPrior

FRAMES = 7
"""Frames of a group: one latent frame stands for them."""
STRIDE = 16
"""Pixels of a group's picture that one position of the latent stands for, in each direction."""
LAMBDAS = (16, 25, 40, 64, 100, 160, 260, 420, 680, 1100, 1800, 2900, 4600, 7300)
"""The ladder: λ = 1/β of the loss R + λ·D, in 10⁻⁶ bits per pixel and squared 8-bit level."""

_ROUNDING = math.log(12**-0.5)
"""log s of a posterior as wide as the error of rounding: where training starts."""
_SPREAD_LIMIT = 3.0


def trade_off(point: Tensor) -> Tensor:
    """λ = 1/β of points of the ladder, for the loss R + λ·255²·MSE in bits per pixel."""
    return _ladder(point.device)[point] * 1e-6


@on_device
def _ladder() -> Tensor:
    return torch.tensor(LAMBDAS)


@dataclass(frozen=True, slots=True)
class Elbo:
    """The two terms of the loss: ``clips`` is ``(B, 3, 7, H, W)`` around 0–1, not clipped;
    ``bits`` is ``(B,)``, the KL divergence or, of quantised items, the negative log2 likelihood."""

    clips: Tensor
    bits: Tensor


class ResidualUnit3d(nn.Module):
    """x + conv(act(conv(x))) with 3×3×3 kernels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv3d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        refined: Tensor = self.conv2(F.leaky_relu(self.conv1(x)))
        return x + refined


class Encoder(nn.Module):
    """Clip ``(B, 3, 7, H, W)`` to the posterior's mean, before its gain, and what the clip adds to
    its log deviation, each ``(B, M, H/16, W/16)``: a 3-D network beside a linear transform of
    blocks of 7×16×16 pixels."""

    def __init__(self, stem: int, hidden: int, latents: int) -> None:
        super().__init__()
        self.linear = nn.Conv3d(3, latents, (FRAMES, STRIDE, STRIDE), stride=STRIDE, bias=False)
        last = nn.Conv3d(hidden, 2 * latents, (2, 3, 3), padding=(0, 1, 1))
        self.network = nn.Sequential(
            nn.Conv3d(3, stem, (3, 5, 5), stride=(1, 4, 4), padding=(1, 2, 2)),  # 7, 1/4
            nn.LeakyReLU(),
            nn.Conv3d(stem, 2 * stem, (3, 4, 4), stride=2, padding=1),  # 4, 1/8
            nn.LeakyReLU(),
            nn.Conv3d(2 * stem, hidden, (3, 4, 4), stride=2, padding=1),  # 2, 1/16
            nn.LeakyReLU(),
            last,  # 1, 1/16
        )
        _zero(last)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean, spread = self.network(x).squeeze(2).float().chunk(2, 1)
        mean = mean + self.linear(x).squeeze(2).float()
        return mean, _SPREAD_LIMIT * torch.tanh(spread / _SPREAD_LIMIT)


class Decoder(nn.Module):
    """Latent without its gain ``(B, M, h, w)`` to clip ``(B, 3, 7, 16h, 16w)``: the linear block
    transform, and a 3-D network that sees latent and blocks and corrects them."""

    def __init__(self, stem: int, hidden: int, latents: int) -> None:
        super().__init__()
        block = (FRAMES, STRIDE, STRIDE)
        self.linear = nn.ConvTranspose3d(latents, 3, block, stride=block, bias=False)
        self.expand = nn.Sequential(
            nn.Conv3d(latents, hidden, (1, 3, 3), padding=(0, 1, 1)),  # 1, 1/16
            nn.LeakyReLU(),
            nn.ConvTranspose3d(hidden, 2 * stem, (FRAMES, 2, 2), stride=(FRAMES, 2, 2)),  # 7, 1/8
            nn.LeakyReLU(),
            ResidualUnit3d(2 * stem),
            nn.ConvTranspose3d(2 * stem, stem, (1, 2, 2), stride=(1, 2, 2)),  # 7, 1/4
        )
        self.blocks = nn.Conv3d(48, stem, 1)
        last = nn.Conv3d(stem, 48, (1, 3, 3), padding=(0, 1, 1))
        self.refine = nn.Sequential(nn.LeakyReLU(), ResidualUnit3d(stem), nn.LeakyReLU(), last)
        _zero(last)

    def forward(self, plain: Tensor) -> Tensor:
        z = plain.unsqueeze(2)
        linear = self.linear(z)
        # the four pixels of a side become channels, frame by frame
        packed = F.pixel_unshuffle(linear.transpose(1, 2), 4).transpose(1, 2)
        refined = self.refine(self.expand(z) + self.blocks(packed))
        correction = F.pixel_shuffle(refined.transpose(1, 2), 4).transpose(1, 2)
        clips: Tensor = linear.float() + correction.float()
        return clips


def _zero(last: nn.Conv3d) -> None:
    """The network's part starts at nothing, so that training starts from a transform codec."""
    nn.init.zeros_(last.weight)
    assert last.bias is not None
    nn.init.zeros_(last.bias)


def block_transform() -> tuple[Tensor, Tensor, Tensor]:
    """The matrices, each orthonormal, of a separable transform of blocks ``(3, 7, 16, 16)``: one
    luma and two opponent colours, DCT over time, DCT over both sides."""
    colour = torch.tensor([[1.0, 1, 1], [1, 0, -1], [1, -2, 1]])
    return colour / colour.norm(dim=1, keepdim=True), _dct(FRAMES), _dct(STRIDE)


def _dct(length: int) -> Tensor:
    place = torch.arange(length) + 0.5
    wave = torch.cos(math.pi / length * torch.arange(length)[:, None] * place)
    wave *= (2 / length) ** 0.5
    wave[0] /= 2**0.5
    return wave


def block_deviations(clips: Tensor) -> Tensor:
    """Root mean square ``(3, 7, 16, 16)`` of the transform's coefficients over clips
    ``(B, 3, 7, H, W)`` in 0–1."""
    colour, time, space = block_transform()
    blocks = (clips - 0.5).unfold(3, STRIDE, STRIDE).unfold(4, STRIDE, STRIDE)
    found = torch.einsum("bctijyx,ac,st,uy,vx->basijuv", blocks, colour, time, space, space)
    return found.square().mean((0, 3, 4)).sqrt()


def _typical_deviations() -> Tensor:
    """Of pictures whose spectrum falls with the squared frequency and that hardly move."""
    t, y, x = (torch.arange(length) ** 2 for length in (FRAMES, STRIDE, STRIDE))
    energy = 1 / (8 * t[:, None, None] + y[:, None] + x + 0.5)
    return 3 * (torch.tensor([1, 0.1, 0.1])[:, None, None, None] * energy).sqrt()


class Vae3d(nn.Module):
    """Encoder, prior and decoder with a gain vector for every point of the ladder.

    The latent times its gain is in units of the quantiser's step: a posterior of deviation
    12^(-1/2) has the noise of rounding (gain units: Cui et al. 2021, eqs. 4–6).
    """

    def __init__(self, stem: int = 48, hidden: int = 128, latents: int = 256) -> None:
        super().__init__()
        self.latents = latents
        self.encoder = Encoder(stem, hidden, latents)
        self.decoder = Decoder(stem, hidden, latents)
        self.prior = ContextPrior(latents, len(LAMBDAS))
        # the best step of a uniform quantiser on an orthonormal transform: R + λD is stationary
        # where D = Δ²/12 falls by 1/λ with a bit per pixel, 255²·Δ² = 26/λ over three channels
        weight = torch.tensor(LAMBDAS) * 1e-6
        start = (255 * (weight / 26).sqrt())[:, None].expand(-1, latents)
        self.log_gain = nn.Parameter(start.log())
        # linear, not logarithmic, so that the decoder's is exact
        self.inverse_gain = nn.Parameter(1 / start)
        self.log_deviation = nn.Parameter(torch.full(start.shape, _ROUNDING))
        self.start_from(_typical_deviations())

    def start_from(self, deviations: Tensor) -> None:
        """Makes the network a transform codec: the coefficients ``(3, 7, 16, 16)`` that vary most,
        coded as Gaussians of these deviations."""
        colour, time, space = block_transform()
        kept = deviations.flatten().argsort(descending=True, stable=True)[: self.latents]
        a, s, u, v = torch.unravel_index(kept, deviations.shape)
        basis = torch.einsum("nc,nt,ny,nx->nctyx", colour[a], time[s], space[u], space[v])
        with torch.no_grad():
            self.encoder.linear.weight.copy_(basis)
            self.decoder.linear.weight.copy_(basis)
            self.prior.start_from(deviations.flatten()[kept], self.log_gain.exp())

    def posterior(self, x: Tensor, point: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log deviation of q(z|x), each ``(B, M, h, w)``, for clips ``(B, 3, 7, H, W)``
        in 0–1 at points ``(B,)`` of the ladder; in units of the quantiser's step."""
        mean, spread = self.encoder(x - 0.5)
        gain = self.log_gain.exp()[point][..., None, None]
        return mean * gain, self.log_deviation[point][..., None, None] + spread

    def conditional(self, z: Tensor, point: Tensor, *, coded: bool) -> Conditional:
        """p(z_i | z_<i) of every element of latents ``(B, M, h, w)``; ``coded`` by the tables."""
        found: Conditional = self.prior(z, self._inverse(point), point, coded=coded)
        return found

    def generate(self, z: Tensor, point: Tensor) -> Tensor:
        """Clips ``(B, 3, 7, H, W)`` around 0–1 of latents."""
        clips: Tensor = self.decoder(z * self._inverse(point)) + 0.5
        return clips

    def step_energy(self, point: Tensor) -> Tensor:
        """Squared error ``(B, M, 1, 1)``, summed over a block, that a step of each latent makes of
        a clip in 0–1 by the linear part of the decoder."""
        energy = self.decoder.linear.weight.detach().flatten(1).square().sum(1)
        return energy[:, None, None] * self._inverse(point).detach().square()

    def _inverse(self, point: Tensor) -> Tensor:
        """Inverse gains ``(B, M, 1, 1)``."""
        return self.inverse_gain[point][..., None, None]

    def forward(self, x: Tensor, point: Tensor, quantised: Tensor) -> Elbo:
        """Both sides of the ELBO of clips at points of the ladder.

        Of items that are not ``quantised`` ``(B,)`` the latent is a sample of the posterior and the
        rate its KL divergence from the prior. Of the others it is rounded, straight-through, and
        the rate is that of the rounded latent; in training noise stands in for rounding there
        (Minnen and Singh 2020, section 3.2).
        """
        mean, log_deviation = self.posterior(x, point)
        chosen = quantised[:, None, None, None]
        sample = mean + log_deviation.exp() * torch.randn_like(mean)
        rounded = mean + (mean.round() - mean).detach()
        z = torch.where(chosen, rounded, sample)
        with torch.autocast(x.device.type, enabled=False):
            conditional = self.conditional(z, point, coded=not self.training)
            noisy = mean + torch.rand_like(mean) - 0.5 if self.training else rounded
            bits = torch.where(
                chosen, conditional.bits(noisy), conditional.divergence(mean, log_deviation)
            )
        return Elbo(self.generate(z, point), bits.sum((1, 2, 3)))
