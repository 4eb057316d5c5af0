"""Codec ``vae3d``: clips to bitstreams and back with the 3-D convolutional VAE.

The network is :mod:`bench.learned.vae3d.network`; its exact prior and the tables in its weights
make a stream decode to the same latent on every machine, device and thread count. The pixels, from
a float synthesis, may differ by one level between machines.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from torch import Tensor

from bench.codecs.base import Allowed, Choice, Complexity, Encoded
from bench.codecs.support.complexity import measure_complexity
from bench.codecs.support.learned_codec import LearnedCodec
from bench.codecs.support.refinement import STEPS, Outlook, descended, frozen, with_refinement
from bench.codecs.support.tensors import (
    Geometry,
    fingerprint,
    inference,
    refuse_samples,
    to_frame,
    to_tensor,
)
from bench.codecs.support.through_rgb import VIA
from bench.entropy.coding import Coder, decode_with
from bench.entropy.gaussian_cells import CellDecoder, CellEncoder, CellTable, Integers
from bench.learned.vae3d.clip_header import ClipHeader, HeaderFormat
from bench.learned.vae3d.network import FRAMES, LAMBDAS, STRIDE, Vae3d, trade_off
from bench.learned.vae3d.prior import PriorWalk
from bench.signals import Frame, clip

if TYPE_CHECKING:
    from bench.records import Point
    from bench.signals import Layout, Signal

_BATCH_POSITIONS = 1 << 15
"""Positions of the latent that are held in memory at once."""


class Vae3dCodec(LearnedCodec):
    """The adapter; ``lambda`` is λ = 1/β of the loss, in 10⁻⁶ bits per pixel and squared level.

    A clip is coded in groups of seven frames, the last one padded by replication. The estimated
    rate is the KL divergence of the posterior from the prior. ``refine``: steps in which the
    encoder improves the latents of each group.
    """

    ladder_keys = ("lambda",)
    parameters: ClassVar[Mapping[str, Allowed]] = {
        "lambda": Choice(LAMBDAS), "refine": STEPS, **VIA,
    }  # fmt: skip
    libraries = ("torch", "constriction")

    @cached_property
    def network(self) -> Vae3d:
        """The network with the card's weights, ready to code."""
        return self.load(Vae3d())

    @cached_property
    def relaxed_network(self) -> Vae3d:
        """The network through which latents are refined."""
        return frozen(self.network).train()

    @cached_property
    def cells(self) -> CellTable:
        return self.network.prior.cells()

    @cached_property
    def header(self) -> HeaderFormat:
        return HeaderFormat(self.card.id, fingerprint(self.network), len(LAMBDAS))

    def refusal(self, layout: Layout) -> str | None:
        return refuse_samples(layout, self.card.id) or ClipHeader.refusal(layout, self.card.id)

    def complexity(self) -> Complexity:
        """On a group of 96×96 pixels."""
        x = torch.zeros(1, 3, FRAMES, 96, 96, device=self.device)
        point = torch.zeros(1, dtype=torch.long, device=self.device)
        found = measure_complexity(
            self.network,
            lambda: self.network(x, point, point == 0),
            FRAMES * 96 * 96,
            encoder_only=("encoder",),
            decoder_only=("decoder",),
        )
        return with_refinement(found, self._steps)

    @property
    def _steps(self) -> int:
        return int(self.settings.get("refine", 0))

    def encode(self, signal: Signal, point: Point) -> Encoded:
        place = LAMBDAS.index(int(point.value))
        latents, divergence = self._analyse(signal, place)
        encoder = CellEncoder(self.cells)
        for part in _parts(latents):
            for step in self._walk(place).steps(part):
                part[step.place] = encoder.put(part[step.place], step.means, step.levels)
        stream = encoder.finish()
        header = ClipHeader(place, Geometry.of(signal.layout), signal.layout.frames)
        payload = self.header.pack(header, stream)
        return Encoded(
            payload,
            header_bytes=len(payload) - len(stream),
            bits_estimated=divergence,
            bits_likelihood=encoder.bits,
        )

    def decode(self, payload: bytes) -> Signal:
        header, latents = self.read_latents(payload)
        frames = [frame for group in latents for frame in self._synthesise(group, header)]
        return clip(np.stack(frames[: header.frames]))

    def read_latents(self, payload: bytes) -> tuple[ClipHeader, Integers]:
        """What a payload holds: its header and the latents ``(groups, M, h, w)``, the same on every
        machine. Raises BitstreamError."""
        header, stream = self.header.unpack(payload)
        height, width = header.geometry.padded(STRIDE)
        groups = -(-header.frames // FRAMES)
        latents = np.zeros(
            (groups, self.network.latents, height // STRIDE, width // STRIDE), np.int64
        )
        decode_with(stream, lambda coder: self._read(latents, header.point, coder))
        return header, latents

    def _walk(self, place: int) -> PriorWalk:
        return PriorWalk(self.network.prior, self.network.inverse_gain, place)

    def _read(self, latents: Integers, place: int, coder: Coder) -> Integers:
        decoder = CellDecoder(self.cells, coder)
        for part in _parts(latents):
            for step in self._walk(place).steps(part):
                part[step.place] = decoder.get(step.means, step.levels)
        # the decoder has refused what is never sent
        return np.empty(0, np.int64)

    def _analyse(self, signal: Signal, place: int) -> tuple[Integers, float]:
        """Rounded means of the posterior ``(groups, M, h, w)`` and the KL divergence in bits, with
        one sample as context of the prior."""
        noise = np.random.default_rng(0)
        point = torch.tensor([place], device=self.device)
        found, divergence = [], 0.0
        for number, group in enumerate(self._groups(signal)):
            with inference(self.device):
                mean, log_deviation = self.network.posterior(group, point)
                latent = mean.round()
            if self._steps:
                moved = self._moved(group, latent, point, signal.layout, number)
                mean, latent = mean + (moved - latent), moved
            with inference(self.device):
                normal = noise.standard_normal(mean.shape, np.float32)
                sample = mean + log_deviation.exp() * torch.from_numpy(normal).to(mean)
                conditional = self.network.conditional(sample, point, coded=False)
                divergence += float(conditional.divergence(mean.double(), log_deviation).sum())
                found.append(latent[0].to(torch.int64).cpu().numpy())
        return np.stack(found), divergence

    def _moved(
        self, x: Tensor, latent: Tensor, point: Tensor, layout: Layout, number: int
    ) -> Tensor:
        """The latent of a group, ``(1, M, h, w)``, moved to a lower R + λ·D; what was padded does
        not count."""
        network, weight = self.relaxed_network, 255**2 * float(trade_off(point))
        frames = min(FRAMES, layout.frames - FRAMES * number)
        height, width = layout.height, layout.width
        pixels = frames * height * width
        bend = weight / (3 * pixels) * network.step_energy(point)

        def look(latents: Tensor) -> Outlook:
            z = latents.clone().requires_grad_()
            conditional = network.conditional(z, point, coded=False)
            own = conditional.bits(latents)
            error = (network.generate(z, point) - x)[:, :, :frames, :height, :width]
            cost = own.sum() / pixels + weight * error.square().mean()
            # of the distortion and of the bits of others; its own are not linear, but known
            (slope,) = torch.autograd.grad(cost, z)
            with torch.no_grad():
                more, less = (
                    (conditional.bits(latents + step) - own) / pixels + step * slope + bend
                    for step in (1, -1)
                )
            return Outlook(cost.detach()[None], more, less)

        with inference(self.device, gradients=True):
            return descended(latent.clone(), self._steps, look)

    def _groups(self, signal: Signal) -> Iterator[Tensor]:
        """``(1, 3, 7, H', W')`` in 0–1, padded by replication in all three directions."""
        source = signal.frames()
        while frames := list(islice(source, FRAMES)):
            padded = [*frames, *[frames[-1]] * (FRAMES - len(frames))]
            yield torch.stack([to_tensor(frame, STRIDE, self.device) for frame in padded], 2)

    def _synthesise(self, latent: Integers, header: ClipHeader) -> Sequence[Frame]:
        with inference(self.device):
            z = torch.from_numpy(latent)[None].float().to(self.device)
            clips = self.network.generate(z, torch.tensor([header.point], device=self.device))
            return [to_frame(frame[None], header.geometry) for frame in clips[0].transpose(0, 1)]


def _parts(latents: Integers) -> Iterator[Integers]:
    """Views of the latents of as many groups as are coded side by side."""
    count = max(1, _BATCH_POSITIONS // (latents.shape[2] * latents.shape[3]))
    for start in range(0, len(latents), count):
        yield latents[start : start + count]
