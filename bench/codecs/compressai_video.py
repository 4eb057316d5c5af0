"""The video codec of CompressAI's model zoo, ssf2020 (scale-space flow, Agustsson et al. 2020).

The first frame is a key frame, all others are predicted from the decoded frame before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from bench.codecs.base import Allowed, Choice, Complexity, Encoded, Range, Text
from bench.codecs.compressai_zoo import Networks, likelihood_bits, point_quality
from bench.codecs.support import zoo_weights
from bench.codecs.support.complexity import measure_complexity
from bench.codecs.support.learned_codec import LearnedCodec
from bench.codecs.support.rans import with_room
from bench.codecs.support.tensors import (
    Geometry,
    check_device,
    inference,
    refuse_samples,
    to_frame,
    to_tensor,
)
from bench.codecs.support.through_rgb import VIA
from bench.errors import BitstreamError
from bench.signals import clip

if TYPE_CHECKING:
    from bench.cards import CodecCard
    from bench.records import Point
    from bench.signals import Layout, Signal

_STRIDE = 128
_MAX_FRAMES = 1 << 20
# the parts of a predicted frame, each with the strings of y and z
_INTER_PARTS = ("motion", "residual")
_ENCODERS = ("img_encoder", "motion_encoder", "res_encoder")
Strings = list[list[bytes]]
FrameStrings = Strings | dict[str, Strings]
"""As CompressAI returns them: a list for a key frame, else a dict of the two parts."""
Shape = tuple[int, ...]
_HYPERPRIORS = ("img_hyperprior", "motion_hyperprior", "res_hyperprior")


class ZooVideo(LearnedCodec):
    """``ssf2020`` at its nine qualities, or a user's checkpoint of it (``weights``)."""

    ladder_keys = ("quality",)
    parameters: ClassVar[Mapping[str, Allowed]] = {
        "architecture": Choice(zoo_weights.VIDEO_ARCHITECTURES),
        "metric": Choice(("mse",)),
        "quality": Range(1, 9),
        "weights": Text("folder/or/file.pth.tar"),
        **VIA,
    }

    def __init__(self, card: CodecCard, *, device: str = "cpu") -> None:
        super().__init__(card, device=device)
        self.networks = Networks(card, 0xC2, device)

    def refusal(self, layout: Layout) -> str | None:
        return refuse_samples(layout, self.card.id)

    def check_available(self) -> None:
        check_device(self.card.id, self.device)
        self.networks.check_available()

    def versions(self) -> Mapping[str, str]:
        return self.networks.versions()

    def warm_up(self, signal: Signal, point: Point) -> None:
        network, _ = self.networks(point_quality(point))
        frame = torch.zeros(1, 3, _STRIDE, _STRIDE, device=self.device)
        with inference(self.device):
            network([frame, frame])

    def encode(self, signal: Signal, point: Point) -> Encoded:
        quality = point_quality(point)
        network, container = self.networks(quality)
        geometry, fps = Geometry.of(signal.layout), signal.layout.fps
        with inference(self.device):
            frames = [to_tensor(frame, _STRIDE, self.device) for frame in signal.frames()]
            with ExitStack() as hooks:
                latents = [_record(hooks, network, name) for name in _ENCODERS]
                coded, _ = network.compress(frames)  # type: ignore[operator]
            bits = _estimated_bits(network, latents)
        strings = [string[0] for frame in coded for part in _parts(frame) for string in part]
        numbers = [quality, len(frames), *geometry.numbers, fps.numerator, fps.denominator]
        payload = container.pack(numbers, strings)
        header = len(payload) - sum(map(len, strings))
        return Encoded(payload, header_bytes=header, bits_estimated=bits)

    def decode(self, payload: bytes) -> Signal:
        network, container = self.networks(self.networks.quality_of(payload))
        count = container.unpack(payload, numbers=2).numbers[1]
        if not 0 < count <= _MAX_FRAMES:
            raise BitstreamError(f"{self.card.id}: header says {count} frames; corrupt payload")
        contents = container.unpack(payload, numbers=7, sections=4 * count - 2)
        width, height, gray, rate, base = contents.numbers[2:]
        geometry = Geometry.from_numbers(self.card.id, (width, height, gray))
        if not rate or not base:
            raise BitstreamError(f"{self.card.id}: header says {rate}/{base} fps; corrupt payload")
        height, width = geometry.padded(_STRIDE)
        sections = [with_room(section, height * width) for section in contents.sections]
        strings, shapes = _frame_strings(sections, (height // _STRIDE, width // _STRIDE))
        with inference(self.device):
            pictures = network.decompress(strings, shapes)  # type: ignore[operator]
            frames = np.stack([to_frame(picture.clamp(0, 1), geometry) for picture in pictures])
        return clip(frames, fps=Fraction(rate, base))

    def complexity(self) -> Complexity:
        """Of the first point's network that has weights, on two frames of 256×256."""
        network, _ = self.networks.first()
        frame = torch.zeros(1, 3, 256, 256, device=self.device)
        hyper_encoders = tuple(f"{name}.hyper_encoder" for name in _HYPERPRIORS)
        return measure_complexity(
            network,
            lambda: network([frame, frame]),
            2 * 256 * 256,
            encoder_only=(*_ENCODERS, *hyper_encoders),
            decoder_only=(),
            ignored=tuple(f"{name}.entropy_bottleneck" for name in _HYPERPRIORS),
        )


def _parts(frame: FrameStrings) -> list[Strings]:
    """The strings of a frame, of one part for a key frame, else of two."""
    return [frame] if isinstance(frame, list) else [frame[name] for name in _INTER_PARTS]


def _frame_strings(
    sections: Sequence[bytes], shape: Shape
) -> tuple[list[FrameStrings], list[Shape | dict[str, Shape]]]:
    """The inverse of ``_parts`` over all frames, with the shape of the hyper-latents."""
    strings: list[FrameStrings] = [[[section] for section in sections[:2]]]
    shapes: list[Shape | dict[str, Shape]] = [shape]
    for start in range(2, len(sections), 4):
        four = [[section] for section in sections[start : start + 4]]
        strings.append(dict(zip(_INTER_PARTS, (four[:2], four[2:]), strict=True)))
        shapes.append(dict.fromkeys(_INTER_PARTS, shape))
    return strings, shapes


def _record(hooks: ExitStack, network: nn.Module, name: str) -> list[Tensor]:
    latents: list[Tensor] = []
    hook = network.get_submodule(name).register_forward_hook(
        lambda _module, _inputs, output: latents.append(output)
    )
    hooks.callback(hook.remove)
    return latents


def _estimated_bits(network: nn.Module, latents: list[list[Tensor]]) -> float:
    """The likelihood estimate of the latents that were coded."""
    return sum(
        likelihood_bits(network.get_submodule(name)(latent)[1])
        for name, group in zip(_HYPERPRIORS, latents, strict=True)
        for latent in group
    )
