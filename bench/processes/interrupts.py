"""Handles signals that ask a program to stop, so that it finishes and stores its work in hand.

Owns the handlers of SIGINT, SIGTERM and SIGHUP; decides nothing about what is stored.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType
from typing import ClassVar

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# seconds after the first signal from which on another SIGINT no longer waits for work in hand
_IMPATIENCE = 3.0


class StopSignals:
    """A context that notes the first signal in ``received`` and ignores those that follow.

    Pressing Ctrl-C three times thus does what pressing it once does; only a SIGINT that comes more
    than 3 s after the first signal raises KeyboardInterrupt. A signal that is ignored when the
    context begins, as SIGHUP is under nohup, stays ignored. Contexts can be nested: the outer
    context learns what the inner one received. Outside the main thread, which alone gets signals,
    the context does nothing.
    """

    _current: ClassVar[StopSignals | None] = None

    def __init__(self, *, last: bool = False) -> None:
        """``last``: the program ends after this context, so that once a signal was received all
        later ones are ignored until the process is gone."""
        self.received = ""
        self._last = last
        self._since = 0.0
        self._raising = False
        self._previous: dict[signal.Signals, object] = {}
        self._outer: StopSignals | None = None

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():
            self._outer, StopSignals._current = StopSignals._current, self
            handled = [one for one in _SIGNALS if signal.getsignal(one) != signal.SIG_IGN]
            self._previous = {one: signal.signal(one, self._note) for one in handled}
        return self

    def __exit__(self, *_: object) -> None:
        if StopSignals._current is self:
            StopSignals._current = self._outer
            if self._outer is not None and self.received:
                self._outer.received, self._outer._since = self.received, self._since
        if self._last and self.received:
            # not a handler in Python, which is lost while the interpreter shuts down
            for one in self._previous:
                signal.signal(one, signal.SIG_IGN)
            return
        for one, handler in self._previous.items():
            if handler is not None:  # None is a handler that was not installed from Python
                signal.signal(one, handler)  # type: ignore[arg-type]

    @contextlib.contextmanager
    def interrupting(self) -> Iterator[None]:
        """A context in which the first signal raises KeyboardInterrupt wherever the program is.

        For work that needs no orderly end. Raises at once where a signal was received before.
        """
        if self.received:
            raise KeyboardInterrupt
        before, self._raising = self._raising, True
        try:
            yield
        finally:
            self._raising = before

    def _note(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if not self.received:
            self.received, self._since = signal.Signals(number).name, now
            if self._raising:
                raise KeyboardInterrupt
        elif number == signal.SIGINT and now - self._since > _IMPATIENCE:
            raise KeyboardInterrupt
