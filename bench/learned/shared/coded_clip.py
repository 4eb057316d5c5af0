"""Gray clips for the codecs that were trained on Moving MNIST: geometry, padding, 8-bit frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from bench.codecs.support.container import Container, Contents
from bench.errors import BitstreamError
from bench.signals import Layout, Signal, clip

_MAX_PIXELS = 1 << 20
_MAX_FRAMES = 1 << 16


@dataclass(frozen=True, slots=True)
class ClipGeometry:
    """Size of a gray clip, in pixels and frames."""

    width: int
    height: int
    frames: int

    @classmethod
    def of(cls, layout: Layout) -> ClipGeometry:
        return cls(layout.width, layout.height, layout.frames)

    def padded(self, stride: int) -> tuple[int, int]:
        """(height, width) rounded up to multiples of ``stride``."""
        return (-(-self.height // stride) * stride, -(-self.width // stride) * stride)


STANDARD = ClipGeometry(64, 64, 20)
"""Of Moving MNIST, which streams do not spell out."""


def refuse_clip(layout: Layout, name: str) -> str | None:
    """Why a layout is no clip that these codecs take, or None."""
    if layout.samples != "gray":
        return f"{name} codes gray clips, not {layout.samples}"
    if layout.width * layout.height > _MAX_PIXELS or layout.frames > _MAX_FRAMES:
        return (
            f"{name} codes frames of at most {_MAX_PIXELS} pixels and at most {_MAX_FRAMES} of "
            f"them, not {layout.frames} of {layout.width}×{layout.height}"
        )
    return None


def pack_clip(
    container: Container, number: int, geometry: ClipGeometry, section: bytes
) -> tuple[bytes, int]:
    """The payload of one section, and how much of it is header.

    ``number`` is the codec's own (the operating point). The standard size costs nothing.
    """
    size = () if geometry == STANDARD else (geometry.width, geometry.height, geometry.frames)
    payload = container.pack((2 * number + bool(size), *size), [section])
    return payload, len(payload) - len(section)


def unpack_clip(container: Container, payload: bytes) -> tuple[int, ClipGeometry, bytes]:
    """The inverse of ``pack_clip``. Raises BitstreamError for a damaged or foreign payload."""
    contents: Contents = container.unpack(payload, numbers=1)
    number, spelled_out = divmod(contents.numbers[0], 2)
    if not spelled_out:
        return number, STANDARD, contents.sections[0]
    contents = container.unpack(payload, numbers=4)
    width, height, frames = contents.numbers[1:]
    if not (0 < width * height <= _MAX_PIXELS and 0 < frames <= _MAX_FRAMES):
        raise BitstreamError(
            f"{container.name}: header says {frames} frames of {width}×{height}; it is corrupt"
        )
    return number, ClipGeometry(width, height, frames), contents.sections[0]


def peek_number(container_name: str, payload: bytes) -> int:
    """The codec's number of a payload that is not yet checked: it chooses the network."""
    if len(payload) <= Container.NUMBERS_AT:
        raise BitstreamError(
            f"{container_name}: payload of {len(payload)} bytes is shorter than its header; it is "
            "truncated"
        )
    return (payload[Container.NUMBERS_AT] & 0x7F) >> 1


def to_planes(signal: Signal, stride: int) -> Tensor:
    """``(T, 1, H', W')`` in 0–1, padded below and to the right by replication to ``stride``."""
    x = torch.from_numpy(np.ascontiguousarray(signal.array()))[:, None].float() / 255
    height, width = x.shape[-2:]
    return F.pad(x, (0, -width % stride, 0, -height % stride), mode="replicate")


def to_clip(planes: Tensor, geometry: ClipGeometry) -> Signal:
    """The 8-bit clip of ``(T, 1, H', W')`` in 0–1: cropped, rounded, clipped."""
    cropped = planes[: geometry.frames, 0, : geometry.height, : geometry.width]
    pixels = (cropped.float() * 255).round().clamp(0, 255).to("cpu", torch.uint8).numpy()
    return clip(np.ascontiguousarray(pixels))
