"""How far two decodings of one stream agree. Decodes nothing."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bench.signals import Frame, PixelFormat

Kind = Literal["exact", "one level", "drift", "garbage"]
# how far real samples of a source of variance 1 may differ where a float32 synthesis adds in
# another order: a hundred roundings of 2⁻²⁴ each, times a margin of ten
_REAL_ROUNDING = 1e-4
GARBAGE_DB = 40.0
"""Below this PSNR between two decodings they are not one picture computed twice: bfloat16 instead
of float32 in a synthesis leaves more than 50 dB, one symbol read wrongly less than 30 after it."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """``changed`` of ``samples`` differ, by ``largest`` at most; ``psnr`` is that between the two,
    infinite where they are the same."""

    kind: Kind
    changed: int
    samples: int
    largest: float
    psnr: float

    def __str__(self) -> str:
        return f"drift {self.psnr:.1f} dB" if self.kind == "drift" else self.kind


def agreement(form: PixelFormat, one: Iterable[Frame], other: Iterable[Frame]) -> Agreement:
    """Compares the frames of two decodings in this format; of another size they are garbage."""
    real = form.samples == "real"
    changed = samples = 0
    largest = squares = 0.0
    for first, second in zip(one, other, strict=True):
        if first.shape != second.shape:
            return Agreement("garbage", first.size, first.size, math.inf, -math.inf)
        difference = np.abs(first.astype(np.float64) - second.astype(np.float64))
        changed += int(np.count_nonzero(difference))
        largest = max(largest, float(difference.max(initial=0)))
        squares += float(np.square(difference).sum())
        samples += difference.size
    if not changed:
        return Agreement("exact", 0, samples, 0.0, math.inf)
    peak = 1.0 if real else form.peak
    psnr = 10 * math.log10(peak**2 * samples / squares)
    if largest <= (_REAL_ROUNDING if real else 1):
        return Agreement("one level", changed, samples, largest, psnr)
    return Agreement("drift" if psnr >= GARBAGE_DB else "garbage", changed, samples, largest, psnr)
