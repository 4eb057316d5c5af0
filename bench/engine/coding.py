"""Encodes signals, decodes the bytes, and times both calls. The only place that times codecs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bench.codecs.base import Batching, Codec, Encoded, TellsFrames
from bench.engine import energy
from bench.engine.timing import NOT_TIMED, Timed, time_call
from bench.errors import CodecError
from bench.records import CodedFrames, Point
from bench.signals import Layout, Signal


@dataclass(frozen=True, slots=True)
class Coded:
    """A signal's stream, the signal that is compared with the source, and the times of both calls.

    ``together`` is how many signals shared the calls; the times are then equal shares.
    """

    encoded: Encoded
    decoded: Signal
    encoding: Timed
    decoding: Timed
    together: int = 1
    frames: CodedFrames | None = None


def code(codec: Codec, signal: Signal, point: Point, repeats: int = 0) -> Coded:
    """Encodes one signal and decodes it from the bytes; ``repeats`` are those of ``time_call``.

    A codec without a stream gives its reconstruction, which is not decoded and not timed.
    """
    cuda = str(getattr(codec, "device", "")).startswith("cuda")
    counters = energy.here(cuda=cuda) if repeats else ()
    encoded, encoding = time_call(lambda: codec.encode(signal, point), repeats, counters)
    if not encoded.coded_here:
        encoding = NOT_TIMED
    if encoded.reconstruction is not None:
        return Coded(encoded, encoded.reconstruction, encoding, NOT_TIMED)
    decoded, decoding = time_call(lambda: codec.decode(encoded.payload), repeats, counters)
    return Coded(encoded, decoded, encoding, decoding)


def with_frames(coded: Coded, codec: Codec, layout: Layout) -> Coded:
    """With type and bytes of each frame of a clip, where the codec tells; not timed."""
    encoded = coded.encoded
    frames = encoded.coded_frames
    if layout.frames < 2 or not encoded.payload:
        return coded
    if frames is None and encoded.frame_bytes is not None:
        frames = CodedFrames(encoded.frame_bytes)
    elif frames is None and isinstance(codec, TellsFrames):
        frames = codec.coded_frames(encoded.payload)
    told = frames is not None and len(frames.sizes) == layout.frames
    return replace(coded, frames=frames) if told else coded


def code_together(codec: Batching, inputs: Sequence[tuple[Signal, Point]]) -> tuple[Coded, ...]:
    """Encodes several signals in one call and decodes them in another. Raises what the codec
    raises, and CodecError where it returns another number of results."""
    count = len(inputs)
    encoded, encoding = time_call(lambda: codec.encode_many(inputs))
    decoded, decoding = time_call(lambda: codec.decode_many([each.payload for each in encoded]))
    if not len(encoded) == len(decoded) == count:
        raise CodecError(f"gives {len(encoded)} streams and {len(decoded)} signals for {count}")
    encoding, decoding = _share(encoding, count), _share(decoding, count)
    return tuple(
        Coded(stream, signal, encoding if stream.coded_here else NOT_TIMED, decoding, count)
        for stream, signal in zip(encoded, decoded, strict=True)
    )


def _share(whole: Timed, count: int) -> Timed:
    wall, cpu = whole.wall_seconds or 0.0, whole.cpu_seconds or 0.0
    return Timed(wall / count, cpu / count)
