"""The worker's side of a decoder that a card names as a function or class: imports and calls it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from bench.cards import plugins
from bench.codecs.foreign.messages import answer_of, arguments_of
from bench.errors import CodecError
from bench.signals import Signal, clip, image

Reply = tuple[dict[str, Any], list[bytes]]


class Backend:
    """One function of bytes."""

    def open(self, args: Mapping[str, Any], blobs: list[bytes]) -> Reply:
        found: Any = plugins.import_attribute(args["codec"], args["function"])
        self._decode: Callable[[bytes], Any] = found().decode if isinstance(found, type) else found
        return {}, []

    def decode(self, args: Mapping[str, Any], blobs: list[bytes]) -> Reply:
        """The signal that the function makes of a stream, or of the samples that it returns."""
        (payload,) = arguments_of(blobs)
        return answer_of(_signal(self._decode(payload)))

    def check_available(self, args: Mapping[str, Any], blobs: list[bytes]) -> Reply:
        return {}, []


def _signal(decoded: Any) -> Signal:
    if isinstance(decoded, Signal):
        return decoded
    frames = np.asarray(decoded)
    colour = frames.ndim >= 3 and frames.shape[-1] == 3
    if frames.dtype != np.uint8 or frames.ndim - colour not in (2, 3):
        raise CodecError(
            f"the decoder returned {frames.dtype} {frames.shape}; return uint8 (H, W), "
            "(H, W, 3) or, of clips, (T, H, W) or (T, H, W, 3)"
        )
    return image(frames) if frames.ndim - colour == 2 else clip(frames)
