"""Several inputs through a codec at once, for devices that take them in hardly more time than one.

Chooses what goes together and times it. Catches nothing: whoever calls has each input coded alone
where this fails.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.codecs.base import Batching, Encoded
from bench.engine.timing import NOT_TIMED, Timed, timed
from bench.errors import CodecError
from bench.records import Point
from bench.signals import Signal

MOST = 8
"""Inputs of a batch, and decoded signals whose metrics are computed together."""
MOST_PIXELS = 1 << 24
"""Of all inputs of a batch: activations of networks take some hundred bytes for each."""


@dataclass(frozen=True, slots=True)
class Coded:
    """What an input's stream is, what is compared with the source, and the time of both calls;
    ``together`` is how many inputs shared the calls, of whose times each has its share."""

    encoded: Encoded
    decoded: Signal
    encoding: Timed
    decoding: Timed
    together: int = 1


def alike(inputs: Iterable[tuple[Signal, Point]]) -> list[tuple[Signal, Point]]:
    """The first inputs, as many as have one layout and make one batch."""
    found: list[tuple[Signal, Point]] = []
    for signal, point in inputs:
        pixels = (len(found) + 1) * signal.layout.pixels
        if found and (signal.layout != found[0][0].layout or pixels > MOST_PIXELS):
            break
        found.append((signal, point))
        if len(found) == MOST:
            break
    return found


def code_together(codec: Batching, inputs: Sequence[tuple[Signal, Point]]) -> tuple[Coded, ...]:
    """Each input coded and decoded from its bytes. Raises whatever the codec raises."""
    count = len(inputs)
    encoded, encoding = timed(lambda: codec.encode_many(inputs))
    decoded, decoding = timed(lambda: codec.decode_many([each.payload for each in encoded]))
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
