"""3×3 convolutions of fixed-point numbers in float64 by Winograd's F(2×2, 3×3), with four ninths of
the products (Lavin and Gray 2016).

All its factors are powers of two, so that the sums are the very ones of bench.learned.shared.exact.
On a CPU alone; never rounds, and never looks at what the numbers mean.
"""

from __future__ import annotations

from typing import Any

import torch
from numba import njit
from torch import Tensor
from torch.nn import functional as F

MOST_CHANNELS = 1024
"""Of a sum of products that stays exact: inputs grow by 2 bits, weights by 3.2 (of which two are
new ones behind the point) and sums by 3.2, from the 34 + log2(n) of bench.learned.shared.exact: 53
here."""


def transformed(weight: Tensor) -> Tensor:
    """Of weights ``(K, C, 3, 3)`` in float64 what ``convolve`` multiplies by, ``(16, C, K)``."""
    g = weight.new_tensor([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])
    return torch.einsum("ia,kcab,jb->ijck", g, weight, g).flatten(0, 1).contiguous()


def convolve(x: Tensor, factors: Tensor, bias: Tensor) -> Tensor:
    """The convolution ``(B, K, H, W)``, padded by zeros, of ``(B, C, H, W)``; all float64. The
    result lies in memory with channels last."""
    batch, channels, height, width = x.shape
    down, across = -(-height // 2), -(-width // 2)
    places = x.permute(0, 2, 3, 1)
    padded = F.pad(places, (0, 0, 1, 2 * across - width + 1, 1, 2 * down - height + 1))
    tiles = x.new_empty(16, batch * down * across, channels)
    products = x.new_empty(16, batch * down * across, factors.shape[2])
    out = x.new_empty(batch, 2 * down, 2 * across, factors.shape[2])
    _spread(padded.contiguous().numpy(), tiles.numpy())
    torch.bmm(tiles, factors, out=products)
    _gather(products.numpy(), bias.numpy(), out.numpy())
    return out[:, :height, :width].permute(0, 3, 1, 2)


@njit(cache=True)
def _spread(x: Any, tiles: Any) -> None:
    """Bᵀ d B of the 4×4 places, two apart, of ``(B, 2h + 2, 2w + 2, C)``."""
    batch, rows, columns, channels = x.shape
    tile = 0
    for b in range(batch):
        for top in range(0, rows - 2, 2):
            for left in range(0, columns - 2, 2):
                for i in range(4):
                    first = x[b, top + (0, 1, 2, 1)[i]]
                    second = x[b, top + (2, 2, 1, 3)[i]]
                    sign = (-1.0, 1.0, -1.0, -1.0)[i]
                    for c in range(channels):
                        r0 = first[left, c] + sign * second[left, c]
                        r1 = first[left + 1, c] + sign * second[left + 1, c]
                        r2 = first[left + 2, c] + sign * second[left + 2, c]
                        r3 = first[left + 3, c] + sign * second[left + 3, c]
                        tiles[4 * i, tile, c] = r0 - r2
                        tiles[4 * i + 1, tile, c] = r1 + r2
                        tiles[4 * i + 2, tile, c] = r2 - r1
                        tiles[4 * i + 3, tile, c] = r1 - r3
                tile += 1


@njit(cache=True)
def _gather(m: Any, bias: Any, out: Any) -> None:
    """Aᵀ m A and the bias, ``(B, 2h, 2w, K)``."""
    batch, rows, columns, channels = out.shape
    tile = 0
    for b in range(batch):
        for top in range(0, rows, 2):
            for left in range(0, columns, 2):
                for k in range(channels):
                    u0 = m[0, tile, k] + m[4, tile, k] + m[8, tile, k]
                    u1 = m[1, tile, k] + m[5, tile, k] + m[9, tile, k]
                    u2 = m[2, tile, k] + m[6, tile, k] + m[10, tile, k]
                    u3 = m[3, tile, k] + m[7, tile, k] + m[11, tile, k]
                    v0 = m[4, tile, k] - m[8, tile, k] - m[12, tile, k]
                    v1 = m[5, tile, k] - m[9, tile, k] - m[13, tile, k]
                    v2 = m[6, tile, k] - m[10, tile, k] - m[14, tile, k]
                    v3 = m[7, tile, k] - m[11, tile, k] - m[15, tile, k]
                    out[b, top, left, k] = u0 + u1 + u2 + bias[k]
                    out[b, top, left + 1, k] = u1 - u2 - u3 + bias[k]
                    out[b, top + 1, left, k] = v0 + v1 + v2 + bias[k]
                    out[b, top + 1, left + 1, k] = v1 - v2 - v3 + bias[k]
                tile += 1
