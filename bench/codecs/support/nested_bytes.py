"""Packs what a network's ``compress`` returns: nested lists and tables of byte strings and numbers.

Layout: the size of the structure and whether it is deflated, the structure, the lengths of all
strings but the last, the strings. Knows no codec.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise

from bench.bitstreams.leb128 import read_varints, write_varint
from bench.errors import BitstreamError, CodecError

NestedBytes = bytes | int | Sequence["NestedBytes"] | Mapping[str, "NestedBytes"]
"""Strings and shapes of a network's stream in any nesting; ``unpack_nest`` returns sequences as
lists."""

_LEAF, _LIST, _TABLE, _NUMBER = range(4)
# limits against streams that were made to fill memory: bytes of a structure, and levels in it
_LARGEST = 1 << 20
_DEEPEST = 16


def pack_nest(codec: str, nested: NestedBytes) -> tuple[bytes, int]:
    """The bytes of ``nested`` and how many of them are those of the strings.

    The structure is deflated where that makes it smaller, as it does for the frames of a clip.
    Raises CodecError for a value of another type.
    """
    strings: list[bytes] = []
    structure = b"".join(_written(codec, nested, strings))
    deflated = zlib.compress(structure, 9, -15)
    smaller = len(deflated) < len(structure)
    structure = deflated if smaller else structure
    lengths = b"".join(write_varint(len(string)) for string in strings[:-1])
    content = b"".join(strings)
    return write_varint(len(structure) << 1 | smaller) + structure + lengths + content, len(content)


def unpack_nest(codec: str, data: bytes) -> NestedBytes:
    """What ``pack_nest`` packed. Raises BitstreamError for bytes that it never writes."""
    (head,), start = read_varints(data, 0, 1, codec)
    end = start + (head >> 1)
    if end > len(data):
        raise _corrupt(codec, "is cut short")
    structure = _inflated(codec, data[start:end]) if head & 1 else data[start:end]
    reader = _Reader(codec, structure)
    tree = reader.read(0)
    if reader.offset != len(structure):
        raise _corrupt(codec, "goes on behind its end")
    lengths, start = read_varints(data, end, max(0, reader.strings - 1), codec)
    if start + sum(lengths) > len(data) or (not reader.strings and start < len(data)):
        raise _corrupt(codec, f"does not fit the {len(data) - start} bytes behind it")
    ends = [*accumulate(lengths, initial=start), len(data)]
    strings = (data[a:b] for a, b in pairwise(ends))

    def filled(part: NestedBytes) -> NestedBytes:
        if isinstance(part, bytes):
            return next(strings)
        if isinstance(part, Mapping):
            return {key: filled(value) for key, value in part.items()}
        return part if isinstance(part, int) else [filled(value) for value in part]

    return filled(tree)


def _written(codec: str, nested: NestedBytes, strings: list[bytes]) -> list[bytes]:
    if isinstance(nested, bytes):
        strings.append(nested)
        return [write_varint(_LEAF)]
    if isinstance(nested, int) and nested >= 0:
        return [write_varint(nested << 2 | _NUMBER)]
    if isinstance(nested, Mapping):
        parts = [write_varint(len(nested) << 2 | _TABLE)]
        for key, value in nested.items():
            name = str(key).encode()
            parts += [write_varint(len(name)), name, *_written(codec, value, strings)]
        return parts
    if isinstance(nested, Sequence) and not isinstance(nested, str):
        inside = [part for value in nested for part in _written(codec, value, strings)]
        return [write_varint(len(nested) << 2 | _LIST), *inside]
    raise CodecError(
        f"{codec}: compress returned a {type(nested).__name__} ({str(nested)[:40]}) among strings "
        "and shapes; a stream holds byte strings and whole numbers from 0 up, in lists and tables"
    )


class _Reader:
    """Reads a structure, with an empty string in the place of each string."""

    def __init__(self, codec: str, data: bytes) -> None:
        self.offset = self.strings = 0
        self._codec, self._data = codec, data

    def read(self, depth: int) -> NestedBytes:
        head = self._number()
        kind, value = head & 3, head >> 2
        if kind == _NUMBER:
            return value
        if kind == _LEAF:
            self.strings += 1
            return b""
        if depth == _DEEPEST or value > len(self._data):
            raise _corrupt(self._codec, f"claims {value} entries {depth} levels deep")
        if kind == _LIST:
            return [self.read(depth + 1) for _ in range(value)]
        return {self._key(): self.read(depth + 1) for _ in range(value)}

    def _number(self) -> int:
        (value,), self.offset = read_varints(self._data, self.offset, 1, self._codec)
        return value

    def _key(self) -> str:
        size = self._number()
        name = self._data[self.offset : self.offset + size]
        self.offset += size
        try:
            return name.decode()
        except UnicodeDecodeError as error:
            raise _corrupt(self._codec, f"has a name that is no text ({error})") from error


def _inflated(codec: str, packed: bytes) -> bytes:
    inflater = zlib.decompressobj(-15)
    try:
        data = inflater.decompress(packed, _LARGEST)
    except zlib.error as error:
        raise _corrupt(codec, f"cannot be inflated ({error})") from error
    if not inflater.eof or inflater.unused_data:
        raise _corrupt(codec, "cannot be inflated")
    return data


def _corrupt(codec: str, what: str) -> BitstreamError:
    return BitstreamError(f"{codec}: the structure of the stream {what}; the payload is corrupt")
