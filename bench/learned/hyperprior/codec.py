"""Codec ``hyperprior``: pictures to bitstreams and back with the gained mean-scale hyperprior.

The network is :mod:`bench.learned.hyperprior.network`; its weights hold the coding tables. Scales
and means come from exact networks, so that a stream decodes to the same latent on every machine,
device and thread count; the pixels, from a float synthesis, may differ by one level between
machines.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from bench.codecs.base import Allowed, Choice, Complexity, Encoded, Range
from bench.codecs.support.complexity import measure_complexity
from bench.codecs.support.container import Container
from bench.codecs.support.learned_codec import LearnedCodec
from bench.codecs.support.refinement import STEPS, frozen, refined, soft_round, with_refinement
from bench.codecs.support.tensors import Geometry, inference, refuse_samples, to_frame, to_tensor
from bench.errors import BitstreamError
from bench.learned.hyperprior.network import QUALITIES, STRIDE, GainedHyperprior, trade_off
from bench.learned.hyperprior.plane_coder import PlaneCoder
from bench.learned.shared.checkerboard import Conditional, Elements
from bench.learned.shared.entropy_models import COMPATIBLE
from bench.machine import multiplies_bfloat16
from bench.signals import image

if TYPE_CHECKING:
    from bench.records import Point
    from bench.signals import Layout, Signal

_QUALITY_STEPS = 32
"""Qualities are coded in steps of 1/32."""
_REACHES = (0.2, 0.02)
"""Of refinement, in steps of the quantiser of y and of z. Farther, what a softly rounded latent
costs and decodes to says too little of the rounded one."""
_SLOPE = 1.6
"""λ of refinement in those of training, whose gains lag behind them: measured on the held-out
training pictures so that the PSNR of a quality stays."""


@dataclass(frozen=True, slots=True)
class _Stream:
    """What a payload holds."""

    steps: int
    geometry: Geometry
    z_string: bytes
    y_string: bytes


class Hyperprior(LearnedCodec):
    """The adapter; ``quality`` is a real value from 1 (lowest rate) to 8. ``context``: whether the
    distribution of an element depends on those before it (``checkerboard``) or on the hyper-latent
    alone (``none``), which takes less time. ``refine``: steps in which the encoder improves the
    latents of each picture."""

    ladder_keys = ("quality",)
    parameters: ClassVar[Mapping[str, Allowed]] = {
        "quality": Range(1, QUALITIES, integer=False),
        "context": Choice(("checkerboard", "none")),
        "refine": STEPS,
    }

    def versions(self) -> Mapping[str, str]:
        return {**super().versions(), **COMPATIBLE}

    @cached_property
    def network(self) -> GainedHyperprior:
        """The network with the card's weights, ready to code."""
        network = self.load(GainedHyperprior())
        if self.device.startswith("cuda"):
            return network
        return network.pixels_first(halves=multiplies_bfloat16())

    @cached_property
    def relaxed_network(self) -> GainedHyperprior:
        """The network through which latents are refined."""
        network = frozen(self.network)
        network.train()
        return network

    @cached_property
    def y_coder(self) -> PlaneCoder:
        return PlaneCoder(self.network.gaussian_conditional.tables)

    @cached_property
    def z_coder(self) -> PlaneCoder:
        return PlaneCoder(self.network.entropy_bottleneck.tables)

    @cached_property
    def bits_table(self) -> Tensor:
        return self.network.bits_table()

    @cached_property
    def container(self) -> Container:
        """One of its own for either ``context``: the streams are others."""
        return self.container_of(0xA7 if self._context else 0xA9, self.network)

    @property
    def _context(self) -> bool:
        return self.settings.get("context") != "none"

    def refusal(self, layout: Layout) -> str | None:
        return refuse_samples(layout, self.card.id)

    def complexity(self) -> Complexity:
        """On 256×256 pixels, of the network as it is written down: all its products counted."""
        network = self.load(GainedHyperprior())
        x = torch.zeros(1, 3, 256, 256, device=self.device)
        found = measure_complexity(
            network,
            lambda: network(x, self._quality([0]), context=self._context),
            256 * 256,
            encoder_only=("g_a", "h_a"),
            decoder_only=("g_s",),
        )
        return with_refinement(found, int(self.settings.get("refine", 0)))

    def encode(self, signal: Signal, point: Point) -> Encoded:
        return self.encode_many([(signal, point)])[0]

    def encode_many(self, inputs: Sequence[tuple[Signal, Point]]) -> tuple[Encoded, ...]:
        geometry = Geometry.of(inputs[0][0].layout)
        steps = [round((float(point.value) - 1) * _QUALITY_STEPS) for _, point in inputs]
        frames = [next(signal.frames()) for signal, _ in inputs]
        network, quality = self.network, self._quality(steps)
        with inference(self.device):
            x = torch.cat([to_tensor(frame, STRIDE, self.device) for frame in frames])
            y, z = network.latents(x, quality)
        if self.settings.get("refine"):
            y, z = self._refined(x, y, z, quality, geometry)
        with inference(self.device):
            z_symbols = network.entropy_bottleneck.symbols(z)
            y_symbols, rows = self._symbols(y, z_symbols, quality)
            return tuple(
                self._coded([one, *geometry.numbers], *latents)
                for one, *latents in zip(
                    steps,
                    *(torch.split(each, 1) for each in (z_symbols, y_symbols, rows)),
                    strict=True,
                )
            )

    def _symbols(self, y: Tensor, z_symbols: Tensor, quality: Tensor) -> tuple[Tensor, Tensor]:
        """Symbols of y and their rows of the scale table, int32 ``(B, n)`` in coding order."""
        network, symbols, rows = self.network, list[Tensor](), list[Tensor]()

        def put(elements: Elements, found: Conditional) -> Tensor:
            symbols.append((elements.of(y) - found.mean).round_().int())
            rows.append(network.rows(found.index))
            return symbols[-1]

        network.walk(z_symbols.float(), quality, put, context=self._context)
        together = [torch.cat([each.flatten(1) for each in parts], 1) for parts in (symbols, rows)]
        return together[0], together[1]

    def _refined(
        self, x: Tensor, y: Tensor, z: Tensor, quality: Tensor, geometry: Geometry
    ) -> list[Tensor]:
        """Latents of lower R + λ·D; what was padded does not count."""
        network, weight = self.relaxed_network, _SLOPE * trade_off(quality)
        height, width = geometry.height, geometry.width

        def cost(latents: Sequence[Tensor], done: float) -> Tensor:
            found = network.relaxed(
                latents[0],
                latents[1],
                quality,
                lambda each: soft_round(each, done),
                context=self._context,
            )
            error = (found.picture - x)[..., :height, :width]
            mse = 255**2 * error.square().mean((1, 2, 3))
            return (found.bits / (height * width) + weight * mse).sum()

        with inference(self.device, gradients=True):
            return refined((y, z), _REACHES, int(self.settings["refine"]), cost)

    def _coded(self, numbers: list[int], z: Tensor, y: Tensor, rows: Tensor) -> Encoded:
        """The payload of one picture's symbols."""
        network = self.network
        z_string = self.z_coder.encode(z, network.channels_of((1, *z.shape[2:])))
        y_string = self.y_coder.encode(y, rows)
        payload = self.container.pack(numbers, [z_string, y_string])
        header = len(payload) - len(z_string) - len(y_string)
        bits = network.hyper_bits(z) + self._bits(y, rows)
        return Encoded(payload, header_bytes=header, bits_estimated=bits)

    def decode(self, payload: bytes) -> Signal:
        return self.decode_many([payload])[0]

    def decode_many(self, payloads: Sequence[bytes]) -> tuple[Signal, ...]:
        streams = [self._read(payload) for payload in payloads]
        geometry = streams[0].geometry
        if any(stream.geometry != geometry for stream in streams):
            raise BitstreamError(f"{self.card.id}: payloads of several sizes at once")
        height, width = geometry.padded(STRIDE)
        network, quality = self.network, self._quality([stream.steps for stream in streams])
        with inference(self.device):
            channels = network.channels_of((1, height // STRIDE, width // STRIDE))
            z_symbols = [self.z_coder.decode(stream.z_string, channels) for stream in streams]
            y_hat = self._read_latent(streams, torch.cat(z_symbols).float(), quality)
            pictures = network.reconstruct(y_hat, quality)
            return tuple(image(to_frame(picture, geometry)) for picture in torch.split(pictures, 1))

    def _read_latent(self, streams: Sequence[_Stream], z_hat: Tensor, quality: Tensor) -> Tensor:
        network = self.network
        readers = [self.y_coder.reader(stream.y_string) for stream in streams]

        def take(elements: Elements, found: Conditional) -> Tensor:
            rows = torch.split(network.rows(found.index), 1)
            taken = [reader.take(own) for reader, own in zip(readers, rows, strict=True)]
            return torch.cat(taken)

        walked = network.walk(z_hat, quality, take, context=self._context)
        for reader in readers:
            reader.finish()
        return network.dequantised(walked)

    def _read(self, payload: bytes) -> _Stream:
        contents = self.container.unpack(payload, numbers=4, sections=2)
        steps, *size = contents.numbers
        if steps > (QUALITIES - 1) * _QUALITY_STEPS:
            raise BitstreamError(
                f"{self.card.id}: quality {steps} is out of range; corrupt payload"
            )
        geometry = Geometry.from_numbers(self.card.id, (size[0], size[1], size[2]))
        return _Stream(steps, geometry, *contents.sections)

    def _bits(self, symbols: Tensor, rows: Tensor) -> float:
        table = self.bits_table
        count = table.shape[1]
        places = (rows * count).add_(symbols.abs().clamp_(max=count - 1))
        return float(table.flatten().index_select(0, places.flatten()).sum())

    def _quality(self, steps: Sequence[int]) -> Tensor:
        return 1 + torch.tensor(steps, device=self.device) / _QUALITY_STEPS
