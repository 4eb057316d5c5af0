"""Codec ``qcae-rd``: gray clips frame by frame, each given the two decoded before it.

The network is :mod:`bench.models.qcae_rd`. Everything that a decoder computes is exact fixed-point
arithmetic, so that a stream decodes to the same pixels on every machine and thread count.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from bench.codecs.base import Allowed, Complexity, Encoded, Range
from bench.codecs.learned import LearnedCodec
from bench.codecs.support.coded_clip import (
    STANDARD,
    ClipGeometry,
    pack_clip,
    refuse_clip,
    to_clip,
    to_planes,
    unpack_clip,
)
from bench.codecs.support.complexity import measure_complexity
from bench.codecs.support.container import Container
from bench.codecs.support.tensors import inference
from bench.errors import BitstreamError
from bench.models.qcae_rd import (
    GROUPS,
    LATENTS,
    MOTION_STRIDE,
    QUALITIES,
    REFERENCES,
    ConditionalAutoencoder,
    Prediction,
    exact_frame,
    group_mask,
    table_rows,
)

if TYPE_CHECKING:
    from compressai.entropy_models import GaussianConditional

    from bench.cards import CodecCard
    from bench.records import Point
    from bench.signals import Layout, Signal

_PADDING = MOTION_STRIDE
_QUALITY_STEPS = 8
"""Qualities are coded in steps of 1/8: the interpolation between gains is then exact."""


class QcaeRd(LearnedCodec):
    """``quality`` is a real value from 1 (lowest rate) to 8. Runs on the CPU, whatever device the
    run asks for: exact sums of float64 are no work for a GPU."""

    parameters: ClassVar[Mapping[str, Allowed]] = {"quality": Range(1, QUALITIES, integer=False)}
    libraries = ("torch", "compressai")

    def __init__(self, card: CodecCard, *, device: str = "cpu") -> None:
        super().__init__(card)

    @cached_property
    def _network(self) -> ConditionalAutoencoder:
        network = ConditionalAutoencoder()
        network.finalise()  # gives the tables their sizes; the weights hold their values
        return self.load(network)

    @cached_property
    def _container(self) -> Container:
        return self.container_of(0xB3, self._network)

    def refusal(self, layout: Layout) -> str | None:
        return refuse_clip(layout, self.card.id)

    def complexity(self) -> Complexity:
        """Of a frame with both references, 64×64."""
        network, side = self._network, STANDARD.width
        x = torch.zeros(1, 3, 1, side, side, dtype=torch.float64)
        return measure_complexity(
            network,
            lambda: network(x, torch.ones(1)),
            x.numel(),
            encoder_only=("motion_encoder", "encoder", "transform"),
            decoder_only=(),
            ignored=(),
        )

    def encode(self, signal: Signal, point: Point) -> Encoded:
        steps = round((float(point.value) - 1) * _QUALITY_STEPS)
        writer = _Writer(self._network.gaussian_conditional)
        with inference("cpu"):
            planes = torch.split(to_planes(signal, _PADDING).double(), 1)
            list(self._frames(planes, _quality(steps), writer))
        geometry = ClipGeometry.of(signal.layout)
        payload, header = pack_clip(self._container, steps, geometry, writer.finish())
        return Encoded(payload, header_bytes=header, bits_estimated=writer.bits)

    def decode(self, payload: bytes) -> Signal:
        steps, geometry, stream = unpack_clip(self._container, payload)
        if steps > (QUALITIES - 1) * _QUALITY_STEPS:
            raise BitstreamError(f"{self.card.id}: quality {steps} is out of range; it is corrupt")
        blank = torch.zeros(1, 1, *geometry.padded(_PADDING), dtype=torch.float64)
        reader = _Reader(self._network.gaussian_conditional, stream)
        with inference("cpu"):
            frames = self._frames([blank] * geometry.frames, _quality(steps), reader)
            return to_clip(torch.cat(list(frames)), geometry)

    def _frames(
        self, planes: Sequence[Tensor], quality: Tensor, coder: _Writer | _Reader
    ) -> Iterator[Tensor]:
        """The decoded frames, in step for encoder and decoder: the latents of a writer come from
        the planes, those of a reader from its stream."""
        network, references = self._network, list[Tensor]()
        for x in planes:
            past = network.recall(references, quality, like=x)
            motion = None
            if past.exists:
                whole = torch.ones(x.shape[-2] // MOTION_STRIDE, x.shape[-1] // MOTION_STRIDE)
                y = network.analyse_motion(x, past).double() if coder.sees else None
                motion = coder.code(y, *network.motion_gaussian(past), whole.bool())
            prediction = network.move(past, motion)
            gain = network.gain(quality, len(references)).double()
            y = network.analyse(x, prediction).double() * gain if coder.sees else None
            latent = self._code_groups(coder, y, prediction)
            frame = network.synthesise(latent / gain, prediction)
            references = [exact_frame(frame), *references][:REFERENCES]
            yield frame

    def _code_groups(
        self, coder: _Writer | _Reader, y: Tensor | None, prediction: Prediction
    ) -> Tensor:
        """The decoded latents ``(1, M, h, w)``, group after group."""
        height, width = prediction.features.shape[-2:]
        latent = torch.zeros(1, LATENTS, height, width, dtype=torch.float64)
        for group in range(GROUPS):
            mask = group_mask(height, width, only=group).bool()
            index, mean = self._network.gaussian(prediction.features, latent, group)
            latent = latent + coder.code(y, index, mean, mask)
        return latent


class _Tables:
    """The integer coding tables of the network's Gaussians."""

    def __init__(self, model: GaussianConditional) -> None:
        self._cdf = model.quantized_cdf.tolist()
        self._lengths = model.cdf_length.reshape(-1).int().tolist()
        self._offsets = model.offset.reshape(-1).int().tolist()

    def of(self, rows: Sequence[int]) -> tuple[list[int], list[list[int]], list[int], list[int]]:
        """The rows that are needed, and where these rows stand among them: the coder copies all
        that it is given on every call."""
        used = sorted(set(rows))
        place = {row: at for at, row in enumerate(used)}
        return (
            [place[row] for row in rows],
            [self._cdf[row] for row in used],
            [self._lengths[row] for row in used],
            [self._offsets[row] for row in used],
        )


class _Writer:
    """Codes latents into a stream; ``bits``, when it is finished, is the negative log2 likelihood
    of what it coded."""

    sees = True

    def __init__(self, model: GaussianConditional) -> None:
        self._model, self.bits = model, 0.0
        self._coded: list[list[Tensor]] = []

    def code(self, y: Tensor | None, index: Tensor, mean: Tensor, mask: Tensor) -> Tensor:
        """Latents as decoded, zero but at the places of the mask ``(h, w)``."""
        assert y is not None
        symbols = torch.round(y - mean)
        coded = (symbols, table_rows(index), mean)
        self._coded.append([one[:, :, mask].reshape(-1) for one in coded])
        return (symbols + mean) * mask

    def finish(self) -> bytes:
        from compressai.ans import RansEncoder

        symbols, rows, means = (
            torch.cat(all_of_one) for all_of_one in zip(*self._coded, strict=True)
        )
        scales = self._model.scale_table[rows.long()]
        likelihoods = self._model((symbols + means).float(), scales, means.float())[1]
        self.bits = -float(likelihoods.double().log2().sum())
        tables = _Tables(self._model).of(rows.tolist())
        stream: bytes = RansEncoder().encode_with_indexes(symbols.int().tolist(), *tables)
        return stream


class _Reader:
    """The inverse of ``_Writer``."""

    sees = False

    def __init__(self, model: GaussianConditional, stream: bytes) -> None:
        from compressai.ans import RansDecoder

        self._tables, self._coder = _Tables(model), RansDecoder()
        self._coder.set_stream(stream)

    def code(self, y: Tensor | None, index: Tensor, mean: Tensor, mask: Tensor) -> Tensor:
        """Latents as decoded, zero but at the places of the mask ``(h, w)``."""
        rows = table_rows(index)[:, :, mask]
        tables = self._tables.of(rows.reshape(-1).tolist())
        symbols = torch.tensor(self._coder.decode_stream(*tables))
        latent = torch.zeros_like(mean)
        latent[:, :, mask] = symbols.view(rows.shape).double() + mean[:, :, mask]
        return latent


def _quality(steps: int) -> Tensor:
    return torch.tensor([1 + steps / _QUALITY_STEPS], dtype=torch.float64)
