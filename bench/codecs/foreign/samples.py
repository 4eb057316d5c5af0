"""Frames between bytes and the tensors of networks: padding, cropping, rounding, range.

Stands alone in the worker: Python 3.8, numpy and torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .plain import Fault

if TYPE_CHECKING:  # what Python 3.8 cannot evaluate
    from typing import Any

_PEAK = 255
_FAR, _FARTHEST, _MANY = 1.5, 8.0, 0.02


class Samples:
    """Frames of one size, tensors in 0–1 that are padded to a stride.

    ``rgb`` and ``gray`` are ``(1, C, H, W)``; ``yuv420`` is a pair, luma ``(1, 1, H, W)`` and
    chroma ``(1, 2, H/2, W/2)``.
    """

    def __init__(
        self, args: dict[str, Any], stride: int, padding: str, channels: int, device: str
    ) -> None:
        self.kind, self.width, self.height = args["samples"], args["width"], args["height"]
        self.half = ((self.height + 1) // 2, (self.width + 1) // 2)
        self.stride, self.half_stride = stride, max(1, stride // 2)
        self.padding, self.device = padding, device
        self.channels = channels

    def tensors(self, data: bytes) -> list[Any]:
        """The frames in ``data``."""
        flat, height, width = np.frombuffer(data, np.uint8), self.height, self.width
        if self.kind == "yuv420":
            luma, chroma = height * width, self.half[0] * self.half[1]
            return [
                (
                    self._tensor(frame[:luma].reshape(1, height, width), self.stride),
                    self._tensor(frame[luma:].reshape(2, *self.half), self.half_stride),
                )
                for frame in flat.reshape(-1, luma + 2 * chroma)
            ]
        frames = flat.reshape(-1, height, width, 3 if self.kind == "rgb" else 1)
        if self.kind == "gray" and self.channels == 3:
            frames = np.repeat(frames, 3, axis=3)
        return [self._tensor(frame.transpose(2, 0, 1), self.stride) for frame in frames]

    def zeros(self, side: int) -> Any:
        """A black frame of at least ``side`` × ``side``, in whole strides."""
        side = -(-side // self.stride) * self.stride
        if self.kind == "yuv420":
            luma = torch.zeros(1, 1, side, side, device=self.device)
            return luma, torch.zeros(1, 2, side // 2, side // 2, device=self.device)
        return torch.zeros(1, self.channels, side, side, device=self.device)

    def bytes_of(self, picture: Any) -> bytes:
        """The samples of one frame that a network returned."""
        size = (self.height, self.width)
        if self.kind == "yuv420":
            if not isinstance(picture, (list, tuple)) or len(picture) != 2:
                raise Fault("values", "the network returned no pair of luma and chroma")
            luma = self._cropped(picture[0], 1, size, self.stride)
            chroma = self._cropped(picture[1], 2, self.half, self.half_stride)
            return self._rounded(luma) + self._rounded(chroma)
        samples = self._cropped(picture, self.channels, size, self.stride)
        if self.kind == "gray":
            samples = samples.mean(0, keepdim=True)
        return self._rounded(samples.permute(1, 2, 0))

    def _tensor(self, frame: Any, stride: int) -> Tensor:
        x = torch.from_numpy(np.array(frame, np.float32, order="C"))[None].to(self.device)
        margins = self._margins(x.shape[-2], x.shape[-1], stride)
        mode = "replicate" if self.padding == "replicate" else "constant"
        return F.pad(x / _PEAK, margins, mode=mode) if any(margins) else x / _PEAK

    def _margins(self, height: int, width: int, stride: int) -> tuple[int, int, int, int]:
        """Left, right, above and below."""
        across, down = -width % stride, -height % stride
        left, above = (across // 2, down // 2) if self.padding == "centre-zero" else (0, 0)
        return left, across - left, above, down - above

    def _cropped(self, x: Any, channels: int, size: tuple[int, int], stride: int) -> Tensor:
        height, width = size
        left, right, above, below = self._margins(height, width, stride)
        wanted = (1, channels, above + height + below, left + width + right)
        if not isinstance(x, Tensor) or tuple(x.shape) != wanted:
            found = tuple(x.shape) if isinstance(x, Tensor) else f"a {type(x).__name__}"
            raise Fault("values", f"the network returned {found}, not a picture {wanted}")
        if not x.is_floating_point():
            raise Fault("values", f"the network returned {x.dtype}, not floats in 0–1")
        picture: Tensor = x[0, :, above : above + height, left : left + width].float()
        check_range(picture)
        return picture

    def _rounded(self, x: Tensor) -> bytes:
        samples = (x.clamp(0, 1) * _PEAK).round().cpu().numpy()
        return np.ascontiguousarray(samples.astype(np.uint8)).tobytes()


def check_range(x: Tensor) -> None:
    """Refuses samples that are not finite, and those of 0–255.

    A network for 0–1 overshoots by little. More than a fiftieth of the samples beyond −1 or 2,
    some of them beyond ±8, is another range, or a network that diverged: no picture either way.
    """
    low, high = map(float, torch.aminmax(x))
    if low >= 0.5 - _FAR and high <= 0.5 + _FAR:  # neither is NaN
        return
    finite = torch.isfinite(x)
    if not bool(finite.all()):
        count = int((~finite).sum())
        raise Fault("values", f"{count} of {x.numel()} samples of the network are NaN or infinite")
    far = float(((x - 0.5).abs() > _FAR).float().mean())
    if far > _MANY and float(x.abs().max()) > _FARTHEST:
        cure = "return 0–1, not 0–255" if low > -1 else "a picture is 0–1; is the network trained?"
        raise Fault("values", f"the network returned samples from {low:.3g} to {high:.3g}; {cure}")
