"""The training task of the priors of codec ``vqvae2``: bits of the autoencoder's indices."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional as F

from bench.codecs.support import weights
from bench.learned.training.pictures import Pictures
from bench.learned.training.task import Losses, TaskBase, TrainingContext
from bench.learned.vqvae2.blocktransformer import BlockTransformer
from bench.learned.vqvae2.network import VqVae2
from bench.learned.vqvae2.pixelsnail import PixelSnail
from bench.learned.vqvae2.prior_coder import LEARNED, LEVELS, PIXELSNAIL, build_prior

_HELD_OUT = 16
_PIECE = 256
"""Pictures are coded in pieces of so many pixels: the priors see the borders that they will see."""
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class IndexMaps:
    """Indices of 256×256 pieces: ``(n, 32, 32)`` and ``(n, 64, 64)`` 16-bit integers."""

    top: Tensor
    bottom: Tensor


@torch.no_grad()
def index_maps(autoencoder: VqVae2, pixels: Tensor, device: torch.device) -> IndexMaps:
    """The index maps of pieces, uint8 ``(n, 3, 256, 256)``."""
    parts = [
        autoencoder.encode(part.to(device).float() / 255) for part in torch.split(pixels, _AT_ONCE)
    ]
    top, bottom = (torch.cat(level).cpu().to(torch.int16) for level in zip(*parts, strict=True))
    return IndexMaps(top, bottom)


class PriorTask(TaskBase[tuple[Tensor, Tensor]]):
    """One level's prior. ``[training.options]``: ``coder`` and ``level``; ``input`` (indices or
    vectors); ``pieces``: how many random pieces of the pictures are turned into indices before the
    first step; ``window``: side of the part of a map that a step sees.

    The autoencoder must be trained before: it makes the indices and is not changed.
    """

    def __init__(self, context: TrainingContext) -> None:
        super().__init__(context)
        card, options = context.recipe.card, context.options
        self.level = options.word("level", LEVELS)
        coder = options.word("coder", LEARNED, PIXELSNAIL)
        entropy_input = options.word("input", ("indices", "vectors"), "indices")
        autoencoder = VqVae2(int(card.settings["codes"]), int(card.settings["dim"]))
        weights.load_into(autoencoder, weights.load_weights(card), weights.weights_path(card))
        autoencoder.eval().requires_grad_(False).to(context.device)
        pictures = Pictures.open(context.data, vimeo=options.flag("vimeo"))
        self.digest = pictures.digest
        self.maps, self.held_out = self._maps(autoencoder, pictures)
        self.window = options.whole("window", 32)
        self.model: PixelSnail | BlockTransformer = build_prior(
            card.settings, coder, entropy_input, self.level
        )
        self._prepare(autoencoder)

    def _maps(self, autoencoder: VqVae2, pictures: Pictures) -> tuple[IndexMaps, IndexMaps]:
        """Of training and of validation; once computed they serve all priors of an autoencoder."""
        count, seed = self.context.options.whole("pieces", 1000), self.settings.seed
        weights_digest = weights.weights_digest(self.context.recipe.card)
        key = hashlib.sha256(f"{weights_digest} {self.digest} {seed} {count}".encode()).hexdigest()
        scratch = self.context.scratch
        if scratch is not None and (path := scratch / _kept(key)).is_file():
            kept = load_file(path)
            parts = (kept["top"], kept["bottom"]), (kept["held_top"], kept["held_bottom"])
            return IndexMaps(*parts[0]), IndexMaps(*parts[1])
        held_out, rest = pictures.split(_HELD_OUT)
        pieces = rest.crops(np.random.default_rng(seed), count, _PIECE)
        maps = index_maps(autoencoder, pieces, self.context.device)
        held = index_maps(autoencoder, held_out.centre_crops(_PIECE), self.context.device)
        if scratch is not None:
            scratch.mkdir(parents=True, exist_ok=True)
            partial = scratch / f"{_kept(key)}.new"
            tensors = {"top": maps.top, "bottom": maps.bottom}
            save_file(tensors | {"held_top": held.top, "held_bottom": held.bottom}, partial)
            partial.replace(scratch / _kept(key))
        return maps, held

    def _prepare(self, autoencoder: VqVae2) -> None:
        """Codebooks as inputs, and the frequencies of the indices as the head's first guess."""
        books = {"top": autoencoder.codebook_top, "bottom": autoencoder.codebook_bottom}
        self.model.input.use_codebook(books[self.level].vectors.cpu())
        if self.model.condition is not None:
            self.model.condition.input.use_codebook(books["top"].vectors.cpu())
        maps = self.maps.bottom if self.level == "bottom" else self.maps.top
        counts = torch.bincount(maps.flatten().long(), minlength=autoencoder.codes) + 0.5
        with torch.no_grad():
            self.model.head.bias.copy_((counts / counts.sum()).log())

    def batch(self, step: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Windows of this level and of the top level above or at them, mirrored nowhere: indices
        have no mirror image."""
        side = self.window // 2 if self.level == "bottom" else self.window
        chosen = rng.integers(len(self.maps.top), size=self.settings.batch)
        rows, columns = rng.integers(self.maps.top.shape[1] - side + 1, size=(2, len(chosen)))
        tops, bottoms = [], []
        for piece, row, column in zip(chosen, rows, columns, strict=True):
            tops.append(self.maps.top[piece, row : row + side, column : column + side])
            two = slice(2 * row, 2 * (row + side)), slice(2 * column, 2 * (column + side))
            bottoms.append(self.maps.bottom[piece][two])
        top, bottom = torch.stack(tops).long(), torch.stack(bottoms).long()
        return (bottom if self.level == "bottom" else top), top

    def loss(self, batch: tuple[Tensor, Tensor], step: int) -> Losses:
        bits = self._bits(*batch)
        return Losses(bits, {"bits_per_index": bits.detach()})

    def validate(self) -> Mapping[str, float]:
        """Bits per pixel of this level on centre pieces of held-out pictures."""
        bits = []
        for top, bottom in zip(self.held_out.top, self.held_out.bottom, strict=True):
            here = bottom if self.level == "bottom" else top
            pair = (each[None].long().to(self.context.device) for each in (here, top))
            bits.append(float(self._bits(*pair)))
        stride = 4 if self.level == "bottom" else 8
        return {"bpp": float(np.mean(bits)) / stride**2}

    def data_digest(self) -> str:
        return self.digest

    def _bits(self, here: Tensor, top: Tensor) -> Tensor:
        """Mean bits an index."""
        logits = self.model(here, top if self.level == "bottom" else None).float()
        nats: Tensor = F.cross_entropy(logits.flatten(0, 2), here.flatten())
        return nats / math.log(2)


def _kept(key: str) -> str:
    return f"indices-{key[:16]}.safetensors"
