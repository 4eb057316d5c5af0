"""Joules that the processor and the GPU have taken, where the system counts them. Times nothing.

RAPL (Intel, AMD) by Linux's powercap: whole packages, idle cores included. NVML, of NVIDIA, where
nvidia-ml-py is installed: whole boards.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

POWERCAP = Path("/sys/class/powercap")


@dataclass(frozen=True, slots=True)
class Counter:
    """A count of microjoules that starts anew at ``wraps``, if it is not 0."""

    name: str
    read: Callable[[], int]
    wraps: int = 0


def counters(powercap: Path = POWERCAP, *, cuda: bool = False) -> tuple[Counter, ...]:
    """What can be read here: packages of the processor and, for ``cuda``, the first GPU."""
    found = []
    for folder in sorted(powercap.glob("intel-rapl:*")):
        name = (folder / "name").read_text().strip() if (folder / "name").is_file() else folder.name
        # a package: none of its parts, which it contains, and not the platform, which contains it
        part = folder.name.count(":") != 1 or name == "psys"
        if part or not os.access(folder / "energy_uj", os.R_OK):
            continue
        highest = folder / "max_energy_range_uj"
        wraps = _number(highest) if os.access(highest, os.R_OK) else 0
        found.append(Counter(f"RAPL {name}", partial(_number, folder / "energy_uj"), wraps))
    return (*found, *(_gpu() if cuda else ()))


def _number(file: Path) -> int:
    return int(file.read_text())


def _gpu() -> tuple[Counter, ...]:
    if not find_spec("pynvml"):
        return ()
    nvml = import_module("pynvml")
    try:
        nvml.nvmlInit()
        board = nvml.nvmlDeviceGetHandleByIndex(0)
        name = nvml.nvmlDeviceGetName(board)
        nvml.nvmlDeviceGetTotalEnergyConsumption(board)
    except nvml.NVMLError:  # no driver, or a board that does not count
        return ()
    # it counts millijoules
    return (Counter(f"NVML {name}", lambda: 1000 * int(
        nvml.nvmlDeviceGetTotalEnergyConsumption(board))),)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Meter:
    """Joules since its start."""

    counters: tuple[Counter, ...]
    before: tuple[int, ...]

    @classmethod
    def started(cls, counters: tuple[Counter, ...]) -> Meter | None:
        """None where nothing is counted."""
        return cls(counters, tuple(one.read() for one in counters)) if counters else None

    def joules(self) -> float:
        taken = 0
        for counter, before in zip(self.counters, self.before, strict=True):
            more = counter.read() - before
            taken += max(0, more + counter.wraps) if more < 0 else more
        return taken / 1e6


@cache
def here(*, cuda: bool = False) -> tuple[Counter, ...]:
    """The counters of this machine."""
    return counters(cuda=cuda)


def sentence(*, cuda: bool) -> str:
    """What joules are of, for run.json; empty where none are counted."""
    names = ", ".join(counter.name for counter in here(cuda=cuda))
    said = "means of the timed calls, whole packages and boards, idle parts included"
    return f" Energy by {names}: {said}." if names else ""


def scores(encode: float | None, decode: float | None) -> Mapping[str, float]:
    """The columns of a record; none where nothing was measured."""
    pairs = (("encode_joules", encode), ("decode_joules", decode))
    return {name: value for name, value in pairs if value is not None}
