"""Codec ``qcae-rd``: gray clips frame by frame, each given the two decoded before it.

The network is :mod:`bench.learned.qcae_rd.network`. Everything that a decoder computes is exact
fixed-point arithmetic, so that a stream decodes to the same pixels on every machine and thread
count.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from torch import Tensor

from bench.codecs.base import Allowed, Complexity, Encoded, Range
from bench.codecs.support.complexity import measure_complexity
from bench.codecs.support.container import Container
from bench.codecs.support.learned_codec import LearnedCodec
from bench.codecs.support.tensors import inference
from bench.entropy.rans import Reader, Symbols, Tables, encode
from bench.errors import BitstreamError
from bench.learned.qcae_rd.layers import MOST, Motion, corrected, moved, placed, started, visible
from bench.learned.qcae_rd.motion_model import (
    CELL_ROWS,
    COUNT_ROW,
    PARTING_ROWS,
    cell_row,
    neighbours,
    parting_rows,
    vector_rows,
)
from bench.learned.qcae_rd.motion_search import estimate, layer_count
from bench.learned.qcae_rd.network import (
    GROUPS,
    LATENTS,
    QUALITIES,
    REFERENCES,
    SCALE_LEVELS,
    STRIDE,
    ConditionalAutoencoder,
    Prediction,
    exact_frame,
    group_mask,
    table_rows,
    worth_of,
)
from bench.learned.shared.coded_clip import (
    STANDARD,
    ClipGeometry,
    pack_clip,
    refuse_clip,
    to_clip,
    to_planes,
    unpack_clip,
)
from bench.learned.shared.entropy_models import COMPATIBLE

if TYPE_CHECKING:
    from bench.cards import CodecCard
    from bench.records import Point
    from bench.signals import Layout, Signal

_QUALITY_STEPS = 8
"""Qualities are coded in steps of 1/8: the interpolation between gains is then exact."""


class QcaeRd(LearnedCodec):
    """``quality`` is a real value from 1 (lowest rate) to 8. Runs on the CPU, whatever device the
    run asks for: exact sums of float64 are no work for a GPU."""

    ladder_keys = ("quality",)
    parameters: ClassVar[Mapping[str, Allowed]] = {"quality": Range(1, QUALITIES, integer=False)}

    def __init__(self, card: CodecCard, *, device: str = "cpu") -> None:
        super().__init__(card)

    def versions(self) -> Mapping[str, str]:
        return {**super().versions(), **COMPATIBLE}

    @cached_property
    def _network(self) -> ConditionalAutoencoder:
        return self.load(ConditionalAutoencoder())

    @cached_property
    def _tables(self) -> Tables:
        return coding_tables(self._network)

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
            encoder_only=("encoder", "transform"),
            decoder_only=(),
            ignored=(),
        )

    def encode(self, signal: Signal, point: Point) -> Encoded:
        steps = round((float(point.value) - 1) * _QUALITY_STEPS)
        writer = _Writer(self._network, self._tables)
        with inference("cpu"):
            planes = torch.split(to_planes(signal, STRIDE).double(), 1)
            list(self._frames(planes, _quality(steps), writer))
        geometry = ClipGeometry.of(signal.layout)
        payload, header = pack_clip(self._container, steps, geometry, writer.finish())
        return Encoded(payload, header_bytes=header, bits_estimated=writer.bits)

    def decode(self, payload: bytes) -> Signal:
        steps, geometry, stream = unpack_clip(self._container, payload)
        if steps > (QUALITIES - 1) * _QUALITY_STEPS:
            raise BitstreamError(f"{self.card.id}: quality {steps} is out of range; it is corrupt")
        blank = torch.zeros(1, 1, *geometry.padded(STRIDE), dtype=torch.float64)
        reader = _Reader(stream, self._tables)
        with inference("cpu"):
            frames = list(self._frames([blank] * geometry.frames, _quality(steps), reader))
            reader.finish()
            return to_clip(torch.cat(frames), geometry)

    def _frames(
        self, planes: Sequence[Tensor], quality: Tensor, coder: _Writer | _Reader
    ) -> Iterator[Tensor]:
        """The decoded frames, in step for encoder and decoder: motion and latents of a writer come
        from the planes, those of a reader from its stream."""
        network, references, motion = self._network, list[Tensor](), None
        count = coder.code_count(planes)
        layers = torch.zeros_like(planes[0]).expand(-1, count, -1, -1)
        for x in planes:
            if references:
                motion = coder.code_motion(layers, x, motion, worth_of(quality))
                layers = placed(layers, motion)
            prediction = network.predict(references, layers, quality)
            gain = network.gain(quality, len(references)).double()
            y = network.analyse(x, prediction).double() * gain if coder.sees else None
            latent = self._code_groups(coder, y, prediction)
            frame = network.synthesise(latent / gain, prediction)
            decoded = exact_frame(frame)
            layers = corrected(layers, decoded) if references else started(decoded, count)
            references = [decoded, *references][:REFERENCES]
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


_MOTION = SCALE_LEVELS
"""The first row of motion in the coding tables; those before are of the Gaussians."""


def coding_tables(network: ConditionalAutoencoder) -> Tables:
    """The tables of the network: of its Gaussians, then of motion."""
    gaussians, motion = network.gaussian_conditional.tables, network.motion.tables
    wider = gaussians.cumulative.shape[1] - motion.cumulative.shape[1]
    return Tables(
        np.concatenate([gaussians.cumulative, np.pad(motion.cumulative, ((0, 0), (0, wider)))]),
        np.concatenate([gaussians.lengths, motion.lengths]),
        np.concatenate([gaussians.offsets, motion.offsets]),
    )


class _Writer:
    """Codes motion and latents into a stream; ``bits``, when it is finished, is the negative log2
    likelihood of what it coded."""

    sees = True

    def __init__(self, network: ConditionalAutoencoder, tables: Tables) -> None:
        self._network, self._tables = network, tables
        self._symbols, self._rows = list[int](), list[int]()
        self.bits = 0.0

    def code_count(self, planes: Sequence[Tensor]) -> int:
        """How many layers the clip is coded by; a single frame needs none of this."""
        count = layer_count(torch.cat([*planes]))
        if len(planes) > 1:
            self._add([count - 1], [COUNT_ROW])
            self.bits += math.log2(MOST)
        return count

    def code_motion(
        self, layers: Tensor, x: Tensor, before: Motion | None, worth: Tensor
    ) -> Motion:
        """The motion of layers to the frame x."""
        motion = estimate(layers, x, before, worth)
        self.bits += float(self._network.motion.bits(layers, motion, before))
        rows = vector_rows(layers, before)
        self._add(motion.vectors.flatten().tolist(), rows.flatten().tolist())
        rows = PARTING_ROWS + parting_rows(layers, before)
        self._add(motion.parted.int().tolist(), rows.tolist())
        if motion.parted:
            coded = visible(moved(layers, motion.vectors))
            rows = CELL_ROWS + neighbours(motion.shown, coded)
            self._add(motion.shown[coded].int().tolist(), rows[coded].tolist())
        return motion

    def code(self, y: Tensor | None, index: Tensor, mean: Tensor, mask: Tensor) -> Tensor:
        """Latents as decoded, zero but at the places of the mask ``(h, w)``."""
        assert y is not None
        symbols = torch.round(y - mean)
        values, rows, means = (
            one[:, :, mask].reshape(-1) for one in (symbols, table_rows(index), mean)
        )
        model = self._network.gaussian_conditional
        likelihoods = model((values + means).float(), model.scale_table[rows.long()], means.float())
        self.bits -= float(likelihoods.double().log2().sum())
        self._symbols += values.int().tolist()
        self._rows += rows.tolist()
        return (symbols + mean) * mask

    def _add(self, symbols: list[int], rows: list[int]) -> None:
        self._symbols += symbols
        self._rows += [_MOTION + row for row in rows]

    def finish(self) -> bytes:
        return encode(_int32(self._symbols), _int32(self._rows), self._tables)


class _Reader:
    """The inverse of ``_Writer``."""

    sees = False

    def __init__(self, stream: bytes, tables: Tables) -> None:
        self._reader, self._sizes = Reader(stream, tables), tables.lengths - 2

    def code_count(self, planes: Sequence[Tensor]) -> int:
        """How many layers the clip is coded by."""
        return 1 + self._motion([COUNT_ROW])[0] if len(planes) > 1 else 1

    def code_motion(
        self, layers: Tensor, x: Tensor, before: Motion | None, worth: Tensor
    ) -> Motion:
        """The motion of layers to the next frame, whatever x."""
        rows = vector_rows(layers, before)
        vectors = torch.tensor(self._motion(rows.flatten().tolist())).view_as(rows)
        parting = PARTING_ROWS + parting_rows(layers, before)
        parted = torch.tensor(self._motion(parting.tolist())).bool()
        coded = visible(moved(layers, vectors)) & parted
        return Motion(vectors, self._cells(coded), parted)

    def _cells(self, coded: Tensor) -> Tensor:
        """Whether layers take part in cells, of which the coded ones are read in raster order."""
        shown = torch.ones_like(coded)
        for layer, there in zip(shown[0], coded[0], strict=True):
            states: dict[tuple[int, int], int] = {}
            for row, column in there.nonzero().tolist():
                beside = (states.get((row, column - 1)), states.get((row - 1, column)))
                states[row, column] = self._motion([cell_row(*beside)])[0]
                layer[row, column] = states[row, column]
        return shown

    def _motion(self, rows: list[int]) -> list[int]:
        """Symbols of rows of the tables of motion. Raises BitstreamError where one has no such
        symbol: what comes after a table's end has no meaning there."""
        places = _MOTION + _int32(rows)
        symbols = self._reader.take(places)
        if ((symbols < 0) | (symbols >= self._sizes[places])).any():
            raise BitstreamError("qcae-rd: a motion that does not exist; the stream is corrupt")
        return [int(each) for each in symbols]

    def code(self, y: Tensor | None, index: Tensor, mean: Tensor, mask: Tensor) -> Tensor:
        """Latents as decoded, zero but at the places of the mask ``(h, w)``."""
        rows = table_rows(index)[:, :, mask]
        symbols = torch.from_numpy(self._reader.take(rows.numpy().reshape(-1)))
        latent = torch.zeros_like(mean)
        latent[:, :, mask] = symbols.view(rows.shape).double() + mean[:, :, mask]
        return latent

    def finish(self) -> None:
        """Raises BitstreamError where the stream does not end here."""
        self._reader.finish()


def _int32(numbers: list[int]) -> Symbols:
    return np.array(numbers, np.int32)


def _quality(steps: int) -> Tensor:
    return torch.tensor([1 + steps / _QUALITY_STEPS], dtype=torch.float64)
