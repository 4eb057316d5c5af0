"""Random weights for CompressAI's picture architectures, whose latents spread over several symbols
and whose scales follow the picture: what arithmetic does to a stream needs no training to show."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from bench.codecs.foreign.network import find

_ARGUMENTS: dict[bool, tuple[int, ...]] = {True: (64,), False: (48, 96)}
"""Of the constructor: Cheng's have one width."""
_LATENT, _HYPER, _SCALE = 4.0, 2.0, 1.5


def save_random(model: str, path: Path, seed: int = 0) -> None:
    """Writes a checkpoint of the class that ``model`` names; the same on every machine up to
    rounding."""
    torch.manual_seed(seed)
    network = find(model)(*_ARGUMENTS["Cheng" in model])
    x = torch.rand(1, 3, 8, 8).repeat_interleave(16, 2).repeat_interleave(16, 3)
    with torch.no_grad():
        y = spread(network.g_a, x, _LATENT)
        if hasattr(network, "h_a"):
            hyper = y.abs() if model.endswith(":ScaleHyperprior") else y
            z = spread(network.h_a, hyper, _HYPER)
            spread(network.h_s, z.round(), _SCALE)
    network.update(force=True)
    torch.save(network.state_dict(), path)


def spread(network: nn.Module, x: Tensor, deviation: float) -> Tensor:
    """Rescales the last convolution so that each channel of what comes out has mean 0 and this
    deviation; returns that output."""
    layers = [each for each in network.modules() if isinstance(each, nn.Conv2d)]
    last, out = layers[-1], network(x)
    factor = deviation / out.std((0, 2, 3)).mean().clamp_min(1e-6)
    last.weight *= factor
    if last.bias is not None:
        last.bias *= factor
    result: Tensor = network(x)
    return result
