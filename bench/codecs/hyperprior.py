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
from bench.codecs.support.plane_coder import PlaneCoder
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
        network = self.load(GainedHyperprior())
        return network if self.device.startswith("cuda") else network.pixels_first()

    @cached_property
    def y_coder(self) -> PlaneCoder:
        return PlaneCoder.of(self.network.gaussian_conditional)

    @cached_property
    def z_coder(self) -> PlaneCoder:
        return PlaneCoder.of(self.network.entropy_bottleneck)

    @cached_property
    def bits_table(self) -> Tensor:
        return self.network.bits_table()

    @cached_property
    def container(self) -> Container:
        return self.container_of(0xA7, self.network)

    def refusal(self, layout: Layout) -> str | None:
        return refuse_samples(layout, self.card.id)

    def complexity(self) -> Complexity:
        """On 256×256 pixels, of the network as it is written down: all its products counted."""
        network = self.load(GainedHyperprior())
        x = torch.zeros(1, 3, 256, 256, device=self.device)
        return measure_complexity(
            network,
            lambda: network(x, self._quality(0)),
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
            z_symbols = network.entropy_bottleneck.quantize(z, "symbols")
            rows, means = network.conditionals(z_symbols.float(), quality)
            y_symbols = network.gaussian_conditional.quantize(y, "symbols", means)
            channels = network.channels_of((1, *z.shape[2:]))
            z_string = self.z_coder.encode(z_symbols, channels)
            y_string = self.y_coder.encode(y_symbols, rows)
            bits = network.hyper_bits(z_symbols) + self._bits(y_symbols, rows)
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
            shape, quality = (1, height // STRIDE, width // STRIDE), self._quality(steps)
            z_hat = self.z_coder.decode(z_string, network.channels_of(shape)).float()
            rows, means = network.conditionals(z_hat, quality)
            y_hat = self.y_coder.decode(y_string, rows) + means
            picture = network.reconstruct(y_hat, quality)
            return image(to_frame(picture, geometry))

    def _bits(self, symbols: Tensor, rows: Tensor) -> float:
        table = self.bits_table
        count = table.shape[1]
        places = rows * count + symbols.abs().clamp(max=count - 1)
        return float(table.take(places.long()).sum())

    def _quality(self, steps: int) -> Tensor:
        return torch.tensor([1 + steps / _QUALITY_STEPS], device=self.device)
