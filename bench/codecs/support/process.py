"""External programs fed through a pipe, without deadlocks and without a shell.

Owns starting, feeding and failing of child processes; knows no codec.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO

from bench.codecs.support.spool import Data
from bench.errors import CodecError

_STDERR_LINES = 2
_ADDRESS = re.compile(r" @ 0x[0-9a-f]+")


def run_to_file(arguments: Sequence[str], chunks: Iterable[Data]) -> IO[bytes]:
    """Runs a program, ``chunks`` on its standard input; what it writes on its standard output, as a
    file at its start that has no name and goes with the object.

    Raises CodecError with the last lines of standard error if the program fails. The program
    never outlives the call.
    """
    output = tempfile.TemporaryFile()  # noqa: SIM115 - the caller reads it
    try:
        _run(arguments, chunks, output)
    except CodecError as error:
        output.close()
        if os.strerror(errno.ENOSPC) not in str(error):
            raise
        where = tempfile.gettempdir()
        raise CodecError(f"{error}; free space in {where} or set TMPDIR") from error
    output.seek(0)
    return output


def _run(arguments: Sequence[str], chunks: Iterable[Data], output: IO[bytes]) -> None:
    with tempfile.TemporaryFile() as stderr:
        process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=output, stderr=stderr)
        assert process.stdin is not None
        try:
            # of one that stopped reading its exit status says whether that was a failure
            with contextlib.suppress(BrokenPipeError), process.stdin as pipe:
                for chunk in chunks:
                    pipe.write(chunk)
            status = process.wait()
        finally:
            process.kill()
            process.wait()
        if status:
            raise CodecError(describe_failure(arguments[0], status, last_words(stderr)))


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


def last_words(file: IO[bytes]) -> str:
    """The same of the end of a file of messages."""
    file.seek(max(0, file.seek(0, os.SEEK_END) - 4000))
    return summarize(file.read().decode(errors="replace"))
