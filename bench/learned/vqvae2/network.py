"""VQ-VAE-2 (Razavi et al. 2019): two levels of vector-quantised latents of a picture.

Holds the autoencoder and its codebooks; the indices are coded elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.learned.shared.layers import AttentionBlock
from bench.learned.shared.transforms import ResidualUnit

BOTTOM_STRIDE = 4
TOP_STRIDE = 8


@dataclass(frozen=True, slots=True)
class Quantised:
    """``vectors`` ``(B, D, h, w)`` of the codebook, straight-through; ``indices`` ``(B, h, w)``;
    ``commitment``: mean squared distance of the encoder's output to them (eq. 2 of the paper)."""

    vectors: Tensor
    indices: Tensor
    commitment: Tensor


class Codebook(nn.Module):
    """A codebook that follows its vectors by exponential moving averages (van den Oord et al. 2017,
    appendix A.1); everything that training changes is a buffer.

    ``learning`` keeps in the state what only training needs: use of each code, running sums.
    Nothing in a training step waits for a GPU: whether the codes have started is known here too.
    """

    vectors: Tensor
    counts: Tensor
    sums: Tensor
    recent: Tensor
    started: Tensor

    def __init__(self, codes: int, dim: int, *, learning: bool, decay: float = 0.99) -> None:
        super().__init__()
        self.decay = decay
        start = torch.randn(codes, dim)
        self.register_buffer("vectors", start)
        self.register_buffer("counts", torch.ones(codes), persistent=learning)
        self.register_buffer("sums", start.clone(), persistent=learning)
        # encoder outputs of the last step, among which dead codes are reborn
        self.register_buffer("recent", torch.zeros(codes, dim), persistent=learning)
        self.register_buffer("started", torch.zeros(()), persistent=learning)
        self._started = False
        self.register_load_state_dict_post_hook(_note_start)  # type: ignore[no-untyped-call]

    def forward(self, x: Tensor) -> Quantised:
        """Quantises ``(B, D, h, w)``; in training mode the codebook moves."""
        flat = x.permute(0, 2, 3, 1).reshape(-1, x.shape[1]).float()
        with torch.autocast(x.device.type, enabled=False):
            if self.training and not self._started:
                self._start(flat.detach())
            indices = self.nearest(flat)
            if self.training:
                self._follow(flat.detach(), indices)
        indices = indices.view(x.shape[0], *x.shape[2:])
        vectors = self.look_up(indices)
        commitment = (vectors.detach() - x).square().mean()
        return Quantised(x + (vectors - x).detach(), indices, commitment)

    def nearest(self, flat: Tensor) -> Tensor:
        """Index of the nearest code of each row ``(n, D)``."""
        norms, codes = self.vectors.square().sum(1), self.vectors.T
        # in parts, because the table of all distances is larger than a processor's cache
        parts = [
            torch.addmm(norms, rows, codes, alpha=-2).argmin(1) for rows in torch.split(flat, 512)
        ]
        return torch.cat(parts)

    def look_up(self, indices: Tensor) -> Tensor:
        """Vectors ``(B, D, h, w)`` of indices ``(B, h, w)``."""
        return F.embedding(indices, self.vectors).permute(0, 3, 1, 2)

    @torch.no_grad()
    def _start(self, flat: Tensor) -> None:
        """Codes start as encoder outputs: far from them most would never be used."""
        rows = torch.randint(len(flat), (len(self.vectors),), device=flat.device)
        self.vectors.copy_(flat[rows] + 1e-3 * torch.randn_like(self.vectors))
        self.keep_vectors()

    @torch.no_grad()
    def keep_vectors(self) -> None:
        """Training goes on from the codes as they are."""
        self.sums.copy_(self.vectors)
        self.started.fill_(1)
        self._started = True

    @torch.no_grad()
    def _follow(self, flat: Tensor, indices: Tensor) -> None:
        hits = torch.zeros_like(self.counts).index_add_(
            0, indices, torch.ones_like(indices, dtype=self.counts.dtype)
        )
        sums = torch.zeros_like(self.sums).index_add_(0, indices, flat)
        self.counts.lerp_(hits, 1 - self.decay)
        self.sums.lerp_(sums, 1 - self.decay)
        self.vectors.copy_(self.sums / self.counts.clamp_min(1e-5)[:, None])
        rows = torch.randint(len(flat), (len(self.recent),), device=flat.device)
        self.recent.copy_(flat[rows])

    @torch.no_grad()
    def revive(self, threshold: float = 0.03) -> Tensor:
        """Moves codes used less often than ``threshold`` a step to recent encoder outputs; returns
        how many, 0-d (Dhariwal et al. 2020, Jukebox, random restarts)."""
        dead = self.counts < threshold
        self.vectors.copy_(torch.where(dead[:, None], self.recent, self.vectors))
        self.sums.copy_(torch.where(dead[:, None], self.recent, self.sums))
        self.counts.masked_fill_(dead, 1.0)
        return dead.sum()


def _note_start(module: nn.Module, _: object) -> None:
    """After a state was loaded."""
    assert isinstance(module, Codebook)
    module._started = bool(module.started)


@dataclass(frozen=True, slots=True)
class Coded:
    """Output of the training forward pass; ``picture`` is ``(B, 3, H, W)`` in 0–1, not clipped."""

    picture: Tensor
    top: Quantised
    bottom: Quantised


class VqVae2(nn.Module):
    """Convolution and attention autoencoder with a top codebook at 1/8 and a bottom one at 1/4.

    ``codes`` and ``dim`` are the size of both codebooks: 512 × 64 and 2048 × 256 in the report
    that codec ``vqvae2`` rebuilds.
    """

    def __init__(self, codes: int, dim: int, channels: int = 96, *, learning: bool = False) -> None:
        super().__init__()
        self.codes = codes
        c = channels
        self.encoder_bottom = nn.Sequential(
            nn.Conv2d(3, c, 8, stride=4, padding=2),  # 1/4
            nn.ReLU(),
            ResidualUnit(c),
            ResidualUnit(c),
        )
        self.encoder_top = nn.Sequential(
            nn.Conv2d(c, c, 4, stride=2, padding=1),  # 1/8
            nn.ReLU(),
            ResidualUnit(c),
            AttentionBlock(c),
        )
        self.to_top = nn.Conv2d(c, dim, 1)
        self.codebook_top = Codebook(codes, dim, learning=learning)
        self.decoder_top = nn.Sequential(
            nn.Conv2d(dim, c, 3, padding=1),
            AttentionBlock(c),
            ResidualUnit(c),
            nn.ConvTranspose2d(c, c, 4, stride=2, padding=1),  # 1/4
        )
        self.to_bottom = nn.Conv2d(2 * c, dim, 1)
        self.codebook_bottom = Codebook(codes, dim, learning=learning)
        self.decoder = nn.Sequential(
            nn.Conv2d(c + dim, c, 3, padding=1),
            ResidualUnit(c),
            ResidualUnit(c),
            nn.ReLU(),
            nn.Conv2d(c, 48, 3, padding=1),
            nn.PixelShuffle(4),  # 1/1
        )

    def forward(self, x: Tensor) -> Coded:
        """Pictures ``(B, 3, H, W)`` in 0–1, H and W multiples of 8."""
        features = self.encoder_bottom(x - 0.5)
        top = self.codebook_top(self.to_top(self.encoder_top(features)))
        context = self.decoder_top(top.vectors)
        bottom = self.codebook_bottom(self.to_bottom(torch.cat([features, context], 1)))
        return Coded(self._picture(context, bottom.vectors), top, bottom)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Indices of the top ``(B, H/8, W/8)`` and bottom ``(B, H/4, W/4)`` level."""
        features = self.encoder_bottom(x - 0.5)
        top = self.codebook_top(self.to_top(self.encoder_top(features)))
        context = self.decoder_top(top.vectors)
        bottom = self.codebook_bottom(self.to_bottom(torch.cat([features, context], 1)))
        return top.indices, bottom.indices

    def latents(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What is quantised: the top ``(B, D, H/8, W/8)`` and bottom level ``(B, D, H/4, W/4)``."""
        features = self.encoder_bottom(x - 0.5)
        top: Tensor = self.to_top(self.encoder_top(features))
        context = self.decoder_top(self.codebook_top(top).vectors)
        return top, self.to_bottom(torch.cat([features, context], 1))

    def quantised(self, top: Tensor, bottom: Tensor) -> Coded:
        """The picture of such latents and their codes, differentiable in evaluation too."""
        upper, lower = self.codebook_top(top), self.codebook_bottom(bottom)
        return Coded(self._picture(self.decoder_top(upper.vectors), lower.vectors), upper, lower)

    def decode(self, top: Tensor, bottom: Tensor) -> Tensor:
        """The picture in 0–1 of the indices of both levels."""
        context = self.decoder_top(self.codebook_top.look_up(top))
        return self._picture(context, self.codebook_bottom.look_up(bottom)).clamp(0, 1)

    def _picture(self, context: Tensor, bottom: Tensor) -> Tensor:
        picture: Tensor = self.decoder(torch.cat([context, bottom], 1))
        return picture.float() + 0.5
