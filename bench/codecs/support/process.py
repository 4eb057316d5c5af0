"""External programs fed and read through pipes, without deadlocks and without a shell.

Owns starting, feeding, reading and failing of child processes; knows no codec.
"""

from __future__ import annotations

import errno
import os
import re
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import IO, TypeVar

from bench.codecs.support.spool import Data
from bench.errors import CodecError

T = TypeVar("T")
_STDERR_LINES = 2
_ADDRESS = re.compile(r" @ 0x[0-9a-f]+")


class _Feeder(threading.Thread):
    """Writes chunks to a pipe and closes it; keeps what a chunk's producer raised."""

    def __init__(self, pipe: IO[bytes], chunks: Iterable[Data]) -> None:
        super().__init__(daemon=True)
        self._pipe = pipe
        self._chunks = chunks
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            with self._pipe:
                for chunk in self._chunks:
                    self._pipe.write(chunk)
        except BrokenPipeError:
            # the program stopped reading: its exit status says whether that was a failure
            return
        except BaseException as error:  # raised again in the thread that waits
            self.error = error


def run_piped(
    arguments: Sequence[str], chunks: Iterable[Data], collect: Callable[[IO[bytes]], T]
) -> T:
    """Runs a program, ``chunks`` on its standard input, and returns what ``collect`` makes of its
    standard output.

    Raises CodecError with the last lines of standard error if the program fails. The program
    never outlives the call.
    """
    found: list[T] = []

    def read(process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        with process.stdout as stdout:
            try:
                found.append(collect(stdout))
            except CodecError:
                while stdout.read(1 << 20):
                    continue
                raise

    _run(arguments, chunks, subprocess.PIPE, read)
    return found[0]


def run_to_file(arguments: Sequence[str], chunks: Iterable[Data]) -> IO[bytes]:
    """``run_piped``, but the program writes its standard output itself into the file that this
    returns, at its start; it has no name and goes with the object."""
    output = tempfile.TemporaryFile()  # noqa: SIM115 - the caller reads it
    try:
        _run(arguments, chunks, output, lambda process: None)
    except CodecError as error:
        output.close()
        if os.strerror(errno.ENOSPC) not in str(error):
            raise
        where = tempfile.gettempdir()
        raise CodecError(f"{error}; free space in {where} or set TMPDIR") from error
    output.seek(0)
    return output


def _run(
    arguments: Sequence[str],
    chunks: Iterable[Data],
    stdout: int | IO[bytes],
    read: Callable[[subprocess.Popen[bytes]], None],
) -> None:
    with tempfile.TemporaryFile() as stderr:
        process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=stdout, stderr=stderr)
        assert process.stdin is not None
        feeder = _Feeder(process.stdin, chunks)
        feeder.start()
        problem: CodecError | None = None
        try:
            try:
                read(process)
            except CodecError as error:
                # a program that failed explains it better than the output that it cut off
                problem = error
            status = process.wait()
        except BaseException:
            process.kill()
            raise
        finally:
            feeder.join()
            process.wait()
        if feeder.error is not None:
            raise feeder.error
        if status:
            raise CodecError(describe_failure(arguments[0], status, _tail(stderr))) from problem
        if problem is not None:
            raise problem


def describe_failure(program: str, status: int, stderr: str) -> str:
    """One line on a failed program: how it ended and the end of what it said."""
    ended = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
    return f"{Path(program).name} {ended}: {stderr or 'it gave no reason'}"


def summarize(text: str) -> str:
    """The first and last lines of a program's messages, joined, without memory addresses: the
    cause usually stands first."""
    lines = [line.strip() for line in _ADDRESS.sub("", text).splitlines() if line.strip()]
    if len(lines) > 2 * _STDERR_LINES:
        lines = [*lines[:_STDERR_LINES], "…", *lines[-_STDERR_LINES:]]
    return " | ".join(lines)


def _tail(file: IO[bytes]) -> str:
    file.seek(max(0, file.seek(0, 2) - 4000))
    return summarize(file.read().decode(errors="replace"))


def read_all(pipe: IO[bytes]) -> bytes:
    """A collector that keeps everything."""
    pieces = []
    while piece := pipe.read(1 << 20):
        pieces.append(piece)
    return b"".join(pieces)


def read_exactly(pipe: IO[bytes], size: int) -> bytes:
    """Up to ``size`` bytes; fewer only at the end of the output."""
    pieces, missing = [], size
    while missing and (piece := pipe.read(missing)):
        pieces.append(piece)
        missing -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
