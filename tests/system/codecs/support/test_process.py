import sys
import threading
from collections.abc import Iterator

import pytest

from bench.codecs.support import process
from bench.errors import BitstreamError, CodecError

CAT = [
    sys.executable,
    "-c",
    "import sys, shutil; shutil.copyfileobj(sys.stdin.buffer, sys.stdout.buffer)",
]


def test_more_than_the_pipes_hold_goes_through() -> None:
    chunks = [bytes([index]) * 300_000 for index in range(20)]
    assert process.run_piped(CAT, chunks, process.read_all) == b"".join(chunks)


def test_a_program_that_reads_all_before_it_writes_does_not_deadlock() -> None:
    script = "import sys; d = sys.stdin.buffer.read(); sys.stdout.buffer.write(d * 2)"
    data = bytes(2_000_000)
    out = process.run_piped([sys.executable, "-c", script], [data], process.read_all)
    assert len(out) == 2 * len(data)


def test_failure_carries_status_and_messages() -> None:
    script = "import sys; print('the cause @ 0x12ab', file=sys.stderr); sys.exit(3)"
    with pytest.raises(CodecError, match=r"ended with status 3: the cause$"):
        process.run_piped([sys.executable, "-c", script], [b"x" * 10**6], process.read_all)


def test_a_killed_program_is_named_as_such() -> None:
    script = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    with pytest.raises(CodecError, match="ended by signal 9"):
        process.run_piped([sys.executable, "-c", script], [], process.read_all)


def test_an_error_of_the_source_is_raised_and_the_program_ends() -> None:
    def frames() -> Iterator[bytes]:
        yield b"abc"
        raise ValueError("frame 1 cannot be read")

    before = threading.active_count()
    with pytest.raises(ValueError, match="frame 1"):
        process.run_piped(CAT, frames(), process.read_all)
    assert threading.active_count() == before


def test_an_error_of_the_reader_kills_the_program() -> None:
    endless = "import sys\nwhile True: sys.stdout.buffer.write(b'x' * 1000)"

    def collect(pipe: object) -> bytes:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        process.run_piped([sys.executable, "-c", endless], [], collect)


def test_the_programs_reason_goes_before_the_readers() -> None:
    script = "import sys; sys.stderr.write('broken header'); sys.exit(1)"

    def collect(pipe: object) -> bytes:
        raise BitstreamError("no frame")

    with pytest.raises(CodecError, match="broken header"):
        process.run_piped([sys.executable, "-c", script], [], collect)
    with pytest.raises(BitstreamError, match="no frame"):
        process.run_piped(CAT, [b"fine"], collect)


def test_a_program_writes_into_the_file_itself() -> None:
    chunks = [bytes([index]) * 300_000 for index in range(20)]
    with process.run_to_file(CAT, chunks) as written:
        assert written.read() == b"".join(chunks)
    script = "import sys; print('the cause', file=sys.stderr); sys.exit(3)"
    with pytest.raises(CodecError, match=r"ended with status 3: the cause$"):
        process.run_to_file([sys.executable, "-c", script], [])
    full = "import sys; print('write: No space left on device', file=sys.stderr); sys.exit(1)"
    with pytest.raises(CodecError, match=r"No space left on device; free space in .* set TMPDIR"):
        process.run_to_file([sys.executable, "-c", full], [])


def test_long_messages_keep_their_first_and_last_lines() -> None:
    text = "\n".join(f"line {index}" for index in range(9))
    assert process.summarize(text) == "line 0 | line 1 | … | line 7 | line 8"
