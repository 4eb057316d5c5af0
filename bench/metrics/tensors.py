"""Frames as PyTorch tensors, for metrics that are networks or come from PyTorch packages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from bench.signals import Frame


def as_tensor(frame: Frame, device: str) -> torch.Tensor:
    """A uint8 frame ``(H, W[, 3])`` as float32 ``(1, C, H, W)`` in 0–255."""
    planes = frame[..., np.newaxis] if frame.ndim == 2 else frame
    samples = torch.tensor(np.ascontiguousarray(planes), device=device)
    return samples.permute(2, 0, 1)[None].float()
