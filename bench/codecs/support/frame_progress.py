"""How far the coding of a clip is, told by the programs themselves: a worker notes what it codes
and where the program logs its frames, and the run reads both. Nothing depends on it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PREFIX = "progress-"
_TAIL_BYTES = 4000
_TOLD = re.compile(rb"^frame= *(\d+)", re.MULTILINE)
"""A line of ffmpeg's ``-progress``, and of the worker of foreign models."""
_PICTURE = re.compile(rb"^POC ", re.MULTILINE)
"""The beginning of a line of HM and VTM, one a frame."""


@dataclass(frozen=True, slots=True)
class Coding:
    """A clip in the works. ``done`` frames are coded; ``seconds`` have passed."""

    codec: str
    point: str
    item: str
    frames: int
    done: int
    seconds: float

    @property
    def seconds_left(self) -> float | None:
        """At the pace so far; None before the first frame."""
        return self.seconds * (self.frames / self.done - 1) if self.done else None


@contextlib.contextmanager
def noted(codec: str, point: str, item: str, frames: int) -> Iterator[None]:
    """Notes in the folder of temporary files what this process codes, while it does."""
    facts = {
        "codec": codec, "point": point, "item": item, "frames": frames, "since": time.time(),
    }  # fmt: skip
    note = _note()
    with contextlib.suppress(OSError):  # a full disk is for the codec to say
        note.write_text(json.dumps(facts), encoding="utf-8")
    try:
        yield
    finally:
        for path in (note, note.with_suffix(".log")):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)


def log_file(folder: Path) -> Path:
    """Where a program that codes now tells its frames: where a run reads it, else in ``folder``."""
    note = _note()
    return note.with_suffix(".log") if note.is_file() else folder / "log.txt"


def log_of_ffmpeg() -> tuple[str, ...]:
    """The option with which ffmpeg tells them; nothing where nobody asks."""
    note = _note()
    return ("-progress", str(note.with_suffix(".log"))) if note.is_file() else ()


def relay(told: Path) -> None:
    """Passes on how many frames a process says it has coded, in a file of its own folder that may
    be anything."""
    note = _note()
    if not note.is_file() or told.is_symlink() or not told.is_file():
        return
    with contextlib.suppress(OSError), told.open("rb") as file:
        if found := _TOLD.search(file.read(_TAIL_BYTES)):
            note.with_suffix(".log").write_bytes(b"frame=%d\n" % int(found[1][:9]))


def _note() -> Path:
    return Path(tempfile.gettempdir()) / f"{_PREFIX}{os.getpid()}.json"


def codings(folder: Path) -> list[Coding]:
    """What the processes with this folder of temporary files code, the longest first."""
    found = []
    for note in folder.glob(f"{_PREFIX}*.json"):
        try:
            facts = json.loads(note.read_text(encoding="utf-8"))
            seconds = max(0.0, time.time() - facts.pop("since"))
            done = min(_frames_in(note.with_suffix(".log")), facts["frames"])
            found.append(Coding(**facts, done=done, seconds=seconds))
        except (OSError, ValueError, KeyError, TypeError):
            continue  # it is being written, or its task is over
    return sorted(found, key=lambda one: -one.seconds)


def _frames_in(log: Path) -> int:
    if not log.is_file():
        return 0
    with log.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
        if told := _TOLD.findall(file.read()):
            return int(told[-1])
        file.seek(0)
        return len(_PICTURE.findall(file.read()))
