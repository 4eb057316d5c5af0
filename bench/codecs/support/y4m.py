"""The YUV4MPEG2 stream that decoders write to a pipe: its header and its frames, one at a time.

Reads what ffmpeg writes, 8 to 16 bits, 4:0:0, 4:2:0 and 4:4:4; never files of users.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from bench.codecs.support.planes import Chroma, PlaneFormat
from bench.codecs.support.process import read_exactly
from bench.errors import BitstreamError

_CHROMA: dict[str, Chroma] = {"mono": "400", "420": "420", "444": "444"}
_HEADER_LIMIT = 1024


@dataclass(frozen=True, slots=True)
class Y4MHeader:
    """Format of the frames and whether the decoder says that they are full range."""

    format: PlaneFormat
    full_range: bool


def read_header(pipe: IO[bytes]) -> Y4MHeader:
    """The stream's header line. Raises BitstreamError if there is none, as when a decoder
    decoded nothing."""
    line = _read_line(pipe)
    words = line.split(" ")
    if words[0] != "YUV4MPEG2":
        raise BitstreamError("the decoder returned no frame")
    fields = {word[:1]: word[1:] for word in words[1:] if not word.startswith("X")}
    match = re.fullmatch(r"(mono|420|444)(?:jpeg|mpeg2|paldv)?(?:p?(\d+))?", fields.get("C", "420"))
    if match is None:
        raise BitstreamError(f"the decoder returned frames of an unknown format: {line!r}")
    chroma, depth = _CHROMA[match[1]], int(match[2] or 8)
    coded = PlaneFormat(chroma, depth, int(fields["W"]), int(fields["H"]))
    return Y4MHeader(coded, "XCOLORRANGE=FULL" in words)


def read_frames(pipe: IO[bytes], coded: PlaneFormat) -> Iterator[bytes]:
    """Samples of each frame. Raises BitstreamError if the stream ends inside one."""
    while line := _read_line(pipe):
        if not line.startswith("FRAME"):
            raise BitstreamError(f"the decoder's frame begins with {line[:20]!r}")
        data = read_exactly(pipe, coded.frame_bytes)
        if len(data) != coded.frame_bytes:
            raise BitstreamError("the decoder stopped inside a frame")
        yield data


def _read_line(pipe: IO[bytes]) -> str:
    line = pipe.readline(_HEADER_LIMIT)
    return line.decode("ascii", errors="replace").rstrip("\n")
