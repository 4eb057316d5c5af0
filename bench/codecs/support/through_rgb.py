"""YUV through codecs of RGB, where card or user say ``via=rgb``: a stated conversion and back.

The format that a decoder must give travels ahead of the payload and is counted; the conversions
are the harness's and are not timed. Quality is that of the YUV samples, conversions included.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from bench import colour
from bench.codecs.base import Allowed, Choice, Codec, Encoded
from bench.codecs.support.framing import SideInfo, read_side_info
from bench.codecs.support.spool import kept
from bench.codecs.support.stopwatch import untimed
from bench.errors import BitstreamError
from bench.records import CodedFrames, Point
from bench.signals import FORMATS, RGB, Layout, Matrix, PixelFormat, Range, Signal

if TYPE_CHECKING:
    from bench.cards import CodecCard

VIA: Mapping[str, Allowed] = {"via": Choice(("rgb",))}
"""The setting of adapters that take RGB and may get YUV so."""
_YUV = tuple(name for name, kind in FORMATS.items() if kind.is_yuv and kind.depth in (8, 10))


def through_rgb(card: CodecCard, adapter: type[Codec]) -> type[Codec]:
    """The adapter, where its card says so one that takes YUV as well."""
    if card.settings.get("via") != "rgb":
        return adapter
    formats = (*getattr(adapter, "formats", ()), *_YUV)
    many = (_Many,) if hasattr(adapter, "encode_many") else ()
    made = type(adapter.__name__, (*many, _ThroughRgb, adapter), {"formats": formats})
    return cast("type[Codec]", made)


class _ThroughRgb:
    """Goes over an adapter, whose methods see RGB alone; what they call of each other is theirs."""

    _within = False

    def refusal(self, layout: Layout) -> str | None:
        return cast("str | None", _inner(self).refusal(_as_rgb(layout)))

    def versions(self) -> Mapping[str, str]:
        return {**_inner(self).versions(), **colour.CHROMA_RESAMPLING}

    def encode(self, signal: Signal, point: Point) -> Encoded:
        if self._within:
            return cast(Encoded, _inner(self).encode(signal, point))
        return _marked(self._inside("encode", _to_rgb(signal), point), signal.layout)

    def decode(self, payload: bytes) -> Signal:
        if self._within:
            return cast(Signal, _inner(self).decode(payload))
        kind, stream = _kind_of(payload)
        return _from_rgb(self._inside("decode", stream), kind)

    def decode_elsewhere(self, payload: bytes) -> Signal | None:
        kind, stream = _kind_of(payload)
        found = self._inside("decode_elsewhere", stream)
        return None if found is None else _from_rgb(found, kind)

    def warm_up(self, signal: Signal, point: Point) -> None:
        self._inside("warm_up", _to_rgb(signal), point)

    def estimate(self, signal: Signal, point: Point) -> float | None:
        return cast("float | None", self._inside("estimate", _to_rgb(signal), point))

    def colour_path(self, signal: Signal) -> Signal | None:
        layout = signal.layout
        return _from_rgb(_to_rgb(signal), layout.format) if layout.is_yuv else None

    def coded_frames(self, payload: bytes) -> CodedFrames | None:
        told = getattr(_inner(self), "coded_frames", None)
        return told(_kind_of(payload)[1]) if told else None

    def _inside(self, name: str, *arguments: object) -> Any:
        self._within = True
        try:
            return getattr(_inner(self), name)(*arguments)
        finally:
            self._within = False


class _Many:
    """The same for adapters that take several inputs at once."""

    def encode_many(self, inputs: Sequence[tuple[Signal, Point]]) -> tuple[Encoded, ...]:
        found = super().encode_many([(_to_rgb(one), point) for one, point in inputs])  # type: ignore[misc]
        pairs = zip(found, inputs, strict=True)
        return tuple(_marked(one, signal.layout) for one, (signal, _) in pairs)

    def decode_many(self, payloads: Sequence[bytes]) -> tuple[Signal, ...]:
        kinds = [_kind_of(payload) for payload in payloads]
        found = super().decode_many([stream for _, stream in kinds])  # type: ignore[misc]
        return tuple(_from_rgb(one, kind) for one, (kind, _) in zip(found, kinds, strict=True))


def _inner(codec: _ThroughRgb) -> Any:
    """The adapter's own methods."""
    return super(_ThroughRgb, codec)


def _as_rgb(layout: Layout) -> Layout:
    return replace(layout, format=RGB) if layout.is_yuv else layout


@untimed()
def _to_rgb(signal: Signal) -> Signal:
    """By the matrix and range that the source says, BT.709 and limited range where it does not."""
    layout = signal.layout
    if not layout.is_yuv:
        return signal
    frames = (colour.converted(frame, layout, RGB) for frame in signal.frames())
    return kept(frames, _as_rgb(layout))


@untimed()
def _from_rgb(decoded: Signal, kind: PixelFormat) -> Signal:
    if not kind.is_yuv or decoded.layout.samples != "rgb":
        return decoded
    frames = (colour.from_rgb(frame, decoded.layout, kind) for frame in decoded.frames())
    return kept(frames, replace(decoded.layout, format=kind))


def _marked(encoded: Encoded, layout: Layout) -> Encoded:
    """With the format ahead; nothing where there is no stream."""
    if encoded.reconstruction is not None:
        return replace(encoded, reconstruction=_from_rgb(encoded.reconstruction, layout.format))
    kind = layout.format
    place = _MATRICES.index((kind.matrix, _RANGES[kind.full_range]))
    side = SideInfo(kind).write() + bytes([place])
    header = None if encoded.header_bytes is None else encoded.header_bytes + len(side)
    return replace(encoded, payload=side + encoded.payload, header_bytes=header)


def _kind_of(payload: bytes) -> tuple[PixelFormat, bytes]:
    info, stream = read_side_info(payload)
    if info is None or not stream:
        raise BitstreamError(f"no format ahead of the stream: it starts with {payload[:4].hex()}")
    if stream[0] >= len(_MATRICES):
        raise BitstreamError(f"no matrix has the number {stream[0]}; the payload is damaged")
    if not info.format.is_yuv:
        return info.format, stream[1:]
    matrix, range_ = _MATRICES[stream[0]]
    return replace(info.format, matrix=matrix, range=range_), stream[1:]


_NAMES: tuple[Matrix | None, ...] = (None, "bt709", "bt601", "bt2020")
_RANGES: tuple[Range, ...] = ("limited", "full")
_MATRICES = [(matrix, range_) for matrix in _NAMES for range_ in _RANGES]
"""By the byte behind the format: matrix and range, which the way back to YUV needs."""
