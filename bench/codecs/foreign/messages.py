"""Signals and streams as they travel between a codec's host and its worker.

What comes from a worker is plain JSON and bytes, checked here: nothing of it is unpickled.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from fractions import Fraction
from itertools import islice
from typing import Any

import numpy as np

from bench.codecs.base import Complexity, Encoded
from bench.errors import CodecError
from bench.signals import FORMATS, REAL, Frame, Layout, PixelFormat, Signal

_ENCODED = (
    "header_bytes discarded_bytes bits_estimated bits_likelihood coded_here rate bytes_reported"
).split()
_MOST_FRAMES = 1 << 20


def call_of(arguments: Sequence[object]) -> list[bytes]:
    """The blobs of a call: its arguments, in which a number stands for a signal, then frames."""
    frames: list[bytes] = []
    plain: list[object] = []
    for one in arguments:
        if isinstance(one, Signal):
            data = [np.ascontiguousarray(frame).tobytes() for frame in one.frames()]
            plain.append(_Sent(one.layout, one.name, len(frames), len(data)))
            frames += data
        else:
            plain.append(one)
    return [pickle.dumps(plain), *frames]


class _Sent:
    """A signal in a call: its frames are among the blobs."""

    def __init__(self, layout: Layout, name: str, first: int, count: int) -> None:
        self.layout, self.name, self.first, self.count = layout, name, first, count


def arguments_of(blobs: Sequence[bytes]) -> list[Any]:
    """The arguments of a call, in the worker."""
    found = []
    for one in pickle.loads(blobs[0]):
        if isinstance(one, _Sent):
            data = blobs[1 + one.first : 1 + one.first + one.count]
            found.append(
                _signal(one.layout, [_array(one.layout, frame) for frame in data], one.name)
            )
        else:
            found.append(one)
    return found


def _array(layout: Layout, data: bytes) -> Frame:
    return np.frombuffer(bytearray(data), layout.frame_dtype).reshape(layout.frame_shape)


def _signal(layout: Layout, frames: Sequence[Frame], name: str = "") -> Signal:
    return Signal(layout, lambda: iter(frames), name)


def answer_of(value: object) -> tuple[dict[str, Any], list[bytes]]:
    """What a codec's method returned, in plain data. Raises CodecError for what none returns."""
    if isinstance(value, Signal):
        return _sent_signal(value)
    if isinstance(value, Encoded):
        if not isinstance(value.payload, bytes | bytearray | memoryview):
            raise CodecError(f"the payload is a {type(value.payload).__name__}, not bytes")
        table: dict[str, Any] = {name: getattr(value, name) for name in _ENCODED}
        told, frames = ({}, []) if value.reconstruction is None else answer_of(value.reconstruction)
        return {"encoded": table | told}, [bytes(value.payload), *frames]
    if isinstance(value, Complexity):
        return {"complexity": asdict(value)}, []
    if isinstance(value, Mapping):
        return {"value": {str(key): str(one) for key, one in value.items()}}, []
    if isinstance(value, list | tuple):
        return {"value": [str(one) for one in value]}, []
    return {"value": None if value is None else _scalar(value)}, []


def _scalar(value: object) -> object:
    return value if isinstance(value, bool | int | float | str) else str(value)


def _sent_signal(signal: Signal) -> tuple[dict[str, Any], list[bytes]]:
    # one frame too many is told, a stream without end is not
    kinds, frames = sent_frames(islice(signal.frames(), signal.layout.frames + 1))
    return {"signal": layout_table(signal.layout), "frames": kinds}, frames


def sent_frames(frames: Iterable[Frame]) -> tuple[list[list[Any]], list[bytes]]:
    """The kinds and samples of frames."""
    arrays = [np.ascontiguousarray(frame) for frame in frames]
    kinds = [[one.dtype.str, list(one.shape)] for one in arrays]
    return kinds, [one.tobytes() for one in arrays]


def frames_of(kinds: Sequence[Any], blobs: Sequence[bytes]) -> list[Frame]:
    """The inverse of ``sent_frames``. Raises TypeError and ValueError."""
    return [
        np.frombuffer(data, kind).reshape(shape)
        for data, (kind, shape) in zip(blobs, kinds, strict=True)
    ]


def layout_table(layout: Layout) -> dict[str, Any]:
    """A layout in plain data."""
    return asdict(layout) | {"fps": str(layout.fps)}


def layout_of(table: Mapping[str, Any]) -> Layout:
    """The inverse of ``layout_table``. Raises ValueError where it is none, or a part is missing or
    of another type."""
    try:
        kind = PixelFormat(**table["format"])
        layout = Layout(**{**table, "format": kind, "fps": Fraction(table["fps"])})
    except (KeyError, TypeError, ZeroDivisionError) as error:
        raise ValueError(f"no layout: {error}") from error
    sizes = (layout.width, layout.height, layout.frames)
    if not all(isinstance(one, int) and one > 0 for one in sizes) or (
        layout.frames > _MOST_FRAMES or kind.name not in (*FORMATS, REAL.name)
    ):
        raise ValueError(f"a layout of {sizes} {kind}")
    return layout


def signal_of(answer: Mapping[str, Any], blobs: Sequence[bytes]) -> Signal:
    """The signal of an answer. Raises CodecError where it is none."""
    try:
        layout = layout_of(answer["signal"])
        frames = frames_of(answer["frames"], blobs)
    except (KeyError, TypeError, ValueError) as error:
        raise CodecError(f"decodes to no signal: {error}") from error
    return _signal(layout, frames)


def encoded_of(answer: Mapping[str, Any], blobs: Sequence[bytes]) -> Encoded:
    """The stream of an answer. Raises CodecError where it is none."""
    try:
        table = answer["encoded"]
        signal = signal_of(table, blobs[1:]) if "signal" in table else None
        facts = {name: table[name] for name in _ENCODED}
        return Encoded(blobs[0], reconstruction=signal, **facts)
    except (KeyError, TypeError, IndexError) as error:
        raise CodecError(f"encode returns no Encoded: {error}") from error
