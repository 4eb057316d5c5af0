"""The training tasks of codecs ``qcae`` and ``qcae-any``: the autoencoder and its context model."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from bench.codecs.qcae import Qcae
from bench.models.latent_context import LatentContext
from bench.models.qcae import LADDER, LATENTS, QuantisedAutoencoder
from bench.training.digits import MovingDigits
from bench.training.task import Losses, TaskBase, TrainingContext, foreign_start

_HELD_OUT = 8


class AutoencoderTask(TaskBase[tuple[Tensor, Tensor]]):
    """Mean squared error only (section II.C of the paper): for the codebook of the recipe's point,
    or for all of the ladder, each clip of a batch then with a codebook of its own and all counting
    alike in decibels."""

    def __init__(self, context: TrainingContext) -> None:
        super().__init__(context)
        recipe = context.recipe
        points = [recipe.point] if recipe.point else recipe.card.ladder
        self.model: QuantisedAutoencoder = QuantisedAutoencoder(
            [int(point.value) for point in points if point],
            network=str(recipe.card.settings["network"]),
        ).arrange()
        self.digits = MovingDigits.open(context.data)
        held_out = MovingDigits.open(context.data, held_out=True)
        self.held_out = held_out.clips(np.random.default_rng(0), _HELD_OUT)

    def batch(self, step: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        clips = self.digits.clips(rng, self.settings.batch)
        which = rng.integers(len(self.model.codes), size=len(clips))
        return clips, torch.from_numpy(which)

    def loss(self, batch: tuple[Tensor, Tensor], step: int) -> Losses:
        pixels, which = batch
        x = pixels.float() / 255
        errors = (self.model(x, which).clip - x).square().mean((1, 2, 3, 4))
        mse = errors.mean()
        # of several codebooks the smallest would otherwise rule the sum
        cost = mse if len(self.model.codes) == 1 else errors.log().mean()
        return Losses(cost, {"mse": 255**2 * mse.detach()})

    def after_step(self, step: int) -> None:
        self.model.project()

    def validate(self) -> Mapping[str, float]:
        """MSE of 8-bit samples on clips of held-out training digits, for each codebook."""
        x = self.held_out.float().to(self.context.device) / 255
        figures = {}
        for book, codes in enumerate(self.model.codes):
            decoded = self.model.decode(self.model.encode(x, book), book)
            figures[f"mse_{codes}"] = 255**2 * float(F.mse_loss(decoded, x))
        return figures

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Weights of the same codebooks, this one's share of those of the whole ladder, or those
        of another codebook, whose levels are not taken."""
        if len(self.model.codes) > 1:
            super().load(tensors)
            return
        share = _share(tensors, self.model.codes[0])
        try:
            missing, _ = self.model.load_state_dict(share, strict=False)
            if set(missing) - {"codebooks.0.levels"}:
                raise RuntimeError(f"{missing[0]} is not in them")
        except RuntimeError as error:
            raise foreign_start(self.context.recipe, error) from error

    def data_digest(self) -> str:
        return self.digits.digest


Excerpt = tuple[int, int, dict[int, Tensor]]
"""The place of a codebook in the ladder, a clip, and of each group the numbers of its frames."""


class ContextTask(TaskBase[list[Excerpt]]):
    """The context model of all codebooks at once, on indices of the trained autoencoders.

    ``options.clips`` clips are encoded with each codebook at the start and kept; a step sees one of
    the groups of every frame of its clips.
    """

    def __init__(self, context: TrainingContext) -> None:
        super().__init__(context)
        self.codec = Qcae(context.recipe.card, device=str(context.device))
        self.model: LatentContext = LatentContext(LADDER, LATENTS)
        self.digits = MovingDigits.open(context.data)
        rng = np.random.default_rng(self.settings.seed)
        clips = self.digits.clips(rng, context.options.whole("clips", 150))
        held_out = MovingDigits.open(context.data, held_out=True)
        self.levels = [self.codec.values(codes).float().to(context.device) for codes in LADDER]
        self.indices = [self._encode(clips, codes) for codes in LADDER]
        validation = held_out.clips(np.random.default_rng(0), _HELD_OUT)
        self.held_out = [self._encode(validation, codes) for codes in LADDER]

    @torch.no_grad()
    def _encode(self, clips: Tensor, codes: int) -> Tensor:
        """Indices ``(n, C, T, h, w)`` in 8 bits."""
        network, book = self.codec.network(codes)
        parts = [
            network.encode(part.float().to(self.context.device) / 255, book).to(torch.uint8)
            for part in torch.split(clips, 2)
        ]
        return torch.cat(parts)

    def batch(self, step: int, rng: np.random.Generator) -> list[Excerpt]:
        frames = self.indices[0].shape[2]
        batch = []
        for book in rng.integers(len(LADDER), size=self.settings.batch):
            clip = int(rng.integers(len(self.indices[book])))
            groups = rng.integers(self.model.groups, size=frames)
            numbers = {
                int(group): torch.from_numpy(np.flatnonzero(groups == group))
                for group in np.unique(groups)
            }
            batch.append((int(book), clip, numbers))
        return batch

    def loss(self, batch: list[Excerpt], step: int) -> Losses:
        losses, bits = [], []
        for book, clip, frames in batch:
            per_latent = self._bits(self.indices[book][clip].long(), book, frames)
            bits.append(per_latent.detach())
            # small codebooks have few bits to save but as much right to be learned
            losses.append(per_latent / np.log2(LADDER[book]) ** 0.5)
        return Losses(torch.stack(losses).mean(), {"bits": torch.stack(bits).mean()})

    def _bits(self, indices: Tensor, book: int, frames: Mapping[int, Tensor]) -> Tensor:
        """Mean bits a latent of one group in each frame."""
        values = self.levels[book][indices]
        count = indices[0].numel() / 2
        return self.model.bits(values, indices, book, frames) / count

    def validate(self) -> Mapping[str, float]:
        """Bits a latent on held-out clips, as a share of log2 K."""
        figures = {}
        every = torch.arange(self.held_out[0].shape[2], device=self.context.device)
        for book, codes in enumerate(LADDER):
            shares = [
                float(self._bits(clip.long(), book, {group: every}))
                for clip in self.held_out[book]
                for group in range(self.model.groups)
            ]
            figures[f"share_{codes}"] = float(np.mean(shares)) / np.log2(codes)
        return figures

    def data_digest(self) -> str:
        return self.digits.digest


def _share(tensors: Mapping[str, Tensor], codes: int) -> dict[str, Tensor]:
    """The weights for one codebook among those for several."""
    sizes = {
        int(match[1]): len(value)
        for name, value in tensors.items()
        if (match := re.fullmatch(r"codebooks\.(\d+)\.levels", name))
    }
    book = next((place for place, size in sizes.items() if size == codes), None)
    row = book or 0
    share = {}
    for name, value in tensors.items():
        if name.startswith("codebooks."):
            if name == f"codebooks.{book}.levels":
                share["codebooks.0.levels"] = value
        elif "_condition." in name:
            share[name] = value[row : row + 1]
        else:
            share[name] = value
    return share
