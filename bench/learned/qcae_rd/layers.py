"""Motion in layers (Wang and Adelson 1994): a frame as the brightest of several that move as a
whole.

Every layer starts as the first decoded frame; what a layer shows and the next decoded frame does
not is no part of it. So layers come apart without a map of objects, and what one of them hides in
another is still there when it comes out again. Displacements, of whole samples, are the encoder's
choice, and as long as layers are not apart also the cells in which they take part in a prediction.

What a decoder computes are comparisons and copies of decoded samples: exact as they are.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

REACH = 4
"""Samples that a layer moves from frame to frame at most, in each direction."""
STEPS = 2 * REACH + 1
MOST = 4
"""Layers at most."""
CELL = 4
"""Samples of the side of a cell."""
_VISIBLE = 0.05
"""What a layer shows in a cell at the least for the cell to matter to it."""


@dataclass(frozen=True, slots=True)
class Motion:
    """How layers move to a frame: ``vectors`` ``(B, L, 2)``, rows and columns from 0 to 2·REACH,
    which stand for −REACH to REACH; ``shown`` ``(B, L, h, w)``, whether a layer takes part in a
    cell; ``parted`` ``(B,)``, whether anywhere one does not."""

    vectors: Tensor
    shown: Tensor
    parted: Tensor


def started(frame: Tensor, count: int) -> Tensor:
    """Layers ``(B, L, H, W)`` after the first frame ``(B, 1, H, W)``."""
    return frame.expand(-1, count, -1, -1)


def moved(layers: Tensor, vectors: Tensor) -> Tensor:
    """Layers ``(B, L, H, W)``, each displaced by its vector over zeros."""
    height, width = layers.shape[-2:]
    padded = F.pad(layers, (REACH,) * 4)
    first = 2 * REACH - vectors
    rows = first[..., 0, None] + torch.arange(height, device=layers.device)
    columns = first[..., 1, None] + torch.arange(width, device=layers.device)
    down = padded.gather(2, rows[..., None].expand(-1, -1, -1, padded.shape[-1]))
    return down.gather(3, columns[..., None, :].expand(-1, -1, height, -1))


def visible(layers: Tensor) -> Tensor:
    """The cells ``(B, L, h, w)`` in which a layer shows something."""
    return F.max_pool2d(layers, CELL) > _VISIBLE


def limited(layers: Tensor, shown: Tensor) -> Tensor:
    """Layers with zeros outside the cells ``(B, L, h, w)`` in which they take part."""
    return layers * shown.repeat_interleave(CELL, 2).repeat_interleave(CELL, 3)


def placed(layers: Tensor, motion: Motion) -> Tensor:
    """Layers as they take part in the next frame."""
    return limited(moved(layers, motion.vectors), motion.shown)


def corrected(there: Tensor, frame: Tensor) -> Tensor:
    """Layers ``(B, L, H, W)`` after a decoded frame ``(B, 1, H, W)``: it replaces what was
    brightest in its prediction and what is brighter than itself, and leaves what was hidden."""
    hidden = (there < there.amax(1, keepdim=True)) & (there <= frame)
    return torch.where(hidden, there, frame)
