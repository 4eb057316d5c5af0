"""Starts the process that workers are forked from; the first thing that a run does, so that this
module imports next to nothing."""

from __future__ import annotations

import os

_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
_PRELOAD = "bench.engine.warm"


def prestart(*modules: str) -> None:
    """Starts the clean process that workers are forked from, with what every worker imports and
    these ``modules``.

    Returns at once; called first in a run, so that those imports overlap with the run's own.
    """
    from multiprocessing import forkserver

    for name in _THREAD_VARIABLES:
        os.environ[name] = "1"
    forkserver.set_forkserver_preload([_PRELOAD, *modules])
    forkserver.ensure_running()
