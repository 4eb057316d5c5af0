"""What a program hears of signals that ask it to stop, and when."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bench.processes import interrupts
from bench.processes.interrupts import StopSignals

ROOT = Path(__file__).resolve().parents[3]
ALL = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


pytestmark = pytest.mark.usefixtures("as_at_a_terminal")


def send(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", ALL)
def test_the_first_signal_is_kept_and_those_that_follow_are_not_heard(
    number: signal.Signals,
) -> None:
    before = signal.getsignal(number)
    with StopSignals() as stop:
        for _ in range(3):
            send(number)
        send(signal.SIGINT)
        assert stop.received == number.name
    assert signal.getsignal(number) is before


def test_a_late_interrupt_no_longer_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(interrupts.time, "monotonic", lambda: now[0])
    with pytest.raises(KeyboardInterrupt), StopSignals():
        send(signal.SIGINT)
        now[0] += 2.9
        send(signal.SIGINT)
        now[0] += 0.2
        send(signal.SIGTERM)  # batch systems repeat it while the work is being finished
        send(signal.SIGINT)


@pytest.mark.parametrize("number", ALL)
def test_work_without_an_orderly_end_is_interrupted_once(number: signal.Signals) -> None:
    with StopSignals() as stop:
        with pytest.raises(KeyboardInterrupt), stop.interrupting():
            send(number)
        send(number)
        with pytest.raises(KeyboardInterrupt), stop.interrupting():
            pytest.fail("a signal that came before raises at once")


def test_an_outer_context_learns_what_an_inner_one_received() -> None:
    with StopSignals() as outer, outer.interrupting():
        with StopSignals() as inner:
            send(signal.SIGTERM)
        assert inner.received == outer.received == "SIGTERM"


def test_what_is_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with StopSignals() as stop:
        send(signal.SIGHUP)
        assert not stop.received
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


STOPPED = """
import signal, time
from bench.processes.interrupts import StopSignals
with StopSignals(last=True) as stop:
    print("ready", flush=True)
    while not stop.received:
        time.sleep(0.01)
"""


@pytest.mark.parametrize("number", ALL)
def test_after_the_last_context_no_signal_is_heard_while_the_interpreter_ends(
    number: signal.Signals,
) -> None:
    arguments = [sys.executable, "-c", STOPPED]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None and process.stdout.readline()
        while process.poll() is None:
            process.send_signal(number)
    assert process.returncode == 0


def test_another_thread_waits_for_none() -> None:
    heard: list[str] = []

    def work() -> None:
        with StopSignals() as stop, stop.interrupting():
            heard.append(stop.received)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert heard == [""]
