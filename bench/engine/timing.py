"""Times calls: once, or repeatedly on a core of their own. Knows no codec."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median, quantiles
from typing import TypeVar

from bench.codecs.support import stopwatch
from bench.engine.energy import Counter, Meter

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Timed:
    """Seconds of a call; None where it was not timed."""

    wall_seconds: float | None
    cpu_seconds: float | None
    spread_seconds: float | None = None
    joules: float | None = None


NOT_TIMED = Timed(None, None)


def time_call(
    call: Callable[[], T], repeats: int = 0, counters: tuple[Counter, ...] = ()
) -> tuple[T, Timed]:
    """The call's result and times: ``timed``, or ``repeated`` where ``repeats`` is not 0."""
    return repeated(call, repeats, counters) if repeats else timed(call)


def timed(call: Callable[[], T]) -> tuple[T, Timed]:
    """The call's result, its wall time, and the CPU time of this process and its children.

    Both times are without blocks that adapters mark as untimed.
    """
    start = stopwatch.counted()
    result = call()
    taken = stopwatch.counted() - start
    return result, Timed(taken.wall, taken.cpu)


def repeated(
    call: Callable[[], T], repeats: int, counters: tuple[Counter, ...] = ()
) -> tuple[T, Timed]:
    """The result of a first call that is not timed, and the medians of the ``repeats`` calls that
    follow, with the interquartile range of their wall times and the mean of their joules: what
    counts energy ticks about as often as a call ends."""
    result = call()
    meter = Meter.started(counters)
    runs = [timed(call)[1] for _ in range(repeats)]
    joules = meter.joules() / repeats if meter else None
    walls = [run.wall_seconds or 0.0 for run in runs]
    low, middle, high = quantiles(walls, n=4, method="inclusive")
    cpu = median(run.cpu_seconds or 0.0 for run in runs)
    return result, Timed(middle, cpu, high - low, joules)


def pin_to_timing_core() -> None:
    """Pins this process to the last core that it may use, where the system can pin: the operating
    system's own work prefers the first cores."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
