"""Medians, spreads and the pinned core of timed tasks."""

from contextlib import suppress

import pytest

from bench.codecs.support import stopwatch
from bench.codecs.toolkit import untimed
from bench.engine import timing


def test_median_and_interquartile_range_of_known_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls of 1, 2, 3, 4 and 10 s: median 3, quartiles 2 and 4; the first call is not counted."""
    walls = iter([1.0, 2.0, 3.0, 4.0, 10.0])
    now = [0.0]
    calls = []

    def call() -> str:
        calls.append(1)
        if len(calls) > 1:
            now[0] += next(walls)
        else:
            now[0] += 1000
        return "result"

    monkeypatch.setattr(stopwatch.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(stopwatch, "cpu_seconds", lambda: now[0] / 2)
    result, timed = timing.repeated(call, 5)
    assert (result, len(calls)) == ("result", 6)
    assert (timed.wall_seconds, timed.spread_seconds, timed.cpu_seconds) == (3.0, 2.0, 1.5)


def test_what_adapters_mark_as_the_harness_s_own_is_not_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of a call of 8 s, 1 + 4 s are marked, 3 of those twice, and 2 s by a block that fails."""
    now = [0.0]
    monkeypatch.setattr(stopwatch.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(stopwatch, "cpu_seconds", lambda: now[0] / 2)

    def call() -> str:
        with untimed():
            now[0] += 1
        now[0] += 1
        with untimed():
            now[0] += 1
            with untimed():
                now[0] += 3
        with suppress(ValueError), untimed():
            now[0] += 2
            raise ValueError
        return "result"

    result, timed = timing.timed(call)
    assert (result, timed.wall_seconds, timed.cpu_seconds) == ("result", 1.0, 0.5)
