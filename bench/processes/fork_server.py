"""Starts the fork server: the clean process that all workers of a run are forked from.

Imports next to nothing, since a run calls this module first.
"""

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
# what a closing terminal or a batch system sends to every process of a group
_GROUP_SIGNALS = (signal.SIGTERM, signal.SIGHUP)
_PRELOAD = "bench.engine.warm"


def start_fork_server(*modules: str) -> None:
    """Starts the fork server, which imports what every worker needs and these ``modules``.

    Returns at once, so that these imports overlap with the run's own.
    """
    from multiprocessing import forkserver

    for name in _THREAD_VARIABLES:
        os.environ[name] = "1"
    forkserver.set_forkserver_preload([_PRELOAD, *modules])
    with _ignoring_group_signals():
        forkserver.ensure_running()


@contextmanager
def _ignoring_group_signals() -> Iterator[None]:
    """A process that is started within this context ignores SIGTERM and SIGHUP, by inheritance."""
    # A closing terminal or a batch system signals every process of the group. The run still needs
    # the server to end in order; the server ends when the run does.
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _GROUP_SIGNALS}
    handled = {number: handler for number, handler in before.items() if handler is not None}
    for number in handled:
        signal.signal(number, signal.SIG_IGN)
    try:
        yield
    finally:
        for number, handler in handled.items():
            signal.signal(number, handler)
