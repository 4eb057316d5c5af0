"""The header of codec ``vae3d``'s streams: one byte for the clips that it is made for.

At low rates a clip is a hundred bytes, of which a checksum of four would be four percent. The byte
is a number of three digits: the operating point, whether size and length are spelled out behind it,
and, in what is left of 256 values, a checksum over all that follows and the network; the entropy
coder's final state sees most damage. A size that is spelled out is followed by 16 more bits: no
other state would see that it changed.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from bench.bitstreams.leb128 import read_varints, write_varint
from bench.codecs.support.tensors import Geometry
from bench.errors import BitstreamError
from bench.signals import Layout

STANDARD = (Geometry(96, 96, gray=False), 7)
"""Of the clips whose size and length streams do not spell out."""
_MAX_PIXELS = 1 << 23
_MAX_FRAMES = 1 << 16
_LONG_CHECK = 2


@dataclass(frozen=True, slots=True)
class ClipHeader:
    """What a stream says of its clip; ``point`` is the place of λ in the ladder."""

    point: int
    geometry: Geometry
    frames: int

    @staticmethod
    def refusal(layout: Layout, name: str) -> str | None:
        """Why a clip is too large, or None."""
        if layout.width * layout.height > _MAX_PIXELS or layout.frames > _MAX_FRAMES:
            return (
                f"{name} codes frames of at most {_MAX_PIXELS} pixels and at most {_MAX_FRAMES} of "
                f"them, not {layout.frames} of {layout.width}×{layout.height}"
            )
        return None


@dataclass(frozen=True, slots=True)
class HeaderFormat:
    """The format of one network, which ``fingerprint`` stands for; of more than 16 ``points`` the
    checksum would be less than three bits."""

    name: str
    fingerprint: bytes
    points: int

    def pack(self, header: ClipHeader, stream: bytes) -> bytes:
        """The payload of an entropy-coded stream."""
        first, size = header.point, b""
        if (header.geometry, header.frames) != STANDARD:
            first += self.points
            size = b"".join(map(write_varint, (*header.geometry.numbers, header.frames)))
            size += self._long_check(size + stream)
        return bytes([first + self._check(first, size + stream)]) + size + stream

    def unpack(self, payload: bytes) -> tuple[ClipHeader, bytes]:
        """The header and the stream. Raises BitstreamError for a damaged or foreign payload."""
        if not payload:
            raise BitstreamError(f"{self.name}: the payload is empty")
        first, rest = payload[0] % (2 * self.points), payload[1:]
        spelled_out, point = divmod(first, self.points)
        if payload[0] != first + self._check(first, rest):
            raise BitstreamError(
                f"{self.name}: checksum of {len(payload)} bytes does not agree; the payload is "
                "damaged, truncated or was coded with other weights"
            )
        if not spelled_out:
            return ClipHeader(point, *STANDARD), rest
        (*size, frames), offset = read_varints(rest, 0, 4, self.name)
        stream = rest[offset + _LONG_CHECK :]
        if rest[offset : offset + _LONG_CHECK] != self._long_check(rest[:offset] + stream):
            raise BitstreamError(
                f"{self.name}: checksum of a clip of {frames} frames of {size[0]}×{size[1]} does "
                "not agree; the payload is damaged"
            )
        geometry = Geometry.from_numbers(self.name, (size[0], size[1], size[2]))
        if geometry.width * geometry.height > _MAX_PIXELS or not 0 < frames <= _MAX_FRAMES:
            raise BitstreamError(
                f"{self.name}: header says {frames} frames of {geometry.width}×{geometry.height}; "
                "the payload is corrupt"
            )
        return ClipHeader(point, geometry, frames), stream

    def _long_check(self, content: bytes) -> bytes:
        """The 16 bits behind a size that is spelled out."""
        return (zlib.crc32(content, zlib.crc32(self.fingerprint)) >> 16).to_bytes(
            _LONG_CHECK, "big"
        )

    def _check(self, first: int, rest: bytes) -> int:
        """The checksum as the highest digit of the first byte."""
        place = 2 * self.points
        value = zlib.crc32(rest, zlib.crc32(self.fingerprint + bytes([first])))
        return value % (256 // place) * place
