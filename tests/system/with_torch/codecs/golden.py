"""What makes golden payloads golden on every machine: coding tables that all compute alike, and
choices of the encoder that no difference in rounding can turn."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

import pytest
import torch
from torch import Tensor, nn

from bench.learned.shared.entropy_models import EntropyBottleneck
from bench.learned.vqvae2.network import Codebook

NO_COMPRESSAI = "CompressAI has no wheel for Python 3.13 and later"
CLEAR = 1e-5
"""Distance of a latent from the border between two symbols, in steps, of log σ from the border
between two tables and of the nearest code from the second, that no rounding of float32 sums
bridges: between AVX-512, AVX2 and neither, latents differ by 3·10⁻⁶."""


@contextmanager
def float64_tables(model: nn.Module) -> Iterator[None]:
    """Coding tables that are built inside are computed in float64. In float32 some of their entries
    differ by 1 between instruction sets; the errors of float64 are a billion times smaller."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    model.double()
    try:
        with pytest.MonkeyPatch.context() as patch:
            if find_spec("compressai"):
                from compressai.entropy_models import GaussianConditional

                patch.setattr(GaussianConditional, "_standardized_cumulative", _cumulative)
            yield
    finally:
        torch.set_default_dtype(before)
        model.float()


def _cumulative(_model: nn.Module, x: Tensor) -> Tensor:
    return 0.5 * torch.erfc(-(2**-0.5) * x.double())


@contextmanager
def clear_choices() -> Iterator[None]:
    """Fails if a choice that is made inside, of a symbol, a table or a code, is a close one."""
    margins = [1.0]
    symbols, nearest = EntropyBottleneck.symbols, Codebook.nearest

    def rounded(self: EntropyBottleneck, x: Tensor) -> Tensor:
        margins.append(_from_a_border(x))
        return symbols(self, x)

    def searched(self: Codebook, flat: Tensor) -> Tensor:
        two = torch.cdist(flat.double(), self.vectors.double()).topk(2, largest=False).values
        margins.append(float((two[:, 1] - two[:, 0]).min()))
        return nearest(self, flat)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EntropyBottleneck, "symbols", rounded)
        patch.setattr(Codebook, "nearest", searched)
        if find_spec("compressai"):
            _watch_compressai(patch, margins)
        yield
    assert min(margins) > CLEAR, f"an input of golden payloads has a choice by {min(margins):.1g}"


def _from_a_border(x: Tensor) -> float:
    return float((0.5 - (x - x.round()).abs()).min())


def _watch_compressai(patch: pytest.MonkeyPatch, margins: list[float]) -> None:
    from compressai.entropy_models import EntropyModel, GaussianConditional

    quantize, build_indexes = EntropyModel.quantize, GaussianConditional.build_indexes

    def rounded(self: EntropyModel, x: Tensor, mode: str, means: Tensor | None = None) -> Tensor:
        margins.append(_from_a_border(x if means is None else x - means))
        return quantize(self, x, mode, means)

    def looked_up(self: GaussianConditional, scales: Tensor) -> Tensor:
        apart = (scales.double().flatten()[:, None] / self.scale_table.double()).log().abs()
        margins.append(float(apart.min()))
        return build_indexes(self, scales)

    patch.setattr(EntropyModel, "quantize", rounded)
    patch.setattr(GaussianConditional, "build_indexes", looked_up)
