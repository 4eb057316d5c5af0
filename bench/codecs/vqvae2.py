"""Codec ``vqvae2``: pictures as the indices of two codebooks, with a choice of entropy coders.

The network is :mod:`bench.models.vqvae2`. The indices survive the stream exactly on every machine;
the pixels, from a float synthesis, may differ by one level between machines.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from torch import Tensor

from bench import weights
from bench.codecs.base import Allowed, Choice, CodecBase, Encoded, Range
from bench.codecs.complexity import Complexity, measure_complexity
from bench.codecs.container import Container
from bench.codecs.tensors import (
    Geometry,
    check_device,
    fingerprint,
    inference,
    refuse_samples,
    to_frame,
    to_tensor,
)
from bench.entropy.indices import Adaptive, Deflate, FixedLength, IndexCoder
from bench.models.vqvae2 import BOTTOM_STRIDE, TOP_STRIDE, VqVae2
from bench.signals import image

if TYPE_CHECKING:
    from bench.records import Point
    from bench.signals import Layout, Signal

PATCH = 256
_CODERS: Mapping[str, type[FixedLength] | type[Deflate] | type[Adaptive]] = {
    "fixed": FixedLength,
    "zlib": Deflate,
    "adaptive": Adaptive,
}


class VqVae2Codec(CodecBase):
    """``coder`` is the entropy coder of both levels. ``tiling``: ``whole`` codes the picture at
    once, ``patches`` in independent pieces of 256×256, as the rebuilt report does."""

    parameters: ClassVar[Mapping[str, Allowed]] = {
        "codes": Range(2, 65536),
        "dim": Range(1, 1024),
        "coder": Choice(tuple(_CODERS)),
        "tiling": Choice(("whole", "patches")),
    }

    @cached_property
    def network(self) -> VqVae2:
        """The network with the card's weights, in evaluation mode."""
        tensors = weights.load_weights(self.card)
        model = VqVae2(int(self.settings["codes"]), int(self.settings["dim"]))
        weights.load_into(model, tensors, weights.weights_path(self.card))
        return model.eval().to(self.device)

    @cached_property
    def container(self) -> Container:
        return Container(self.card.id, 0xA8, fingerprint(self.network))

    @cached_property
    def coder(self) -> IndexCoder:
        coder: IndexCoder = _CODERS[self.settings.get("coder", "adaptive")](self.network.codes)
        return coder

    def refusal(self, layout: Layout) -> str | None:
        return refuse_samples(layout, self.card.id)

    def check_available(self) -> None:
        check_device(self.card.id, self.device)
        weights.check_weights(self.card)

    def versions(self) -> Mapping[str, str]:
        return {"torch": torch.__version__, "weights": weights.weights_digest(self.card)}

    def complexity(self) -> Complexity:
        """On 256×256 pixels, the search of the codebooks included."""
        x = torch.zeros(1, 3, 256, 256, device=self.device)
        return measure_complexity(
            self.network,
            lambda: self.network(x),
            256 * 256,
            encoder_only=(
                *("encoder_bottom", "encoder_top", "to_top", "to_bottom"),
                *("codebook_top", "codebook_bottom"),
            ),
            decoder_only=("decoder",),
        )

    def warm_up(self, signal: Signal, point: Point) -> None:
        with inference(self.device):
            self.network(torch.zeros(1, 3, 64, 64, device=self.device))

    def encode(self, signal: Signal, point: Point) -> Encoded:
        geometry = Geometry.of(signal.layout)
        with inference(self.device):
            x = to_tensor(next(signal.frames()), self._stride, self.device)
            levels = [
                level.cpu().numpy().astype(np.int64).ravel()
                for level in self.network.encode(self._split(x))
            ]
        coded = [self.coder.encode(level) for level in levels]
        payload = self.container.pack(geometry.numbers, [stream for stream, _ in coded])
        header = len(payload) - sum(len(stream) for stream, _ in coded)
        bits = [estimate for _, estimate in coded if estimate is not None]
        return Encoded(payload, header, bits_estimated=sum(bits) if bits else None)

    def decode(self, payload: bytes) -> Signal:
        contents = self.container.unpack(payload, numbers=3, sections=2)
        width, height, gray = contents.numbers
        geometry = Geometry.from_numbers(self.card.id, (width, height, gray))
        padded = geometry.padded(self._stride)
        batch, rows, columns = self._pieces(*padded)
        levels = []
        for stream, stride in zip(contents.sections, (TOP_STRIDE, BOTTOM_STRIDE), strict=True):
            shape = (batch, rows // stride, columns // stride)
            indices = self.coder.decode(stream, int(np.prod(shape)))
            levels.append(torch.from_numpy(indices.reshape(shape)).to(self.device))
        with inference(self.device):
            picture = self._join(self.network.decode(*levels), padded)
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
