"""The paper's autoencoder of Gaussian vectors as a codec, and the naïve copy scheme beside it.

Latents are sent as float32, float16 or Lloyd–Max indices; the point's bits are those of a latent.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from bench.codecs.base import Allowed, Choice, library_versions
from bench.codecs.scalar import decode_indices, encode_indices
from bench.codecs.support.learned_codec import LearnedCodec
from bench.codecs.support.vector import Floats, VectorCodec, VectorHeader
from bench.entropy.quantise import lloyd_max_for
from bench.errors import BitstreamError

if TYPE_CHECKING:
    from bench.learned.gaussian_ae.network import GaussianAutoencoder
    from bench.signals import Layout

_LENGTH = 100
_FLOATS = {32: "<f4", 16: "<f2"}
_BITS = Choice((1, 2, 3, 4, 5, 6, 16, 32))
_LIBRARIES = ("constriction", "numpy", "scipy")


def encode_latents(latents: Floats, bits: int, coder: str) -> bytes:
    """Latents as float32, float16 or Lloyd–Max indices by the named coder."""
    if bits in _FLOATS:
        return latents.astype(_FLOATS[bits]).tobytes()
    quantiser = lloyd_max_for("gaussian", bits)
    return encode_indices(coder, quantiser.indices(latents), quantiser.probabilities)


def decode_latents(body: bytes, bits: int, coder: str, count: int) -> Floats:
    """The inverse of ``encode_latents``, flat. Raises BitstreamError."""
    if bits in _FLOATS:
        if len(body) != count * bits // 8:
            raise BitstreamError(
                f"{len(body)} bytes instead of {count * bits // 8} for {count} latents; the "
                "stream is truncated or damaged"
            )
        latents = np.frombuffer(body, _FLOATS[bits]).astype(np.float64)
        if not np.isfinite(latents).all():
            raise BitstreamError("a latent is not finite; the stream is damaged")
        return latents
    quantiser = lloyd_max_for("gaussian", bits)
    return quantiser.levels[decode_indices(coder, body, quantiser.probabilities, count)]


class _LatentCodec(VectorCodec):
    """d latents of each vector; a subclass says what a latent is."""

    ladder_keys = ("bits",)
    parameters: ClassVar[Mapping[str, Allowed]] = {
        "bits": _BITS,
        "latents": Choice((10, 30, 50)),
        "coder": Choice(("fixed", "zlib", "arithmetic")),
    }

    def refusal(self, layout: Layout) -> str | None:
        if reason := super().refusal(layout):
            return reason
        if layout.width != _LENGTH:
            return f"{self.card.id} codes vectors of {_LENGTH} samples, not {layout.width}"
        return None

    def code(self, block: Floats, header: VectorHeader) -> tuple[bytes, None]:
        latents = self._analyse(block)
        return encode_latents(latents, int(header.point), self.settings["coder"]), None

    def reproduce(self, header: VectorHeader, body: bytes) -> Floats:
        self._check(header)
        count = header.rows * self._latents
        latents = decode_latents(body, int(header.point), self.settings["coder"], count)
        return self._synthesise(latents.reshape(header.rows, self._latents))

    @property
    def _latents(self) -> int:
        return int(self.settings["latents"])

    def _check(self, header: VectorHeader) -> None:
        if header.length != _LENGTH or header.point not in _BITS:
            raise BitstreamError(
                f"header: vectors of {header.length} at {header.point} bits; damaged or of "
                "another codec"
            )

    def _analyse(self, block: Floats) -> Floats:
        """Latents ``(n, d)`` of vectors ``(n, 100)``."""
        raise NotImplementedError

    def _synthesise(self, latents: Floats) -> Floats:
        """Vectors ``(n, 100)`` of latents ``(n, d)``."""
        raise NotImplementedError


class NaiveCopyCodec(_LatentCodec):
    """Sends the first d samples of each vector and decodes the rest as 0: MSE 1 − d/100 for a
    source of variance 1."""

    def _analyse(self, block: Floats) -> Floats:
        return block[:, : self._latents]

    def _synthesise(self, latents: Floats) -> Floats:
        rest = np.zeros((len(latents), _LENGTH - self._latents))
        return np.concatenate([latents, rest], axis=1)

    def versions(self) -> Mapping[str, str]:
        return library_versions(*_LIBRARIES)


class GaussianAutoencoderCodec(_LatentCodec, LearnedCodec):
    """The autoencoder with d latents."""

    libraries = ("torch", *_LIBRARIES)

    def weight_names(self) -> tuple[str, ...]:
        return (f"d{self._latents}",)

    @cached_property
    def _model(self) -> GaussianAutoencoder:
        from bench.learned.gaussian_ae.network import GaussianAutoencoder

        return self.load(GaussianAutoencoder(self._latents), *self.weight_names())

    def _analyse(self, block: Floats) -> Floats:
        import torch

        with torch.no_grad():
            x = torch.from_numpy(block).to(self.device, torch.float32)
            return np.asarray(self._model.analyse(x).cpu().numpy(), np.float64)

    def _synthesise(self, latents: Floats) -> Floats:
        import torch

        with torch.no_grad():
            z = torch.from_numpy(latents).to(self.device, torch.float32)
            return np.asarray(self._model.synthesise(z).cpu().numpy(), np.float64)
