"""Codecs ``qcae`` and ``qcae-any``: gray clips as indices of a scalar codebook, three coders.

The networks are :mod:`bench.learned.qcae.network` and :mod:`bench.learned.shared.latent_context`.
The indices survive the stream exactly on every machine; the pixels, from a float synthesis, may
differ by one level between machines.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bench.codecs.base import Allowed, Choice, Complexity, Encoded
from bench.codecs.support.complexity import measure_complexity
from bench.codecs.support.container import Container
from bench.codecs.support.learned_codec import LearnedCodec
from bench.codecs.support.tensors import inference
from bench.codecs.support.weights import MODEL
from bench.entropy.coding import deflate, inflate, pack_fixed, unpack_fixed
from bench.entropy.context import StepDecoder, encode_steps, probabilities, shannon_bits
from bench.errors import BitstreamError
from bench.learned.qcae.network import LADDER, LATENTS, NETWORKS, STRIDE, QuantisedAutoencoder
from bench.learned.shared.coded_clip import (
    STANDARD,
    ClipGeometry,
    pack_clip,
    peek_number,
    refuse_clip,
    to_clip,
    to_planes,
    unpack_clip,
)
from bench.learned.shared.latent_context import PAST, LatentContext, group_of, past_frames

if TYPE_CHECKING:
    from bench.cards import CodecCard
    from bench.records import Point
    from bench.signals import Layout, Signal

CONTEXT = "context"
_KINDS = {"fixed": 0xB0, "zlib": 0xB1, CONTEXT: 0xB2}
_SEGMENT = 20
"""Frames that go through the autoencoder at once: the length it was trained on."""
_LEVEL_UNIT = 2.0**-8
Indices = NDArray[np.int64]


class Qcae(LearnedCodec):
    """``coder`` is the entropy coder of the indices; ``networks`` says whether every codebook size
    has weights of its own (``one-each``, as in the paper) or all share one network (``shared``);
    ``network`` is its kind."""

    ladder_keys = ("codes",)
    parameters: ClassVar[Mapping[str, Allowed]] = {
        "codes": Choice(LADDER),
        "coder": Choice(("fixed", "zlib", CONTEXT)),
        "networks": Choice(("one-each", "shared")),
        "network": Choice(NETWORKS),
    }
    libraries = ("torch", "constriction")

    def __init__(self, card: CodecCard, *, device: str = "cpu") -> None:
        super().__init__(card, device=device)
        self._networks: dict[str, QuantisedAutoencoder] = {}
        self._containers: dict[str, Container] = {}

    @property
    def _coder(self) -> str:
        return str(self.settings["coder"])

    def _weights_name(self, codes: int) -> str:
        return MODEL if self.settings["networks"] == "shared" else f"codes={codes}"

    def weight_names(self) -> tuple[str, ...]:
        sizes = sorted({int(point.value) for point in self.card.ladder})
        names = dict.fromkeys(map(self._weights_name, sizes))
        return (*names, CONTEXT) if self._coder == CONTEXT else tuple(names)

    def network(self, codes: int) -> tuple[QuantisedAutoencoder, int]:
        """The autoencoder of a codebook size and the codebook's place in it."""
        name = self._weights_name(codes)
        if name not in self._networks:
            books = LADDER if name == MODEL else (codes,)
            model = QuantisedAutoencoder(books, network=str(self.settings["network"]))
            self._networks[name] = self.load(model, name).arrange()
        model = self._networks[name]
        return model, model.codes.index(codes)

    @cached_property
    def _context(self) -> LatentContext:
        return self.load(LatentContext(LADDER, LATENTS), CONTEXT, device="cpu")

    def _container(self, codes: int) -> Container:
        name = self._weights_name(codes)
        if name not in self._containers:
            networks: list[nn.Module] = [self.network(codes)[0]]
            networks += [self._context] if self._coder == CONTEXT else []
            self._containers[name] = self.container_of(_KINDS[self._coder], *networks)
        return self._containers[name]

    def refusal(self, layout: Layout) -> str | None:
        return refuse_clip(layout, self.card.id)

    def complexity(self) -> Complexity:
        """Of the autoencoder, on 64×64×20."""
        network, _ = self.network(LADDER[0])
        frames, side = STANDARD.frames, STANDARD.width
        x = torch.zeros(1, 1, frames, side, side, device=self.device)
        return measure_complexity(
            network,
            lambda: network(x, torch.zeros(1, dtype=torch.long)),
            frames * side * side,
            encoder_only=("encoder", "to_latent"),
            decoder_only=("from_latent", "decoder"),
        )

    def encode(self, signal: Signal, point: Point) -> Encoded:
        codes = int(point.value)
        network, book = self.network(codes)
        geometry = ClipGeometry.of(signal.layout)
        with inference(self.device):
            planes = to_planes(signal, STRIDE).to(self.device)
            indices = torch.cat(
                [self._analyse(network, part, book) for part in torch.split(planes, _SEGMENT)], 1
            ).cpu()
            stream, bits = self._encode_indices(indices, codes)
        place = LADDER.index(codes)
        payload, header = pack_clip(self._container(codes), place, geometry, stream)
        return Encoded(payload, header_bytes=header, bits_estimated=bits)

    def decode(self, payload: bytes) -> Signal:
        place = peek_number(self.card.id, payload)
        if place >= len(LADDER):
            raise BitstreamError(f"{self.card.id}: codebook {place} is unknown; it is damaged")
        codes = LADDER[place]
        _, geometry, stream = unpack_clip(self._container(codes), payload)
        height, width = geometry.padded(STRIDE)
        shape = (LATENTS, geometry.frames, height // STRIDE, width // STRIDE)
        network, book = self.network(codes)
        with inference(self.device):
            indices = self._decode_indices(stream, shape, codes).to(self.device)
            parts = [
                network.decode(part[None], book)[0, 0] for part in torch.split(indices, _SEGMENT, 1)
            ]
            return to_clip(torch.cat(parts)[:, None], geometry)

    @staticmethod
    def _analyse(network: QuantisedAutoencoder, planes: Tensor, book: int) -> Tensor:
        """Indices ``(C, T, h, w)`` of frames ``(T, 1, H, W)``."""
        return network.encode(planes.transpose(0, 1)[None], book)[0]

    def _encode_indices(self, indices: Tensor, codes: int) -> tuple[bytes, float | None]:
        """Stream and estimated bits of indices ``(C, T, h, w)``, None where there is no model."""
        flat = indices.numpy().ravel()
        if self._coder == "fixed":
            bits = codes.bit_length() - 1
            return pack_fixed(flat, bits), float(bits * flat.size)
        if self._coder == "zlib":
            return deflate(flat), None
        steps = self._context_steps(indices, codes)
        return encode_steps(steps), sum(shannon_bits(*step) for step in steps)

    def _context_steps(
        self, indices: Tensor, codes: int
    ) -> list[tuple[NDArray[np.float64], Indices]]:
        """Probabilities and indices of each group of each frame, in the order of coding."""
        model, book = self._context, LADDER.index(codes)
        values = self.values(codes)[indices]
        here, groups = values.transpose(0, 1), group_of(*values[:, 0].shape)
        features = model.features(past_frames(values), book)
        logits = [model.logits(features, here, group, book) for group in range(model.groups)]
        return [
            (
                probabilities(logits[group][time].numpy()),
                indices[:, time][groups == group].numpy(),
            )
            for time in range(len(here))
            for group in range(model.groups)
        ]

    def values(self, codes: int) -> Tensor:
        """The codebook as the context model sees it: the same on every machine."""
        network, book = self.network(codes)
        return torch.round(network.levels(book).detach().cpu().double() / _LEVEL_UNIT) * _LEVEL_UNIT

    def _decode_indices(self, stream: bytes, shape: tuple[int, ...], codes: int) -> Tensor:
        count = int(np.prod(shape))
        if self._coder == "fixed":
            flat = unpack_fixed(stream, codes.bit_length() - 1, count)
        elif self._coder == "zlib":
            flat = inflate(stream, codes, count)
        else:
            return self._decode_context(stream, shape, codes)
        return torch.from_numpy(flat.reshape(shape))

    def _decode_context(self, stream: bytes, shape: tuple[int, ...], codes: int) -> Tensor:
        model, book = self._context, LADDER.index(codes)
        levels, decoder = self.values(codes), StepDecoder(stream)
        indices = torch.zeros(shape, dtype=torch.long)
        values = torch.zeros(shape, dtype=torch.float64)
        groups = group_of(shape[0], *shape[2:])
        for time in range(shape[1]):
            # the frames before, and this one's place, are all that past_frames looks at
            first = max(0, time - PAST)
            past = past_frames(values[:, first : time + 1])[-1:]
            features = model.features(past, book)
            for group in range(model.groups):
                logits = model.logits(features, values[None, :, time], group, book)
                symbols = decoder.decode(probabilities(logits[0].numpy()))
                here = groups == group
                indices[:, time][here] = torch.from_numpy(symbols)
                values[:, time] = torch.where(here, levels[indices[:, time]], values[:, time])
        decoder.finish()
        return indices
