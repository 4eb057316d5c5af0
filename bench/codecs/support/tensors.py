"""Between 8-bit signals and the float tensors of networks, padding and cropping included."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.codecs.foreign.network import mark_of
from bench.errors import BitstreamError, CodecError, Unavailable
from bench.signals import Frame, Layout

MAX_PIXELS = 1 << 28
"""Decoders refuse headers that claim a larger picture, before any memory is asked for."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """Size of a picture and whether it is gray: what a decoder must be told of the source."""

    width: int
    height: int
    gray: bool

    @classmethod
    def of(cls, layout: Layout) -> Geometry:
        return cls(layout.width, layout.height, layout.samples == "gray")

    @classmethod
    def from_numbers(cls, codec: str, numbers: tuple[int, ...]) -> Geometry:
        """Of the three header numbers. Raises BitstreamError for a size no picture has."""
        width, height, gray = numbers
        if not 0 < width * height <= MAX_PIXELS or gray not in (0, 1):
            raise BitstreamError(
                f"{codec}: header says {width}×{height}, gray={gray}; the payload is corrupt"
            )
        return cls(width, height, bool(gray))

    @property
    def numbers(self) -> tuple[int, int, int]:
        return (self.width, self.height, int(self.gray))

    def padded(self, stride: int) -> tuple[int, int]:
        """(height, width) rounded up to multiples of ``stride``."""
        return (-(-self.height // stride) * stride, -(-self.width // stride) * stride)


def refuse_samples(layout: Layout, name: str) -> str | None:
    """Why a network for RGB pictures cannot take this layout; gray is coded as three channels."""
    if layout.samples not in ("gray", "rgb"):
        return f"{name} codes gray and RGB pictures, not {layout.samples}"
    return None


def to_tensor(frame: Frame, stride: int, device: str = "cpu") -> Tensor:
    """``(1, 3, H', W')`` in 0–1, padded below and to the right by replication to ``stride``."""
    if frame.ndim == 2:
        frame = np.repeat(frame[..., np.newaxis], 3, axis=2)
    x = (
        torch.from_numpy(np.require(frame, requirements=("C", "W")))
        .permute(2, 0, 1)[None]
        .to(device)
        / 255
    )
    height, width = x.shape[-2:]
    right, below = -width % stride, -height % stride
    return F.pad(x, (0, right, 0, below), mode="replicate") if right or below else x


def to_frame(picture: Tensor, geometry: Geometry) -> Frame:
    """The 8-bit frame of ``(1, 3, H', W')`` in 0–1: cropped, rounded, clipped; gray is the mean."""
    picture = picture[0, :, : geometry.height, : geometry.width]
    if geometry.gray:
        picture = picture.mean(0, keepdim=True)
    pixels = (picture * 255).round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).cpu().numpy()
    return np.ascontiguousarray(pixels[..., 0] if geometry.gray else pixels)


def fingerprint(*networks: nn.Module) -> bytes:
    """Bytes that stand for all weights and tables of networks, four for each."""
    return bytes.fromhex("".join(map(mark_of, networks)))


@contextmanager
def inference(device: str, *, gradients: bool = False) -> Iterator[None]:
    """No gradients, unless they are asked for, no TF32, deterministic kernels; the GPU has finished
    when the block ends.

    Raises CodecError where a picture, or what a damaged stream says of one, needs more memory than
    there is.
    """
    cudnn = torch.backends.cudnn
    before = (cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark)
    cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark = False, True, False
    try:
        with torch.enable_grad() if gradients else torch.inference_mode():
            yield
            if device.startswith("cuda"):
                torch.cuda.synchronize()
    except (MemoryError, RuntimeError) as error:
        if not _lacks_memory(error):
            raise
        raise CodecError("the network needs more memory than there is") from error
    finally:
        cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark = before


def _lacks_memory(error: Exception) -> bool:
    """PyTorch has a class of its own for this on GPUs alone."""
    found = isinstance(error, MemoryError | torch.cuda.OutOfMemoryError)
    return found or "DefaultCPUAllocator" in str(error)


def check_device(name: str, device: str) -> None:
    """Raises Unavailable where a GPU is asked for and there is none."""
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise Unavailable(f"codec {name}: no CUDA device is visible; run with --device cpu")
