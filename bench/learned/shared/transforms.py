"""The transforms of codec ``hyperprior``: blocks of a DCT with convolutional networks beside them,
which start as that transform alone. Never quantises.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.learned.shared.exact import ExactConv2d, exact_relu
from bench.learned.shared.layers import GDN

BLOCK = 16
BANDS = 16
"""Hyper-latents that start as band energies."""
_BAND_PRECISION = 3.0
"""Steps of such a hyper-latent in one unit of log σ."""
_DCT_GAIN = 5.0
"""The latent of pictures in 0–1 is then in units of the optimal quantiser step of quality 4.5."""

SCALE_MIN, SCALE_MAX, SCALE_LEVELS = 0.11, 64.0, 64
SCALE_STEP = math.log(SCALE_MAX / SCALE_MIN) / (SCALE_LEVELS - 1)


class ResidualUnit(nn.Module):
    """x + conv(act(conv(x))) with 3×3 kernels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        refined: Tensor = self.conv2(F.leaky_relu(self.conv1(x), inplace=True))
        return refined.add_(x)


def _upsample(inputs: int, outputs: int, factor: int, kernel: int = 3) -> nn.Sequential:
    """Sub-pixel convolution (Shi et al. 2016, eq. 4)."""
    conv = nn.Conv2d(inputs, outputs * factor**2, kernel, padding=kernel // 2)
    return nn.Sequential(conv, nn.PixelShuffle(factor))


class LinearBypass(nn.Module):
    """The sum of a network and a linear block transform, which starts as a 16×16 DCT.

    The network's last convolution starts at zero, so that training starts from a transform codec
    instead of from noise (measured loss after 250 steps: 1.14 instead of 6.32).
    """

    halves = False
    """Whether the network, which only corrects what the linear transform gives, multiplies in
    bfloat16: on a CPU with instructions for it in half the time. A decoded sample then moves by
    0.06 of 255 levels on average. Of a codec's network, not in training."""

    def __init__(self, network: nn.Sequential, last: nn.Conv2d, linear: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.linear = linear
        nn.init.zeros_(last.weight)
        assert last.bias is not None
        nn.init.zeros_(last.bias)

    def forward(self, x: Tensor) -> Tensor:
        linear: Tensor = self.linear(x)
        if self.halves:
            with torch.autocast(x.device.type, torch.bfloat16):
                return linear.add_(self.network(x))
        nonlinear: Tensor = self.network(x)
        return nonlinear.add_(linear)


def dct_basis(count: int, block: int = BLOCK) -> tuple[Tensor, Tensor]:
    """The ``count`` basis pictures ``(count, 3, block, block)`` of the orthonormal colour DCT that
    carry most of the energy of a picture whose spectrum falls with the squared frequency, and the
    standard deviations ``(count,)`` of such a picture's coefficients, for pixels in 0–1."""
    place = torch.arange(block) + 0.5
    wave = torch.cos(math.pi / block * torch.arange(block)[:, None] * place) * (2 / block) ** 0.5
    wave[0] /= 2**0.5
    # luma and two opponent colours, each of unit norm; colour carries about a tenth of the energy
    colour = torch.tensor([[1.0, 1, 1], [1, 0, -1], [1, -2, 1]])
    colour = colour / colour.norm(dim=1, keepdim=True)
    basis = torch.einsum("ac,uy,vx->auvcyx", colour, wave, wave).reshape(-1, 3, block, block)
    frequency = torch.arange(block) ** 2
    energy = torch.tensor([1.0, 0.1, 0.1])[:, None, None] / (
        frequency[:, None] + frequency[None, :] + 0.5
    )
    order = energy.flatten().argsort(descending=True, stable=True)[:count]
    # 1.65: measured on the training pictures
    return basis[order], 1.65 * energy.flatten()[order].sqrt()


class HyperDecoder(nn.Module):
    """h_s: hyper-latent ``(B, Z, h, w)`` to scale index and mean of y without its gain, each
    ``(B, M, 2h, 2w)``, and the features they come from.

    The scale index is linear in log σ: 0 is σ = 0.11, 63 is σ = 64.
    """

    def __init__(self, hyper_channels: int, hidden: int, latent_channels: int) -> None:
        super().__init__()
        self.conv1 = ExactConv2d(hyper_channels, hidden, 3, padding=1)
        self.conv2 = ExactConv2d(hidden, hidden * 4, 3, padding=1)
        self.conv3 = ExactConv2d(hidden, latent_channels * 2, 3, padding=1)
        self._start_from_band_energies(latent_channels)

    def _start_from_band_energies(self, latent_channels: int) -> None:
        """The first hyper-latents start as the log energies of bands that h_a measures."""
        bands, deviation = bands_of(latent_channels)
        center = (slice(None), slice(None), 1, 1)
        with torch.no_grad():
            conv1, conv2, conv3 = self.conv1, self.conv2, self.conv3
            assert conv1.bias is not None and conv2.bias is not None and conv3.bias is not None
            for band in range(BANDS):
                copies = slice(4 * band, 4 * band + 4)
                for conv, rows in ((conv1, band), (conv2, copies)):
                    conv.weight[rows] = 0
                    conv.weight[center][rows, band] = 1
                # an offset keeps the band in the linear part of the activations
                conv1.bias[band], conv2.bias[copies] = 8, 0
            conv3.weight *= 0.02
            step = 16 * SCALE_STEP
            index = conv3.weight[center][:latent_channels]
            index[torch.arange(latent_channels), bands] += 1 / (_BAND_PRECISION * step)
            offset = 8 / (_BAND_PRECISION * step)
            conv3.bias[:latent_channels] = (deviation / SCALE_MIN).log() / step - offset
            conv3.bias[latent_channels:] = 0

    def forward(self, z_hat: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = exact_relu(self.conv1(z_hat))
        x = exact_relu(F.pixel_shuffle(self.conv2(x), 2))
        index, mean = self.conv3(x).chunk(2, 1)
        # the factor lets the network move through the table of scales with small weights
        return index * 16, mean * 4, x


def analysis(n: int, k: int, m: int) -> LinearBypass:
    """g_a: picture to latent ``(B, M, H/16, W/16)``."""
    last = nn.Conv2d(k, m, 3, stride=2, padding=1)
    network = nn.Sequential(
        nn.Conv2d(3, n, 9, stride=4, padding=4),  # 1/4
        GDN(n),
        nn.Conv2d(n, k, 5, stride=2, padding=2),  # 1/8
        GDN(k),
        ResidualUnit(k),
        last,  # 1/16
    )
    linear = nn.Conv2d(3, m, BLOCK, stride=BLOCK, bias=False)
    with torch.no_grad():
        linear.weight.copy_(dct_basis(m)[0] * _DCT_GAIN)
    return LinearBypass(network, last, linear)


def hyper_analysis(m: int, k: int, h: int) -> nn.Sequential:
    """h_a: latent and its log magnitude ``(B, 2M, H/16, W/16)`` to ``(B, Z, H/32, W/32)``."""
    convs = (
        nn.Conv2d(2 * m, k, 1),
        nn.Conv2d(k, k, 5, stride=2, padding=2),  # 1/32
        nn.Conv2d(k, h, 3, padding=1),
    )
    bands, deviation = bands_of(m)
    first, second, third = convs
    with torch.no_grad():
        assert first.bias is not None and second.bias is not None and third.bias is not None
        for band in range(BANDS):
            members = torch.nonzero(bands == band).flatten()
            for conv in convs:
                conv.weight[band] = 0
            # the mean log magnitude of the band in 2×2 blocks, kept positive by an offset
            first.weight[band, m + members] = 1 / len(members)
            first.bias[band] = 4
            second.weight[band, band, 2:4, 2:4] = 0.25
            second.bias[band] = 0
            third.weight[band, band, 1, 1] = _BAND_PRECISION
            # E log|y| = log σ − 0.635 of a Gaussian
            typical = float(deviation[members].log().mean()) - 0.635
            third.bias[band] = -_BAND_PRECISION * (4 + typical)
    return nn.Sequential(
        first, nn.LeakyReLU(inplace=True), second, nn.LeakyReLU(inplace=True), third
    )


def bands_of(latent_channels: int) -> tuple[Tensor, Tensor]:
    """Band of each latent channel, the channels being ordered by their energy, and the typical
    standard deviation of each."""
    bands = torch.arange(latent_channels) * BANDS // latent_channels
    return bands, _DCT_GAIN * dct_basis(latent_channels)[1]


def synthesis(n: int, k: int, m: int) -> LinearBypass:
    """g_s: latent to picture ``(B, 3, H, W)``."""
    head = _upsample(n, 3, 4)
    last = head[0]
    assert isinstance(last, nn.Conv2d)
    network = nn.Sequential(
        _upsample(m, k, 2, kernel=1),  # 1/8
        nn.LeakyReLU(inplace=True),
        ResidualUnit(k),
        _upsample(k, n, 2),  # 1/4
        nn.LeakyReLU(inplace=True),
        ResidualUnit(n),
        head,  # 1/1
    )
    linear = nn.Conv2d(m, 3 * BLOCK**2, 1, bias=False)
    with torch.no_grad():
        linear.weight.copy_(dct_basis(m)[0].flatten(1).T[..., None, None] / _DCT_GAIN)
    return LinearBypass(network, last, nn.Sequential(linear, nn.PixelShuffle(BLOCK)))
