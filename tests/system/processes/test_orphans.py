"""What a program leaves behind ends with it, whatever session it moved into."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from bench.codecs.support.programs import run_confined
from bench.processes import orphans

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and subreapers")

LEAVE = "setsid sleep {0} & setsid sh -c 'setsid sleep {0} & sleep {0}' & sleep {0} & sleep 0.2"


def sleeping(seconds: str) -> list[str]:
    """Living processes that sleep for exactly this long."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().split(b"\0")
        except OSError:
            continue
        if words[:2] == [b"sleep", seconds.encode()]:
            found.append(entry.parent.name)
    return found


def unique_seconds() -> str:
    return f"{900 + os.getpid() % 97}.{time.monotonic_ns() % 10**6:06d}"


def test_what_a_program_starts_in_other_sessions_ends_with_it(tmp_path: Path) -> None:
    """In a process of its own: whoever adopts keeps adopting."""
    seconds = unique_seconds()
    script = (
        "import sys, tempfile; from pathlib import Path; from bench.processes import orphans\n"
        "from bench.codecs.support.programs import run_confined\n"
        "orphans.adopt()\n"
        "with tempfile.TemporaryFile() as log:\n"
        "    print(run_confined(['/bin/sh', '-c', sys.argv[1]], Path(sys.argv[2]), log))\n"
        "print(open('/proc/self/task/' + str(orphans.os.getpid()) + '/children').read())\n"
    )
    words = [sys.executable, "-c", script, LEAVE.format(seconds), str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0"], "adopted processes are left, or the program failed"
    assert sleeping(seconds) == []


def test_without_adopting_the_programs_own_session_ends(tmp_path: Path) -> None:
    seconds = unique_seconds()
    with tempfile.TemporaryFile() as log:
        run_confined(["/bin/sh", "-c", f"sleep {seconds} & sleep 0.1"], tmp_path, log)
    assert sleeping(seconds) == []


def test_other_children_of_a_process_are_left_alone() -> None:
    script = (
        "import subprocess; from bench.processes import orphans\n"
        "orphans.adopt()\n"
        "ours = subprocess.Popen(['sleep', '30'])\n"
        "theirs = subprocess.Popen(['sleep', '30'], start_new_session=True)\n"
        "print(orphans.end_orphans(), ours.poll(), theirs.poll() is not None)\n"
        "ours.kill()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.split() == ["1", "None", "True"]


def test_nothing_is_ended_in_a_process_that_does_not_adopt() -> None:
    theirs = subprocess.Popen(["sleep", "30"], start_new_session=True)
    try:
        assert orphans.end_orphans() == 0
        assert theirs.poll() is None
    finally:
        theirs.kill()
        theirs.wait()
