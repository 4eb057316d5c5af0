"""Rate search: finds the parameter value at which a codec comes closest to a target rate.

Knows no file and stores nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from bench.codecs.base import Allowed, Choice, Codec, Range
from bench.errors import Unsupported
from bench.records import Point, Task, Value
from bench.signals import Signal

# the relative error beyond which a target outside a codec's range is refused
TOLERANCE = 0.1
# the relative error at which the search stops
_CLOSE_ENOUGH = 0.01
# into how many values a continuous range is divided
_STEPS = 200


@dataclass(frozen=True, slots=True)
class Found:
    """The value whose logarithmic rate is closest to the target's; its rate in bits per pixel."""

    value: Value
    bpp: float


class RateSearch:
    """Searches the operating points of tasks that ask for a rate."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, Point], Value] = {}

    def point(self, task: Task, key: str, codec: Codec, signal: Signal) -> Point:
        """The point of parameter ``key`` whose rate is closest to the task's target.

        Starts from the value that was found for the same codec and target on the item before.
        """

        def rate(value: Value) -> float:
            payload = codec.encode(signal, Point(key, value)).payload
            return 8 * len(payload) / signal.layout.pixels

        place, target = (task.codec, task.point), float(task.point.value)
        found = find_rate(target, codec.parameters.get(key), rate, self._found.get(place))
        self._found[place] = found.value
        return Point(key, found.value)


def find_rate(
    target: float, allowed: Allowed | None, rate: Callable[[Value], float], start: Value | None
) -> Found:
    """The value of a parameter whose rate is closest to ``target`` bits per pixel.

    ``rate`` gives the bits per pixel at a value and must be monotonic; ``start`` is the value found
    for the previous item, so that similar items need few evaluations. Raises Unsupported where the
    codec's whole range stays more than TOLERANCE away from the target.
    """
    if allowed is not None and not isinstance(allowed, Range | Choice):
        raise Unsupported("does not say between which values a rate could be searched")
    values = _grid(allowed)
    if len(values) < 2:
        raise Unsupported("has one operating point and cannot be set to a rate")
    known: dict[int, float] = {}

    def at(index: int) -> float:
        if index not in known:
            known[index] = rate(values[index])
        return known[index]

    low, high = _bracket(target, at, len(values), values.index(start) if start in values else None)
    while high - low > 1 and _miss(known, target) > _CLOSE_ENOUGH:
        middle = _between(target, low, at(low), high, at(high))
        if (at(middle) < target) == (at(low) < target):
            low = middle
        else:
            high = middle
    best = min(known, key=lambda index: abs(math.log(known[index] / target)))
    if best in (0, len(values) - 1) and _miss(known, target) > TOLERANCE:
        side = "lowest" if known[best] > target else "highest"
        raise Unsupported(
            f"cannot reach {target:g} bpp: its {side} rate here is {known[best]:.4g} bpp "
            f"at {values[best]}"
        )
    return Found(values[best], known[best])


def _grid(allowed: Allowed | None) -> list[Value]:
    """The values to search, in order: words, whole numbers, or 200 steps of a continuous range."""
    if isinstance(allowed, Choice):
        return list(allowed.words)
    if not isinstance(allowed, Range):
        return []
    if allowed.integer:
        return list(range(int(allowed.low), int(allowed.high) + 1))
    width = (allowed.high - allowed.low) / _STEPS
    return [round(allowed.low + step * width, 6) for step in range(_STEPS + 1)]


def _bracket(
    target: float, at: Callable[[int], float], count: int, start: int | None
) -> tuple[int, int]:
    """Two indices whose rates enclose the target, or both ends of the range where none do."""
    step = 1 if start is not None else max(count // 8, 1)
    centre = start if start is not None else count // 2
    low, high = max(centre - step, 0), min(centre + step, count - 1)
    while (at(low) < target) == (at(high) < target):
        if low == 0 and high == count - 1:
            break
        step *= 2
        low, high = max(low - step, 0), min(high + step, count - 1)
    return low, high


def _between(target: float, low: int, low_rate: float, high: int, high_rate: float) -> int:
    """An index strictly between ``low`` and ``high``: where a straight line in log rate meets the
    target, at least an eighth of the bracket away from both ends, so that the bracket shrinks."""
    span = math.log(high_rate) - math.log(low_rate)
    share = (math.log(target) - math.log(low_rate)) / span if span else 0.5
    share = min(max(share, 0.125), 0.875)
    return min(max(round(low + share * (high - low)), low + 1), high - 1)


def _miss(known: dict[int, float], target: float) -> float:
    return min(abs(bpp / target - 1) for bpp in known.values()) if known else math.inf
