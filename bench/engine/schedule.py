"""In which order and in what portions tasks go to the workers. Pure: knows no process and no clock.

Hardest work first, so that no core idles at the end; cheap tasks in portions, so that a million of
them do not cost a message each.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from math import frexp

from bench.records import Task

# a portion is sized to about this much work, so that a kill loses no more than that per worker
PORTION_SECONDS = 0.25
# the last portions get no smaller: sending one would take longer than the work in it
_LEAST_SECONDS = 0.01
_LARGEST = 2000
_MEMORY = 0.5


class Schedule:
    """The tasks that are left, by codec, with what a task of each codec has cost so far.

    Codecs of ``apart`` run in processes of their own, which take seconds to start: what was begun
    is finished before the next one.
    """

    def __init__(self, tasks: Iterable[Task], workers: int, apart: Iterable[str] = ()) -> None:
        self._queues: dict[str, deque[Task]] = {}
        for task in tasks:
            self._queues.setdefault(task.codec, deque()).append(task)
        self._alone: deque[Task] = deque()
        self._seconds: dict[str, float] = {}
        self._workers, self._apart = workers, frozenset(apart)
        self._last: str | None = None

    def __len__(self) -> int:
        return len(self._alone) + sum(map(len, self._queues.values()))

    def next_portion(self) -> tuple[Task, ...]:
        """The tasks that a free worker takes next, all of one codec; empty if none is left."""
        if self._alone:
            return (self._alone.popleft(),)
        name = self._hardest()
        if name is None:
            return ()
        queue, self._last = self._queues[name], name
        wanted = min(self._size(name), len(queue))
        portion = [queue.popleft() for _ in range(wanted)]
        # a worker that has an item's reference side finishes that item's points
        while queue and wanted > 1 and len(portion) < 2 * wanted:
            if queue[0].item != portion[-1].item:
                break
            portion.append(queue.popleft())
        if not queue:
            del self._queues[name]
        return tuple(portion)

    def finished(self, portion: tuple[Task, ...], seconds: float) -> None:
        """Learns from a finished portion what its codec's tasks cost."""
        name, cost = portion[0].codec, seconds / len(portion)
        before = self._seconds.get(name, cost)
        self._seconds[name] = _MEMORY * before + (1 - _MEMORY) * cost

    def retry_alone(self, portion: tuple[Task, ...]) -> None:
        """Puts the tasks of a portion that hung or crashed back, one at a time, to find the one."""
        self._alone.extend(portion)

    def seconds_left(self) -> float | None:
        """Estimated seconds until all is done, or None before anything is known."""
        if not self._seconds:
            return None
        typical = sum(self._seconds.values()) / len(self._seconds)
        work = sum(
            self._seconds.get(name, typical) * len(queue) for name, queue in self._queues.items()
        )
        work += sum(self._seconds.get(task.codec, typical) for task in self._alone)
        return work / self._workers

    def _hardest(self) -> str | None:
        """Codecs of unknown cost first; then by falling cost of a task, in steps of two: a worker
        that has loaded a codec of about the same cost as others goes on with it."""
        if self._last in self._apart and self._last in self._queues:
            return self._last
        unknown = [name for name in self._queues if name not in self._seconds]
        if unknown:
            return min(unknown, key=lambda name: -len(self._queues[name]))
        return max(self._queues, key=lambda name: frexp(self._seconds[name])[1], default=None)

    def _size(self, name: str) -> int:
        if name not in self._seconds:
            return 1
        share = len(self._queues[name]) / (2 * self._workers)
        seconds = max(self._seconds[name], 1e-9)
        share = max(share, _LEAST_SECONDS / seconds)
        return max(1, min(int(PORTION_SECONDS / seconds), int(share), _LARGEST))
