"""Samples between the harness and a program, and decoded frames: kept in memory or, many of them,
in a file without a name, and read from the files that programs wrote without copying them."""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain, islice
from typing import IO

import numpy as np

from bench.errors import BitstreamError, CodecError
from bench.signals import Frame, Layout, Signal

Data = bytes | memoryview
MEMORY_BYTES = 64 << 20
"""Samples of more than this go to a temporary file."""


def spooled(pieces: Iterable[Data]) -> Iterator[Data]:
    """The pieces, all of which are there when this returns; the file that holds many of them goes
    with the iterator. Raises CodecError where there is no space for it."""
    spool = tempfile.SpooledTemporaryFile(MEMORY_BYTES)  # noqa: SIM115 - read later
    sizes = [_write(spool, piece) for piece in pieces]
    spool.seek(0)
    return _read(spool, sizes)


def _write(file: IO[bytes] | tempfile.SpooledTemporaryFile[bytes], piece: Data) -> int:
    try:
        return file.write(piece)
    except OSError as error:
        raise CodecError(
            f"frames cannot be kept in {tempfile.gettempdir()}: {error.strerror}; free space there "
            "or set TMPDIR"
        ) from error


def _read(spool: tempfile.SpooledTemporaryFile[bytes], sizes: Iterable[int]) -> Iterator[Data]:
    with spool:
        for size in sizes:
            yield spool.read(size)


def kept(frames: Iterable[Frame], layout: Layout) -> Signal:
    """All frames, however many, to be read as often as asked. Raises BitstreamError for one that is
    not of the layout's shape, CodecError where there is no space for them."""
    shaped = _shaped(frames, layout.frame_shape)
    few = list(islice(shaped, MEMORY_BYTES // layout.frame_bytes + 1))
    if len(few) * layout.frame_bytes <= MEMORY_BYTES:
        return Signal(replace(layout, frames=len(few)), lambda: iter(few))
    with tempfile.TemporaryFile(buffering=0) as file:
        for frame in chain(few, shaped):
            rest = np.ascontiguousarray(frame).data.cast("B")
            while rest:
                rest = rest[_write(file, rest) :]
        data = mapped(file)

    def read() -> Iterator[Frame]:
        size = layout.frame_bytes
        for piece in pieces_of(data, range(0, len(data), size), size):
            yield np.frombuffer(piece, layout.frame_dtype).reshape(layout.frame_shape)

    return Signal(replace(layout, frames=len(data) // layout.frame_bytes), read)


def _shaped(frames: Iterable[Frame], shape: tuple[int, ...]) -> Iterator[Frame]:
    for index, frame in enumerate(frames):
        if frame.shape != shape:
            raise BitstreamError(f"frame {index} is {frame.shape}, not {shape}")
        yield frame


def mapped(file: IO[bytes]) -> memoryview:
    """All bytes of a file that nobody writes to any more, for as long as the view or a part of it
    is held, whatever becomes of the file."""
    if not os.fstat(file.fileno()).st_size:
        return memoryview(b"")
    return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def pieces_of(data: memoryview, starts: Iterable[int], size: int) -> Iterator[memoryview]:
    """Pieces of what is ``mapped``, of which no more than one is resident for this: when the next
    is asked for it leaves memory, and comes back from the file where it is still used."""
    for start in starts:
        yield data[start : start + size]
        if isinstance(data.obj, mmap.mmap):
            first = start - start % mmap.PAGESIZE
            data.obj.madvise(mmap.MADV_DONTNEED, first, start + size - first)
