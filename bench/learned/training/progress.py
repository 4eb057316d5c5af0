"""Progress of a training on the terminal: a bar with time left, or plain lines where none fits."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Protocol

_LINE_SECONDS = 15.0


class Progress(Protocol):
    """Told of every step; shows what it likes."""

    def update(self, step: int, fraction: float, figures: Mapping[str, float]) -> None: ...

    def __enter__(self) -> Progress: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class PlainProgress:
    """One line on stderr about every 15 seconds."""

    def __init__(self, title: str, fraction: float) -> None:
        self._title, self._first = title, fraction
        self._start = self._last = time.monotonic()

    def update(self, step: int, fraction: float, figures: Mapping[str, float]) -> None:
        now = time.monotonic()
        if now - self._last < _LINE_SECONDS and fraction < 1:
            return
        self._last = now
        done = fraction - self._first
        left = (now - self._start) * (1 - fraction) / done if done > 0 else float("nan")
        shown = " ".join(f"{key} {value:.5g}" for key, value in figures.items())
        print(
            f"{self._title}: step {step}, {100 * fraction:.0f} %, {left:.0f} s left, {shown}",
            file=sys.stderr,
            flush=True,
        )

    def __enter__(self) -> PlainProgress:
        return self

    def __exit__(self, *_: object) -> None:
        return None


class BarProgress:
    """A rich bar with the time left and the latest figures."""

    def __init__(self, title: str, fraction: float) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        self._bar = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[figures]}"),
            console=Console(stderr=True),
        )
        self._task = self._bar.add_task(title, total=1.0, figures="")
        self._bar.update(self._task, completed=fraction)

    def update(self, step: int, fraction: float, figures: Mapping[str, float]) -> None:
        shown = " ".join(f"{key} {value:.5g}" for key, value in figures.items())
        self._bar.update(self._task, completed=fraction, figures=f"step {step} {shown}")

    def __enter__(self) -> BarProgress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()


def show_progress(title: str, fraction: float) -> Progress:
    """A bar on a terminal, else plain lines. ``fraction`` is what a resumed run has done."""
    if sys.stderr.isatty():
        return BarProgress(title, fraction)
    return PlainProgress(title, fraction)
