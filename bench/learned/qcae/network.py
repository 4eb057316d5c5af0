"""The quantised convolutional autoencoder of codec ``qcae`` (Mitra, "Quantized convolutional
autoencoder for video compression"): gray clips to indices of a scalar codebook and back.

Holds the transforms and codebooks; the indices are coded elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.learned.qcae.temporal_shift import Condition, ShiftNetwork

STRIDE = 4
"""Pixels of a frame's side for one latent; time is not downsampled."""
LATENTS = 2
"""Latents at each place."""
LADDER = (2, 4, 8, 16, 32, 64, 128)
"""Codebook sizes K of the paper."""
_HALVES = (1, 2, 2)


@dataclass(frozen=True, slots=True)
class Coded:
    """``clip`` ``(B, 1, T, H, W)`` in 0–1, not clipped; ``values`` of the quantised latents and
    their ``indices`` ``(B, C, T, h, w)``."""

    clip: Tensor
    values: Tensor
    indices: Tensor


class ResidualBlock(nn.Module):
    """x + BN(conv(ReLU(BN(conv(x))))) with 3×3 kernels in space."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        kernel, padding = (1, 3, 3), (0, 1, 1)
        self.conv1 = nn.Conv3d(channels, channels, kernel, padding=padding, bias=False)
        self.norm1 = nn.BatchNorm3d(channels)
        self.conv2 = nn.Conv3d(channels, channels, kernel, padding=padding, bias=False)
        self.norm2 = nn.BatchNorm3d(channels)

    def forward(self, x: Tensor) -> Tensor:
        refined: Tensor = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        return x + refined


class Blocks(nn.Module):
    """Clips ``(B, 1, T, H, W)`` with the samples of 4×4 blocks as channels."""

    def forward(self, clips: Tensor) -> Tensor:
        return F.pixel_unshuffle(clips.transpose(1, 2), STRIDE).transpose(1, 2)


class Samples(nn.Module):
    """The inverse of ``Blocks``."""

    def forward(self, blocks: Tensor) -> Tensor:
        return F.pixel_shuffle(blocks.transpose(1, 2), STRIDE).transpose(1, 2)


class Transform(nn.ModuleList):
    """Modules in sequence, of which networks for several codebooks are told which it is."""

    def __init__(self, *modules: nn.Module) -> None:
        super().__init__(modules)

    def forward(self, x: Tensor, which: Tensor) -> Tensor:
        for module in self:
            x = module(x, which) if isinstance(module, ShiftNetwork) else module(x)
        return x


class Codebook(nn.Module):
    """Sorted levels of a scalar quantiser on [−1, 1], uniform at the start, learned by gradients
    (section II.B of the paper)."""

    def __init__(self, codes: int) -> None:
        super().__init__()
        self.levels = nn.Parameter(torch.linspace(-1, 1, codes) * (1 - 1 / codes))

    def nearest(self, y: Tensor) -> Tensor:
        """Index of the nearest level of each element; levels stay sorted by ``project``."""
        levels = self.levels.detach()
        return torch.bucketize(y.detach().float().contiguous(), (levels[1:] + levels[:-1]) / 2)

    def forward(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Levels and indices: gradients reach the levels directly and y straight through."""
        indices = self.nearest(y)
        return self.levels[indices] + (y - y.detach()), indices

    @torch.no_grad()
    def project(self) -> None:
        """Sorts the levels and keeps them on [−1, 1]."""
        self.levels.copy_(self.levels.clamp(-1, 1).sort().values)


def _mirrored(inputs: int, outputs: int, *, bias: bool) -> nn.ConvTranspose3d:
    """The inverse in size of a convolution with kernel 5 and stride (1, 2, 2)."""
    return nn.ConvTranspose3d(
        inputs, outputs, 5, stride=_HALVES, padding=2, output_padding=(0, 1, 1), bias=bias
    )


def _paper_transforms(codebooks: int) -> tuple[int, Transform, Transform]:
    """Kernel 5 and stride (1, 2, 2) in the first and last encoder layer, a residual block of 128
    channels, batch normalisation, the decoder mirrored; the same for all codebooks."""
    n, s = 128, 16
    encoder = Transform(
        nn.Conv3d(1, s, 5, stride=_HALVES, padding=2, bias=False),  # H/2
        nn.BatchNorm3d(s),
        nn.ReLU(),
        nn.Conv3d(s, n, 5, stride=_HALVES, padding=2, bias=False),  # H/4
        nn.BatchNorm3d(n),
        nn.ReLU(),
        ResidualBlock(n),
    )
    decoder = Transform(
        ResidualBlock(n),
        nn.ReLU(),
        _mirrored(n, s, bias=False),  # H/2
        nn.BatchNorm3d(s),
        nn.ReLU(),
        _mirrored(s, 1, bias=True),  # H
    )
    return n, encoder, decoder


def _shift_transforms(codebooks: int) -> tuple[int, Transform, Transform]:
    """The samples of 4×4 blocks as channels, then networks of 48 channels at a quarter of the
    size: a third of the arithmetic of the paper's, with more layers and frames in sight."""
    n, block = 48, STRIDE**2
    encoder = Transform(Blocks(), ShiftNetwork(block, n, n, blocks=2, cases=codebooks))
    decoder = Transform(ShiftNetwork(n, n, block, blocks=5, cases=codebooks), Samples())
    return n, encoder, decoder


_TRANSFORMS = {"shift": _shift_transforms, "paper": _paper_transforms}
NETWORKS = tuple(_TRANSFORMS)


class QuantisedAutoencoder(nn.Module):
    """One network for one codebook as in the paper, or for several, its "conditional codebook
    usage" (section IV): scales and offsets depend on the codebook, in the paper's network those of
    the bottleneck, in the cheaper one those of every block.

    ``network`` names its transforms: ``paper`` those of the paper, ``shift`` cheaper ones.
    """

    def __init__(self, codes: Sequence[int] = LADDER, *, network: str = "shift") -> None:
        super().__init__()
        self.codes = tuple(codes)
        n, self.encoder, self.decoder = _TRANSFORMS[network](len(self.codes))
        self.encoder_condition = Condition(len(self.codes), n)
        self.to_latent = nn.Conv3d(n, LATENTS, 1)
        self.codebooks = nn.ModuleList(Codebook(count) for count in self.codes)
        self.from_latent = nn.Conv3d(LATENTS, n, 1)
        self.decoder_condition = Condition(len(self.codes), n)

    def arrange(self) -> QuantisedAutoencoder:
        """Itself, with weights in the order of memory in which convolutions are fastest."""
        orders = {4: torch.channels_last, 5: torch.channels_last_3d}
        for each in self.parameters():
            if each.ndim in orders:
                each.data = each.data.contiguous(memory_format=orders[each.ndim])
        return self

    def forward(self, x: Tensor, which: Tensor) -> Coded:
        """Clips ``(B, 1, T, H, W)`` in 0–1, each with the codebook ``which`` ``(B,)``."""
        values, indices = self._quantise(self._analyse(x, which), which)
        return Coded(self._synthesise(values, which), values, indices)

    def encode(self, x: Tensor, book: int) -> Tensor:
        """Indices ``(B, C, T, h, w)`` of clips; ``book`` is the place of K among ``codes``."""
        return self._codebook(book).nearest(self._analyse(x, torch.full((len(x),), book)))

    def decode(self, indices: Tensor, book: int) -> Tensor:
        """Clips in 0–1 of indices."""
        clips = self._synthesise(self.levels(book)[indices], torch.full((len(indices),), book))
        return clips.clamp(0, 1)

    def levels(self, book: int) -> Tensor:
        """The levels of a codebook ``(K,)``."""
        return self._codebook(book).levels

    def project(self) -> None:
        """Keeps all codebooks sorted, after an optimiser's step."""
        for book in range(len(self.codes)):
            self._codebook(book).project()

    def _quantise(self, latent: Tensor, which: Tensor) -> tuple[Tensor, Tensor]:
        """As ``Codebook.forward`` for each item of a batch with the codebook of its own, without
        asking a GPU which that is."""
        if len(self.codes) == 1:
            values, indices = self._codebook(0)(latent)
            return values, indices
        longest, never = max(self.codes), math.inf
        table = torch.stack(
            [
                F.pad(self.levels(book), (0, longest - codes), value=never)
                for book, codes in enumerate(self.codes)
            ]
        )[which]
        flat, known = latent.flatten(1), table.detach()
        indices = torch.searchsorted((known[:, 1:] + known[:, :-1]) / 2, flat.detach())
        values = table.gather(1, indices) + (flat - flat.detach())
        return values.view(latent.shape), indices.view(latent.shape)

    def _codebook(self, book: int) -> Codebook:
        codebook = self.codebooks[book]
        assert isinstance(codebook, Codebook)
        return codebook

    def _analyse(self, x: Tensor, which: Tensor) -> Tensor:
        features = self.encoder_condition(self.encoder(x, which), which)
        latent: Tensor = torch.tanh(self.to_latent(features).float())
        return latent

    def _synthesise(self, values: Tensor, which: Tensor) -> Tensor:
        clip: Tensor = self.decoder(self.decoder_condition(self.from_latent(values), which), which)
        return clip.float()
