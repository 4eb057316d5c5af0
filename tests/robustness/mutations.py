"""Bytes made from valid ones as accidents and attackers make them."""

from __future__ import annotations

import random
from collections.abc import Sequence

_TELLING = (0x00, 0x01, 0x7F, 0x80, 0xFE, 0xFF)


def mutate(seeds: Sequence[bytes], chance: random.Random) -> bytes:
    """One of the seeds with one to four changes."""
    data = bytearray(chance.choice(seeds))
    for _ in range(chance.randint(1, 4)):
        chance.choice(_CHANGES)(data, seeds, chance)
    return bytes(data)


def _flip(data: bytearray, seeds: Sequence[bytes], chance: random.Random) -> None:
    if data:
        data[_place(data, chance)] ^= 1 << chance.randrange(8)


def _telling(data: bytearray, seeds: Sequence[bytes], chance: random.Random) -> None:
    """Lengths and counts become tiny, huge or negative."""
    start = _place(data, chance)
    for index in range(start, min(start + chance.choice((1, 1, 2, 4, 8)), len(data))):
        data[index] = chance.choice(_TELLING)


def _cut(data: bytearray, seeds: Sequence[bytes], chance: random.Random) -> None:
    del data[chance.randint(0, len(data)) :]


def _remove(data: bytearray, seeds: Sequence[bytes], chance: random.Random) -> None:
    start = _place(data, chance)
    del data[start : start + chance.randint(1, 16)]


def _insert(data: bytearray, seeds: Sequence[bytes], chance: random.Random) -> None:
    place = _place(data, chance)
    data[place:place] = chance.randbytes(chance.randint(1, 16))


def _splice(data: bytearray, seeds: Sequence[bytes], chance: random.Random) -> None:
    """The end becomes that of another seed."""
    other = chance.choice(seeds)
    data[_place(data, chance) :] = other[chance.randint(0, len(other)) :]


def _noise(data: bytearray, seeds: Sequence[bytes], chance: random.Random) -> None:
    start = _place(data, chance)
    data[start:] = chance.randbytes(len(data) - start)


def _place(data: bytearray, chance: random.Random) -> int:
    """Anywhere, every other time near the start, where headers are."""
    end = len(data) if chance.random() < 0.5 else min(len(data), 40)
    return chance.randrange(max(1, end))


_CHANGES = (_flip, _telling, _cut, _remove, _insert, _splice, _noise)
