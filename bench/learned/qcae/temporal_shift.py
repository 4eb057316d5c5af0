"""Networks of 2-D convolutions over all frames of a clip, which see other frames by shifting a part
of the channels by one frame (Lin et al. 2019, "TSM: Temporal shift module").

They cost no more than networks of single frames; six blocks see six frames to both sides.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_SLOPE = 0.1
_RESIDUAL_START = 0.2
"""Share of their usual size at which residuals start: a deep network then begins close to a
shallow one and needs no normalisation."""


class Condition(nn.Module):
    """A scale and an offset of each channel for each case; neutral at the start."""

    def __init__(self, cases: int, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(cases, channels))
        self.offset = nn.Parameter(torch.zeros(cases, channels))

    def forward(self, x: Tensor, which: Tensor) -> Tensor:
        """``(B, channels, …)`` of as many, each of the case ``which`` ``(B,)``."""
        shape = (len(which), -1, *[1] * (x.ndim - 2))
        return x * self.scale[which].view(shape) + self.offset[which].view(shape)


class ShiftBlock(nn.Module):
    """x + conv(act(conv(shift(x)))) with 3×3 kernels; of several cases with a condition of each
    before the activation."""

    def __init__(self, channels: int, cases: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.condition = Condition(cases, channels) if cases > 1 else None
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        with torch.no_grad():
            self.conv2.weight.mul_(_RESIDUAL_START)

    def forward(self, x: Tensor, frames: int, which: Tensor) -> Tensor:
        """Features ``(B·frames, C, h, w)``, the frames of a clip in sequence and each of the case
        ``which`` ``(B·frames,)``."""
        hidden = self.conv1(shift(x, frames))
        if self.condition is not None:
            hidden = self.condition(hidden, which)
        refined: Tensor = self.conv2(F.leaky_relu(hidden, _SLOPE))
        return x + refined


class ShiftNetwork(nn.Module):
    """Clips ``(B, C, T, h, w)`` to as many frames of as many places with ``outputs`` channels; one
    network for ``cases`` that differ a little."""

    def __init__(
        self, inputs: int, channels: int, outputs: int, *, blocks: int, cases: int = 1
    ) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, channels, 3, padding=1)
        self.blocks = nn.ModuleList(ShiftBlock(channels, cases) for _ in range(blocks))
        self.last = nn.Conv2d(channels, outputs, 3, padding=1)

    def forward(self, x: Tensor, which: Tensor) -> Tensor:
        """``which`` ``(B,)`` is the case of each clip."""
        clips, _, frames = x.shape[:3]
        each = which.repeat_interleave(frames)
        planes = x.transpose(1, 2).flatten(0, 1)
        features = self.first(planes.contiguous(memory_format=torch.channels_last))
        for block in self.blocks:
            features = block(features, frames, each)
        decoded: Tensor = self.last(features)
        return decoded.view(clips, frames, *decoded.shape[1:]).transpose(1, 2)


def shift(x: Tensor, frames: int) -> Tensor:
    """Features ``(B·frames, C, h, w)`` with the first quarter of the channels of the next frame and
    the second of the one before; zeros beyond the ends."""
    clips = x.view(-1, frames, *x.shape[1:])
    quarter = x.shape[1] // 4
    ahead, behind = clips[:, 1:, :quarter], clips[:, :-1, quarter : 2 * quarter]
    moved = [
        F.pad(ahead, (0, 0, 0, 0, 0, 0, 0, 1)),
        F.pad(behind, (0, 0, 0, 0, 0, 0, 1, 0)),
        clips[:, :, 2 * quarter :],
    ]
    return torch.cat(moved, 2).flatten(0, 1)
