"""Codec ``vqvae2``: pictures as the indices of two codebooks, with a choice of entropy coders.

The network is :mod:`bench.learned.vqvae2.network`. What holds across machines: on one machine the
same picture gives the same stream and decodes to the same pixels. A stream of another machine
decodes to exactly its indices with fixed length, zlib and order 0. With a learned prior it does
unless a logit of float64 lies within rounding errors (10⁻¹³) of a border between multiples of 2⁻⁸,
about once in a thousand pictures; a checksum of the indices turns that into an error, never into a
wrong picture. The pixels, from a float32 synthesis, may differ by one level between machines.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.codecs.base import Allowed, Choice, Complexity, Encoded, Range
from bench.codecs.support.complexity import measure_complexity
from bench.codecs.support.container import Container
from bench.codecs.support.learned_codec import LearnedCodec
from bench.codecs.support.refinement import STEPS, frozen, refined, with_refinement
from bench.codecs.support.tensors import (
    Geometry,
    fingerprint,
    inference,
    refuse_samples,
    to_frame,
    to_tensor,
)
from bench.codecs.support.weights import MODEL
from bench.errors import BitstreamError
from bench.learned.vqvae2.blocktransformer import BlockTransformer
from bench.learned.vqvae2.indices import Adaptive, Deflate, DeflateBytes, FixedLength, IndexCoder
from bench.learned.vqvae2.network import BOTTOM_STRIDE, TOP_STRIDE, VqVae2
from bench.learned.vqvae2.pixelsnail import PixelSnail
from bench.learned.vqvae2.prior_coder import LEARNED, LEVELS, PriorPair, build_prior, prior_name
from bench.signals import image

if TYPE_CHECKING:
    from bench.cards import CodecCard
    from bench.records import Point
    from bench.signals import Layout, Signal

PATCH = 256
_REACH = 0.2
"""Of refinement, in standard deviations of a codebook's vectors."""
_HOLD = 2e3
"""Squared 8-bit levels that a latent must save to move by a standard deviation from where the
network has it: codes of its own cost less with priors, which learned from them."""
_COMMITMENT = 4e4
"""The same for a latent and its code, lest it stray where the picture does not follow."""
_CODERS: Mapping[str, Callable[[int], IndexCoder]] = {
    "fixed": FixedLength,
    "zlib": Deflate,
    "zlib-bytes": DeflateBytes,
    "adaptive": Adaptive,
}
Indices = NDArray[np.int64]


def _checksum(*maps: Indices) -> int:
    """16 bits over the indices: what a checksum of the stream cannot see is a decoder that
    computes other probabilities."""
    return zlib.crc32(b"".join(each.astype("<u2").tobytes() for each in maps)) & 0xFFFF


def _added(one: Complexity, other: Complexity) -> Complexity:
    """Of both networks; they run one after the other, so the memory is the first's."""
    return Complexity(
        one.parameters + other.parameters,
        one.encoder_kmac_per_pixel + other.encoder_kmac_per_pixel,
        one.decoder_kmac_per_pixel + other.decoder_kmac_per_pixel,
        one.peak_bytes,
    )


class VqVae2Codec(LearnedCodec):
    """``coder`` is the entropy coder of both levels. ``tiling``: ``whole`` codes the picture at
    once, ``patches`` in independent pieces of 256×256, as the rebuilt report does. ``input`` is
    what the PixelSNAIL priors see; the transformer sees indices. ``refine``: steps in which the
    encoder looks for codes that decode to a closer picture, near those of the network."""

    ladder_keys = ()
    parameters: ClassVar[Mapping[str, Allowed]] = {
        "codes": Range(2, 65536),
        "dim": Range(1, 1024),
        "coder": Choice((*_CODERS, *LEARNED)),
        "input": Choice(("indices", "vectors")),
        "tiling": Choice(("whole", "patches")),
        "refine": STEPS,
    }

    @classmethod
    def overridden(cls, card: CodecCard) -> Mapping[str, str]:
        settings = card.settings
        coder = settings.get("coder", "adaptive")
        unread = coder != "pixelsnail" and settings.get("input") == "vectors"
        return {"input": f"coder={coder}"} if unread else {}

    libraries = ("torch", "constriction")

    @cached_property
    def network(self) -> VqVae2:
        """The network with the card's weights, in evaluation mode."""
        return self.load(VqVae2(int(self.settings["codes"]), int(self.settings["dim"])))

    @cached_property
    def relaxed_network(self) -> VqVae2:
        """The network through which latents are refined."""
        return frozen(self.network)

    @cached_property
    def container(self) -> Container:
        """Its fingerprint is of all networks and of the settings: other streams are foreign."""
        tiling = self.settings.get("tiling", "whole")
        priors = self._prior_models if self._prior_names() else []
        mark = f"{self._coder_name} {self._input} {tiling}".encode()
        mark += fingerprint(self.network, *priors)
        return Container(self.card.id, 0xA8, hashlib.sha256(mark).digest()[:4])

    @cached_property
    def coder(self) -> IndexCoder:
        """The coder of single maps, for those that need no prior."""
        coder: IndexCoder = _CODERS[self._coder_name](self.network.codes)
        return coder

    @cached_property
    def priors(self) -> PriorPair:
        """The learned priors with the card's weights, always on the CPU."""
        return PriorPair(*self._prior_models)

    @cached_property
    def _prior_models(self) -> list[PixelSnail | BlockTransformer]:
        return [self._prior(level) for level in LEVELS]

    def _prior(self, level: str) -> PixelSnail | BlockTransformer:
        prior = build_prior(self.settings, self._coder_name, self._input, level)
        name = prior_name(self._coder_name, self._input, level)
        return self.load(prior, name, device="cpu")

    @property
    def _coder_name(self) -> str:
        return str(self.settings.get("coder", "adaptive"))

    @property
    def _input(self) -> str:
        return str(self.settings.get("input", "indices"))

    def refusal(self, layout: Layout) -> str | None:
        return refuse_samples(layout, self.card.id)

    def weight_names(self) -> tuple[str, ...]:
        return (MODEL, *self._prior_names())

    def _prior_names(self) -> list[str]:
        if self._coder_name not in LEARNED:
            return []
        return [prior_name(self._coder_name, self._input, level) for level in LEVELS]

    def complexity(self) -> Complexity:
        """On 256×256 pixels, the search of the codebooks and learned priors included; each prior
        runs in the encoder and in the decoder. Peak memory is the autoencoder's."""
        x = torch.zeros(1, 3, PATCH, PATCH, device=self.device)
        found = measure_complexity(
            self.network,
            lambda: self.network(x),
            PATCH**2,
            encoder_only=(
                *("encoder_bottom", "encoder_top", "to_top", "to_bottom"),
                *("codebook_top", "codebook_bottom"),
            ),
            decoder_only=("decoder",),
        )
        found = with_refinement(found, int(self.settings.get("refine", 0)))
        for prior in self._prior_models if self._prior_names() else ():
            found = _added(found, self._prior_complexity(prior))
        return found

    @staticmethod
    def _prior_complexity(prior: PixelSnail | BlockTransformer) -> Complexity:
        top = torch.zeros(1, PATCH // TOP_STRIDE, PATCH // TOP_STRIDE, dtype=torch.long)
        maps: tuple[Tensor, ...] = (top,)
        if prior.condition is not None:
            maps = (top.repeat(1, 2, 2), top)
        return measure_complexity(
            prior, lambda: prior(*maps), PATCH**2, encoder_only=(), decoder_only=()
        )

    def warm_up(self, signal: Signal, point: Point) -> None:
        with inference(self.device):
            self.network(torch.zeros(1, 3, 64, 64, device=self.device))

    def encode(self, signal: Signal, point: Point) -> Encoded:
        geometry = Geometry.of(signal.layout)
        refining = bool(self.settings.get("refine"))
        with inference(self.device, gradients=refining):
            x = to_tensor(next(signal.frames()), self._stride, self.device)
        found = self._refined_codes(x, geometry) if refining else self._codes(x)
        top, bottom = (level.cpu().numpy().astype(np.int64) for level in found)
        numbers = list(geometry.numbers)
        streams, bits = self._encode_maps(top, bottom)
        if self._prior_names():
            numbers.append(_checksum(top, bottom))
        payload = self.container.pack(numbers, streams)
        header = len(payload) - sum(map(len, streams))
        return Encoded(payload, header, bits_estimated=bits)

    def _codes(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Indices of both levels of a padded picture."""
        with inference(self.device):
            return self.network.encode(self._split(x))

    def _refined_codes(self, x: Tensor, geometry: Geometry) -> tuple[Tensor, Tensor]:
        """Indices that decode to a closer picture; what was padded does not count."""
        network = self.relaxed_network
        books = (network.codebook_top, network.codebook_bottom)
        inside = torch.zeros_like(x[:, :1])
        inside[..., : geometry.height, : geometry.width] = 1
        pieces, counted = self._split(x), self._split(inside.expand_as(x))
        spreads = [float(book.vectors.std()) for book in books]

        def cost(latents: Sequence[Tensor], done: float) -> Tensor:
            del done
            coded = network.quantised(latents[0], latents[1])
            error = (255 * (coded.picture - pieces) * counted).square().sum()
            for one, own, level, spread in zip(
                latents, start, (coded.top, coded.bottom), spreads, strict=True
            ):
                places = one[0, 0].numel() * len(one) / spread**2
                strayed = (one - own).square().mean()
                error = error + places * (_HOLD * strayed + _COMMITMENT * level.commitment)
            return error

        with inference(self.device):
            start = network.latents(pieces)
        with inference(self.device, gradients=True):
            reaches = [_REACH * spread for spread in spreads]
            top, bottom = refined(start, reaches, int(self.settings["refine"]), cost)
        with inference(self.device):
            coded = network.quantised(top, bottom)
            return coded.top.indices, coded.bottom.indices

    def _encode_maps(self, top: Indices, bottom: Indices) -> tuple[list[bytes], float | None]:
        if self._prior_names():
            upper, lower, estimate = self.priors.encode(top, bottom)
            return [upper, lower], estimate
        coded = [self.coder.encode(level.ravel()) for level in (top, bottom)]
        bits = [estimate for _, estimate in coded if estimate is not None]
        return [stream for stream, _ in coded], sum(bits) if bits else None

    def decode(self, payload: bytes) -> Signal:
        learned = bool(self._prior_names())
        contents = self.container.unpack(payload, numbers=3 + learned, sections=2)
        width, height, gray = contents.numbers[:3]
        geometry = Geometry.from_numbers(self.card.id, (width, height, gray))
        padded = geometry.padded(self._stride)
        batch, rows, columns = self._pieces(*padded)
        shapes = [(batch, rows // step, columns // step) for step in (TOP_STRIDE, BOTTOM_STRIDE)]
        if learned:
            maps = list(self.priors.decode((contents.sections[0], contents.sections[1]), shapes[0]))
            if _checksum(*maps) != contents.numbers[3]:
                raise BitstreamError(
                    f"{self.card.id}: the decoded indices are not those that were coded; the "
                    "stream comes from a machine whose float64 arithmetic differs"
                )
        else:
            maps = [
                self.coder.decode(stream, int(np.prod(shape))).reshape(shape)
                for stream, shape in zip(contents.sections, shapes, strict=True)
            ]
        with inference(self.device):
            top, bottom = (torch.from_numpy(level).to(self.device) for level in maps)
            picture = self._join(self.network.decode(top, bottom), padded)
            return image(to_frame(picture, geometry))

    @property
    def _stride(self) -> int:
        """What the picture is padded to."""
        return PATCH if self.settings.get("tiling") == "patches" else TOP_STRIDE

    def _pieces(self, height: int, width: int) -> tuple[int, int, int]:
        """How many pieces a padded picture is coded in, their height and width."""
        if self._stride == PATCH:
            return (height // PATCH) * (width // PATCH), PATCH, PATCH
        return 1, height, width

    def _split(self, x: Tensor) -> Tensor:
        """``(1, 3, H, W)`` to pieces ``(B, 3, h, w)`` in raster order."""
        batch, rows, columns = self._pieces(*x.shape[-2:])
        height, width = x.shape[-2] // rows, x.shape[-1] // columns
        tiles = x.reshape(3, height, rows, width, columns).permute(1, 3, 0, 2, 4)
        return tiles.reshape(batch, 3, rows, columns)

    def _join(self, pieces: Tensor, padded: tuple[int, int]) -> Tensor:
        """The inverse of ``_split``."""
        rows, columns = pieces.shape[-2:]
        height, width = padded[0] // rows, padded[1] // columns
        grid = pieces.reshape(height, width, 3, rows, columns).permute(2, 0, 3, 1, 4)
        return grid.reshape(1, 3, *padded)
