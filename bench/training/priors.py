"""The training task of the priors of codec ``vqvae2``: bits of the autoencoder's indices."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from bench import weights
from bench.codecs.vqvae2 import prior_shape
from bench.errors import UsageError
from bench.models.pixelsnail import PixelSnail
from bench.models.vqvae2 import VqVae2
from bench.training.pictures import Pictures
from bench.training.task import Losses, TaskBase, TrainingContext

_HELD_OUT = 16
_CROP = 256


class PriorTask(TaskBase):
    """One level's prior; ``[training.options]`` has ``input`` (indices or vectors) and ``level``.

    The autoencoder must be trained before: it makes the indices and is not changed.
    """

    def __init__(self, context: TrainingContext) -> None:
        super().__init__(context)
        card, options = context.recipe.card, context.options
        if options.get("level") not in ("top", "bottom"):
            raise UsageError(f"codec {card.id}: options.level is {options.get('level')!r}")
        self.level = str(options["level"])
        self.autoencoder = VqVae2(int(card.settings["codes"]), int(card.settings["dim"]))
        weights.load_into(self.autoencoder, weights.load_weights(card), weights.weights_path(card))
        self.autoencoder.eval().requires_grad_(False).to(context.device)
        shape = prior_shape(card.settings, str(options["input"]), self.level)
        self.model: PixelSnail = PixelSnail(shape)
        codebooks = (self.autoencoder.codebook_top, self.autoencoder.codebook_bottom)
        self.model.use_codebook(codebooks[shape.conditional].vectors)
        pictures = Pictures.open(context.data, vimeo=bool(options.get("vimeo", False)))
        self.held_out, self.pictures = pictures.split(_HELD_OUT)

    def batch(self, step: int, rng: np.random.Generator) -> Tensor:
        return self.pictures.crops(rng, self.settings.batch, _CROP)

    def loss(self, batch: Tensor, step: int) -> Losses:
        bits = self._bits(batch)
        return Losses(bits, {"bits_per_index": bits.detach()})

    def validate(self) -> Mapping[str, float]:
        """Bits per pixel of this level on centre crops of held-out pictures."""
        crops = self.held_out.centre_crops(_CROP)
        bits = [
            float(self._bits(crops[i : i + 1].to(self.context.device))) for i in range(len(crops))
        ]
        stride = 4 if self.level == "bottom" else 8
        return {"bpp": float(np.mean(bits)) / stride**2}

    def data_digest(self) -> str:
        return self.pictures.digest

    def _bits(self, pixels: Tensor) -> Tensor:
        """Mean bits an index."""
        with torch.no_grad(), torch.autocast(pixels.device.type, enabled=False):
            top, bottom = self.autoencoder.encode(pixels.float() / 255)
        here, above = (bottom, top) if self.level == "bottom" else (top, None)
        logits = self.model(here, above).float()
        nats: Tensor = F.cross_entropy(logits.flatten(0, 2), here.flatten())
        return nats / math.log(2)
