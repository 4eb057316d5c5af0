"""A user's own network behind one adapter, from a card alone: anything with CompressAI's interface.

Padding, cropping, header and estimate are done here; the network never sees a type of ours.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from bench.codecs.base import (
    ANY_LADDER,
    Allowed,
    AnyValue,
    Complexity,
    Encoded,
    Range,
    Table,
    Text,
    library_versions,
)
from bench.codecs.support.complexity import measure_complexity
from bench.codecs.support.container import Container, Contents
from bench.codecs.support.learned_codec import LearnedCodec
from bench.codecs.support.nested_bytes import NestedBytes, pack_nest, unpack_nest
from bench.codecs.support.tensors import (
    Geometry,
    check_device,
    inference,
    refuse_samples,
    to_frame,
    to_tensor,
)
from bench.codecs.support.user_model import ModelSource, coder, video_coder
from bench.errors import BitstreamError, CodecError
from bench.signals import clip, image

if TYPE_CHECKING:
    from bench.cards import CodecCard
    from bench.records import Point
    from bench.signals import Frame, Layout, Signal

_STRIDE = 64
"""Padding of CompressAI's evaluation, for networks that do not name theirs."""
_SIDE = 256
_MAX_FRAMES = 1 << 20
_TAGS = 128
"""Values of the byte that tells the points of a ladder apart."""


class _UserCodec(LearnedCodec):
    """The networks of a card's ladder, one in memory at a time, and the frame of their streams."""

    kind: ClassVar[int]
    facts: ClassVar[int]
    """How many numbers stand between a point's tag and the strings."""
    parameters: ClassVar[Mapping[str, Allowed]] = {
        ANY_LADDER: AnyValue(),
        "model": Text("package.module:Class"),
        "weights": Text("checkpoints/{lmbda}.pth.tar"),
        "arguments": Table(),
        "stride": Range(1, 1024),
    }

    def __init__(self, card: CodecCard, *, device: str = "cpu") -> None:
        super().__init__(card, device=device)
        self.source = ModelSource.of(card)
        self._loaded: tuple[Point, nn.Module, Container] | None = None

    def refusal(self, layout: Layout) -> str | None:
        return refuse_samples(layout, self.card.id)

    def check_available(self) -> None:
        check_device(self.card.id, self.device)
        self.source.importable()
        self.source.check_ladder(self.card.ladder)
        for point in self.card.ladder:
            self.source.checkpoint(point)

    def versions(self) -> Mapping[str, str]:
        """Libraries, the model's code and every checkpoint, by content."""
        return {
            **library_versions("torch", "compressai"),
            "model": self.source.code_digest(),
            **{f"weights {point}": self.source.digest(point) for point in self.card.ladder},
        }

    def network(self, point: Point) -> tuple[nn.Module, Container]:
        """The network of a point and the container that its streams are in."""
        if self._loaded is None or self._loaded[0] != point:
            network = self.source.load(point).to(self.device)
            self._loaded = (point, network, self.container_of(self.kind, network))
        return self._loaded[1], self._loaded[2]

    def stride(self, network: nn.Module) -> int:
        """To what multiples pictures are padded: the card's, else the network's own, else 64."""
        own = getattr(network, "downsampling_factor", _STRIDE)
        return int(self.settings.get("stride", own))

    def packed(self, point: Point, facts: Iterable[int], nested: NestedBytes) -> Encoded:
        """The payload of what ``compress`` returned; all but the strings is header."""
        data, content = pack_nest(self.card.id, nested)
        payload = self.network(point)[1].pack([_tag(point), *facts], [data])
        return Encoded(payload, header_bytes=len(payload) - content)

    def opened(self, payload: bytes) -> tuple[nn.Module, Contents]:
        """The network that wrote a payload and what is in it.

        Raises BitstreamError if no point of the ladder did.
        """
        if len(payload) <= Container.NUMBERS_AT:
            raise BitstreamError(f"{self.card.id}: payload of {len(payload)} bytes is truncated")
        refused = BitstreamError(
            f"{self.card.id}: no point of the ladder wrote this payload; it is corrupt or foreign"
        )
        for point in self.card.ladder:
            if _tag(point) == payload[Container.NUMBERS_AT]:
                network, container = self.network(point)
                try:
                    return network, container.unpack(payload, 1 + self.facts)
                except BitstreamError as error:
                    refused = error
        raise refused


class CompressAIModel(_UserCodec):
    """Pictures, by ``compress(x)``, ``decompress(strings, shape)`` and ``forward(x)`` of a network:
    x is ``(1, 3, H, W)`` in 0–1, padded to the stride by replication.

    The estimated rate is that of ``forward``'s likelihoods. A network without ``compress`` is
    measured with it alone and marked so.
    """

    kind = 0xC7
    facts = 3

    def warm_up(self, signal: Signal, point: Point) -> None:
        network, _ = self.network(point)
        with inference(self.device):
            network(self._zeros(network))

    def _zeros(self, network: nn.Module) -> Tensor:
        stride = self.stride(network)
        side = -(-_SIDE // stride) * stride
        return torch.zeros(1, 3, side, side, device=self.device)

    def _tensor(self, signal: Signal, network: nn.Module) -> Tensor:
        return to_tensor(next(signal.frames()), self.stride(network), self.device)

    def encode(self, signal: Signal, point: Point) -> Encoded:
        network, _ = self.network(point)
        x, geometry = self._tensor(signal, network), Geometry.of(signal.layout)
        coding = coder(network)
        with inference(self.device):
            if coding is None:
                found = network(x)
                picture = image(self._frame(found, geometry))
                return Encoded.as_estimated(picture, _bits(self.card.id, found))
            coded = coding.compress(x)
        nested = [_plain(coded[key]) for key in ("strings", "shape")]
        return self.packed(point, geometry.numbers, nested)

    def decode(self, payload: bytes) -> Signal:
        network, contents = self.opened(payload)
        geometry = Geometry.from_numbers(self.card.id, contents.numbers[1:])
        strings, shape = _pair(self.card.id, contents)
        coding = coder(network)
        assert coding is not None, "a network without compress writes no payload"
        with inference(self.device):
            return image(self._frame(coding.decompress(strings, shape), geometry))

    def estimate(self, signal: Signal, point: Point) -> float | None:
        network, _ = self.network(point)
        with inference(self.device):
            found = network(self._tensor(signal, network))
        return _bits(self.card.id, found) if "likelihoods" in found else None

    def complexity(self) -> Complexity:
        """Of the first point's network on 256×256 pixels. Parts that only one side runs are told by
        CompressAI's names; a network with other names counts as a whole on both sides."""
        network, _ = self.network(self.card.ladder[0])
        x = self._zeros(network)
        return measure_complexity(
            network,
            lambda: network(x),
            x[0, 0].numel(),
            encoder_only=("g_a", "h_a"),
            decoder_only=("g_s",),
        )

    def _frame(self, found: Mapping[str, Tensor], geometry: Geometry) -> Frame:
        if "x_hat" not in found:
            raise CodecError(f"{self.card.id}: the network returns no x_hat, but {sorted(found)}")
        return to_frame(found["x_hat"].clamp(0, 1), geometry)


class CompressAIVideoModel(_UserCodec):
    """Clips, by the interface of ``ssf2020``: ``compress(frames)`` gives a list of strings and one
    of shapes, ``decompress(strings, shapes)`` the frames, each ``(1, 3, H, W)`` in 0–1."""

    kind = 0xC8
    facts = 5

    def warm_up(self, signal: Signal, point: Point) -> None:
        network, _ = self.network(point)
        frame = torch.zeros(1, 3, self.stride(network), self.stride(network), device=self.device)
        with inference(self.device):
            network([frame, frame])

    def stride(self, network: nn.Module) -> int:
        return int(self.settings.get("stride", getattr(network, "downsampling_factor", 128)))

    def _tensors(self, signal: Signal, network: nn.Module) -> list[Tensor]:
        stride = self.stride(network)
        return [to_tensor(frame, stride, self.device) for frame in signal.frames()]

    def encode(self, signal: Signal, point: Point) -> Encoded:
        network, _ = self.network(point)
        frames, geometry = self._tensors(signal, network), Geometry.of(signal.layout)
        fps = signal.layout.fps
        coding = video_coder(network)
        with inference(self.device):
            if coding is None:
                found = network(frames)
                decoded = self._clip(found["x_hat"], geometry, fps)
                return Encoded.as_estimated(decoded, _bits(self.card.id, found))
            strings, shapes = coding.compress(frames)
        nested = [_plain(strings), _plain(shapes)]
        return self.packed(point, (*geometry.numbers, fps.numerator, fps.denominator), nested)

    def decode(self, payload: bytes) -> Signal:
        network, contents = self.opened(payload)
        width, height, gray, rate, base = contents.numbers[1:]
        geometry = Geometry.from_numbers(self.card.id, (width, height, gray))
        if not rate or not base:
            raise BitstreamError(f"{self.card.id}: header says {rate}/{base} fps; corrupt payload")
        strings, shapes = _pair(self.card.id, contents)
        if not isinstance(strings, list) or not 0 < len(strings) <= _MAX_FRAMES:
            raise BitstreamError(f"{self.card.id}: the payload holds no list of frames; corrupt")
        coding = video_coder(network)
        assert coding is not None, "a network without compress writes no payload"
        with inference(self.device):
            pictures = coding.decompress(strings, shapes)
            return self._clip(pictures, geometry, Fraction(rate, base))

    def estimate(self, signal: Signal, point: Point) -> float | None:
        network, _ = self.network(point)
        with inference(self.device):
            found = network(self._tensors(signal, network))
        return _bits(self.card.id, found) if "likelihoods" in found else None

    def complexity(self) -> Complexity:
        """Of the first point's network on two frames of 256×256, the same on both sides."""
        network, _ = self.network(self.card.ladder[0])
        frame = torch.zeros(1, 3, _SIDE, _SIDE, device=self.device)
        return measure_complexity(
            network,
            lambda: network([frame, frame]),
            2 * _SIDE**2,
            encoder_only=(),
            decoder_only=(),
        )

    def _clip(self, pictures: Iterable[Tensor], geometry: Geometry, fps: Fraction) -> Signal:
        frames = np.stack([to_frame(picture.clamp(0, 1), geometry) for picture in pictures])
        return clip(frames, fps=fps)


def _tag(point: Point) -> int:
    """One byte that mostly differs between points; the checksum settles the rest."""
    return zlib.crc32(str(point).encode()) % _TAGS


def _plain(value: object) -> NestedBytes:
    """Shapes as CompressAI's networks give them (``torch.Size``, tensors, numpy) in Python's
    types; what no stream can hold is left for ``pack_nest`` to name."""
    if isinstance(value, Tensor | np.ndarray | np.integer):
        return value.tolist()
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return value  # type: ignore[return-value]


def _pair(codec: str, contents: Contents) -> tuple[NestedBytes, NestedBytes]:
    nested = unpack_nest(codec, contents.sections[0])
    if not isinstance(nested, list) or len(nested) != 2:
        raise BitstreamError(f"{codec}: the payload does not hold strings and shapes; corrupt")
    return nested[0], _shapes(nested[1])


def _shapes(nested: NestedBytes) -> NestedBytes:
    """Lists of numbers as tuples: networks compare them with a tensor's shape."""
    if isinstance(nested, Mapping):
        return {key: _shapes(value) for key, value in nested.items()}
    if isinstance(nested, list):
        numbers = all(isinstance(value, int) for value in nested)
        return tuple(nested) if numbers else [_shapes(value) for value in nested]
    return nested


def _bits(codec: str, found: Mapping[str, object]) -> float:
    """Negative log2 of all likelihoods of a forward pass, however they are nested."""
    if "likelihoods" not in found:
        raise CodecError(
            f"{codec}: the network has no compress, and forward returns no likelihoods but "
            f"{sorted(found)}; without either there is no rate"
        )
    leaves = tree_leaves(found["likelihoods"])
    return sum(float(-each.double().log2().sum()) for each in leaves if isinstance(each, Tensor))
