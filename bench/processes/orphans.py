"""Processes that outlive what started them: adopted, found and ended.

Linux only: it needs /proc and child subreapers. Never touches what another program started.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

_SET_DEATH_SIGNAL, _SET_CHILD_SUBREAPER = 1, 36
_ROUNDS = 8
"""How often those are looked for that were forked while others were ended."""
_REAP_SECONDS = 2.0

_linux = sys.platform == "linux"
_c = ctypes.CDLL(None) if _linux else None
_adopting = False


@dataclass(frozen=True, slots=True)
class _Living:
    """A process that runs, as /proc shows it."""

    pid: int
    parent: int
    group: int
    session: int


def adopt() -> None:
    """From now on this process becomes the parent of what its descendants leave behind."""
    global _adopting
    if _c is not None:
        _adopting = _c.prctl(_SET_CHILD_SUBREAPER, ctypes.c_ulong(1), 0, 0, 0) == 0


def die_with_parent(number: int = signal.SIGKILL) -> None:
    """This process gets a signal when the thread that started it ends, however that happens."""
    if _c is not None:
        _c.prctl(_SET_DEATH_SIGNAL, ctypes.c_ulong(number), 0, 0, 0)


def die_when_closed(handle: int) -> None:
    """This process and its group are killed when the last writer of a pipe is gone, whatever they
    are in the midst of; ``handle`` reads it. Takes no thread."""
    if _linux:
        fcntl.fcntl(handle, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(handle, fcntl.F_SETOWN, -os.getpgrp())
        fcntl.fcntl(handle, fcntl.F_SETFL, fcntl.fcntl(handle, fcntl.F_GETFL) | os.O_ASYNC)


def end_session(leader: int) -> None:
    """Ends what is left of the session that the child ``leader`` led, and what it left here."""
    if _adopting:
        end_orphans()
    else:
        _end(lambda: [one for one in _everyone() if one.session == leader])


def end_orphans() -> int:
    """Ends children of this process in process groups of their own, with their descendants, and
    returns how many there were: none unless ``adopt`` was called before.

    What a codec runs for good stays in its worker's group and lives as long as the worker.
    """
    return _end(_orphans) if _adopting else 0


def end_descendants() -> None:
    """Ends all that this process started and all that these started."""
    _end(lambda: _below([os.getpid()]))


def _orphans() -> list[_Living]:
    ours = os.getpgrp()
    roots = [one for one in _children(os.getpid()) if one.group != ours]
    return roots + _below([one.pid for one in roots])


def _below(roots: list[int]) -> list[_Living]:
    found: list[_Living] = []
    while roots:
        below = [one for root in roots for one in _children(root)]
        roots = [one.pid for one in below]
        found += below
    return found


def _children(parent: int) -> list[_Living]:
    lists = list(Path(f"/proc/{parent}/task").glob("*/children"))
    if not lists:  # it ended, or this kernel does not keep the list
        return [one for one in _everyone() if one.parent == parent]
    found: list[_Living | None] = []
    for path in lists:
        with contextlib.suppress(OSError):
            found += [_look_at(int(word)) for word in path.read_text().split()]
    return [one for one in found if one is not None]


def _everyone() -> Iterator[_Living]:
    for entry in os.scandir("/proc"):
        if entry.name.isdigit() and (one := _look_at(int(entry.name))) is not None:
            yield one


def _look_at(pid: int) -> _Living | None:
    """A process, or None where it has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    state, parent, group, session = text[text.rindex(")") + 2 :].split()[:4]
    return None if state in "ZX" else _Living(pid, int(parent), int(group), int(session))


def _end(find: Callable[[], list[_Living]]) -> int:
    ended: set[int] = set()
    for _ in range(_ROUNDS):
        found = {one.pid for one in find()}
        if not found:
            break
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        ended |= found
        _reap(found)
    return len(ended)


def _reap(ended: set[int]) -> None:
    """Takes notice of the end of adopted processes, which nobody else waits for."""
    deadline = time.monotonic() + _REAP_SECONDS
    while (ended := {pid for pid in ended if not _gone(pid)}) and time.monotonic() < deadline:
        time.sleep(0.001)


def _gone(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] != 0
    except ChildProcessError:
        # not our child, or not yet: its parent is about to end
        return not _adopting or not Path(f"/proc/{pid}").exists()
