"""Signals that ask a program to stop: the work in hand is finished and stored before the end.

Owns the handlers of SIGINT, SIGTERM and SIGHUP; decides nothing about what is stored.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import ClassVar

_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
_IMPATIENCE = 3.0
"""Seconds after which another SIGINT no longer waits for the work in hand."""


class StopSignals:
    """Within this context the first signal is kept in ``received``, and those that follow are
    heard no more, so that pressing Ctrl-C thrice does what pressing it once does; only a SIGINT
    that comes later than 3 s after the first raises KeyboardInterrupt.

    What is ignored when the context begins, as SIGHUP is under nohup, stays ignored. Contexts nest:
    an outer one learns what an inner one received. In another thread than the main one, which alone
    gets signals, it waits for none.
    """

    _current: ClassVar[StopSignals | None] = None

    def __init__(self, *, last: bool = False) -> None:
        """``last``: the program ends after this context, so that after a signal was received no
        later one is heard until its very end."""
        self.received = ""
        self._last = last
        self._since = 0.0
        self._raising = False
        self._previous: dict[signal.Signals, object] = {}
        self._outer: StopSignals | None = None

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():
            self._outer, StopSignals._current = StopSignals._current, self
            heard = [one for one in _SIGNALS if signal.getsignal(one) != signal.SIG_IGN]
            self._previous = {one: signal.signal(one, self._note) for one in heard}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if StopSignals._current is self:
            StopSignals._current = self._outer
            if self._outer is not None and self.received:
                self._outer.received, self._outer._since = self.received, self._since
        if self._last and self.received:
            for one in self._previous:  # a handler in Python goes while the interpreter still ends
                signal.signal(one, signal.SIG_IGN)
            return
        for one, handler in self._previous.items():
            if handler is not None:  # None is a handler that was not installed from Python
                signal.signal(one, handler)  # type: ignore[arg-type]

    @contextlib.contextmanager
    def interrupting(self) -> Iterator[None]:
        """Within this context the first signal raises KeyboardInterrupt, wherever the program is:
        for work that needs no orderly end. One that came before raises at once."""
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
