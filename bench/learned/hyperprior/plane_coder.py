"""Streams of planes of symbols in tensors. Knows no codec."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from bench.entropy.rans import Reader, Tables, decode, encode

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class PlaneCoder:
    """An entropy model's coding tables. Its streams are those of CompressAI's ``compress``."""

    tables: Tables

    def encode(self, symbols: Tensor, rows: Tensor) -> bytes:
        """The stream of int32 symbols ``(1, …)`` under rows of the tables, of the same shape."""
        return encode(_flat(symbols), _flat(rows), self.tables)

    def decode(self, stream: bytes, rows: Tensor) -> Tensor:
        """The int32 symbols, on the rows' device and in their shape. Raises BitstreamError."""
        return _like(rows, decode(stream, _flat(rows), self.tables))

    def reader(self, stream: bytes) -> PlaneReader:
        """For symbols whose rows depend on those before them."""
        return PlaneReader(Reader(stream, self.tables))


@dataclass(frozen=True, eq=False)
class PlaneReader:
    """A stream that is read in parts."""

    reader: Reader

    def take(self, rows: Tensor) -> Tensor:
        """The next int32 symbols, on the rows' device and in their shape."""
        return _like(rows, self.reader.take(_flat(rows)))

    def finish(self) -> None:
        """Raises BitstreamError where the stream does not end here."""
        self.reader.finish()


def _like(rows: Tensor, symbols: NDArray[np.int32]) -> Tensor:
    return torch.from_numpy(symbols).to(rows.device).view(rows.shape)


def _flat(numbers: Tensor) -> NDArray[np.int32]:
    found: NDArray[np.int32] = numbers.int().contiguous().cpu().numpy().reshape(-1)
    return found
