"""What a command takes together with all that it starts: seconds of wall and CPU, and memory.

Linux only. A process of its own measures, which becomes the parent of what the command leaves.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.processes.orphans import adopt

_ROOT = Path(__file__).resolve().parents[2]
_SAMPLE_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Usage:
    """``peak_mebibytes`` is the largest sum over all processes of what each holds in memory, shared
    pages divided among them (Pss of proc(5)); ``own_mebibytes`` the largest sum over those that
    run Python. Both are 0 where memory was not looked at."""

    wall_seconds: float
    cpu_seconds: float
    peak_mebibytes: float = 0.0
    own_mebibytes: float = 0.0


def measure(
    command: Sequence[object], *, memory: bool = False, environment: Mapping[str, str] = os.environ
) -> Usage:
    """Runs a command to its end. Raises CalledProcessError where it fails."""
    words = [sys.executable, "-m", __name__, str(int(memory)), *map(str, command)]
    done = subprocess.run(
        words, cwd=_ROOT, env=dict(environment), check=True, stdout=subprocess.PIPE, text=True
    )
    return Usage(**json.loads(done.stdout))


class _Watch(threading.Thread):
    """Looks at the memory of all descendants of this process until told to stop."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak = self.own = 0
        self.done = threading.Event()

    def run(self) -> None:
        while not self.done.wait(_SAMPLE_SECONDS):
            held = [(name, size) for name, size in _held() if size]
            self.peak = max(self.peak, sum(size for _, size in held))
            self.own = max(self.own, sum(size for name, size in held if "python" in name))


def _held() -> Iterator[tuple[str, int]]:
    """Name and KiB of every descendant."""
    parents, names = {}, {}
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            name, _, rest = (place / "stat").read_text().partition("(")[2].rpartition(")")
            parents[int(place.name)], names[int(place.name)] = int(rest.split()[1]), name
    for pid in parents:
        parent = pid
        while parent := parents.get(parent, 0):
            if parent == os.getpid():
                with contextlib.suppress(OSError, IndexError):
                    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
                    yield names[pid], int(rollup.split("\nPss:")[1].split()[0])
                break


def _main(memory: bool, command: Sequence[str]) -> None:
    adopt()
    watch = _Watch()
    if memory:
        watch.start()
    start = time.perf_counter()
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    wall = time.perf_counter() - start
    watch.done.set()
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = used.ru_utime + used.ru_stime
    print(json.dumps(asdict(Usage(wall, cpu, watch.peak / 1024, watch.own / 1024))))


if __name__ == "__main__":
    _main(sys.argv[1] == "1", sys.argv[2:])
