"""Moving MNIST clips from the training digits, made when they are needed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.datasets.moving_mnist import FRAMES, find_digits, generate, read_digits
from bench.errors import DataError
from bench.learned.training.data import data_root

_HELD_OUT = 5000


@dataclass(frozen=True, slots=True)
class MovingDigits:
    """Digits of the MNIST training set and the hash of all of them; those held out for validation
    and those trained on never mix."""

    digits: NDArray[np.uint8]
    digest: str

    @classmethod
    def open(cls, root: Path | None, *, held_out: bool = False) -> MovingDigits:
        """The digits below ``root`` or $BENCH_DATA, the last 5,000 or the others."""
        base = data_root(root)
        for folder in (base, base / "mnist", base / "MNIST" / "raw"):
            path = find_digits(folder, "train")
            if path is not None:
                digits = read_digits(path, "train")
                part = digits[-_HELD_OUT:] if held_out else digits[:-_HELD_OUT]
                return cls(part, hashlib.sha256(digits.tobytes()).hexdigest())
        raise DataError(
            f"{base}: no MNIST training images (train-images-idx3-ubyte.gz) there or in mnist/; "
            "put the official file there"
        )

    def clips(self, rng: np.random.Generator, count: int, frames: int = FRAMES) -> Tensor:
        """Random clips of two digits, uint8 ``(count, 1, frames, 64, 64)``."""
        seeds = rng.integers(1 << 62, size=count)
        clips = [generate(self.digits, int(seed), 0, frames=frames) for seed in seeds]
        return torch.from_numpy(np.stack(clips)[:, np.newaxis])
