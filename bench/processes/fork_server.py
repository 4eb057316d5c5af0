"""Starts the process that workers are forked from; the first thing that a run does, so that this
module imports next to nothing."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
_TOLD_TO_ALL = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)
)
_PRELOAD = "bench.engine.warm"


def start_fork_server(*modules: str) -> None:
    """Starts the clean process that workers are forked from, with what every worker imports and
    these ``modules``.

    Returns at once; called first in a run, so that those imports overlap with the run's own.
    """
    from multiprocessing import forkserver

    for name in _THREAD_VARIABLES:
        os.environ[name] = "1"
    forkserver.set_forkserver_preload([_PRELOAD, *modules])
    with _deaf():
        forkserver.ensure_running()


@contextmanager
def _deaf() -> Iterator[None]:
    """What is started here ignores what ends a run: a terminal that closes and a batch system tell
    every process of the group, and the run still needs this one to end in order. It ends with the
    run."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _TOLD_TO_ALL}
    heard = {number: handler for number, handler in before.items() if handler is not None}
    for number in heard:
        signal.signal(number, signal.SIG_IGN)
    try:
        yield
    finally:
        for number, handler in heard.items():
            signal.signal(number, handler)
