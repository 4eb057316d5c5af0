"""Packs what a network's ``compress`` returned: byte strings, numbers, text and arrays, nested.

Takes the plain form in which a worker sends it (bench.codecs.foreign.plain): a tree, and the bytes
of its strings and arrays in order. Layout: the size of the structure and whether it is deflated,
the structure, the lengths of all strings but the last, the strings. Knows no codec.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any

from bench.bitstreams.leb128 import read_varint, read_varints, write_varint
from bench.errors import BitstreamError, CodecError

NestedBytes = bytes | int | Sequence["NestedBytes"] | Mapping[str, "NestedBytes"]
"""Strings and whole numbers in any nesting; ``unpack_nest`` returns sequences as lists."""
Tree = Any
"""A value: ``{"bytes": 1}``, ``{"array": [dtype, shape]}``, ``{"list": […]}``, ``{"tuple": […]}``,
``{"table": [[key, value], …]}``, or itself."""

_RARE, _LIST, _TABLE, _NUMBER = range(4)
_BYTES, _TUPLE, _NUMBERS, _NONE, _TRUE, _FALSE, _NEGATIVE, _SINGLE, _DOUBLE, _TEXT, _ARRAY = range(
    11
)
"""What a rare head stands for. A list of whole numbers alone is read as a tuple, as networks give
shapes; ``_NUMBERS`` is one that was a list."""
_LARGEST_NUMBER = 1 << 60
_SHAPE_LENGTH, _LONGEST_NAME = 8, 40
# limits against streams that were made to fill memory: bytes of a structure, and levels in it
_LARGEST = 1 << 20
_DEEPEST = 16


def pack_nest(codec: str, nested: NestedBytes) -> tuple[bytes, int]:
    """The bytes of ``nested`` and how many of them are those of the strings. Raises CodecError for
    a value of another type."""
    blobs: list[bytes] = []
    data = pack_tree(codec, _tree(codec, nested, blobs), blobs)
    return data, sum(map(len, blobs))


def unpack_nest(codec: str, data: bytes) -> NestedBytes:
    """What ``pack_nest`` packed. Raises BitstreamError for bytes that it never writes."""
    tree, blobs = unpack_tree(codec, data)
    return _nested(codec, tree, iter(blobs))


def _tree(codec: str, nested: NestedBytes, blobs: list[bytes]) -> Tree:
    if isinstance(nested, bytes):
        blobs.append(nested)
        return {"bytes": 1}
    if isinstance(nested, int) and nested >= 0:
        return int(nested)
    if isinstance(nested, Mapping):
        return {"table": [[key, _tree(codec, value, blobs)] for key, value in nested.items()]}
    if isinstance(nested, Sequence) and not isinstance(nested, str):
        entries = [_tree(codec, value, blobs) for value in nested]
        return {"tuple" if _all_numbers(entries) else "list": entries}
    raise CodecError(
        f"{codec}: compress returned a {type(nested).__name__} ({str(nested)[:40]}) among strings "
        "and shapes; a stream holds byte strings and whole numbers from 0 up, in lists and tables"
    )


def _nested(codec: str, tree: Tree, blobs: Iterator[bytes]) -> NestedBytes:
    if isinstance(tree, int) and not isinstance(tree, bool) and tree >= 0:
        return tree
    if isinstance(tree, dict) and "array" not in tree:
        ((kind, inside),) = tree.items()
        if kind == "bytes":
            return next(blobs)
        if kind == "table":
            return {key: _nested(codec, value, blobs) for key, value in inside}
        return [_nested(codec, value, blobs) for value in inside]
    raise _corrupt(codec, "holds more than byte strings and whole numbers")


def pack_tree(codec: str, tree: Tree, blobs: Sequence[bytes]) -> bytes:
    """The bytes of a tree.

    The structure is deflated where that makes it smaller, as it does for the frames of a clip.
    """
    structure = b"".join(_written(codec, tree))
    deflated = zlib.compress(structure, 9, -15)
    smaller = len(deflated) < len(structure)
    structure = deflated if smaller else structure
    lengths = b"".join(write_varint(len(blob)) for blob in blobs[:-1])
    return write_varint(len(structure) << 1 | smaller) + structure + lengths + b"".join(blobs)


def unpack_tree(codec: str, data: bytes) -> tuple[Tree, list[bytes]]:
    """What ``pack_tree`` packed. Raises BitstreamError for bytes that it never writes."""
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
    return tree, [data[a:b] for a, b in pairwise(ends)] if reader.strings else []


def holds_content(tree: Tree) -> bool:
    """Whether a structure tells more than shapes: text, or more numbers than a shape has."""
    if not isinstance(tree, dict):
        return isinstance(tree, str) and len(tree) > _LONGEST_NAME
    ((kind, inside),) = tree.items()
    if kind == "table":
        return any(len(key) > _LONGEST_NAME or holds_content(value) for key, value in inside)
    if kind not in ("list", "tuple"):
        return False
    numbers = sum(isinstance(one, int | float | str) for one in inside)
    return numbers > _SHAPE_LENGTH or any(map(holds_content, inside))


def string_sizes(tree: Tree, blobs: Iterator[bytes]) -> int:
    """Bytes of the strings in a part of a tree, taken from ``blobs``."""
    if not isinstance(tree, dict):
        return 0
    ((kind, inside),) = tree.items()
    if kind in ("bytes", "array"):
        return len(next(blobs))
    entries = [entry[1] for entry in inside] if kind == "table" else inside
    return sum(string_sizes(entry, blobs) for entry in entries)


def _written(codec: str, tree: Tree) -> list[bytes]:
    if not isinstance(tree, dict):
        return [_scalar(codec, tree)]
    ((kind, inside),) = tree.items()
    if kind == "bytes":
        return [_rare(_BYTES)]
    if kind == "array":
        dtype, shape = str(inside[0]).encode(), inside[1]
        sizes = [write_varint(int(size)) for size in shape]
        return [_rare(_ARRAY), write_varint(len(dtype)), dtype, write_varint(len(sizes)), *sizes]
    if kind == "table":
        parts = [write_varint(len(inside) << 2 | _TABLE)]
        for key, value in inside:
            name = str(key).encode()
            parts += [write_varint(len(name)), name, *_written(codec, value)]
        return parts
    entries = [part for value in inside for part in _written(codec, value)]
    if _all_numbers(inside) == (kind == "tuple"):
        return [write_varint(len(inside) << 2 | _LIST), *entries]
    return [_rare(_TUPLE if kind == "tuple" else _NUMBERS), write_varint(len(inside)), *entries]


def _all_numbers(entries: Sequence[object]) -> bool:
    return bool(entries) and all(type(one) is int and one >= 0 for one in entries)


def _rare(code: int) -> bytes:
    return write_varint(code << 2 | _RARE)


def _scalar(codec: str, value: bool | int | float | str | None) -> bytes:
    if value is None or isinstance(value, bool):
        return _rare(_NONE if value is None else _TRUE if value else _FALSE)
    if isinstance(value, str):
        text = value.encode()
        return _rare(_TEXT) + write_varint(len(text)) + text
    if isinstance(value, float):
        single = struct.pack("<f", value) if abs(value) < 3e38 else b""
        if single and struct.unpack("<f", single)[0] == value:
            return _rare(_SINGLE) + single
        return _rare(_DOUBLE) + struct.pack("<d", value)
    if abs(value) >= _LARGEST_NUMBER:
        raise CodecError(f"{codec}: compress returned the number {value}, which no stream holds")
    return (
        write_varint(value << 2 | _NUMBER)
        if value >= 0
        else (_rare(_NEGATIVE) + write_varint(-value - 1))
    )


class _Reader:
    """Reads a structure, counting its strings."""

    def __init__(self, codec: str, data: bytes) -> None:
        self.offset = self.strings = 0
        self._codec, self._data = codec, data

    def read(self, depth: int) -> Tree:
        head = self._number()
        kind, value = head & 3, head >> 2
        if kind == _NUMBER:
            return value
        if kind == _RARE and value not in (_TUPLE, _NUMBERS):
            return self._leaf(value)
        count = self._number() if kind == _RARE else value
        if depth == _DEEPEST or count > len(self._data):
            raise _corrupt(self._codec, f"claims {count} entries {depth} levels deep")
        if kind == _TABLE:
            return {"table": [[self._text(), self.read(depth + 1)] for _ in range(count)]}
        entries = [self.read(depth + 1) for _ in range(count)]
        is_tuple = value == _TUPLE if kind == _RARE else _all_numbers(entries)
        return {"tuple" if is_tuple else "list": entries}

    def _leaf(self, code: int) -> Tree:
        if code in (_BYTES, _ARRAY):
            self.strings += 1
        if code == _BYTES:
            return {"bytes": 1}
        if code == _ARRAY:
            dtype, count = self._text(), self._number()
            if count > _DEEPEST:
                raise _corrupt(self._codec, f"claims an array of {count} dimensions")
            return {"array": [dtype, [self._number() for _ in range(count)]]}
        if code in (_NONE, _TRUE, _FALSE):
            return {_NONE: None, _TRUE: True, _FALSE: False}[code]
        if code == _NEGATIVE:
            return -1 - self._number()
        if code == _TEXT:
            return self._text()
        if code in (_SINGLE, _DOUBLE):
            form = "<f" if code == _SINGLE else "<d"
            return float(struct.unpack(form, self._bytes(struct.calcsize(form)))[0])
        raise _corrupt(self._codec, f"has an entry of the unknown kind {code}")

    def _number(self) -> int:
        value, self.offset = read_varint(self._data, self.offset, self._codec)
        return value

    def _bytes(self, size: int) -> bytes:
        found = self._data[self.offset : self.offset + size]
        self.offset += size
        if len(found) < size:
            raise _corrupt(self._codec, "is cut short")
        return found

    def _text(self) -> str:
        try:
            return self._bytes(self._number()).decode()
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
