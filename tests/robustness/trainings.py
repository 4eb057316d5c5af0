"""A training that is stopped and killed at moments of chance, continued, and meets a full disk."""

from __future__ import annotations

import random
import resource
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tests.robustness.trial import Finding, Room, call, chance, finish, running, start

_STEPS = 400
_CODEC = ("train", "gaussian-ae", "--part", "d10", "--steps", _STEPS, "--threads", 1)


def trainings(room: Room) -> Finding:
    """Ends with the weights of an undisturbed training, to the bit."""
    whole, begun = room.folder / "undisturbed", time.monotonic()
    faults = call(*_words(whole)).faults("the undisturbed training", 0)
    takes, expected = time.monotonic() - begun, _weights(whole)
    dice, hits, resumed, number = chance(room), 0, 0, 0
    folder = room.folder / "stopped0"
    for which in room.rounds(len(_STOPS)):
        stop = _STOPS[which % len(_STOPS)]
        resumed += bool(_checkpoints(folder))
        with running(*_words(folder)) as process:
            time.sleep(dice.uniform(0.2, 0.9) * takes)
            hits += process.poll() is None
            stop(process, dice)
            finish(process)
        if _weights(folder):  # it was done before; the next one
            faults += _same(folder, expected, "although it was stopped")
            number += 1
            folder = room.folder / f"stopped{number}"
    resumed += bool(_checkpoints(folder))
    faults += call(*_words(folder)).faults("the training after the stops", 0)
    faults += _same(folder, expected, "after the stops")
    faults += _on_a_full_disk(room.folder / "full", _checkpoints(whole), expected)
    note = f"{hits} stops met it at work, {resumed} went on from a checkpoint; a full disk"
    return Finding(hits + 1, "stops", tuple(faults), note)


def _on_a_full_disk(folder: Path, checkpoints: list[Path], expected: dict[str, bytes]) -> list[str]:
    """No file may become longer than half a checkpoint, which writers meet like a full disk; then
    there is room again."""
    most = min((path.stat().st_size for path in checkpoints), default=2) // 2

    def fill() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    ended = finish(start(*_words(folder), before=fill))
    said = [line for line in ended.err.splitlines() if not line.startswith("gaussian-ae/")]
    ended = replace(ended, err="\n".join([*said, ""]))  # without the lines of its progress
    faults = ended.faults("a training on a full disk", 2)
    if list(folder.rglob("*.new")):
        faults.append("a training on a full disk left a file that is not whole")
    faults += call(*_words(folder)).faults("the training after the full disk", 0)
    return faults + _same(folder, expected, "after a full disk")


def _kill(process: subprocess.Popen[str], dice: random.Random) -> None:
    process.send_signal(signal.SIGKILL)


def _end(process: subprocess.Popen[str], dice: random.Random) -> None:
    process.send_signal(signal.SIGTERM)


def _kill_at_its_end(process: subprocess.Popen[str], dice: random.Random) -> None:
    """While it writes its checkpoint, with luck."""
    process.send_signal(signal.SIGTERM)
    time.sleep(dice.uniform(0, 0.1))
    process.send_signal(signal.SIGKILL)


_STOPS: tuple[Callable[[subprocess.Popen[str], random.Random], None], ...] = (
    _end, _kill, _kill_at_its_end,
)  # fmt: skip


def _words(folder: Path) -> tuple[object, ...]:
    return (*_CODEC, "--work", folder / "work", "--weights", folder / "weights")


def _checkpoints(folder: Path) -> list[Path]:
    return sorted((folder / "work").rglob("*.pt"))


def _weights(folder: Path) -> dict[str, bytes]:
    found = sorted((folder / "weights").rglob("*.safetensors"))
    return {path.name: path.read_bytes() for path in found}


def _same(folder: Path, expected: dict[str, bytes], when: str) -> list[str]:
    return [] if expected and _weights(folder) == expected else [f"other weights {when}"]
