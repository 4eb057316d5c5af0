"""Time for which a training lay stopped is not spent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.training import clock
from bench.training.clock import WorkingClock


class Hands:
    """A clock that is set by hand."""

    now = 0.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def hands(monkeypatch: pytest.MonkeyPatch) -> Hands:
    hands = Hands()
    monkeypatch.setattr(clock, "time", hands)
    return hands


def test_laps_are_wall_time(hands: Hands) -> None:
    with WorkingClock() as working:
        hands.now = 2.0
        assert working.lap() == 2.0
        hands.now = 5.0
        assert working.lap() == 3.0


def test_a_lap_in_which_the_process_was_continued_counts_as_the_one_before(hands: Hands) -> None:
    before = signal.getsignal(signal.SIGCONT)
    with WorkingClock() as working:
        hands.now = 2.0
        working.lap()
        os.kill(os.getpid(), signal.SIGCONT)
        hands.now = 1002.0
        assert working.lap() == 2.0
        hands.now = 1005.0
        assert working.lap() == 3.0
        os.kill(os.getpid(), signal.SIGCONT)  # stopped for next to nothing
        hands.now = 1006.0
        assert working.lap() == 1.0
    assert signal.getsignal(signal.SIGCONT) == before


def test_a_process_that_was_really_stopped(tmp_path: Path) -> None:
    source = (
        "import time\nfrom bench.training.clock import WorkingClock\n"
        "with WorkingClock() as clock:\n"
        "    time.sleep(0.2); clock.lap(); print('go', flush=True)\n"
        "    input(); print(clock.lap())\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", source], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None and process.stdout is not None
    assert process.stdout.readline() == "go\n"
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED)
    time.sleep(2.0)
    process.send_signal(signal.SIGCONT)
    process.stdin.write("\n")
    process.stdin.close()
    assert float(process.stdout.readline()) < 2.0
    assert process.wait() == 0
