"""The container of our learned codecs' bitstreams: numbers and byte sections behind a checksum.

Owns the bytes around the coded picture and refuses foreign and damaged ones; knows no codec.

Layout: kind (1 byte), CRC-32 of all that follows (4 bytes), the numbers and the lengths of all
sections but the last as LEB128 varints, the sections. How many numbers and sections there are is
known to the codec and costs nothing.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from bench.bitstreams.leb128 import read_varints, write_varint
from bench.errors import BitstreamError

_HEAD = struct.Struct("<BI")


@dataclass(frozen=True, slots=True)
class Contents:
    """What a payload holds."""

    numbers: tuple[int, ...]
    sections: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Container:
    """The format of one codec.

    ``kind`` tells codecs apart (0–255); ``fingerprint`` stands for the network that wrote the
    stream: it enters the checksum and costs no byte, so that other weights refuse the stream.
    """

    NUMBERS_AT: ClassVar[int] = _HEAD.size
    """Offset of the first number, for codecs that choose their network by it."""

    name: str
    kind: int
    fingerprint: bytes = b""

    def pack(self, numbers: Sequence[int], sections: Sequence[bytes]) -> bytes:
        """The payload of non-negative numbers and at least one section."""
        sizes = [len(section) for section in sections[:-1]]
        body = b"".join(map(write_varint, [*numbers, *sizes])) + b"".join(sections)
        return _HEAD.pack(self.kind, self._checksum(body)) + body

    def unpack(self, payload: bytes, numbers: int, sections: int = 1) -> Contents:
        """The numbers and sections of a payload that holds so many of them.

        Raises BitstreamError if it is truncated, damaged, or of another codec or network.
        """
        body = self._body(payload)
        found, offset = read_varints(body, 0, numbers, self.name)
        sizes, offset = read_varints(body, offset, sections - 1, self.name)
        return Contents(found, self._split(body[offset:], sizes))

    def _body(self, payload: bytes) -> bytes:
        if len(payload) < _HEAD.size:
            raise BitstreamError(
                f"{self.name}: payload of {len(payload)} bytes is shorter than its header of "
                f"{_HEAD.size}; it is truncated"
            )
        kind, checksum = _HEAD.unpack_from(payload)
        if kind != self.kind:
            raise BitstreamError(
                f"{self.name}: payload starts with {kind:#04x}, not {self.kind:#04x}; it was "
                "written by another codec"
            )
        body = payload[_HEAD.size :]
        if self._checksum(body) != checksum:
            raise BitstreamError(
                f"{self.name}: checksum of {len(body)} bytes does not agree; the payload is "
                "damaged, truncated or was coded with other weights"
            )
        return body

    def _split(self, rest: bytes, sizes: Sequence[int]) -> tuple[bytes, ...]:
        if sum(sizes) > len(rest):
            raise BitstreamError(
                f"{self.name}: sections of {sum(sizes)} bytes in {len(rest)}; it is corrupt"
            )
        parts, start = [], 0
        for size in sizes:
            parts.append(rest[start : start + size])
            start += size
        return (*parts, rest[start:])

    def _checksum(self, body: bytes) -> int:
        return zlib.crc32(body, zlib.crc32(self.fingerprint))
