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


class ShiftBlock(nn.Module):
    """x + conv(act(conv(shift(x)))) with 3×3 kernels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        with torch.no_grad():
            self.conv2.weight.mul_(_RESIDUAL_START)

    def forward(self, x: Tensor, frames: int) -> Tensor:
        """Features ``(B·frames, C, h, w)``, the frames of a clip in sequence."""
        refined: Tensor = self.conv2(F.leaky_relu(self.conv1(shift(x, frames)), _SLOPE))
        return x + refined


class ShiftNetwork(nn.Module):
    """Clips ``(B, C, T, h, w)`` to as many frames of as many places with ``outputs`` channels."""

    def __init__(self, inputs: int, channels: int, outputs: int, *, blocks: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, channels, 3, padding=1)
        self.blocks = nn.ModuleList(ShiftBlock(channels) for _ in range(blocks))
        self.last = nn.Conv2d(channels, outputs, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        clips, _, frames = x.shape[:3]
        planes = x.transpose(1, 2).flatten(0, 1)
        features = self.first(planes.contiguous(memory_format=torch.channels_last))
        for block in self.blocks:
            features = block(features, frames)
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
