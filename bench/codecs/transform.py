"""Transform coding of Gauss–Markov vectors: DCT, one uniform quantiser, Gaussian cell models.

At high rate this is reverse water-filling with a uniform step; the decoder knows the source's
correlation, from which the variances of the coefficients follow.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from bench.codecs.base import Allowed, Range, library_versions
from bench.codecs.support.vector import Floats, VectorCodec, VectorHeader
from bench.entropy.coding import Coder, Model, close_coder, decode_with, open_coder
from bench.entropy.quantise import NORMAL
from bench.errors import BitstreamError

_MOST = 2000
"""Largest index of a cell; 12 standard deviations of the first coefficient at the finest step."""


class TransformCodec(VectorCodec):
    """DCT-II of each vector, uniform-threshold quantisation with ``step``, arithmetic coding of the
    cells under N(0, variance of the coefficient), centroids as levels."""

    ladder_keys = ("step",)
    parameters: ClassVar[Mapping[str, Allowed]] = {
        "step": Range(1 / 64, 8, integer=False),
        "correlation": Range(0, 0.999, integer=False),
    }

    def code(self, block: Floats, header: VectorHeader) -> tuple[bytes, None]:
        coefficients = fft.dct(block, norm="ortho", axis=1)
        indices = np.clip(np.rint(coefficients / header.point), -_MOST, _MOST).astype(np.int32)
        spreads = np.broadcast_to(self._spreads(header.length), indices.shape) / header.point
        coder = open_coder()
        flat = spreads.ravel()
        coder.encode_reverse(indices.ravel(), _family(), np.zeros(flat.size), flat)
        return close_coder(coder), None

    def reproduce(self, header: VectorHeader, body: bytes) -> Floats:
        if header.point not in self.parameters["step"]:
            raise BitstreamError(f"header: step {header.point}; damaged or of another codec")
        shape = (header.rows, header.length)
        spreads = np.broadcast_to(self._spreads(header.length), shape) / header.point

        def decode(coder: Coder) -> NDArray[np.int64]:
            flat = spreads.ravel()
            return np.asarray(coder.decode(_family(), np.zeros(flat.size), flat), np.int64)

        indices = decode_with(body, decode, lowest=-_MOST).reshape(shape)
        coefficients = _centroids(indices, spreads) * header.point
        return np.asarray(fft.idct(coefficients, norm="ortho", axis=1))

    def _spreads(self, length: int) -> Floats:
        return coefficient_deviations(float(self.settings["correlation"]), length)

    def versions(self) -> Mapping[str, str]:
        return library_versions("constriction", "numpy", "scipy")


@lru_cache(maxsize=8)
def coefficient_deviations(correlation: float, length: int) -> Floats:
    """Standard deviations of the DCT coefficients of AR(1) vectors of variance 1, rounded to
    2⁻²⁰ so that platforms agree."""
    lags = np.abs(np.subtract.outer(np.arange(length), np.arange(length)))
    basis = fft.dct(np.eye(length), norm="ortho", axis=0)
    variances = np.einsum("ij,jk,ik->i", basis, correlation**lags, basis)
    return np.asarray(np.round(np.sqrt(variances) * 2**20) / 2**20)


def _family() -> Model:
    import constriction

    return constriction.stream.model.QuantizedGaussian(-_MOST - 1, _MOST)


def _centroids(indices: NDArray[np.int64], spreads: Floats) -> Floats:
    """Means of N(0, spread²) over the cells [k − ½, k + ½], in steps; far out, the middles."""
    low, high = (indices - 0.5) / spreads, (indices + 0.5) / spreads
    mass = NORMAL.cumulative(high) - NORMAL.cumulative(low)
    moment = NORMAL.first(high) - NORMAL.first(low)
    safe = mass > 1e-9
    return np.where(safe, spreads * moment / np.where(safe, mass, 1.0), indices)
