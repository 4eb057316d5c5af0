"""The training tasks of codecs ``qcae`` and ``qcae-any``: the autoencoder and its context model."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from bench.cards import CodecCard
from bench.codecs.support.weights import load_into, read_tensors, weights_path
from bench.datasets.moving_mnist import FRAMES
from bench.learned.qcae.codec import CONTEXT, Qcae
from bench.learned.qcae.network import LADDER, LATENTS, QuantisedAutoencoder
from bench.learned.shared.latent_context import LatentContext
from bench.learned.training.digits import MovingDigits
from bench.learned.training.task import (
    Losses,
    ParameterGroup,
    TaskBase,
    TrainingContext,
    foreign_start,
)

_HELD_OUT = 8
_GROUPS = 2 * LATENTS
_RATED = 4
"""Of these, those whose bits are counted."""
_PRICE = 1.0
"""Per cent of mean squared error that one per cent of bits is worth, where bits count."""
_PURSUIT = 2.0
"""Learning rate of the context model by that of the autoencoder."""
_LEAK = 0.05
"""Of that where they do not, so that the context model learns from all clips."""


FramesOfGroups = dict[int, Tensor]
"""Of each group of a frame's latents the numbers of the frames in which it is looked at."""
Rated = tuple[int, FramesOfGroups]
"""The place of a clip's codebook in the ladder, and of which of its latents bits are counted."""


class _Learning(nn.Module):
    """The autoencoder, and the context model that learns beside it what its indices cost."""

    def __init__(self, autoencoder: QuantisedAutoencoder, context: LatentContext | None) -> None:
        super().__init__()
        self.autoencoder, self.context = autoencoder, context


class AutoencoderTask(TaskBase[tuple[Tensor, Tensor, list[Rated]]]):
    """Mean squared error, of each clip in decibels (section II.C of the paper): for the codebook of
    the recipe's point, or for all of the ladder, each clip of a batch then with a codebook of its
    own.

    With ``options.share`` the bits of context coding count as well, those beyond that share of
    log2 K. They are those of a context model that learns beside the autoencoder, at first the
    codec's own where it has one; it is not exported, the codec's is trained after the autoencoders.
    """

    def __init__(self, context: TrainingContext) -> None:
        super().__init__(context)
        recipe = context.recipe
        points = [recipe.point] if recipe.point else recipe.card.ladder
        codes = [int(point.value) for point in points if point]
        self.books = [LADDER.index(count) for count in codes]
        self.autoencoder: QuantisedAutoencoder = QuantisedAutoencoder(
            codes, network=str(recipe.card.settings["network"])
        ).arrange()
        self.allowed = context.options.number("share", 0)
        self.costs = _context_of(recipe.card) if self.allowed else None
        self.model: nn.Module = _Learning(self.autoencoder, self.costs)
        self.digits = MovingDigits.open(context.data)
        held_out = MovingDigits.open(context.data, held_out=True)
        self.held_out = held_out.clips(np.random.default_rng(0), _HELD_OUT)

    def batch(self, step: int, rng: np.random.Generator) -> tuple[Tensor, Tensor, list[Rated]]:
        clips = self.digits.clips(rng, self.settings.batch)
        which = rng.choice(len(self.books), len(clips), p=_chances(len(self.books)))
        rated = []
        if self.allowed:
            rated = [(self.books[place], _drawn(rng, FRAMES)) for place in which]
        return clips, torch.from_numpy(which), rated

    def loss(self, batch: tuple[Tensor, Tensor, list[Rated]], step: int) -> Losses:
        pixels, which, rated = batch
        x = pixels.float() / 255
        coded = self.autoencoder(x, which)
        errors = (coded.clip - x).square().mean((1, 2, 3, 4))
        cost, parts = errors.log().mean(), {"mse": 255**2 * errors.mean().detach()}
        if rated:
            each = zip(coded.values, coded.indices, rated, strict=True)
            shares = torch.stack([self._share(*one) for one in each])
            cost = cost + _PRICE * F.leaky_relu((shares / self.allowed).log(), _LEAK).mean()
            parts["share"] = shares.mean().detach()
        return Losses(cost, parts)

    def _share(self, values: Tensor, indices: Tensor, rated: Rated) -> Tensor:
        """Bits of context coding as a share of log2 K, of latents ``(C, T, h, w)`` of one clip."""
        assert self.costs is not None
        book, frames = rated
        levels = self.autoencoder.levels(self.books.index(book))
        bits = self.costs.bits(values, indices, book, frames, levels)
        return bits / _counted(indices) / math.log2(LADDER[book])

    def parameter_groups(self) -> list[ParameterGroup]:
        """The context model learns faster than what it follows."""
        groups = [ParameterGroup([*self.autoencoder.parameters()])]
        if self.costs is not None:
            groups.append(ParameterGroup([*self.costs.parameters()], _PURSUIT))
        return groups

    def after_step(self, step: int) -> None:
        self.autoencoder.project()

    def validate(self) -> Mapping[str, float]:
        """MSE of 8-bit samples on clips of held-out training digits, for each codebook; with
        ``options.share`` also its bits."""
        x = self.held_out.float().to(self.context.device) / 255
        figures = {}
        for book, codes in enumerate(self.autoencoder.codes):
            indices = self.autoencoder.encode(x, book)
            decoded = self.autoencoder.decode(indices, book)
            figures[f"mse_{codes}"] = 255**2 * float(F.mse_loss(decoded, x))
            if self.allowed:
                values = self.autoencoder.levels(book)[indices]
                shares = [
                    float(self._share(*one, (self.books[book], frames)))
                    for one in zip(values[:_RATED], indices[:_RATED], strict=True)
                    for frames in _in_turn(FRAMES)
                ]
                figures[f"share_{codes}"] = float(np.mean(shares))
        return figures

    def export(self) -> Mapping[str, Tensor]:
        return self.autoencoder.state_dict()

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Weights of the same codebooks, of some of them or of others, whose levels are not taken;
        a network for several then starts as the same for all."""
        try:
            missing, unknown = self.autoencoder.load_state_dict(
                _fitted(tensors, self.autoencoder.codes), strict=False
            )
            wrong = [name for name in missing if not re.search(r"codebooks|\.condition\.", name)]
            if wrong := [*wrong, *unknown]:
                raise RuntimeError(f"{wrong[0]} is not in both")
        except RuntimeError as error:
            raise foreign_start(self.context.recipe, error) from error

    def data_digest(self) -> str:
        return self.digits.digest


Excerpt = tuple[int, int, FramesOfGroups]
"""The place of a codebook in the ladder, the number of a clip, and what is looked at of it."""


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
            batch.append((int(book), clip, _drawn(rng, frames)))
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
        return self.model.bits(values, indices, book, frames) / _counted(indices)

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


def _context_of(card: CodecCard) -> LatentContext:
    """The codec's context model where it is trained, else one with random weights."""
    model = LatentContext(LADDER, LATENTS)
    path = weights_path(card, CONTEXT)
    if path.is_file():
        load_into(model, read_tensors(path), path)
    return model


def _chances(books: int) -> NDArray[np.float64]:
    """Of codebooks to be drawn; those at the ends of the ladder learn least from the others."""
    chances = np.ones(books)
    chances[[0, -1]] = 3
    chances /= chances.sum()
    return chances


def _drawn(rng: np.random.Generator, frames: int) -> FramesOfGroups:
    """A group for each frame."""
    groups = rng.integers(_GROUPS, size=frames)
    return {
        int(group): torch.from_numpy(np.flatnonzero(groups == group)) for group in np.unique(groups)
    }


def _in_turn(frames: int) -> Iterator[FramesOfGroups]:
    """Every group of every frame once."""
    for turn in range(_GROUPS):
        yield {
            group: torch.arange((group - turn) % _GROUPS, frames, _GROUPS)
            for group in range(_GROUPS)
        }


def _counted(indices: Tensor) -> float:
    """How many latents of a clip ``(C, T, h, w)`` are in a group drawn for each frame."""
    return indices.numel() / _GROUPS


def _fitted(tensors: Mapping[str, Tensor], codes: Sequence[int]) -> dict[str, Tensor]:
    """Weights of autoencoders for these codebooks from those for others: the levels of those in
    both, and the conditions of the first for those that are not."""
    levels = {name: value for name, value in tensors.items() if name.startswith("codebooks.")}
    sizes = {len(value): name for name, value in levels.items()}
    books = [int(sizes[count].split(".")[1]) if count in sizes else 0 for count in codes]
    found = {name: value for name, value in tensors.items() if name not in levels}
    for place, count in enumerate(codes):
        if count in sizes:
            found[f"codebooks.{place}.levels"] = tensors[sizes[count]]
    for name in [name for name in found if "condition." in name]:
        found[name] = found[name][books]
    if len(codes) == 1:
        for name in [name for name in found if name.endswith(".condition.scale")]:
            _fold(found, name.removesuffix("condition.scale"))
    return found


def _fold(tensors: dict[str, Tensor], block: str) -> None:
    """The condition of a block's only case becomes part of the convolution before it."""
    scale, offset = (tensors.pop(f"{block}condition.{part}")[0] for part in ("scale", "offset"))
    weight, bias = f"{block}conv1.weight", f"{block}conv1.bias"
    tensors[weight] = tensors[weight] * scale[:, None, None, None]
    tensors[bias] = tensors[bias] * scale + offset
