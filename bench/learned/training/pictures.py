"""Random crops of the training pictures at random scales, and a held-out part of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from bench.learned.training.data import training_images

_MAX_SCALE = 1.8
"""Crops are taken up to so much larger and reduced, which also hides the artefacts of JPEG."""


@dataclass(frozen=True, slots=True)
class Pictures:
    """RGB pictures in memory and the hash of their files."""

    images: tuple[Image.Image, ...]
    digest: str

    @classmethod
    def open(cls, root: Path | None, *, vimeo: bool = False) -> Pictures:
        """The training pictures below ``root`` or $BENCH_DATA; DataError if there are none."""
        pool = training_images(root, vimeo=vimeo)
        return cls(tuple(Image.fromarray(clip[0]) for clip in pool.clips), pool.digest)

    def split(self, count: int) -> tuple[Pictures, Pictures]:
        """``count`` pictures, spread evenly, for validation, and the others."""
        chosen = set(np.linspace(0, len(self.images) - 1, count).round().astype(int).tolist())
        return self._part(chosen), self._part(set(range(len(self.images))) - chosen)

    def _part(self, chosen: set[int]) -> Pictures:
        return Pictures(tuple(self.images[index] for index in sorted(chosen)), self.digest)

    def crops(self, rng: np.random.Generator, count: int, size: int) -> Tensor:
        """Random crops, uint8 ``(count, 3, size, size)``, scaled down by 1–1.8, half mirrored."""
        return torch.stack([self._crop(rng, size) for _ in range(count)])

    def centre_crops(self, size: int) -> Tensor:
        """One unscaled crop of each picture, uint8 ``(n, 3, size, size)``."""
        return _stack([_centre(image, size) for image in self.images])

    def _crop(self, rng: np.random.Generator, size: int) -> Tensor:
        image = self.images[rng.integers(len(self.images))]
        side = min(size * rng.uniform(1, _MAX_SCALE), *image.size)
        left, top = rng.uniform(0, image.width - side), rng.uniform(0, image.height - side)
        box = (left, top, left + side, top + side)
        crop = image.resize((size, size), Image.Resampling.LANCZOS, box=box)
        pixels = _stack([crop])[0]
        return pixels.flip(-1) if rng.random() < 0.5 else pixels


def _centre(image: Image.Image, size: int) -> Image.Image:
    left, top = (image.width - size) // 2, (image.height - size) // 2
    return image.crop((left, top, left + size, top + size))


def _stack(images: Sequence[Image.Image]) -> Tensor:
    pixels = np.stack([np.asarray(image, np.uint8) for image in images])
    return torch.from_numpy(pixels.transpose(0, 3, 1, 2).copy())
