"""The byte ledger of AV1 low-overhead streams (AV1 specification, section 5).

Drops padding, metadata, tile lists and repeated sequence headers. Temporal delimiters stay: a
decoder of this format finds the frames by them.
"""

from __future__ import annotations

from collections.abc import Iterator

from bench.bitstreams import Ledger, Stripped
from bench.bitstreams.leb128 import read_varint
from bench.errors import BitstreamError

SEQUENCE_HEADER = 1
TEMPORAL_DELIMITER = 2
_FRAME_TYPES = frozenset({3, 4, 6})
_METADATA, _REDUNDANT_FRAME_HEADER = 5, 7


def split_units(stream: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Type, header with size field, and payload of each OBU. Raises BitstreamError for anything
    that is not a whole stream."""
    position = 0
    if not stream:
        raise BitstreamError("the AV1 stream is empty")
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


def strip(stream: bytes) -> Stripped:
    """The stream without what no decoder needs; all but the bodies of frames and tiles count as
    header."""
    ledger = Ledger()
    sequence_header = b""
    for kind, header, body in split_units(stream):
        repeated = kind == SEQUENCE_HEADER and body == sequence_header
        if repeated or kind not in {SEQUENCE_HEADER, TEMPORAL_DELIMITER, *_FRAME_TYPES}:
            ledger.discard(header + body)
            continue
        ledger.header(header)
        if kind in _FRAME_TYPES:
            ledger.content(body)
        else:
            ledger.header(body)
        if kind == SEQUENCE_HEADER:
            sequence_header = body
    return ledger.close()


def count_pictures(stream: bytes) -> int:
    """Temporal units in the stream: each shows one frame. Raises BitstreamError where there is
    none."""
    return len(temporal_units(stream))


def temporal_units(stream: bytes) -> list[bytes]:
    """The parts of a stream that show a frame each. Raises BitstreamError where there is none."""
    found: list[bytes] = []
    for kind, header, body in split_units(stream):
        if kind == TEMPORAL_DELIMITER:
            found.append(b"")
        if found:
            found[-1] += header + body
    if not found:
        raise BitstreamError("the AV1 stream holds no temporal unit")
    return found
