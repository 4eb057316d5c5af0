"""Hands mutated bytes to one reader for a while, in a process of its own that may hang, die or eat
memory: `python -m tests.robustness.fuzz KIND NAME SECONDS SEED FOLDER`.

A reader holds if it returns, or raises an error of the harness.
"""

from __future__ import annotations

import json
import mmap
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
import zlib
from pathlib import Path

from bench.errors import BenchError
from tests.robustness.mutations import mutate
from tests.robustness.targets import CODEC, FORGED, PARSER, Target, target
from tests.robustness.trial import LIMIT, Finding, Room, environment, finish, start

_HANG_SECONDS = 120
_MEMORY = 8 << 30
"""Bytes of address space; PyTorch alone takes half of it."""
_KEPT = 8
_LARGEST = 4 << 20


def fuzz(kind: str, name: str, room: Room) -> Finding:
    """The finding of one target; payloads that did not hold are left in the room's folder."""
    if kind != PARSER:
        try:
            target(CODEC, name)
        except BenchError as error:
            return Finding(0, "payloads", skipped=str(error))
    folder = room.folder / "payloads"
    folder.mkdir(parents=True, exist_ok=True)
    words = (kind, name, room.seconds, room.seed, folder)
    unit = f"payloads in {room.seconds:g} s"
    process = start(*words, module=f"{__package__}.fuzz", env=environment())
    ended = finish(process, LIMIT + room.seconds)
    report = folder / f"{name}.json"
    if ended.status == 3:
        return Finding(0, "payloads", skipped=ended.err.strip())
    if ended.status != 0 or not report.is_file():
        _cut_to_payload(folder / f"{name}.bin")
        died = {-signal.SIGALRM: f"takes more than {_HANG_SECONDS} s"}
        last = (ended.err.strip().splitlines() or [""])[-1][:200]
        how = died.get(ended.status, f"died with status {ended.status} ({last})")
        return Finding(1, unit, (f"{name}: {how} on {folder / name}.bin",))
    found = json.loads(report.read_text())
    faults = tuple(f"{name}: {fault}" for fault in found["faults"])
    note = f"{found['refused']} refused, {found['read']} read"
    return Finding(found["read"] + found["refused"] + len(faults), unit, faults, note)


class _Last:
    """The payload in hand, in a file that outlives this process without being written each time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.write_bytes(bytes(_LARGEST))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _LARGEST)

    def keep(self, payload: bytes) -> None:
        self._map[:8] = len(payload).to_bytes(8, "big")
        self._map[8 : 8 + len(payload)] = payload

    def forget(self) -> None:
        self._map.close()
        self._path.unlink()


def _cut_to_payload(path: Path) -> None:
    """Leaves what `_Last` kept."""
    data = path.read_bytes()
    path.write_bytes(data[8 : 8 + int.from_bytes(data[:8], "big")])


def _try(one: Target, seconds: float, seed: int, folder: Path) -> dict[str, object]:
    seeds, chance = one.seeds(), random.Random(seed)
    for payload in seeds:
        one.read(payload)  # what is valid is read, else nothing is learned
    faults: dict[str, str] = {}
    read = refused = 0
    last = _Last(folder / f"{one.name}.bin")
    end = time.monotonic() + seconds
    while time.monotonic() < end or not read + refused:
        payload = mutate(seeds, chance)
        last.keep(payload)
        signal.alarm(_HANG_SECONDS)
        try:
            one.read(payload)
            read += 1
        except BenchError:
            refused += 1
        except Exception as error:  # what is looked for
            place = traceback.extract_tb(error.__traceback__)[-1]
            key = f"{type(error).__name__} in {Path(place.filename).name}:{place.name}"
            if key not in faults and len(faults) < _KEPT:
                kept = folder / f"{one.name}-{len(faults)}.bin"
                kept.write_bytes(payload)
                faults[key] = f"{key} ({str(error)[:120]}) on {kept}"
        signal.alarm(0)
    last.forget()
    return {"read": read, "refused": refused, "faults": list(faults.values())}


def _agreeing(data: bytes, value: int = 0, /) -> int:
    return 0


def main(kind: str, name: str, seconds: str, seed: str, folder: str) -> int:
    if Path("/dev/shm").is_dir():  # files of readers that want files, without a disk
        tempfile.tempdir = "/dev/shm"
    if kind == FORGED:
        setattr(zlib, "crc32", _agreeing)  # noqa: B010 — of writers and readers alike, as an attacker computes it
        kind = CODEC
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
    try:
        found = _try(target(kind, name), float(seconds), int(seed), Path(folder))
    except BenchError as error:
        print(error, file=sys.stderr)
        return 3
    Path(folder, f"{name}.json").write_text(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
