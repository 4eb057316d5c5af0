"""Streams for CompressAI's range decoder, which reads on past the end of one that does not fit its
tables. Knows no codec."""

from __future__ import annotations

_BYTES_PER_SYMBOL = 4
"""A decoder that has met nothing but zeros takes a word of them for each symbol."""
_BYTES_PER_BYTE = 128
"""A value outside a table is coded by its length in half bytes, the length by half bytes that are
15 but for the last. As many as a stream has give a length of 30 times its bytes, and each half byte
of such a value may again take a word."""
_ROOM = 1 << 16
"""For what a stream can still cause when it is over: its say in what is found ends with the 63 bits
of the decoder's state."""


def with_room(string: bytes, symbols: int) -> bytes:
    """The string with as many zeros behind it as the decoder may read of them while it looks for so
    many symbols: a damaged stream then decodes to something, and no other memory is read."""
    zeros = _BYTES_PER_SYMBOL * symbols + _BYTES_PER_BYTE * len(string) + _ROOM
    return b"".join((string, bytes(zeros)))
