"""The clock of a training, which rests while the process does."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any


class WorkingClock:
    """Wall time in laps, without what a process lay stopped for (Ctrl-Z, SIGSTOP): that is time in
    which a budget is not spent.

    A lap in which the process was continued counts as the lap before. In another thread than the
    main one, which alone gets signals, every lap counts whole.
    """

    def __init__(self) -> None:
        self.since = time.perf_counter()
        """When the last lap ended, in seconds of ``time.perf_counter``."""
        self._usual = 0.0
        self._continued = False
        self._handler: Callable[[int, FrameType | None], Any] | int | None = None

    def __enter__(self) -> WorkingClock:
        if hasattr(signal, "SIGCONT") and threading.current_thread() is threading.main_thread():
            self._handler = signal.signal(signal.SIGCONT, self._note)
        self.since = time.perf_counter()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._handler is not None:
            signal.signal(signal.SIGCONT, self._handler)

    def lap(self) -> float:
        """Seconds of work since the lap before."""
        now = time.perf_counter()
        took, self.since = now - self.since, now
        if self._continued:
            took = min(took, self._usual)
        self._usual, self._continued = took, False
        return took

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._continued = True
