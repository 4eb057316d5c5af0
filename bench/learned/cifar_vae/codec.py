"""The CIFAR-10 VAE as a codec: quantised 512-dimensional latents of 32×32 pictures in one stream.

A stream holds one picture or a batch of them; the quantiser, the coder and the loss that the
network was trained for are settings of the card.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from bench.bitstreams.leb128 import read_varint, write_varint
from bench.codecs.base import Allowed, Choice, Encoded
from bench.codecs.scalar import decode_indices, encode_indices
from bench.codecs.support.learned_codec import LearnedCodec
from bench.entropy.quantise import Quantiser, lloyd_max_for, uniform_interval
from bench.errors import BitstreamError, Unsupported
from bench.records import Point
from bench.signals import Signal, clip, image

if TYPE_CHECKING:
    import torch

    from bench.cards import CodecCard
    from bench.learned.cifar_vae.network import CifarVae
    from bench.signals import Layout

SIDE = 32
LATENTS = 512
REACH = 3.0
"""Uniform rounding is on [−3, 3], as in the paper."""
_MOST_PICTURES = 100_000
_BATCH = 64
_QUANTISERS = ("lloyd-max", "uniform", "none")
_CODERS = ("fixed", "zlib", "arithmetic")
Floats = NDArray[np.float64]


class CifarVaeCodec(LearnedCodec):
    """Latents quantised at the point's bits each: by Lloyd–Max for N(0, 1) or by uniform rounding;
    with quantiser ``none`` they are float32 and the point is ``bits=32``.

    The first byte says how many bits a latent has and whether a count of pictures follows; its
    other five bits are a check: of other weights or damage 31 of 32 streams are refused, of another
    quantiser or coder all. A picture takes 200 to 400 bytes, of which one more is up to half a
    percent.
    """

    ladder_keys = ("bits",)
    parameters: ClassVar[Mapping[str, Allowed]] = {
        "bits": Choice((3, 4, 5, 6, 32)),
        "loss": Choice(("ssim", "mse")),
        "quantiser": Choice(_QUANTISERS),
        "coder": Choice(_CODERS),
    }

    @classmethod
    def overridden(cls, card: CodecCard) -> Mapping[str, str]:
        settings = card.settings
        unread = settings.get("quantiser") == "none" and "coder" in settings
        return {"coder": "quantiser=none"} if unread else {}

    libraries = ("torch", "constriction", "numpy", "scipy")

    def refusal(self, layout: Layout) -> str | None:
        if (layout.samples, layout.width, layout.height) != ("rgb", SIDE, SIDE):
            return (
                f"{self.card.id} codes 32×32 RGB pictures, not "
                f"{layout.width}×{layout.height} {layout.samples}"
            )
        if layout.frames > _MOST_PICTURES:
            return f"{self.card.id} codes at most {_MOST_PICTURES} pictures in a stream"
        return None

    def weight_names(self) -> tuple[str, ...]:
        return (str(self.settings["loss"]),)

    def encode(self, signal: Signal, point: Point) -> Encoded:
        bits = int(point.value)
        if (bits == 32) != (self.settings["quantiser"] == "none"):
            raise Unsupported(
                f"{self.card.id}: bits=32 is for quantiser=none, 3–6 for the others, not "
                f"{point} with quantiser={self.settings['quantiser']}"
            )
        latents = self._analyse(signal.array())
        if bits == 32:
            body = latents.astype("<f4").tobytes()
            return Encoded(*self._pack(bits, signal.layout, body))
        quantiser = self._quantiser(bits)
        indices = quantiser.indices(latents)
        body = encode_indices(self.settings["coder"], indices, quantiser.probabilities)
        counts = np.bincount(indices.ravel(), minlength=2**bits)
        estimate = -np.log2(np.maximum(quantiser.probabilities, 2.0**-20)) @ counts
        payload, header = self._pack(bits, signal.layout, body)
        return Encoded(payload, header_bytes=header, bits_estimated=float(estimate))

    def decode(self, payload: bytes) -> Signal:
        bits, count, body = self._unpack(payload)
        total = (count or 1) * LATENTS
        if bits == 32:
            if len(body) != 4 * total:
                raise BitstreamError(
                    f"{len(body)} bytes instead of {4 * total}; the stream is truncated or damaged"
                )
            latents = np.frombuffer(body, "<f4").astype(np.float64)
            if not np.isfinite(latents).all():
                raise BitstreamError("a latent is not finite; the stream is damaged")
        else:
            quantiser = self._quantiser(bits)
            indices = decode_indices(self.settings["coder"], body, quantiser.probabilities, total)
            latents = np.asarray(quantiser.levels[indices], np.float64)
        pictures = self._synthesise(latents)
        return image(pictures[0]) if count is None else clip(pictures)

    def _quantiser(self, bits: int) -> Quantiser:
        if self.settings["quantiser"] == "uniform":
            return uniform_interval(bits, -REACH, REACH)
        return lloyd_max_for("gaussian", bits)

    @property
    def _sizes(self) -> tuple[int, ...]:
        """Bits of a latent that streams of this card may have, at most four sizes."""
        return (32,) if self.settings["quantiser"] == "none" else (3, 4, 5, 6)

    @cached_property
    def _network_mark(self) -> int:
        from bench.codecs.support.tensors import fingerprint

        return zlib.crc32(fingerprint(self._model))

    def _mark(self, low: int, rest: bytes) -> int:
        """Five bits: a checksum of network and content, moved on by the number of quantiser and
        coder, so that a stream of others is told with certainty."""
        quantiser = _QUANTISERS.index(self.settings["quantiser"])
        number = quantiser * len(_CODERS) + _CODERS.index(self.settings["coder"])
        return (zlib.crc32(rest, zlib.crc32(bytes([low]), self._network_mark)) + number) % 32

    def _pack(self, bits: int, layout: Layout, body: bytes) -> tuple[bytes, int]:
        """The payload and how much of it is header."""
        several = layout.media != "image"
        low = self._sizes.index(bits) << 1 | several
        count = write_varint(layout.frames) if several else b""
        return bytes([self._mark(low, count + body) << 3 | low]) + count + body, 1 + len(count)

    def _unpack(self, payload: bytes) -> tuple[int, int | None, bytes]:
        """Bits of a latent, how many pictures (None: one, and no batch), and the body."""
        if not payload:
            raise BitstreamError("empty stream")
        low, rest, count = payload[0] & 7, payload[1:], None
        if payload[0] >> 3 != self._mark(low, rest) or low >> 1 >= len(self._sizes):
            raise BitstreamError(
                f"{self.card.id}: the check in the first byte does not agree; the stream is "
                "damaged, of other weights or of another quantiser or coder"
            )
        if low & 1:
            count, position = read_varint(rest, 0)
            rest = rest[position:]
            if not 0 < count <= _MOST_PICTURES:
                raise BitstreamError(f"header: {count} pictures; the stream is damaged")
        return self._sizes[low >> 1], count, rest

    def _analyse(self, pictures: NDArray[np.uint8]) -> Floats:
        """Normalised latents ``(n, 512)``."""
        import torch

        out = []
        with torch.no_grad():
            for start in range(0, len(pictures), _BATCH):
                x = torch.from_numpy(pictures[start : start + _BATCH]).permute(0, 3, 1, 2)
                z = self._model.analyse(x.to(self.device, torch.float32) / 255)
                out.append(z.flatten(1).cpu().numpy())
        return np.asarray(np.concatenate(out), np.float64)

    def _synthesise(self, latents: Floats) -> NDArray[np.uint8]:
        """8-bit pictures ``(n, 32, 32, 3)``, rounded."""
        import torch

        from bench.learned.cifar_vae.network import LATENT

        z = torch.from_numpy(latents.astype(np.float32)).view(-1, *LATENT)
        out = []
        with torch.no_grad():
            for part in torch.split(z, _BATCH):
                pixels = self._model.synthesise(part.to(self.device))
                out.append(torch.round(255 * pixels).to("cpu", torch.uint8))
        return _channels_last(torch.cat(out))

    @cached_property
    def _model(self) -> CifarVae:
        from bench.learned.cifar_vae.network import CifarVae

        return self.load(CifarVae(), *self.weight_names())


def _channels_last(pixels: torch.Tensor) -> NDArray[np.uint8]:
    return np.ascontiguousarray(pixels.permute(0, 2, 3, 1).numpy())
