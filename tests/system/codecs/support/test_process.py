import sys
import threading
from collections.abc import Iterator

import pytest

from bench.codecs.support import process
from bench.errors import CodecError

CAT = [
    sys.executable,
    "-c",
    "import sys, shutil; shutil.copyfileobj(sys.stdin.buffer, sys.stdout.buffer)",
]


def output_of(command: list[str], chunks: list[bytes] | Iterator[bytes]) -> bytes:
    with process.run_to_file(command, chunks) as written:
        return written.read()


def test_more_than_the_pipe_holds_goes_through() -> None:
    chunks = [bytes([index]) * 300_000 for index in range(20)]
    assert output_of(CAT, chunks) == b"".join(chunks)


def test_a_program_that_writes_before_it_reads_does_not_deadlock() -> None:
    script = (
        "import sys; sys.stdout.buffer.write(bytes(10**6)); print(len(sys.stdin.buffer.read()))"
    )
    assert output_of([sys.executable, "-c", script], [bytes(2_000_000)]).endswith(b"2000000\n")


def test_failure_carries_status_and_messages() -> None:
    script = "import sys; print('the cause @ 0x12ab', file=sys.stderr); sys.exit(3)"
    with pytest.raises(CodecError, match=r"ended with status 3: the cause$"):
        output_of([sys.executable, "-c", script], [b"x" * 10**6])
    full = "import sys; print('write: No space left on device', file=sys.stderr); sys.exit(1)"
    with pytest.raises(CodecError, match=r"No space left on device; free space in .* set TMPDIR"):
        output_of([sys.executable, "-c", full], [])


def test_a_program_that_stops_reading_need_not_have_failed() -> None:
    script = "import os, sys; sys.stdin.close(); os.write(1, b'enough')"
    assert output_of([sys.executable, "-c", script], [b"x" * 10**6] * 5) == b"enough"


def test_a_killed_program_is_named_as_such() -> None:
    script = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    with pytest.raises(CodecError, match="ended by signal 9"):
        output_of([sys.executable, "-c", script], [])


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_of_the_source_is_raised_and_the_program_ends(error: type[BaseException]) -> None:
    def frames() -> Iterator[bytes]:
        yield b"abc"
        raise error("frame 1 cannot be read")

    before = threading.active_count()
    endless = "import sys\nwhile True: sys.stdin.buffer.read(1)"
    with pytest.raises(error, match="frame 1"):
        output_of([sys.executable, "-c", endless], frames())
    assert threading.active_count() == before


def test_long_messages_keep_their_first_and_last_lines() -> None:
    text = "\n".join(f"line {index}" for index in range(9))
    assert process.summarize(text) == "line 0 | line 1 | … | line 7 | line 8"
