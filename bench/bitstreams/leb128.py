"""LEB128, the numbers of headers: seven bits a byte, lowest first, the high bit set on all but one.

The form that AV1 gives its sizes (AV1 specification, 4.10.5). Numbers are at most 64 bits.
"""

from __future__ import annotations

from bench.errors import BitstreamError


def write_varint(value: int) -> bytes:
    """The bytes of a number that is not negative."""
    if value < 0:
        raise ValueError(f"numbers of headers are not negative, got {value}")
    written = bytearray()
    while value > 0x7F:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)


def read_varint(data: bytes, position: int, what: str = "payload") -> tuple[int, int]:
    """Value and the position after it. Raises BitstreamError, which begins with ``what``, at the
    end of ``data`` or beyond 64 bits."""
    value = 0
    for shift in range(0, 64, 7):
        if position >= len(data):
            raise BitstreamError(f"{what}: {len(data)} bytes end inside a number of the header")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise BitstreamError(f"{what}: the number at byte {position - 10} is over 64 bits; damaged")


def read_varints(
    data: bytes, position: int, count: int, what: str = "payload"
) -> tuple[tuple[int, ...], int]:
    """``count`` numbers, one after the other, and the position after them."""
    values = []
    for _ in range(count):
        value, position = read_varint(data, position, what)
        values.append(value)
    return tuple(values), position
