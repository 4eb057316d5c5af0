"""A user's own network behind one adapter, from a card alone: anything with CompressAI's interface,
and clips a frame at a time.

The network runs in processes of its own (bench.codecs.foreign.model_backend); here its payload is
packed, checked and counted.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from bench.cards.codec import ONLY
from bench.codecs.base import (
    ANY_LADDER,
    Allowed,
    AnyValue,
    Choice,
    CodecBase,
    Complexity,
    Encoded,
    Estimate,
    Range,
    Table,
    Text,
)
from bench.codecs.foreign.codec import Apart
from bench.codecs.support.container import Container
from bench.codecs.support.nested_bytes import (
    Tree,
    holds_content,
    pack_tree,
    string_sizes,
    unpack_tree,
)
from bench.codecs.support.through_rgb import VIA
from bench.codecs.support.user_model import PADDING, ModelSource
from bench.errors import BitstreamError, CodecError, Unavailable
from bench.records import Point
from bench.signals import Layout, Media, PixelFormat, Signal

if TYPE_CHECKING:
    from bench.cards import CodecCard
    from bench.codecs.foreign.host import Answer

_MAX_FRAMES = 1 << 20
_MAX_PIXELS = 1 << 28
_TAGS = 128
"""Values of the byte that tells the points of a ladder apart."""
_KINDS: tuple[Any, ...] = ("rgb", "gray", "yuv420")
_OF_ENCODER = (
    *("g_a", "h_a"),
    *("img_encoder", "motion_encoder", "res_encoder", "hyper_encoder"),  # of ssf2020
)
"""Parts of a network that only its encoder runs."""
_PASSED_ON = ("model", "arguments", "update", "call", "stride", "padding", "channels", "part")


@dataclass(frozen=True, slots=True)
class _Head:
    """What stands before the strings: size and kind of a picture, frame rate of a clip.

    ``strings`` is their number where nothing but the size of the picture says their structure and
    the shape of the latents; else 0, and the structure stands before them.
    """

    width: int
    height: int
    kind: int
    fps: Fraction | None = None
    strings: int = 0

    @property
    def numbers(self) -> tuple[int, ...]:
        rate = () if self.fps is None else (self.fps.numerator, self.fps.denominator)
        return (self.width, self.height, self.kind + len(_KINDS) * self.strings, *rate)

    @classmethod
    def of(cls, layout: Layout, *, video: bool) -> _Head:
        kind = _KINDS.index(layout.samples)
        return cls(layout.width, layout.height, kind, layout.fps if video else None)

    def usual(self, strings: int, stride: int) -> Tree:
        """What CompressAI's networks for pictures return, as it is sent: so many strings, and the
        size of the picture in strides."""
        shape = [-(-self.height // stride), -(-self.width // stride)]
        return {"list": [{"list": [{"list": [{"bytes": 1}]}] * strings}, {"tuple": shape}]}

    @classmethod
    def read(cls, codec: str, numbers: tuple[int, ...]) -> _Head:
        """Raises BitstreamError for what no picture has."""
        width, height, kind, *rate = numbers
        strings, kind = divmod(kind, len(_KINDS))
        if not 0 < width * height <= _MAX_PIXELS or strings > _MAX_FRAMES:
            raise BitstreamError(
                f"{codec}: header says {width}×{height}, {strings} strings; corrupt payload"
            )
        if rate and not all(rate):
            raise BitstreamError(f"{codec}: header says {rate[0]}/{rate[1]} fps; corrupt payload")
        return cls(width, height, kind, Fraction(*rate) if rate else None, strings)

    def signal(self, data: bytes) -> Signal:
        """The frames in ``data``."""
        media: Media = "image" if self.fps is None else "video"
        kind = PixelFormat(_KINDS[self.kind])
        one = Layout(media, kind, self.width, self.height, 1, self.fps or Fraction(25))
        frames = np.frombuffer(data, one.frame_dtype).reshape(-1, *one.frame_shape)
        layout = replace(one, frames=len(frames))
        return Signal(layout, lambda: iter(frames))


class CompressAIModel(CodecBase):
    """Pictures, by ``compress(x)``, ``decompress(strings, shape)`` and ``forward(x)`` of a network:
    x is ``(1, 3, H, W)`` in 0–1, padded to the stride, by replication where nothing else is said.

    The estimated rate is that of ``forward``'s likelihoods. A network without ``compress`` is
    measured with it alone and marked so.
    """

    kind: ClassVar[int] = 0xC7
    video: ClassVar[bool] = False
    numbers: ClassVar[int] = 4
    """How many numbers stand before the strings: the point's tag, then the head."""
    parameters: ClassVar[Mapping[str, Allowed]] = {
        **VIA,
        ANY_LADDER: AnyValue(),
        "model": Text("package.module:Class"),
        "weights": Text("checkpoints/{lmbda}.pth.tar"),
        "arguments": Table(),
        "update": Table(),
        "call": Table(),
        "stride": Range(1, 1024),
        "padding": PADDING,
        "channels": Choice((1, 3)),
        "samples": Choice(("rgb", "yuv420")),
        "part": Text("ema"),
        "ignore": Text("*.attn_mask *.relative_index"),
        "device": Choice(("cpu",)),
    }

    def __init__(self, card: CodecCard, *, device: str = "cpu") -> None:
        device = str(card.settings.get("device", device))
        super().__init__(card, device=device)
        self.source = ModelSource.of(card)
        weights = filter(None, map(self.source.found, card.ladder))
        card = replace(card, reads=(*card.reads, *dict.fromkeys(weights)))
        passed = {key: card.settings[key] for key in _PASSED_ON if key in card.settings}
        ignored = str(card.settings.get("ignore", "")).split()
        model = {**passed, "ignore": ignored, "video": self.video}
        self.apart = Apart(card, "model", {"model": model, "device": device})

    def refusal(self, layout: Layout) -> str | None:
        if self.settings.get("samples") == "yuv420":
            taken: tuple[str, ...] = ("yuv420",)
        else:
            taken = ("gray",) if self.settings.get("channels") == 1 else ("gray", "rgb")
        if layout.samples in taken:
            return None
        return f"{self.card.id} codes {' and '.join(taken)} samples, not {layout.samples}"

    def check_available(self) -> None:
        from bench.codecs.support.tensors import check_device

        ours = self.card.environment_python is None
        if ours and self.source.model.startswith("compressai.") and not find_spec("compressai"):
            raise Unavailable(
                f"codec {self.card.id}: compressai is not installed; it has wheels for Python 3.11 "
                "and 3.12: pip install compressai there"
            )
        check_device(self.card.id, self.device)
        self.source.check_ladder(self.card.ladder, ONLY.key)
        self.source.check_present(self.card.ladder)

    def versions(self) -> Mapping[str, str]:
        """Every checkpoint, by content, and the releases that the code loaded."""
        weights = {f"weights {point}": self.source.digest(point) for point in self.card.ladder}
        self.apart.encoder_with("describe", ())
        releases, _ = self.apart.code()
        return {**releases, **weights}

    @property
    def isolation(self) -> str:
        return self.apart.isolation

    def code(self) -> Mapping[str, str]:
        return self.apart.code()[1]

    def device_kind(self) -> str:
        from bench.machine import device_kind

        return device_kind(self.device)

    def warm_up(self, signal: Signal, point: Point) -> None:
        named = {**self._network(point), **_size(signal.layout)}
        self.apart.encoder_with("warm_up", (), **named)
        self.apart.decoder_with("warm_up", (), **named)

    def encode(self, signal: Signal, point: Point) -> Encoded:
        answer = self._coded("encode", signal, point)
        head = _Head.of(signal.layout, video=self.video)
        if "bits" in answer.result:
            bits = float(answer.result["bits"])
            if not math.isfinite(bits):
                raise CodecError(
                    f"{self.card.id}: the estimated rate, which is all, is {bits} bits"
                )
            return Encoded.as_estimated(head.signal(answer.blobs[0]), bits)
        tree, blobs = answer.result["nest"], answer.blobs
        frames = _frame_sizes(answer, signal.layout.frames) if self.video else None
        if self.source.tells_decoder:
            tree = {"list": [point.value, *tree["list"]]}
        if tree == head.usual(len(blobs), answer.result["stride"]):
            head, sections = replace(head, strings=len(blobs)), blobs
        else:
            sections = [pack_tree(self.card.id, tree, blobs)]
        payload = self._container(answer.result["mark"]).pack(
            [_tag(point), *head.numbers], sections
        )
        mixed = holds_content(answer.result["nest"])
        header = None if mixed else len(payload) - sum(map(len, blobs))
        return Encoded(payload, header_bytes=header, frame_bytes=frames)

    def decode(self, payload: bytes) -> Signal:
        return self._decoded(payload)

    def decode_afresh(self, payload: bytes) -> Signal:
        with self.apart.another_decoder():
            return self.decode(payload)

    def decode_elsewhere(self, payload: bytes) -> Signal | None:
        """``decode`` with another number of threads: sums are then split in another way, which must
        change no probability that an entropy decoder reads."""
        return self._decoded(payload, threads=2)

    def estimate(self, signal: Signal, point: Point) -> float | None:
        found = self._coded("estimate", signal, point).result
        return None if found["bits"] is None else Estimate(found["bits"], found["at_bound"])

    def complexity(self) -> Complexity | None:
        """Of the first point's network on 256×256 pixels. Parts that only one side runs are told by
        CompressAI's names; a network with other names counts as a whole on both sides."""
        samples = "gray" if self.settings.get("channels") == 1 else "rgb"
        named = {"samples": self.settings.get("samples", samples), "width": 1, "height": 1}
        network = self._network(self.card.ladder[0])
        found = self.apart.encoder_with("complexity", (), **network, **named).result
        if not found:
            return None
        per_kilopixel = 1000 * float(found["pixels"])

        def share(names: Sequence[str]) -> float:
            of_parts = (n for name, n in found["macs"].items() if name.split(".")[-1] in names)
            return float(sum(of_parts)) / per_kilopixel

        total = share(["Global"]) - share(["entropy_bottleneck"])
        return Complexity(
            parameters=float(found["parameters"]),
            encoder_kmac_per_pixel=total - share(["g_s"]),
            decoder_kmac_per_pixel=total - share(_OF_ENCODER),
            peak_bytes=float(found["peak_bytes"]),
        )

    def _coded(self, call: str, signal: Signal, point: Point) -> Answer:
        data = b"".join(np.ascontiguousarray(frame).tobytes() for frame in signal.frames())
        named = {**self._network(point), **_size(signal.layout)}
        return self.apart.encoder_with(call, (data,), **named)

    def _decoded(self, payload: bytes, **more: object) -> Signal:
        point, head, tree, blobs = self._opened(payload)
        if not isinstance(tree, dict) or not tree.get("list"):
            raise self._corrupt("holds nothing that was coded")
        if self.source.tells_decoder:
            value, *parts = tree["list"]
            if isinstance(value, dict | None):
                raise self._corrupt("does not say its operating point")
            point, tree = Point(point.key, value), {"list": parts}
        if len(tree["list"]) > _MAX_FRAMES:
            raise self._corrupt(f"claims {len(tree['list'])} parts")
        size = {"samples": _KINDS[head.kind], "width": head.width, "height": head.height}
        named = {**self._network(point), **size, "nest": tree, **more}
        return head.signal(self.apart.decoder_with("decode", blobs, **named).blobs[0])

    def _network(self, point: Point) -> dict[str, object]:
        """Which network a call is about."""
        return {
            "point": [point.key, point.value],
            "weights": str(self.source.checkpoint(point)),
        }

    def _container(self, mark: str) -> Container:
        return Container(self.card.id, self.kind, bytes.fromhex(mark))

    def _opened(self, payload: bytes) -> tuple[Point, _Head, Tree, Sequence[bytes]]:
        """The point whose network wrote a payload, its head and what is in it. Raises
        BitstreamError if no point of the ladder did."""
        if len(payload) <= Container.NUMBERS_AT:
            raise BitstreamError(f"{self.card.id}: payload of {len(payload)} bytes is truncated")
        refused = self._corrupt("was written by no point of the ladder")
        for point in self._points(payload[Container.NUMBERS_AT]):
            loaded = self.apart.decoder_with("load", (), **self._network(point)).result
            container = self._container(loaded["mark"])
            try:
                contents = container.unpack(payload, self.numbers)
            except BitstreamError as error:
                refused = error
                continue
            head = _Head.read(self.card.id, contents.numbers[1:])
            if not head.strings:
                return point, head, *unpack_tree(self.card.id, contents.sections[0])
            blobs = container.unpack(payload, self.numbers, head.strings).sections
            return point, head, head.usual(len(blobs), loaded["stride"]), blobs
        raise refused

    def _points(self, tag: int) -> Iterator[Point]:
        """Points that may have written a payload with this tag: any, where one network serves
        all."""
        if self.source.one_network:
            yield self.card.ladder[0]
        else:
            yield from (point for point in self.card.ladder if _tag(point) == tag)

    def _corrupt(self, what: str) -> BitstreamError:
        return BitstreamError(f"{self.card.id}: the payload {what}; it is corrupt or foreign")


class CompressAIVideoModel(CompressAIModel):
    """Clips. By the interface of ``ssf2020``: ``compress(frames)`` gives a list of strings and one
    of shapes, ``decompress(strings, shapes)`` the frames, each ``(1, 3, H, W)`` in 0–1. Or a frame
    at a time: ``encode(frame, state)`` gives what was coded and the next state, ``decode(coded,
    state)`` the frame and the next state; the first state is None. With ``samples = "yuv420"`` a
    frame is a pair, luma ``(1, 1, H, W)`` and chroma ``(1, 2, H/2, W/2)``."""

    kind = 0xC8
    video = True
    numbers = 6


def _frame_sizes(answer: Answer, frames: int) -> tuple[int, ...] | None:
    """Bytes of the strings of each frame, where what was coded is a list of frames: all of it, or
    its first part, as of ssf2020's kind."""
    parts = answer.result["nest"]["list"]
    if not answer.result["by_frame"]:
        parts = parts[0].get("list", ()) if isinstance(parts[0], dict) else ()
    left = iter(answer.blobs)
    return tuple(string_sizes(part, left) for part in parts) if len(parts) == frames else None


def _size(layout: Layout) -> dict[str, object]:
    return {"samples": layout.samples, "width": layout.width, "height": layout.height}


def _tag(point: Point) -> int:
    """One byte that mostly differs between points; the checksum settles the rest."""
    return zlib.crc32(str(point).encode()) % _TAGS
