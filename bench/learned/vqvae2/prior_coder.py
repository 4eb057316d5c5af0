"""The learned entropy coders of codec ``vqvae2``: both index maps of a picture with two priors.

Owns their names, tiles and streams; the networks lie beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from bench.cards import Settings
from bench.entropy.prior import MapDecoder, MapEncoder, group_tiles
from bench.learned.vqvae2.blocktransformer import BlockTransformer
from bench.learned.vqvae2.pixelsnail import PixelSnail
from bench.learned.vqvae2.prior import MapPrior, PriorShape

Indices = NDArray[np.int64]
PIXELSNAIL, TRANSFORMER = "pixelsnail", "transformer"
LEARNED = (PIXELSNAIL, TRANSFORMER)
LEVELS = ("top", "bottom")
TOP_TILE = 32
"""Maps are coded in independent tiles of so many top positions, those of 256×256 pixels: what the
priors were trained on, and what bounds the time of their attention."""


def prior_name(coder: str, entropy_input: str, level: str) -> str:
    """Name of a prior's weights, which is also its part in the card's ``[training]``."""
    return f"{coder}-{level}" if coder == TRANSFORMER else f"{coder}-{entropy_input}-{level}"


def build_prior(
    settings: Settings, coder: str, entropy_input: str, level: str
) -> PixelSnail | BlockTransformer:
    """The untrained network of a level, by the card's settings; the transformer is for indices."""
    vectors = entropy_input == "vectors" and coder == PIXELSNAIL
    codes, dim = int(settings["codes"]), int(settings["dim"])
    shape = PriorShape(codes, dim, vectors, conditional=level == "bottom")
    return PixelSnail(shape) if coder == PIXELSNAIL else BlockTransformer(shape)


@dataclass(frozen=True, slots=True)
class PriorPair:
    """The priors of both levels; the bottom one sees the top level."""

    top: MapPrior
    bottom: MapPrior

    def encode(self, top: Indices, bottom: Indices) -> tuple[bytes, bytes, float]:
        """Streams of maps ``(B, h, w)`` and ``(B, 2h, 2w)``, and the estimated bits of both."""
        upper, lower = MapEncoder(), MapEncoder()
        for pieces in _groups(*top.shape):
            above = _take(top, pieces)
            upper.encode(self.top.stepper(_size(above), None), above)
            here = _take(bottom, [_doubled(piece) for piece in pieces])
            lower.encode(self.bottom.stepper(_size(here), torch.from_numpy(above)), here)
        return upper.finish(), lower.finish(), upper.bits + lower.bits

    def decode(
        self, streams: tuple[bytes, bytes], shape: tuple[int, int, int]
    ) -> tuple[Indices, Indices]:
        """The inverse; ``shape`` is that of the top maps."""
        batch, height, width = shape
        upper, lower = MapDecoder(streams[0]), MapDecoder(streams[1])
        top = np.empty(shape, np.int64)
        bottom = np.empty((batch, 2 * height, 2 * width), np.int64)
        for pieces in _groups(*shape):
            size = _size(_take(top, pieces))
            above = upper.decode(self.top.stepper(size, None), size)
            double = (size[0], 2 * size[1], 2 * size[2])
            stepper = self.bottom.stepper(double, torch.from_numpy(above))
            here = lower.decode(stepper, double)
            for piece, upper_map, lower_map in zip(pieces, above, here, strict=True):
                top[piece] = upper_map
                bottom[_doubled(piece)] = lower_map
        return top, bottom


Piece = tuple[int, slice, slice]


def _groups(batch: int, height: int, width: int) -> Iterator[list[Piece]]:
    for tiles in group_tiles(height, width, TOP_TILE):
        yield [(index, rows, columns) for index in range(batch) for rows, columns in tiles]


def _size(maps: Indices) -> tuple[int, int, int]:
    batch, height, width = maps.shape
    return batch, height, width


def _take(maps: Indices, pieces: list[Piece]) -> Indices:
    return np.stack([maps[piece] for piece in pieces])


def _doubled(piece: Piece) -> Piece:
    index, *parts = piece
    rows, columns = (slice(2 * part.start, 2 * part.stop) for part in parts)
    return index, rows, columns
