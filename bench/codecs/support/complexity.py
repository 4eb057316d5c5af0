"""Complexity of a network: parameters, multiply-accumulates per pixel and peak memory of a pass.

Counts what the entropy coder needs before and after it; the coder itself is not a network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from bench.codecs.base import Complexity
from bench.codecs.foreign.model_backend import peak_bytes


def measure_complexity(
    network: nn.Module,
    forward: Callable[[], object],
    pixels: int,
    *,
    encoder_only: Sequence[str],
    decoder_only: Sequence[str],
    ignored: Sequence[str] = ("entropy_bottleneck",),
) -> Complexity:
    """Complexity of one forward pass over ``pixels`` pixels.

    Modules that only the encoder or only the decoder runs are named by their attribute; the rest is
    run by both, but for those ``ignored``: likelihoods, which coding takes from tables. One
    multiply-accumulate is two of torch's floating-point operations; elementwise
    operations are not counted. ``peak_bytes`` is the most that the tensors of
    the pass hold at one time, weights and the workspace inside an operation not counted.
    """
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        forward()
    with torch.no_grad():
        peak = peak_bytes(forward)
    macs = {
        name: sum(operations.values()) / 2 for name, operations in counter.get_flop_counts().items()
    }

    def share(names: Sequence[str]) -> float:
        return sum(macs.get(f"{type(network).__name__}.{name}", 0) for name in names)

    total = macs.get("Global", 0.0) - share(ignored)
    return Complexity(
        parameters=float(sum(each.numel() for each in network.parameters())),
        encoder_kmac_per_pixel=(total - share(decoder_only)) / pixels / 1000,
        decoder_kmac_per_pixel=(total - share(encoder_only)) / pixels / 1000,
        peak_bytes=float(peak),
    )
