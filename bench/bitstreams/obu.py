"""The byte ledger of AV1 low-overhead streams (specification, section 5) and of AV2 streams (AV2
bitstream specification 1.0.0).

Drops padding, metadata, what displays and layers are told, and repeated sequence headers. Temporal
delimiters stay: a decoder of these formats finds the frames by them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bench.bitstreams import Ledger, Stripped
from bench.bitstreams.leb128 import read_varint
from bench.errors import BitstreamError

SEQUENCE_HEADER = 1
TEMPORAL_DELIMITER = 2
_METADATA, _REDUNDANT_FRAME_HEADER = 5, 7

Unit = tuple[int, bytes, bytes]
"""Type, header with its length, and payload of an OBU."""


def split_units(stream: bytes) -> Iterator[Unit]:
    """The OBUs of AV1. Raises BitstreamError for anything that is not a whole stream."""
    position = 0
    while position < len(stream):
        start, header = position, stream[position]
        if header & 0x80 or not header & 0x02:
            raise BitstreamError(f"no AV1 stream: OBU header {header:#04x} at byte {position}")
        position += 2 if header & 0x04 else 1
        size, position = read_varint(stream, position, "AV1 stream")
        end = position + size
        if end > len(stream):
            raise BitstreamError(f"AV1 stream of {len(stream)} bytes ends inside an OBU")
        yield header >> 3 & 15, stream[start:position], stream[position:end]
        position = end


def split_units_of_av2(stream: bytes) -> Iterator[Unit]:
    """The OBUs of AV2, whose length comes first and counts the header. Raises BitstreamError for
    anything that is not a whole stream."""
    position = 0
    while position < len(stream):
        start = position
        size, position = read_varint(stream, position, "AV2 stream")
        end = position + size
        if not size or end > len(stream):
            raise BitstreamError(f"AV2 stream of {len(stream)} bytes ends inside an OBU")
        header = stream[position]
        position += 2 if header & 0x80 else 1
        if position > end:
            raise BitstreamError(f"no AV2 stream: an OBU of {size} bytes at byte {start}")
        yield header >> 2 & 31, stream[start:position], stream[position:end]
        position = end


@dataclass(frozen=True, slots=True)
class Standard:
    """How a standard writes OBUs, and which types a decoder needs: frames and tiles, and others."""

    name: str
    split: Callable[[bytes], Iterator[Unit]]
    frames: frozenset[int]
    others: frozenset[int]

    def strip(self, stream: bytes) -> Stripped:
        """The stream without what no decoder needs; all but the bodies of frames and tiles count as
        header."""
        ledger = Ledger()
        sequence_header = b""
        for kind, header, body in self._units(stream):
            repeated = kind == SEQUENCE_HEADER and body == sequence_header
            if repeated or kind not in self.frames | self.others:
                ledger.discard(header + body)
                continue
            ledger.header(header)
            if kind in self.frames:
                ledger.content(body)
            else:
                ledger.header(body)
            if kind == SEQUENCE_HEADER:
                sequence_header = body
        return ledger.close()

    def count_pictures(self, stream: bytes) -> int:
        """Temporal units in the stream: each shows one frame. Raises BitstreamError where there is
        none."""
        return len(self.temporal_units(stream))

    def temporal_units(self, stream: bytes) -> list[bytes]:
        """The parts of a stream that show a frame each. Raises BitstreamError where there is
        none."""
        found: list[bytes] = []
        for kind, header, body in self._units(stream):
            if kind == TEMPORAL_DELIMITER:
                found.append(b"")
            if found:
                found[-1] += header + body
        if not found:
            raise BitstreamError(f"the {self.name} stream holds no temporal unit")
        return found

    def _units(self, stream: bytes) -> Iterator[Unit]:
        if not stream:
            raise BitstreamError(f"the {self.name} stream is empty")
        return self.split(stream)


AV1 = Standard(
    "AV1", split_units, frozenset({3, 4, 6}), frozenset({SEQUENCE_HEADER, TEMPORAL_DELIMITER})
)
AV2 = Standard(
    "AV2",
    split_units_of_av2,
    # key frames, tile groups, switch, shown again, interpolated, bridge and random access frames
    frozenset({4, 5, 6, 7, 10, 11, 12, 13, 14, 19, 21}),
    # besides these, headers of several frames, quantisation matrices and models of film grain
    frozenset({SEQUENCE_HEADER, TEMPORAL_DELIMITER, 3, 22, 23}),
)
