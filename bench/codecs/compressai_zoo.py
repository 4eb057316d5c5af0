"""The image codecs of CompressAI's model zoo behind one adapter, whatever architecture.

Strings are CompressAI's own; what a decoder needs besides is packed around them and counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn

from bench.codecs.base import (
    Allowed,
    Choice,
    Complexity,
    Encoded,
    Range,
    Text,
    library_versions,
)
from bench.codecs.support import zoo_weights
from bench.codecs.support.complexity import measure_complexity
from bench.codecs.support.container import Container
from bench.codecs.support.learned_codec import LearnedCodec
from bench.codecs.support.rans import with_room
from bench.codecs.support.tensors import (
    Geometry,
    check_device,
    fingerprint,
    inference,
    refuse_samples,
    to_frame,
    to_tensor,
)
from bench.codecs.support.user_model import file_digest
from bench.codecs.support.zoo_weights import ZooModel
from bench.errors import BitstreamError, CardError, Unavailable
from bench.signals import image

if TYPE_CHECKING:
    from bench.cards import CodecCard
    from bench.records import Point
    from bench.signals import Layout, Signal

ONLY = 0
"""Quality in the header of a checkpoint that has no quality."""

_SYMBOL_PIXELS = 256
"""Pixels for each symbol of a channel: all latents are at most as fine as 1/16."""


class Networks:
    """The networks of one codec, one in memory at a time, with the container that each uses."""

    def __init__(self, card: CodecCard, kind: int, device: str) -> None:
        self._card = card
        self._kind = kind
        self._device = device
        self._loaded: tuple[int, nn.Module, Container] | None = None

    def model(self, quality: int) -> ZooModel:
        """What to load for a quality."""
        settings = self._card.settings
        return ZooModel(
            codec=self._card.id,
            architecture=settings["architecture"],
            metric=settings.get("metric", "mse"),
            quality=quality,
            location=settings.get("weights", ""),
            arguments=zoo_weights.parse_arguments(
                self._card.id, str(settings.get("arguments", ""))
            ),
        )

    def __call__(self, quality: int) -> tuple[nn.Module, Container]:
        if self._loaded is None or self._loaded[0] != quality:
            network = self.model(quality).load().to(self._device)
            container = Container(self._card.id, self._kind, fingerprint(network))
            self._loaded = (quality, network, container)
        return self._loaded[1], self._loaded[2]

    def first(self) -> tuple[nn.Module, Container]:
        """The network of the first point that has weights. Raises Unavailable if none has."""
        return self(self._first_quality())

    def quality_of(self, payload: bytes) -> int:
        """The quality a stream claims; the checksum, which needs the network, comes after."""
        if len(payload) <= Container.NUMBERS_AT:
            raise BitstreamError(f"{self._card.id}: payload of {len(payload)} bytes is truncated")
        quality = payload[Container.NUMBERS_AT]
        if quality not in {point_quality(point) for point in self._card.ladder}:
            raise BitstreamError(
                f"{self._card.id}: payload claims quality {quality}, which this codec lacks; it is "
                "corrupt or of another codec"
            )
        return quality

    def check_available(self) -> None:
        """Raises Unavailable if no point of the ladder has weights, CardError if two points have
        the same: that would be one network measured twice."""
        self._first_quality()
        seen: dict[str, Point] = {}
        for point in self._card.ladder:
            try:
                path = self.model(point_quality(point)).find()
            except Unavailable:
                continue
            first = seen.setdefault(file_digest(path), point)
            if first != point:
                raise CardError(
                    f"codec {self._card.id}: {first} and {point} are one checkpoint, {path}; put "
                    f"{{quality}} into weights, or give one point, such as {first}"
                )

    def _first_quality(self) -> int:
        missing: Unavailable | None = None
        for point in self._card.ladder:
            try:
                self.model(point_quality(point)).find()
                return point_quality(point)
            except Unavailable as error:
                missing = missing or error
        raise missing or Unavailable(f"codec {self._card.id}: its ladder is empty")

    def versions(self) -> Mapping[str, str]:
        """Library versions and the file of each point that is there."""
        found = library_versions("torch", "compressai")
        for point in self._card.ladder:
            try:
                path = self.model(point_quality(point)).find()
            except Unavailable:
                found[f"weights {point}"] = "missing"
            else:
                found[f"weights {point}"] = file_digest(path)
        return found


class ZooImage(LearnedCodec):
    """All image architectures of ``compressai.zoo`` at all their qualities.

    Settings: ``architecture``, ``metric`` and, for local files or a user's own checkpoint,
    ``weights`` and ``arguments``.
    """

    ladder_keys = ("quality",)
    parameters: ClassVar[Mapping[str, Allowed]] = {
        "architecture": Choice(zoo_weights.IMAGE_ARCHITECTURES),
        "metric": Choice(("mse", "ms-ssim")),
        "quality": Range(1, 8),
        "weights": Text("folder/or/file.pth.tar"),
        "arguments": Text("128+192"),
    }

    def __init__(self, card: CodecCard, *, device: str = "cpu") -> None:
        # the context model runs symbol by symbol, and its float results choose the coding tables:
        # on the CPU only, as CompressAI recommends
        self.autoregressive = card.settings["architecture"] in zoo_weights.AUTOREGRESSIVE
        super().__init__(card, device="cpu" if self.autoregressive else device)
        self.networks = Networks(card, 0xC1, self.device)

    def refusal(self, layout: Layout) -> str | None:
        return refuse_samples(layout, self.card.id)

    def check_available(self) -> None:
        check_device(self.card.id, self.device)
        self.networks.check_available()

    def versions(self) -> Mapping[str, str]:
        return self.networks.versions()

    def warm_up(self, signal: Signal, point: Point) -> None:
        network, _ = self.networks(point_quality(point))
        with inference(self.device):
            network(torch.zeros(1, 3, 64, 64, device=self.device))

    def encode(self, signal: Signal, point: Point) -> Encoded:
        quality = point_quality(point)
        network, container = self.networks(quality)
        geometry = Geometry.of(signal.layout)
        with inference(self.device):
            x = to_tensor(next(signal.frames()), _stride(network), self.device)
            with _recorded(network) as latents:
                coded = network.compress(x)  # type: ignore[operator]
            bits = _estimated_bits(network, latents[0])
        strings = [string[0] for string in coded["strings"]]
        payload = container.pack([quality, *geometry.numbers], strings)
        header = len(payload) - sum(map(len, strings))
        return Encoded(payload, header_bytes=header, bits_estimated=bits)

    def decode(self, payload: bytes) -> Signal:
        network, container = self.networks(self.networks.quality_of(payload))
        sections = 1 if self.card.settings["architecture"].startswith("bmshj2018-fact") else 2
        contents = container.unpack(payload, numbers=4, sections=sections)
        width, height, gray = contents.numbers[1:]
        geometry = Geometry.from_numbers(self.card.id, (width, height, gray))
        stride = _stride(network)
        height, width = geometry.padded(stride)
        shape = (height // stride, width // stride)
        symbols = int(network.M) * height * width // _SYMBOL_PIXELS  # type: ignore[arg-type]
        strings = [[with_room(section, symbols)] for section in contents.sections]
        with inference(self.device):
            picture = network.decompress(strings, shape)["x_hat"]  # type: ignore[operator]
            return image(to_frame(picture, geometry))

    def complexity(self) -> Complexity:
        """Of the first point's network that has weights, on 256×256 pixels."""
        network, _ = self.networks.first()
        x = torch.zeros(1, 3, 256, 256, device=self.device)
        return measure_complexity(
            network,
            lambda: network(x),
            256 * 256,
            encoder_only=("g_a", "h_a"),
            decoder_only=("g_s",),
        )


def point_quality(point: Point) -> int:
    """The quality of ``quality=…``, and 0 for the one point of a user's checkpoint."""
    return int(point.value) if point.key == "quality" else ONLY


def likelihood_bits(likelihoods: Mapping[str, Tensor]) -> float:
    """Negative log2 of all likelihoods, summed."""
    return sum(float(-each.double().log2().sum()) for each in likelihoods.values())


def _stride(network: nn.Module) -> int:
    return int(network.downsampling_factor)  # type: ignore[arg-type]


@contextmanager
def _recorded(network: nn.Module) -> Iterator[list[Tensor]]:
    """Collects what the analysis transform returns inside the block."""
    latents: list[Tensor] = []
    hook = network.g_a.register_forward_hook(  # type: ignore[union-attr]
        lambda _module, _inputs, output: latents.append(output.clone())
    )
    try:
        yield latents
    finally:
        hook.remove()


class _Recall(nn.Module):
    """Stands in for the analysis transform, whose output is known already."""

    def __init__(self, latent: Tensor) -> None:
        super().__init__()
        self.latent = latent

    def forward(self, _x: Tensor) -> Tensor:
        return self.latent


def _estimated_bits(network: nn.Module, latent: Tensor) -> float:
    """The likelihood estimate by the network's own forward pass, without its two transforms.

    The times of encoding would otherwise be those of encoding and decoding.
    """
    analysis, synthesis = network.g_a, network.g_s
    network.g_a, network.g_s = _Recall(latent), nn.Identity()
    try:
        return likelihood_bits(network(latent)["likelihoods"])
    finally:
        network.g_a, network.g_s = analysis, synthesis
