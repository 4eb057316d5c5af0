"""Where the chunks of PNG and RIFF files lie; knows nothing of what they mean."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Chunk:
    """A chunk's name, and places in its file: of the chunk, of its body, and of what follows it."""

    name: bytes
    start: int
    body: int
    body_end: int
    end: int


def png_chunks(file: bytes) -> Iterator[Chunk]:
    """The chunks after the signature (PNG, third edition, 5.3), the last one cut off if the file
    is: its ``end`` then lies behind that of the file."""
    position = 8
    while position + 12 <= len(file):
        length, name = struct.unpack_from(">I4s", file, position)
        end = position + 12 + length
        yield Chunk(name, position, position + 8, end - 4, end)
        position = end


def riff_chunks(file: bytes, lists: frozenset[bytes] = frozenset()) -> Iterator[Chunk]:
    """The chunks after the first header of 12 bytes, with those within the ``lists`` of these
    types in their place; the last one cut off if the file is."""
    position = 12
    while position + 8 <= len(file):
        name, length = struct.unpack_from("<4sI", file, position)
        if name in (b"RIFF", b"LIST") and file[position + 8 : position + 12] in lists:
            position += 12
            continue
        end = position + 8 + length
        yield Chunk(name, position, position + 8, end, end + length % 2)
        position = end + length % 2
