"""How calls are timed: once, or repeatedly on a core of their own. Times whatever it is given."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median, quantiles
from typing import TypeVar

from bench.codecs.support import stopwatch

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Timed:
    wall_seconds: float | None
    cpu_seconds: float | None
    spread_seconds: float | None = None


NOT_TIMED = Timed(None, None)


def timed(call: Callable[[], T]) -> tuple[T, Timed]:
    """The call's result with its wall time and the CPU time of this process and its children, both
    without what adapters mark as the harness's own."""
    start = stopwatch.counted()
    result = call()
    taken = stopwatch.counted() - start
    return result, Timed(taken.wall, taken.cpu)


def repeated(call: Callable[[], T], repeats: int) -> tuple[T, Timed]:
    """The result of a first call that is not timed, then the medians of ``repeats`` calls and
    the interquartile range of their wall times."""
    result = call()
    runs = [timed(call)[1] for _ in range(repeats)]
    walls = [run.wall_seconds or 0.0 for run in runs]
    low, middle, high = quantiles(walls, n=4, method="inclusive")
    return result, Timed(middle, median(run.cpu_seconds or 0.0 for run in runs), high - low)


def timing_core() -> int:
    """The core that timed tasks are pinned to: the last one that this process may use, which the
    system's own work prefers least."""
    return max(os.sched_getaffinity(0))
