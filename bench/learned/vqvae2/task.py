"""The training task of the autoencoder of codec ``vqvae2``: distortion and commitment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import torch
from torch import Tensor

from bench.learned.training.pictures import Pictures
from bench.learned.training.task import Losses, TaskBase, TrainingContext, foreign_start
from bench.learned.vqvae2.network import VqVae2

_COMMITMENT = 0.25
"""β of van den Oord et al. 2017, eq. 3."""
_HELD_OUT = 16
_REVIVE_EVERY = 50


class VqVae2Task(TaskBase[Tensor]):
    """Both codebooks move by averages in the forward pass; dead codes are revived between."""

    def __init__(self, context: TrainingContext) -> None:
        super().__init__(context)
        settings = context.recipe.card.settings
        self.model: VqVae2 = VqVae2(int(settings["codes"]), int(settings["dim"]), learning=True)
        self.crop = context.options.whole("crop", 128)
        pictures = Pictures.open(context.data, vimeo=context.options.flag("vimeo"))
        self.held_out, self.pictures = pictures.split(_HELD_OUT)

    def batch(self, step: int, rng: np.random.Generator) -> Tensor:
        return self.pictures.crops(rng, self.settings.batch, self.crop)

    def loss(self, batch: Tensor, step: int) -> Losses:
        x = batch.float() / 255
        coded = self.model(x)
        mse = (coded.picture - x).square().mean()
        commitment = coded.top.commitment + coded.bottom.commitment
        # the weight brings the distortion of pixels in 0–1 to the order of unit-variance latents
        total = 100 * mse + _COMMITMENT * commitment
        return Losses(total, {"mse": 255**2 * mse.detach(), "commitment": commitment.detach()})

    def after_step(self, step: int) -> None:
        if step % _REVIVE_EVERY == _REVIVE_EVERY - 1:
            self.model.codebook_top.revive()
            self.model.codebook_bottom.revive()

    def averaged_buffers(self) -> Iterable[str]:
        """The codes, which encoder and decoder move with."""
        return ("codebook_top.vectors", "codebook_bottom.vectors")

    def validate(self) -> Mapping[str, float]:
        """PSNR and the empirical entropy of the indices, in bits per pixel, of centre crops."""
        x = self.held_out.centre_crops(256).float() / 255
        psnr, bits = [], 0.0
        for index in range(len(x)):
            picture = x[index : index + 1].to(self.context.device)
            top, bottom = self.model.encode(picture)
            decoded = self.model.decode(top, bottom)
            psnr.append(float(-10 * (decoded - picture).square().mean().log10()))
            bits += sum(_entropy(level) * level.numel() for level in (top, bottom))
        return {"psnr": float(np.mean(psnr)), "bpp_order0": bits / (len(x) * 256**2)}

    def export(self) -> Mapping[str, Tensor]:
        """The weights and codebooks; what only training needs of the codebooks stays behind."""
        state = self.model.state_dict()
        return {key: value for key, value in state.items() if not key.endswith(_TRAINING_ONLY)}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Also from weights of smaller codebooks, whose codes are split (see ``grown``)."""
        mine = self.model.state_dict()
        try:
            ready = {name: grown(name, tensor, mine[name]) for name, tensor in tensors.items()}
        except (KeyError, ValueError) as error:
            raise foreign_start(self.context.recipe, error) from error
        self.model.load_state_dict(ready, strict=False)
        for codebook in (self.model.codebook_top, self.model.codebook_bottom):
            codebook.keep_vectors()

    def data_digest(self) -> str:
        return self.pictures.digest


def grown(name: str, small: Tensor, large: Tensor) -> Tensor:
    """A tensor of a network with larger codebooks that does what ``small`` did: codes are split
    into neighbours as in LBG (Linde et al. 1980), new dimensions are zero, the layers that read
    them keep their random ``large``. Raises ValueError where ``small`` is larger."""
    if small.dim() != large.dim() or any(
        a > b for a, b in zip(small.shape, large.shape, strict=True)
    ):
        raise ValueError(f"{name} is {tuple(small.shape)}, here {tuple(large.shape)}")
    result = large.clone()
    if small.shape == large.shape:
        return result.copy_(small)
    if name.startswith(("to_", "codebook")):
        result.zero_()
    if name.endswith("vectors"):
        copies = -(-len(large) // len(small))
        spread = _SPLIT * small.std(0) * torch.randn(copies, *small.shape)
        spread[0] = 0
        small = (small + spread).flatten(0, 1)[: len(large)]
    result[tuple(slice(length) for length in small.shape)] = small
    return result


_SPLIT = 0.1
"""Distance of the parts of a split code, in standard deviations of the codebook."""
_TRAINING_ONLY = (".counts", ".sums", ".recent", ".started")


def _entropy(indices: Tensor) -> float:
    """Order-0 entropy in bits an index."""
    counts = torch.bincount(indices.flatten()).double()
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * shares.log2()).sum())
