"""The one base of learned codecs: device, weights, availability, versions and marks in streams.

An adapter names its weight files, builds its networks and codes; what is the same for all learned
codecs stands here. Never runs a network.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, TypeVar

from bench.codecs.base import CodecBase, library_versions
from bench.codecs.support.weights import (
    MODEL,
    check_weights,
    load_into,
    load_weights,
    weights_digest,
    weights_path,
)

if TYPE_CHECKING:
    from torch import nn

    from bench.codecs.support.container import Container
    from bench.records import Point
    from bench.signals import Signal

Network = TypeVar("Network", bound="nn.Module")


class LearnedCodec(CodecBase):
    """Base of codecs with trained networks, whose weights lie in ``weights/<card>/``.

    A stream depends on the weights: ``container_of`` gives a format that refuses streams of others
    at no cost in bytes. Where an entropy coder's probabilities come from a network they must be
    exact: ``decode_elsewhere`` is how the harness tries it.
    """

    libraries: ClassVar[tuple[str, ...]] = ("torch",)
    """Packages whose version may change the bits."""

    def weight_names(self) -> tuple[str, ...]:
        """The weight files that this card's settings and ladder need."""
        return (MODEL,)

    def load(self, network: Network, name: str = MODEL, *, device: str | None = None) -> Network:
        """The network with a weight file's values, in evaluation mode, on the codec's device or
        another. Raises Unavailable if the file is missing, CardError if it does not fit."""
        tensors = load_weights(self.card, name)
        load_into(network, tensors, weights_path(self.card, name))
        return network.eval().to(device or self.device)

    def container_of(self, kind: int, *networks: nn.Module) -> Container:
        """The format of streams that these networks decode; ``kind`` (0–255) tells codecs apart."""
        from bench.codecs.support.container import Container
        from bench.codecs.support.tensors import fingerprint

        return Container(self.card.id, kind, fingerprint(*networks))

    def check_available(self) -> None:
        from bench.codecs.support.tensors import check_device

        check_device(self.card.id, self.device)
        for name in self.weight_names():
            check_weights(self.card, name)

    def versions(self) -> Mapping[str, str]:
        found = library_versions(*self.libraries)
        for name in self.weight_names():
            key = "weights" if name == MODEL else f"weights {name}"
            found[key] = weights_digest(self.card, name)
        return found

    def device_kind(self) -> str:
        from bench.machine import device_kind

        return device_kind(self.device)

    def decode_elsewhere(self, payload: bytes) -> Signal | None:
        """``decode`` with another number of threads: sums are then split in another way, which must
        change no probability that an entropy decoder reads."""
        import torch

        before = torch.get_num_threads()
        torch.set_num_threads(2 if before == 1 else 1)
        try:
            return self.decode(payload)
        finally:
            torch.set_num_threads(before)

    def warm_up(self, signal: Signal, point: Point) -> None:
        self.decode(self.encode(signal, point).payload)
