"""Time of this process and its children, and what of an adapter's calls is not counted.

Adapters mark conversions and exchange of files that are the harness's own; the engine subtracts
what they took. Times nothing by itself.
"""

from __future__ import annotations

import resource
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Seconds:
    """Wall time, and CPU time of this process and of the children that it waited for."""

    wall: float
    cpu: float

    def __add__(self, other: Seconds) -> Seconds:
        return Seconds(self.wall + other.wall, self.cpu + other.cpu)

    def __sub__(self, other: Seconds) -> Seconds:
        return Seconds(self.wall - other.wall, self.cpu - other.cpu)


class _Untimed(threading.local):
    """Of each thread, what blocks of ``untimed`` took, and whether it is inside one."""

    def __init__(self) -> None:
        self.total = Seconds(0.0, 0.0)
        self.inside = False


_untimed = _Untimed()


def now() -> Seconds:
    """Differences of two calls are what lies between them."""
    return Seconds(time.perf_counter(), cpu_seconds())


def counted() -> Seconds:
    """``now`` without all that was ``untimed`` in this thread."""
    return now() - _untimed.total


@contextmanager
def untimed() -> Iterator[None]:
    """What this block takes is counted neither as encoding nor as decoding. Not for a block during
    which the codec works in another thread or process."""
    if _untimed.inside:
        yield
        return
    start, _untimed.inside = now(), True
    try:
        yield
    finally:
        _untimed.inside = False
        _untimed.total += now() - start


def count_as(inside: Seconds, *, since: Seconds) -> None:
    """What this thread did from ``since`` on counts as ``inside``: the time of another process that
    it waited for, measured there."""
    if not _untimed.inside:
        _untimed.total += now() - since - inside


def cpu_seconds() -> float:
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
