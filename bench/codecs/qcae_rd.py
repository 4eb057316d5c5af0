"""Codec ``qcae-rd``: gray clips frame by frame, each given the two decoded before it.

The network is :mod:`bench.models.qcae_rd`. Everything that a decoder computes is exact fixed-point
arithmetic, so that a stream decodes to the same pixels on every machine and thread count.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from bench import weights
from bench.codecs.base import Allowed, CodecBase, Encoded, Range
from bench.codecs.clips import (
    STANDARD,
    ClipGeometry,
    pack_clip,
    refuse_clip,
    to_clip,
    to_planes,
    unpack_clip,
)
from bench.codecs.complexity import Complexity, measure_complexity
from bench.codecs.container import Container
from bench.codecs.tensors import decode_with_other_threads, fingerprint, inference
from bench.errors import BitstreamError
from bench.models.qcae_rd import (
    GROUPS,
    QUALITIES,
    STRIDE,
    ConditionalAutoencoder,
    Prediction,
    exact_frame,
    group_mask,
    table_rows,
)
from bench.training.settings import train_command

if TYPE_CHECKING:
    from bench.records import Point
    from bench.signals import Layout, Signal

_QUALITY_STEPS = 8
"""Qualities are coded in steps of 1/8: the interpolation between gains is then exact."""


@dataclass(slots=True)
class _State:
    """What encoder and decoder share between frames: the references, and what this frame has."""

    network: ConditionalAutoencoder
    quality: Tensor
    references: list[Tensor] = field(default_factory=list)

    def predict(self, like: Tensor) -> tuple[Prediction, Tensor]:
        """The prediction of the next frame and the gain of its latents."""
        prediction = self.network.predict(self.references, self.quality, like=like)
        return prediction, self.network.gain(self.quality, len(self.references)).double()

    def finish(self, latent: Tensor, gain: Tensor, prediction: Prediction) -> Tensor:
        """The frame of decoded latents, which becomes a reference."""
        frame = self.network.synthesise(latent / gain, self.references, prediction)
        self.references = [exact_frame(frame), *self.references][:2]
        return frame


class QcaeRd(CodecBase):
    """``quality`` is a real value from 1 (lowest rate) to 5. The decoder runs on the CPU."""

    parameters: ClassVar[Mapping[str, Allowed]] = {"quality": Range(1, QUALITIES, integer=False)}

    @cached_property
    def _network(self) -> ConditionalAutoencoder:
        model = ConditionalAutoencoder()
        tensors = weights.load_weights(self.card, cure=train_command(self.card.path.stem))
        model.finalise()  # gives the tables their sizes; the weights hold their values
        weights.load_into(model, tensors, weights.weights_path(self.card))
        return model.eval()

    @cached_property
    def _container(self) -> Container:
        return Container(self.card.id, 0xB3, fingerprint(self._network))

    @cached_property
    def _tables(self) -> tuple[list[list[int]], list[int], list[int]]:
        """Cumulative distributions, their lengths and offsets, as the range coder wants them."""
        model: Any = self._network.gaussian_conditional
        return (
            model.quantized_cdf.tolist(),
            model.cdf_length.reshape(-1).int().tolist(),
            model.offset.reshape(-1).int().tolist(),
        )

    def refusal(self, layout: Layout) -> str | None:
        return refuse_clip(layout, self.card.id)

    def check_available(self) -> None:
        weights.check_weights(self.card, cure=train_command(self.card.path.stem))

    def versions(self) -> Mapping[str, str]:
        return {"torch": torch.__version__, "weights": weights.weights_digest(self.card)}

    def complexity(self) -> Complexity:
        """Of a frame with both references, 64×64."""
        network, side = self._network, STANDARD.width
        x = torch.zeros(1, 3, 1, side, side, dtype=torch.float64)
        return measure_complexity(
            network,
            lambda: network(x, torch.ones(1)),
            x.numel(),
            encoder_only=("encoder",),
            decoder_only=(),
            ignored=(),
        )

    def warm_up(self, signal: Signal, point: Point) -> None:
        self.decode(self.encode(signal, point).payload)

    def encode(self, signal: Signal, point: Point) -> Encoded:
        from compressai.ans import BufferedRansEncoder

        steps = round((float(point.value) - 1) * _QUALITY_STEPS)
        coder, bits = BufferedRansEncoder(), 0.0
        with inference("cpu"):
            state = _State(self._network, _quality(steps))
            for x in torch.split(to_planes(signal, STRIDE).double(), 1):
                prediction, gain = state.predict(x)
                y = state.network.analyse(x, state.references, prediction).double() * gain
                latent = torch.zeros_like(y)
                for mask, rows, mean in self._groups(prediction, latent):
                    symbols = torch.round(y - mean)[:, :, mask]
                    coder.encode_with_indexes(
                        _flat(symbols), _flat(rows[:, :, mask]), *self._tables
                    )
                    bits += self._bits(y, rows, mean, mask)
                    latent[:, :, mask] = symbols + mean[:, :, mask]
                state.finish(latent, gain, prediction)
        geometry = ClipGeometry.of(signal.layout)
        payload, header = pack_clip(self._container, steps, geometry, coder.flush())
        return Encoded(payload, header_bytes=header, bits_estimated=bits)

    def decode_elsewhere(self, payload: bytes) -> Signal:
        """``decode`` with other threads: a verdict of the engine."""
        return decode_with_other_threads(self.decode, payload)

    def decode(self, payload: bytes) -> Signal:
        from compressai.ans import RansDecoder

        steps, geometry, stream = unpack_clip(self._container, payload)
        if steps > (QUALITIES - 1) * _QUALITY_STEPS:
            raise BitstreamError(f"{self.card.id}: quality {steps} is out of range; it is corrupt")
        coder = RansDecoder()
        coder.set_stream(stream)
        height, width = geometry.padded(STRIDE)
        blank = torch.zeros(1, 1, height, width, dtype=torch.float64)
        frames = []
        with inference("cpu"):
            state = _State(self._network, _quality(steps))
            for _ in range(geometry.frames):
                prediction, gain = state.predict(blank)
                latent = torch.zeros_like(prediction.features[:, : len(gain[0])])
                for mask, rows, mean in self._groups(prediction, latent):
                    symbols = coder.decode_stream(_flat(rows[:, :, mask]), *self._tables)
                    here = mean[:, :, mask]
                    latent[:, :, mask] = torch.tensor(symbols).view_as(here) + here
                frames.append(state.finish(latent, gain, prediction))
            return to_clip(torch.cat(frames), geometry)

    def _groups(
        self, prediction: Prediction, latent: Tensor
    ) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Place mask ``(h, w)``, rows of the table of scales and means ``(1, M, h, w)`` of each
        group; the caller writes its latents before it asks for the next."""
        for group in range(GROUPS):
            mask = group_mask(*latent.shape[-2:], only=group).bool()
            if mask.any():
                index, mean = self._network.gaussian(prediction.features, latent, group)
                yield mask, table_rows(index), mean

    def _bits(self, y: Tensor, rows: Tensor, mean: Tensor, mask: Tensor) -> float:
        model = self._network.gaussian_conditional
        scales = model.scale_table[rows.long()]
        likelihoods = model(y.float(), scales, mean.float())[1]
        return float(-likelihoods[:, :, mask].double().log2().sum())


def _quality(steps: int) -> Tensor:
    return torch.tensor([1 + steps / _QUALITY_STEPS], dtype=torch.float64)


def _flat(values: Tensor) -> list[int]:
    flat: list[int] = values.reshape(-1).int().tolist()
    return flat
