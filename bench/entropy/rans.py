"""Streams of CompressAI's range coder, written and read a whole plane at a time.

A 64-bit state, words of 32 bits and probabilities of 16 (Duda 2013, Giesen 2014); what a table does
not hold is coded by the number of its half bytes and these. Byte for byte what CompressAI writes,
without its lists of Python numbers. Knows no model and no codec.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from bench.errors import BitstreamError

Symbols = NDArray[np.int32]

_LOW = np.uint64(1 << 31)
"""The state stays in 2³¹–2⁶³ − 1."""
_WORD, _PRECISION, _NIBBLE = np.uint64(32), np.uint64(16), np.uint64(4)
_ROOM = np.uint64(47)
"""A state of at least a frequency times 2⁴⁷ would leave the range."""
_ONE, _FIFTEEN, _CHANCES = np.uint64(1), np.uint64(15), np.uint64((1 << 16) - 1)
_TOTAL = 1 << 16
_ESCAPED = 9
"""Half bytes of the longest value outside a table."""
_COARSE = 8
"""Of the 16 bits of a probability those that the search begins with."""


@dataclass(frozen=True, eq=False)
class Tables:
    """Cumulative frequencies ``(rows, n)`` that end with 2¹⁶, the entries in use of each row, and
    the symbol that a row's first entry stands for; a row's last symbol announces any other."""

    cumulative: NDArray[np.int32]
    lengths: NDArray[np.int32]
    offsets: NDArray[np.int32]

    @cached_property
    def starts(self) -> NDArray[np.int16]:
        """Where to begin looking for a number of 16 bits, by row and its highest bits."""
        coarse = np.arange(1 << _COARSE) << (16 - _COARSE)
        found = [
            np.searchsorted(row[:length], coarse, side="right") - 1
            for row, length in zip(self.cumulative, self.lengths, strict=True)
        ]
        starts: NDArray[np.int16] = np.stack(found).astype(np.int16)
        return starts


def quantised_cdf(shares: NDArray[Any]) -> Symbols:
    """Cumulative frequencies, from 0 to 2¹⁶, of shares that add up to about 1; each symbol has at
    least 1, which the rarest of those with more gives up."""
    counts = np.floor(shares.astype(np.float32).astype(np.float64) * _TOTAL + 0.5).astype(np.int64)
    counts = _TOTAL * counts // counts.sum()
    counts[-1] += _TOTAL - counts.sum()
    for symbol in np.flatnonzero(counts == 0):
        giver = np.where(counts > 1, counts, _TOTAL + 1).argmin()
        counts[[giver, symbol]] += (-1, 1)
    cumulative: Symbols = np.concatenate([[0], counts.cumsum()]).astype(np.int32)
    return cumulative


def encode(symbols: Symbols, rows: Symbols, tables: Tables) -> bytes:
    """The stream of symbols, each under its row of the tables; both are flat."""
    words = np.empty(3 * len(symbols) + 2, np.uint32)
    first = _encode(symbols, rows, tables.cumulative, tables.lengths, tables.offsets, words)
    return words[first:].astype("<u4", copy=False).tobytes()


def decode(stream: bytes, rows: Symbols, tables: Tables) -> Symbols:
    """The symbols of a stream. Raises BitstreamError where it does not end with the last one."""
    reader = Reader(stream, tables)
    symbols = reader.take(rows)
    reader.finish()
    return symbols


class Reader:
    """A stream that is read in parts, for symbols whose rows depend on those before them."""

    def __init__(self, stream: bytes, tables: Tables) -> None:
        self._size, self._tables, self._count = len(stream), tables, 0
        self._words = words = np.frombuffer(stream[: len(stream) // 4 * 4], "<u4")
        self._whole = len(stream) % 4 == 0 and len(words) >= 2
        self._state, self._place = np.uint64(0), 2
        if self._whole:
            self._state = np.uint64(words[0]) | np.uint64(words[1]) << _WORD

    def take(self, rows: Symbols) -> Symbols:
        """The next symbols, each under its row of the tables; both are flat. Of what is no stream
        they mean nothing, as ``finish`` will say."""
        tables, symbols = self._tables, np.zeros(len(rows), np.int32)
        state, self._place, whole = _decode(
            self._words, self._state, self._place, rows, tables.cumulative, tables.lengths,
            tables.offsets, tables.starts, symbols,
        )  # fmt: skip
        self._state = np.uint64(state)
        self._whole &= whole
        self._count += len(rows)
        return symbols

    def finish(self) -> None:
        """Raises BitstreamError where the stream did not hold these symbols and nothing else."""
        if not (self._whole and self._state == _LOW and self._place == len(self._words)):
            raise BitstreamError(
                f"{self._size} bytes are no stream of {self._count} symbols; corrupt payload"
            )


@njit(cache=True, error_model="numpy")
def _put(state: Any, start: Any, frequency: Any, words: Any, place: int) -> tuple[Any, int]:
    if state >= frequency << _ROOM:
        place -= 1
        words[place] = np.uint32(state)
        state >>= _WORD
    whole = state // frequency
    return (whole << _PRECISION) + (state - whole * frequency) + start, place


@njit(cache=True)
def _put_nibble(state: Any, value: Any, words: Any, place: int) -> tuple[Any, int]:
    if state >= _ONE << (_WORD + _WORD - _NIBBLE - _ONE):
        place -= 1
        words[place] = np.uint32(state)
        state >>= _WORD
    return state << _NIBBLE | value, place


@njit(cache=True)
def _encode(
    symbols: Any, rows: Any, cumulative: Any, lengths: Any, offsets: Any, words: Any
) -> int:
    """Fills words from their end; the first one in use. What is decoded last is written first."""
    state, place = _LOW, len(words)
    for i in range(len(symbols) - 1, -1, -1):
        row = rows[i]
        last = lengths[row] - 2
        value = np.int64(symbols[i]) - offsets[row]
        if value < 0 or value >= last:
            far = np.uint64(-2 * value - 1 if value < 0 else 2 * (value - last))
            value = np.int64(last)
            nibbles = np.uint64(0)
            while far >> (nibbles * _NIBBLE):
                nibbles += _ONE
            for j in range(nibbles):
                shift = (nibbles - _ONE - np.uint64(j)) * _NIBBLE
                state, place = _put_nibble(state, far >> shift & _FIFTEEN, words, place)
            state, place = _put_nibble(state, nibbles, words, place)
        start = np.uint64(cumulative[row, value])
        frequency = np.uint64(cumulative[row, value + 1]) - start
        state, place = _put(state, start, frequency, words, place)
    words[place - 1] = np.uint32(state >> _WORD)
    words[place - 2] = np.uint32(state)
    return place - 2


@njit(cache=True)
def _refilled(state: Any, words: Any, place: int) -> tuple[Any, int]:
    """Behind the end of a stream there are zeros."""
    if state < _LOW:
        word = np.uint64(words[place]) if place < len(words) else np.uint64(0)
        return state << _WORD | word, place + 1
    return state, place


@njit(cache=True)
def _far(state: Any, words: Any, place: int) -> tuple[Any, int, Any, bool]:
    """A value outside a table, and whether it has no more half bytes than there can be."""
    nibbles = state & _FIFTEEN
    state, place = _refilled(state >> _NIBBLE, words, place)
    far = np.uint64(0)
    for j in range(min(nibbles, np.uint64(_ESCAPED))):
        far |= (state & _FIFTEEN) << (np.uint64(j) * _NIBBLE)
        state, place = _refilled(state >> _NIBBLE, words, place)
    return state, place, far, nibbles <= np.uint64(_ESCAPED)


@njit(cache=True)
def _decode(
    words: Any,
    state: Any,
    place: int,
    rows: Any,
    cumulative: Any,
    lengths: Any,
    offsets: Any,
    starts: Any,
    symbols: Any,
) -> tuple[Any, int, bool]:
    """State and place behind the symbols, and whether each can have been coded."""
    for i in range(len(rows)):
        row = rows[i]
        chance = np.int64(state & _CHANCES)
        value = np.int64(starts[row, chance >> (16 - _COARSE)])
        while cumulative[row, value + 1] <= chance:
            value += 1
        start = np.int64(cumulative[row, value])
        frequency = np.uint64(cumulative[row, value + 1] - start)
        state = frequency * (state >> _PRECISION) + np.uint64(chance - start)
        state, place = _refilled(state, words, place)
        last = np.int64(lengths[row]) - 2
        if value == last:
            state, place, far, whole = _far(state, words, place)
            if not whole:
                return state, place, False
            half = np.int64(far >> _ONE)
            value = -half - 1 if far & _ONE else half + last
        symbols[i] = value + offsets[row]
    return state, place, True
