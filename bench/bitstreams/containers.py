"""Coded frames in and out of IVF and AVI, the containers that ffmpeg needs around VP9 and FFV1, and
where the chunks of PNG and RIFF files lie.

Containers of frames are never counted as payload; nothing here looks inside a frame or chunk.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.errors import BitstreamError

_IVF_HEADER = struct.Struct("<4sHH4sHHIII4x")
_IVF_FRAME = struct.Struct("<IQ")


def write_ivf(frames: Sequence[bytes], fourcc: bytes, width: int, height: int) -> bytes:
    """An IVF file at 25 frames a second; ``fourcc`` names the codec, such as ``VP90``."""
    pieces = [_IVF_HEADER.pack(b"DKIF", 0, 32, fourcc, width, height, 25, 1, len(frames))]
    for index, frame in enumerate(frames):
        pieces += [_IVF_FRAME.pack(len(frame), index), frame]
    return b"".join(pieces)


def read_ivf(file: bytes) -> list[bytes]:
    """The coded frames of an IVF file. Raises BitstreamError if it is cut."""
    if file[:4] != b"DKIF" or len(file) < _IVF_HEADER.size:
        raise BitstreamError(f"no IVF file: it starts with {file[:4].hex() or 'nothing'}")
    frames: list[bytes] = []
    position = _IVF_HEADER.size
    while position < len(file):
        if position + _IVF_FRAME.size > len(file):
            raise BitstreamError(f"IVF file ends inside the header of frame {len(frames)}")
        length, _ = _IVF_FRAME.unpack_from(file, position)
        position += _IVF_FRAME.size
        if position + length > len(file):
            raise BitstreamError(f"IVF file ends inside frame {len(frames)}")
        frames.append(file[position : position + length])
        position += length
    return frames


def read_avi(file: bytes) -> list[bytes]:
    """The coded frames of the first video stream of an AVI file, OpenDML segments included."""
    if file[:4] != b"RIFF" or file[8:12] != b"AVI ":
        raise BitstreamError(f"no AVI file: it starts with {file[:12].hex() or 'nothing'}")
    return list(_avi_frames(file))


def _avi_frames(file: bytes) -> Iterator[bytes]:
    # no list's length counts: a muxer that writes to a pipe cannot go back to fill it in
    for chunk in riff_chunks(file, frozenset((b"AVI ", b"AVIX", b"movi"))):
        if chunk.body_end > len(file):
            raise BitstreamError(f"AVI file of {len(file)} bytes ends inside {chunk.name!r}")
        if chunk.name in (b"00dc", b"00db"):
            yield file[chunk.body : chunk.body_end]


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
