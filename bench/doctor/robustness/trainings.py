"""A training that is killed at moments of chance, continued, and meets a full disk."""

from __future__ import annotations

import resource
import shutil
import signal
import time
from pathlib import Path

from bench.doctor.robustness.trial import Finding, Room, call, chance, finish, start

_CODEC = ("train", "gaussian-ae", "--part", "d10", "--steps", 400, "--threads", 1)


def trainings(room: Room) -> Finding:
    """Ends with the weights of an undisturbed training, to the bit."""
    faults = call(*_words(room.folder / "undisturbed")).faults("the undisturbed training", 0)
    expected = _weights(room.folder / "undisturbed")
    dice, folder, killed = chance(room), room.folder / "killed", 0
    for _ in range(room.repeats):
        process = start(*_words(folder))
        time.sleep(dice.uniform(2, 10))
        killed += process.poll() is None
        process.send_signal(signal.SIGKILL)
        finish(process)
    faults += call(*_words(folder)).faults("the training after kills", 0)
    if _weights(folder) != expected:
        faults.append("other weights after kills")
    full = room.folder / "full"
    ended = finish(start(*_words(full), before=_fill_disk))
    faults += ended.faults("a training on a full disk", 2)
    faults += call(*_words(full)).faults("the training after the full disk", 0)
    if _weights(full) != expected:
        faults.append("other weights after a full disk")
    shutil.rmtree(full)
    return Finding(room.repeats + 1, "stops", tuple(faults), f"{killed} kills met it at work")


def _words(folder: Path) -> tuple[object, ...]:
    return (*_CODEC, "--work", folder / "work", "--weights", folder / "weights")


def _weights(folder: Path) -> dict[str, bytes]:
    found = sorted((folder / "weights").rglob("*.safetensors"))
    return {path.name: path.read_bytes() for path in found}


def _fill_disk() -> None:
    """No file may become longer than this, which writers meet like a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
