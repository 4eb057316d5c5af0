"""A process that loads Matplotlib in the background and then draws figures, several at a time.

Owns the process. Where none was started, or it died, the caller draws the figures itself.
"""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from pathlib import Path

from bench.figures.files import Sheet, write_sheet
from bench.figures.style import STYLES

_LIBRARIES = (
    *("matplotlib.backends.backend_pdf", "PIL.PngImagePlugin", "pypdfium2"),
    "bench.figures.draw",
)
_ROOT = str(Path(__file__).resolve().parents[2])
_SERVE = """
import sys
sys.path.insert(0, {0!r})
from bench.figures.drawing_process import serve
serve({1})
"""


class DrawingProcess:
    """Draws sheets: in a process of its own if ``start`` was called. A context manager."""

    def __init__(self, processes: int) -> None:
        """``processes`` is how many figures are drawn at the same time."""
        self._processes = processes
        self._drawer: subprocess.Popen[bytes] | None = None
        self._sheets: tuple[Sheet, ...] = ()

    def start(self) -> None:
        """Starts the process, which begins to load Matplotlib; returns at once."""
        if self._drawer is None:
            self._drawer = subprocess.Popen(
                [sys.executable, "-P", "-c", _SERVE.format(_ROOT, self._processes)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                start_new_session=True,  # it ends with its input, not by a signal of the terminal
            )  # fmt: skip

    def draw(self, sheets: Sequence[Sheet]) -> None:
        """Sends the sheets whose files do not exist to the process; ``finish`` waits for them."""
        self._sheets = tuple(sheet for sheet in sheets if not sheet.written)
        if self._sheets and self._drawer is not None and self._drawer.stdin is not None:
            # of a process that died, which ``finish`` notices
            with contextlib.suppress(BrokenPipeError):
                pickle.dump(self._sheets, self._drawer.stdin)
                self._drawer.stdin.flush()

    def finish(self) -> None:
        """Waits until all files are written. Raises OSError where one cannot be written."""
        sheets, self._sheets = self._sheets, ()
        if not sheets:
            return
        answer = None
        if self._drawer is not None and self._drawer.stdout is not None:
            with contextlib.suppress(EOFError):  # of a process that died
                answer = pickle.load(self._drawer.stdout)
        if isinstance(answer, OSError):
            raise answer
        if answer is None:
            for sheet in sheets:
                write_sheet(sheet)

    def __enter__(self) -> DrawingProcess:
        return self

    def __exit__(self, *_: object) -> None:
        if self._drawer is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._drawer.pid, signal.SIGKILL)
            self._drawer.communicate()
            self._drawer = None


def serve(processes: int) -> None:
    """Loads Matplotlib, then draws the sheets that arrive until the input ends, with one answer for
    each message."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not get between the answers
    gc.disable()  # saves a tenth of the time, and this process is short-lived
    from bench.figures.fonts import reduced

    for name in _LIBRARIES:
        import_module(name)
    for style in STYLES.values():
        reduced(style.family)
    with contextlib.suppress(EOFError):
        while True:
            sheets = pickle.load(sys.stdin.buffer)
            pickle.dump(_draw_all(sheets, processes), answers)
            answers.flush()


def _draw_all(sheets: Sequence[Sheet], processes: int) -> OSError | bool:
    """Draws in forked processes, so that the libraries are loaded only once; True, or why a file
    could not be written."""
    context = multiprocessing.get_context("fork")
    count = min(processes, len(sheets))
    try:
        with ProcessPoolExecutor(count, mp_context=context) as pool:
            list(pool.map(write_sheet, sheets))
    except OSError as error:
        return error
    return True
