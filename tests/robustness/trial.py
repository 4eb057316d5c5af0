"""What a trial is, and commands of the harness started as a user starts them."""

from __future__ import annotations

import contextlib
import csv
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image

import bench

LIMIT = 600.0
"""Seconds after which a command counts as hung, which ends its trial: long enough for a machine
that does other work."""
_TIMES = ("encode_seconds", "decode_seconds", "encode_cpu_seconds", "decode_cpu_seconds")


@dataclass(frozen=True, slots=True)
class Room:
    """Where a trial works, which is its own, and how long: ``seconds`` for each fuzzed target,
    ``repeats`` of what is tried more than once, none of which begins after ``bound`` seconds;
    ``pictures`` are in the folder of many, ``disturbed`` in that of a run that is disturbed."""

    folder: Path
    seconds: float = 60.0
    repeats: int = 5
    pictures: int = 20_000
    seed: int = 1
    bound: float = 300.0
    disturbed: int = 150

    def rounds(self, each: int = 1) -> Iterator[int]:
        """Numbers of ``each`` times as many rounds as there are repeats, within the bound."""
        begun = time.monotonic()
        for number in range(each * self.repeats):
            if number and time.monotonic() - begun > self.bound:
                return
            yield number


class Hung(Exception):
    """A command took longer than LIMIT."""


@dataclass(frozen=True, slots=True)
class Finding:
    """How often something was tried, of what unit, and what did not hold; ``note`` says what is
    worth knowing, ``skipped`` why nothing could be tried."""

    times: int
    unit: str
    faults: tuple[str, ...] = ()
    note: str = ""
    skipped: str = ""


@dataclass(frozen=True, slots=True)
class Trial:
    """Something to try: what is done, what has to hold, and how."""

    title: str
    holds: str
    call: Callable[[Room], Finding]


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that ended; ``status`` is negative for a signal."""

    status: int
    out: str
    err: str

    def faults(self, what: str, *allowed: int) -> list[str]:
        """What a user would complain about: another exit status, a traceback, or a refusal of more
        or less than one line."""
        found = []
        if self.status not in allowed:
            last = (self.err.strip().splitlines() or [""])[-1][:200]
            found.append(f"{what}: exit {self.status} ({last})")
        if "Traceback" in self.err + self.out:
            found.append(f"{what}: a traceback ({_raised(self.err + self.out)})")
        elif self.status == 2 and self.err.count("\n") != 1:
            found.append(f"{what}: {self.err.count(chr(10))} lines of error")
        return found


def _raised(said: str) -> str:
    """The exception of the first traceback, and what was said just before."""
    before, _, rest = said.partition("Traceback")
    ends = [line for line in rest.splitlines()[1:] if line and not line.startswith(" ")]
    return f"{(before.strip().splitlines() or [''])[-1][:120]} {(ends or [''])[0][:160]}".strip()


def environment(**changes: str) -> dict[str, str]:
    """That of this process, so that commands find this package, with ``changes``."""
    root = str(Path(bench.__file__).resolve().parents[1])
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", **changes}


def start(
    *words: object,
    module: str = "bench",
    env: Mapping[str, str] | None = None,
    before: Callable[[], None] | None = None,
    log: IO[str] | None = None,
) -> subprocess.Popen[str]:
    """Starts a command of the harness, or of another module, with its output kept, in ``log`` if
    that is given; ``before`` is called in the new process."""
    return subprocess.Popen(
        [sys.executable, "-m", module, *map(str, words)], stdout=log or subprocess.PIPE,
        stderr=log or subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
        errors="backslashreplace", env=dict(env or environment()), preexec_fn=before,
    )  # fmt: skip


def finish(process: subprocess.Popen[str], limit: float = LIMIT) -> Ended:
    """Waits for a command. One that takes longer than ``limit`` is killed and raises Hung."""
    try:
        out, err = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired as error:
        process.kill()
        process.communicate()
        words = [str(word) for word in error.cmd[3:7]]
        raise Hung(f"{' '.join(words)} …: hung, killed after {limit:g} s") from error
    return Ended(process.returncode, out, err)


@contextlib.contextmanager
def running(*words: object) -> Iterator[subprocess.Popen[str]]:
    """A command of the harness that does not outlive the block, whatever happens in it."""
    process = start(*words)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def call(*words: object, env: Mapping[str, str] | None = None) -> Ended:
    """Runs a command of the harness to its end."""
    return finish(start(*words, env=env))


def pictures(folder: Path, count: int, side: int = 16, seed: int = 0) -> Path:
    """A folder of gray noise, some hundred pictures a second and a few hundred bytes each."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for number in range(count):
        pixels = rng.integers(0, 256, (side, side), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"p{number:05d}.png", compress_level=1)
    return folder


def run_words(source: Path, out: Path, *more: object) -> tuple[object, ...]:
    """The words of a run over pictures with two quick codecs."""
    codecs = "png,jpeg:quality=50+90"
    return ("run", "--input", source, "--codecs", codecs, "--out", out, "--jobs", 2, *more)


def numbers(out: Path) -> list[tuple[str, ...]]:
    """The rows of records.csv without times; empty where there is none."""
    if not (out / "records.csv").is_file():
        return []
    with (out / "records.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [tuple(v for k, v in row.items() if k not in _TIMES) for row in rows]


def same_numbers(what: str, out: Path, expected: Sequence[tuple[str, ...]]) -> list[str]:
    """A fault if the records are not those of an undisturbed run, each of them once."""
    found = numbers(out)
    if found == list(expected):
        return []
    lost = len(set(expected) - set(found))
    return [f"{what}: {len(found)} records for {len(expected)}, {lost} of them missing or other"]


def chance(room: Room) -> random.Random:
    return random.Random(room.seed)
