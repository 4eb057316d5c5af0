"""How a program starts, what it may do and how it ends."""

import errno
import json
import os
import platform
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bench.codecs.support.programs import launch_program
from bench.processes import isolation, namespaces, seccomp

HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}

needs_namespaces = pytest.mark.skipif(
    isolation.describe() != isolation.ISOLATED, reason=isolation.describe()
)


def shell(line: str, own: Path) -> tuple[int, str]:
    """Status and output of a line in an isolated shell."""
    process = launch_program(["/bin/sh", "-c", line], own, (), stdout=subprocess.PIPE)
    said = process.communicate()[0].decode()
    return isolation.end(process), said


@pytest.mark.parametrize(
    ("line", "status"),
    [("exit 7", 7), ("kill -SEGV $$", -11), ("kill -KILL $$", -9), ("kill -ABRT $$", -6)],
)
def test_a_program_ends_as_it_ended(tmp_path: Path, line: str, status: int) -> None:
    assert shell(line, tmp_path) == (status, "")


@needs_namespaces
def test_nothing_outlives_a_program(tmp_path: Path) -> None:
    # were it alive it would hold the output open, and then write into it
    assert shell("(setsid sleep 30; echo late) & exit 3", tmp_path) == (3, "")


def test_a_program_that_ignores_signals_is_ended(tmp_path: Path) -> None:
    line = "trap '' TERM; echo ready; sleep 30; sleep 30; echo late"
    process = launch_program(["/bin/sh", "-c", line], tmp_path, (), stdout=subprocess.PIPE)
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        assert isolation.end(process) == -signal.SIGKILL
        assert process.stdout.read() == b""


@needs_namespaces
def test_a_program_is_ended_though_the_first_signal_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when its parent is told to end before it has a handler of its own."""
    process = launch_program(["/bin/sleep", "60"], tmp_path, (), stdout=None)
    lost = iter([True])
    end = process.terminate
    monkeypatch.setattr(process, "terminate", lambda: None if next(lost, False) else end())
    assert isolation.end(process) in (-signal.SIGKILL, -signal.SIGTERM)


_HARNESS = """
import sys
from pathlib import Path
from bench.processes import isolation
line = "echo ready; sleep 30; echo late"
isolation.launch(["/bin/sh", "-c", line], Path(sys.argv[1])).wait()
"""


def test_a_program_ends_with_the_process_that_launched_it(tmp_path: Path) -> None:
    words = [sys.executable, "-c", _HARNESS, str(tmp_path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, cwd=Path(__file__).parents[3]) as harness:
        assert harness.stdout is not None
        assert harness.stdout.readline() == b"ready\n"
        harness.kill()
        assert harness.stdout.read() == b""


# root may have been denied the first, and a container the first two
@pytest.mark.parametrize("kinds", namespaces._CHOICES)
@needs_namespaces
def test_a_program_has_no_powers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kinds: int
) -> None:
    """With whichever namespaces: no capabilities, one folder to write into, no way to others."""
    if not kinds & namespaces.USER and os.geteuid():
        pytest.skip("needs root")
    monkeypatch.setattr(namespaces, "offered", lambda: kinds)
    hidden = tmp_path / "hidden"
    hidden.write_text("what is in it")
    own = tmp_path / "own"
    own.mkdir()
    name = f"{tmp_path.parent.name}-{tmp_path.name}"
    tries = f"cat {hidden}; cat /etc/passwd >/dev/null && echo read; touch /etc/x /root/x /x; "
    tries += f"touch x /tmp/{name} /var/tmp/{name} /dev/shm/{name} && echo written; pwd"
    status, said = shell(f"exec 2>/dev/null; {tries}; cat /proc/self/status", own)
    facts = dict(re.findall(r"^(\w+):\s*(\S+)", said, re.MULTILINE))
    assert said.splitlines()[:3] == ["read", "written", str(own)]
    assert {facts[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd")} == {"0" * 16}
    assert (status, facts["NoNewPrivs"], facts["Seccomp"]) == (0, "1", "2")
    assert [path.name for path in own.iterdir()] == ["x"]
    assert not Path("/tmp", name).exists()


@pytest.mark.parametrize(
    ("kinds", "known", "words"),
    [
        (namespaces._CHOICES[0], True, "isolated"),
        (namespaces._CHOICES[1], True, "isolated, but it is root among users"),
        (namespaces._CHOICES[2], False, "isolated, but it sees other processes and what they leave "
         "in /tmp; no filter of system calls on this machine"),
        (0, True, isolation.BY_LANDLOCK_ALONE),
    ],
)  # fmt: skip
@needs_namespaces
def test_what_is_left_open_is_said(
    monkeypatch: pytest.MonkeyPatch, kinds: int, known: bool, words: str
) -> None:
    monkeypatch.setattr(namespaces, "offered", lambda: kinds)
    monkeypatch.setattr(seccomp, "is_known_machine", lambda: known)
    assert isolation.describe.__wrapped__() == words


def test_landlock_alone_where_there_is_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(namespaces, "offered", lambda: 0)
    (tmp_path / "hidden").write_text("what is in it")
    own = tmp_path / "own"
    own.mkdir()
    status, said = shell("cat ../hidden; touch ../x; touch x; exit 3", own)
    assert (status, said.count("Permission denied")) == (3, 2)
    assert [path.name for path in tmp_path.rglob("x")] == ["x"]


_CALLS = """
import ctypes, json, sys
c = ctypes.CDLL(None, use_errno=True)
zero = [ctypes.c_long(0)] * 5
found = {}
for name, words in json.loads(sys.argv[1]).items():
    result = c.syscall(*map(ctypes.c_long, words), *zero)
    if name == "clone" and result == 0:
        import os; os._exit(0)
    found[name] = ctypes.get_errno() if result < 0 else 0
print(json.dumps(found))
"""


@needs_namespaces
def test_calls_that_lead_out_are_denied(tmp_path: Path) -> None:
    column = ["x86_64", "aarch64"].index(platform.machine())
    tables = (*seccomp.DENIED.items(), *seccomp.ABSENT.items())
    calls = {name: [numbers[column]] for name, numbers in tables if numbers[column] is not None}
    calls["clone"] = [seccomp.CLONE[column], 0x10000000]  # with a user namespace of its own
    calls["flock"] = [seccomp.PRETENDED["flock"][column], 999]  # a file that is not open
    commands = (*seccomp.PRETENDED_FCNTL, *seccomp.DENIED_FCNTL, 1)  # of 1 the kernel answers
    calls |= {f"fcntl {one}": [seccomp.FCNTL[column], 999, one] for one in commands}
    words = [sys.executable, "-I", "-S", "-c", _CALLS, json.dumps(calls)]
    process = launch_program(words, tmp_path, (), stdout=subprocess.PIPE)
    found = json.loads(process.communicate()[0])
    expected = dict.fromkeys((*seccomp.DENIED, "clone"), errno.EPERM)
    expected |= dict.fromkeys(seccomp.ABSENT, errno.ENOSYS)
    expected |= {"flock": 0, **{f"fcntl {one}": 0 for one in seccomp.PRETENDED_FCNTL}}
    expected |= {f"fcntl {one}": errno.EPERM for one in seccomp.DENIED_FCNTL}
    expected["fcntl 1"] = errno.EBADF
    assert found == {name: expected[name] for name in calls}


@pytest.mark.parametrize("machine", HEADERS)
def test_numbers_are_those_of_the_kernel_headers(machine: str) -> None:
    """What the header, which may be older, knows."""
    header = HEADERS[machine]
    if not header.exists():
        pytest.skip(f"no {header}")
    defined = re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", header.read_text())
    numbers = {name: int(number) for name, number in defined}
    tables = {**seccomp.DENIED, **seccomp.ABSENT, **seccomp.PRETENDED}
    tables |= {"clone": seccomp.CLONE, "fcntl": seccomp.FCNTL}
    ours = {name: pair[list(HEADERS).index(machine)] for name, pair in tables.items()}
    known = {name: number for name, number in ours.items() if name in numbers}
    assert known == {name: numbers[name] for name in known}
    assert len(known) > 40
