"""What makes golden payloads golden on every machine: coding tables that all compute alike, and
choices of the encoder that no difference in rounding can turn."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from compressai.entropy_models import EntropyModel, GaussianConditional
from torch import Tensor, nn

from bench.learned.vqvae2.network import Codebook

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
            patch.setattr(GaussianConditional, "_standardized_cumulative", _cumulative)
            yield
    finally:
        torch.set_default_dtype(before)
        model.float()


def _cumulative(_model: GaussianConditional, x: Tensor) -> Tensor:
    return 0.5 * torch.erfc(-(2**-0.5) * x.double())


@contextmanager
def clear_choices() -> Iterator[None]:
    """Fails if a choice that is made inside, of a symbol, a table or a code, is a close one."""
    margins = [1.0]
    quantize, nearest = EntropyModel.quantize, Codebook.nearest
    build_indexes = GaussianConditional.build_indexes

    def watched(self: EntropyModel, x: Tensor, mode: str, means: Tensor | None = None) -> Tensor:
        offset = x if means is None else x - means
        margins.append(float((0.5 - (offset - offset.round()).abs()).min()))
        return quantize(self, x, mode, means)

    def searched(self: Codebook, flat: Tensor) -> Tensor:
        two = torch.cdist(flat.double(), self.vectors.double()).topk(2, largest=False).values
        margins.append(float((two[:, 1] - two[:, 0]).min()))
        return nearest(self, flat)

    def looked_up(self: GaussianConditional, scales: Tensor) -> Tensor:
        apart = (scales.double().flatten()[:, None] / self.scale_table.double()).log().abs()
        margins.append(float(apart.min()))
        return build_indexes(self, scales)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EntropyModel, "quantize", watched)
        patch.setattr(GaussianConditional, "build_indexes", looked_up)
        patch.setattr(Codebook, "nearest", searched)
        yield
    assert min(margins) > CLEAR, f"an input of golden payloads has a choice by {min(margins):.1g}"
