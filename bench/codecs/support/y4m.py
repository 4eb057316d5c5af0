"""The YUV4MPEG2 stream that a decoder writes: its frames as planes, one at a time.

Takes 8 to 16 bits, 4:0:0, 4:2:0, 4:2:2 and 4:4:4; never files of users.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from bench.bitstreams import y4m
from bench.codecs.support.planes import PlaneFormat
from bench.codecs.support.process import read_exactly
from bench.errors import BitstreamError
from bench.signals import Chroma

_CUT = "the decoder stopped inside a frame"
_CHROMA: dict[str, Chroma] = {"mono": "400", "420": "420", "422": "422", "444": "444"}


@dataclass(frozen=True, slots=True)
class DecodedFormat:
    """Format of the frames and whether the decoder says that they are full range."""

    planes: PlaneFormat
    full_range: bool


def read_format(pipe: IO[bytes]) -> DecodedFormat:
    """From the stream's header. Raises BitstreamError if there is none, as when a decoder decoded
    nothing."""
    try:
        header = y4m.read_header(pipe)
    except BitstreamError as error:
        raise BitstreamError(f"the decoder returned no frame: {error}") from error
    if header.chroma not in _CHROMA:
        raise BitstreamError(f"the decoder returned frames of an unknown format: C{header.colour}")
    planes = PlaneFormat(_CHROMA[header.chroma], header.depth, header.width, header.height)
    return DecodedFormat(planes, header.range == "full")


def read_frames(pipe: IO[bytes], coded: PlaneFormat) -> Iterator[bytes]:
    """Samples of each frame. Raises BitstreamError if the stream ends inside one."""
    while y4m.read_marker(pipe):
        data = read_exactly(pipe, coded.frame_bytes)
        if len(data) != coded.frame_bytes:
            raise BitstreamError(_CUT)
        yield data


def frame_places(file: IO[bytes], coded: PlaneFormat) -> list[int]:
    """Where in a file, at the end of its header, the samples of each frame begin. Raises
    BitstreamError if it ends inside one."""
    places, end = [], os.fstat(file.fileno()).st_size
    while y4m.read_marker(file):
        places.append(file.tell())
        if file.seek(coded.frame_bytes, os.SEEK_CUR) > end:
            raise BitstreamError(_CUT)
    return places
