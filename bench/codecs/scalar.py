"""Codecs of memoryless sources: Lloyd–Max, uniform with entropy coding, and trellis-coded.

Each stream is a header and one block of indices; the quantisers and coders are in bench.entropy.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from bench.codecs.base import Allowed, Choice, Range, library_versions
from bench.codecs.support.vector import Floats, VectorCodec, VectorHeader
from bench.entropy import coding
from bench.entropy.quantise import DENSITIES, Quantiser, lloyd_max_for, uniform_lattice
from bench.errors import BitstreamError, CardError

if TYPE_CHECKING:
    from bench.cards import CodecCard
    from bench.entropy.trellis import TrellisCode

_SOURCES = Choice(tuple(DENSITIES))
_CODERS = Choice(("fixed", "zlib", "arithmetic"))
_CURE = "they come with bench-rd: install it again"
_STEPS = Range(1 / 256, 8, integer=False)


def encode_indices(
    coder: str, indices: NDArray[np.int64], probabilities: NDArray[np.float64]
) -> bytes:
    """Indices by the named coder: at fixed length, by zlib, or by arithmetic
    coding with ``probabilities``."""
    flat = indices.ravel()
    if coder == "fixed":
        return coding.pack_fixed(flat, max(1, (len(probabilities) - 1).bit_length()))
    return (
        coding.deflate(flat) if coder == "zlib" else coding.encode_arithmetic(flat, probabilities)
    )


def decode_indices(
    coder: str, body: bytes, probabilities: NDArray[np.float64], count: int
) -> NDArray[np.int64]:
    """The inverse of ``encode_indices``. Raises BitstreamError."""
    levels = len(probabilities)
    if coder == "fixed":
        indices = coding.unpack_fixed(body, max(1, (levels - 1).bit_length()), count)
        if int(indices.max(initial=0)) >= levels:
            raise BitstreamError(f"index {indices.max()} of {levels} levels; damaged")
        return indices
    if coder == "zlib":
        return coding.inflate(body, levels, count)
    return coding.decode_arithmetic(body, probabilities, count)


class _ScalarCodec(VectorCodec):
    """A memoryless quantiser given by the point, and a coder of its indices."""

    def code(self, block: Floats, header: VectorHeader) -> tuple[bytes, float]:
        quantiser = self._quantiser(header)
        indices = quantiser.indices(block)
        body = encode_indices(self.settings["coder"], indices, quantiser.probabilities)
        counts = np.bincount(indices.ravel(), minlength=len(quantiser.levels))
        bits = -np.log2(np.maximum(quantiser.probabilities, 2.0**-20)) @ counts
        return body, float(bits)

    def reproduce(self, header: VectorHeader, body: bytes) -> Floats:
        quantiser = self._quantiser(header)
        indices = decode_indices(
            self.settings["coder"], body, quantiser.probabilities, header.count
        )
        return quantiser.levels[indices]

    def _quantiser(self, header: VectorHeader) -> Quantiser:
        raise NotImplementedError

    def versions(self) -> Mapping[str, str]:
        return library_versions("constriction", "numpy", "scipy")


class LloydMaxCodec(_ScalarCodec):
    """Lloyd–Max with 2^bits levels for the named source of variance 1."""

    ladder_keys = ("bits",)
    parameters: ClassVar[Mapping[str, Allowed]] = {
        "bits": Range(1, 8),
        "source": _SOURCES,
        "coder": _CODERS,
    }

    def _quantiser(self, header: VectorHeader) -> Quantiser:
        if header.point not in self.parameters["bits"]:
            raise BitstreamError(f"header: {header.point} bits; damaged or of another codec")
        return lloyd_max_for(self.settings["source"], int(header.point))


class UniformCodec(_ScalarCodec):
    """Uniform-threshold quantiser of the given step, centroids as levels.

    At high rate ½·log2(2πe/12) = 0.2546 bit from R(D) (Gish & Pierce 1968).
    """

    ladder_keys = ("step",)
    parameters: ClassVar[Mapping[str, Allowed]] = {
        "step": _STEPS,
        "source": _SOURCES,
        "coder": Choice(("zlib", "arithmetic")),
    }

    def _quantiser(self, header: VectorHeader) -> Quantiser:
        if header.point not in self.parameters["step"]:
            raise BitstreamError(f"header: step {header.point}; damaged or of another codec")
        reach = 12.0 if self.settings["coder"] == "arithmetic" else min(12.0, 127 * header.point)
        density = DENSITIES[self.settings["source"]]
        return uniform_lattice(density, header.point, reach=reach)


class EctcqCodec(VectorCodec):
    """Entropy-constrained trellis-coded quantisation with shipped designs, one per rate."""

    ladder_keys = ("rate",)
    parameters: ClassVar[Mapping[str, Allowed]] = {
        "rate": Range(0.25, 8, integer=False),
        "states": Choice((8, 256)),
        "source": _SOURCES,
    }

    def __init__(self, card: CodecCard, *, device: str = "cpu") -> None:
        super().__init__(card, device=device)
        self._name = f"{self.settings['source']}-{self.settings['states']}"

    def check_available(self) -> None:
        from bench.codecs.support.weights import check_weights

        check_weights(self.card, self._name, cure=_CURE)

    @cached_property
    def _codes(self) -> Mapping[float, tuple[TrellisCode, float]]:
        """The designed codes and their Lagrangian weights, by rate."""
        from bench.codecs.support.weights import load_weights, weights_path
        from bench.entropy.trellis import read_designs

        tensors = load_weights(self.card, self._name, cure=_CURE)
        try:
            return read_designs({key: each.numpy() for key, each in tensors.items()})
        except ValueError as error:
            raise CardError(
                f"{weights_path(self.card, self._name)}: not a design of this codec ({error}); "
                "restore it"
            ) from error

    def code(self, block: Floats, header: VectorHeader) -> tuple[bytes, float]:
        if header.point not in self._codes:
            known = ", ".join(f"{rate:g}" for rate in self._codes)
            raise CardError(f"{self.card.id}: no design for rate {header.point:g}; known: {known}")
        code, weight = self._codes[header.point]
        indices = code.search(np.clip(block.ravel(), -100, 100), weight)
        supersets = code.supersets(indices)
        used = np.maximum(code.probabilities[supersets, indices], 2.0**-20)
        return encode_trellis(code, indices), float(-np.log2(used).sum())

    def reproduce(self, header: VectorHeader, body: bytes) -> Floats:
        if header.point not in self._codes:
            raise BitstreamError(f"header: rate {header.point}; damaged or of another codec")
        code, _ = self._codes[header.point]
        indices = decode_trellis(code, body, header.count)
        return code.reproduce(indices)

    def versions(self) -> Mapping[str, str]:
        from bench.codecs.support.weights import weights_digest

        return {
            **library_versions("constriction", "numpy", "numba"),
            "design": weights_digest(self.card, self._name)[:16],
        }


def encode_trellis(code: TrellisCode, indices: NDArray[np.int64]) -> bytes:
    """Codes each index given the superset of the state it was chosen in."""
    models = [coding.categorical(row) for row in code.probabilities]
    coder = coding.open_coder()
    pairs = zip(code.supersets(indices).tolist(), indices.tolist(), strict=True)
    for superset, index in reversed(list(pairs)):
        coder.encode_reverse(index + 1, models[superset])
    return coding.close_coder(coder)


def decode_trellis(code: TrellisCode, body: bytes, count: int) -> NDArray[np.int64]:
    """The inverse of ``encode_trellis``: the state says which model is next."""
    from bench.entropy.trellis import transitions

    models = [coding.categorical(row) for row in code.probabilities]
    following = transitions(code.states).tolist()

    def decode(coder: coding.Coder) -> NDArray[np.int64]:
        state, out = 0, np.empty(count, np.int64)
        for position in range(count):
            index = coder.decode(models[state & 1]) - 1
            out[position] = index
            state = following[state][index & 1]
        return out

    return coding.decode_with(body, decode)
