"""Codec ``hyperprior``: pictures to bitstreams and back with the gained mean-scale hyperprior.

The network is :mod:`bench.models.hyperprior`; its weights hold the coding tables. Scales and means
come from an exact hyper-decoder, so that a stream decodes to the same latent on every machine,
device and thread count; the pixels, from a float synthesis, may differ by one level between
machines.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from bench.codecs.base import Allowed, Complexity, Encoded, Range
from bench.codecs.learned import LearnedCodec
from bench.codecs.support.complexity import measure_complexity
from bench.codecs.support.container import Container
from bench.codecs.support.rans import with_room
from bench.codecs.support.tensors import Geometry, inference, refuse_samples, to_frame, to_tensor
from bench.errors import BitstreamError
from bench.models.hyperprior import QUALITIES, STRIDE, GainedHyperprior
from bench.signals import image

if TYPE_CHECKING:
    from bench.records import Point
    from bench.signals import Layout, Signal

_QUALITY_STEPS = 32
"""Qualities are coded in steps of 1/32."""


class Hyperprior(LearnedCodec):
    """The adapter; ``quality`` is a real value from 1 (lowest rate) to 8."""

    parameters: ClassVar[Mapping[str, Allowed]] = {"quality": Range(1, QUALITIES, integer=False)}
    libraries = ("torch", "compressai")

    @cached_property
    def network(self) -> GainedHyperprior:
        """The network with the card's weights, ready to code."""
        return self.load(GainedHyperprior())

    @cached_property
    def container(self) -> Container:
        return self.container_of(0xA7, self.network)

    def refusal(self, layout: Layout) -> str | None:
        return refuse_samples(layout, self.card.id)

    def complexity(self) -> Complexity:
        """On 256×256 pixels."""
        x = torch.zeros(1, 3, 256, 256, device=self.device)
        return measure_complexity(
            self.network,
            lambda: self.network(x, self._quality(0)),
            256 * 256,
            encoder_only=("g_a", "h_a"),
            decoder_only=("g_s",),
        )

    def encode(self, signal: Signal, point: Point) -> Encoded:
        geometry = Geometry.of(signal.layout)
        steps = round((float(point.value) - 1) * _QUALITY_STEPS)
        network = self.network
        with inference(self.device):
            x, quality = to_tensor(next(signal.frames()), STRIDE, self.device), self._quality(steps)
            y, z = network.latents(x, quality)
            z_string = network.entropy_bottleneck.compress(z)[0]
            z_hat, z_likelihoods = network.entropy_bottleneck(z)
            indexes, means = network.conditionals(z_hat, quality)
            y_string = network.gaussian_conditional.compress(y, indexes, means)[0]
            bits = _bits(z_likelihoods) + _bits(network.likelihoods(y, indexes, means))
        payload = self.container.pack([steps, *geometry.numbers], [z_string, y_string])
        header = len(payload) - len(z_string) - len(y_string)
        return Encoded(payload, header_bytes=header, bits_estimated=bits)

    def decode(self, payload: bytes) -> Signal:
        contents = self.container.unpack(payload, numbers=4, sections=2)
        steps, *size = contents.numbers
        if steps > (QUALITIES - 1) * _QUALITY_STEPS:
            raise BitstreamError(
                f"{self.card.id}: quality {steps} is out of range; corrupt payload"
            )
        geometry = Geometry.from_numbers(self.card.id, (size[0], size[1], size[2]))
        height, width = geometry.padded(STRIDE)
        z_string, y_string = contents.sections
        network = self.network
        with inference(self.device):
            shape, quality = (height // STRIDE, width // STRIDE), self._quality(steps)
            symbols = network.entropy_bottleneck.channels * shape[0] * shape[1]
            z_hat = network.entropy_bottleneck.decompress([with_room(z_string, symbols)], shape)
            indexes, means = network.conditionals(z_hat, quality)
            y_hat = network.gaussian_conditional.decompress(
                [with_room(y_string, indexes.numel())], indexes, means=means
            )
            picture = network.reconstruct(y_hat, quality)
            return image(to_frame(picture, geometry))

    def _quality(self, steps: int) -> Tensor:
        return torch.tensor([1 + steps / _QUALITY_STEPS], device=self.device)


def _bits(likelihoods: Tensor) -> float:
    return float(-likelihoods.double().log2().sum())
