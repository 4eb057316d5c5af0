"""A newcomer's codec: latents rounded to multiples of a step, one zlib stream."""

import zlib
from collections.abc import Mapping
from functools import cached_property
from typing import ClassVar

import numpy as np
import torch

from bench.codecs.toolkit import (
    Allowed,
    BitstreamError,
    Complexity,
    Container,
    Encoded,
    Layout,
    Point,
    Range,
    Signal,
    image,
)
from bench.codecs.torch_toolkit import (
    Geometry,
    LearnedCodec,
    inference,
    measure_complexity,
    refuse_samples,
    to_frame,
    to_tensor,
)
from tests.system.with_torch.codecs.newcomer.model import BlockAutoencoder

UNIT = 1 / 256


class BlockCodec(LearnedCodec):
    """``step`` is the quantiser's, in 1/256."""

    parameters: ClassVar[Mapping[str, Allowed]] = {"step": Range(1, 64)}

    @cached_property
    def network(self) -> BlockAutoencoder:
        return self.load(BlockAutoencoder())

    @cached_property
    def container(self) -> Container:
        return self.container_of(0xF0, self.network)

    def refusal(self, layout: Layout) -> str | None:
        return refuse_samples(layout, self.card.id)

    def encode(self, signal: Signal, point: Point) -> Encoded:
        step, geometry = int(point.value), Geometry.of(signal.layout)
        with inference(self.device):
            latents = self.network.encoder(to_tensor(next(signal.frames()), 8, self.device))
        indices = np.rint(latents.cpu().numpy() / (step * UNIT)).clip(-128, 127).astype(np.int8)
        stream = zlib.compress(indices.tobytes(), 9)
        payload = self.container.pack((step, *geometry.numbers), [stream])
        return Encoded(payload, header_bytes=len(payload) - len(stream))

    def decode(self, payload: bytes) -> Signal:
        contents = self.container.unpack(payload, numbers=4)
        step, *size = contents.numbers
        geometry = Geometry.from_numbers(self.card.id, tuple(size))
        height, width = geometry.padded(8)
        try:
            indices = np.frombuffer(zlib.decompress(contents.sections[0]), np.int8)
            blocks = indices.reshape(1, 16, height // 8, width // 8)
        except (zlib.error, ValueError) as error:
            raise BitstreamError(f"{self.card.id}: {error}; the payload is damaged") from error
        latents = torch.from_numpy(blocks.astype(np.float32) * step * UNIT).to(self.device)
        with inference(self.device):
            return image(to_frame(self.network.decoder(latents), geometry))

    def complexity(self) -> Complexity:
        x = torch.zeros(1, 3, 64, 64, device=self.device)
        return measure_complexity(
            self.network, lambda: self.network(x), 64 * 64,
            encoder_only=("encoder",), decoder_only=("decoder",),
        )  # fmt: skip
