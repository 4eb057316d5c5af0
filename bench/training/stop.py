"""SIGINT and SIGTERM as a wish: the step that runs is finished and saved before the end."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopSignals:
    """Within this context the first signal is kept in ``received``; a second SIGINT raises
    KeyboardInterrupt. In another thread than the main one, which alone gets signals, it waits for
    none."""

    def __init__(self) -> None:
        self.received = ""
        self._previous: dict[signal.Signals, object] = {}

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():
            self._previous = {each: signal.signal(each, self._note) for each in _SIGNALS}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for each, handler in self._previous.items():
            # None is a handler that was not installed from Python
            if handler is not None:
                signal.signal(each, handler)  # type: ignore[arg-type]

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.received and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = signal.Signals(number).name
