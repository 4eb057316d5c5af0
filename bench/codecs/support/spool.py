"""Samples between the harness and a program: kept for writing, in memory or an unlinked file, and
read from the file that a program wrote without copying them.

Knows bytes alone; what they mean is the caller's to say.
"""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Iterable, Iterator
from typing import IO

from bench.codecs.support.frame_buffer import MEMORY_BYTES
from bench.errors import CodecError

Data = bytes | memoryview


def spooled(pieces: Iterable[Data], *, memory_bytes: int = MEMORY_BYTES) -> Iterator[Data]:
    """The pieces, all of which are there when this returns; the file that holds many of them goes
    with the iterator. Raises CodecError where there is no space for it."""
    spool = tempfile.SpooledTemporaryFile(memory_bytes)  # noqa: SIM115 - read later
    sizes = [_write(spool, piece) for piece in pieces]
    spool.seek(0)
    return _read(spool, sizes)


def _write(spool: tempfile.SpooledTemporaryFile[bytes], piece: Data) -> int:
    try:
        return spool.write(piece)
    except OSError as error:
        raise CodecError(
            f"converted frames cannot be kept in {tempfile.gettempdir()}: {error.strerror}; free "
            "space there or set TMPDIR"
        ) from error


def _read(spool: tempfile.SpooledTemporaryFile[bytes], sizes: Iterable[int]) -> Iterator[Data]:
    with spool:
        for size in sizes:
            yield spool.read(size)


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
