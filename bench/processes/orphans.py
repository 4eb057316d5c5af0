"""Adopts, finds and ends orphans: processes that outlive the process that started them.

Linux only: needs /proc and child subreapers. Never ends a process that another program started.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.processes import linux

_SET_DEATH_SIGNAL, _SET_CHILD_SUBREAPER = 1, 36
# processes may be forked while others are being ended: how often to search again
_ROUNDS = 8
_REAP_SECONDS = 2.0

_adopting = False
_kept: set[int] = set()


@dataclass(frozen=True, slots=True)
class _Process:
    """A running process, as /proc shows it."""

    pid: int
    parent: int
    group: int
    session: int


def adopt() -> None:
    """Makes this process the parent of all orphans among its descendants from now on."""
    global _adopting
    if linux.IS_LINUX:
        with contextlib.suppress(OSError):
            linux.control(_SET_CHILD_SUBREAPER, 1)
            _adopting = True


def die_with_parent(number: int = signal.SIGKILL) -> None:
    """Has the kernel signal this process when the thread that started it ends for any reason."""
    if linux.IS_LINUX:
        linux.control(_SET_DEATH_SIGNAL, number)


def die_when_closed(handle: int) -> None:
    """Has the kernel kill this process and its group when the last writer of a pipe is gone.

    ``handle`` is the pipe's reading end.
    """
    # With O_ASYNC the kernel signals the owner of a descriptor whenever its state changes, here
    # when the other end is closed. F_SETOWN with a negative number makes the group the owner, and
    # F_SETSIG chooses SIGKILL in the place of SIGIO. No thread has to wait and no Python code has
    # to run, so that this also ends a process which is deep inside a library.
    if linux.IS_LINUX:
        fcntl.fcntl(handle, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(handle, fcntl.F_SETOWN, -os.getpgrp())
        fcntl.fcntl(handle, fcntl.F_SETFL, fcntl.fcntl(handle, fcntl.F_GETFL) | os.O_ASYNC)


def end_session(leader: int) -> None:
    """Ends what is left of the session of the child ``leader``, and the orphans adopted from it."""
    if _adopting:
        end_orphans()
    else:
        _end(lambda: [one for one in _everyone() if one.session == leader])


def keep(pid: int) -> None:
    """Spares a child of this process, and what it starts, until ``end_kept``."""
    _kept.add(pid)


def end_kept(pid: int) -> None:
    """Ends a child that was kept, and all that is left of its session."""
    _kept.discard(pid)
    end_session(pid)


def end_orphans() -> int:
    """Ends the children of this process that are in other process groups, with their descendants.

    Returns how many there were; without a call of ``adopt`` before it ends none. A process that a
    codec keeps running stays in its worker's group and lives as long as the worker.
    """
    return _end(_orphans) if _adopting else 0


def end_descendants() -> None:
    """Ends all processes that this one started, and theirs."""
    _end(lambda: _below([os.getpid()]))


def _orphans() -> list[_Process]:
    ours = os.getpgrp()
    roots = [one for one in _children(os.getpid()) if one.group != ours and one.pid not in _kept]
    return roots + _below([one.pid for one in roots])


def _below(roots: list[int]) -> list[_Process]:
    found: list[_Process] = []
    while roots:
        below = [one for root in roots for one in _children(root)]
        roots = [one.pid for one in below]
        found += below
    return found


def _children(parent: int) -> list[_Process]:
    lists = list(Path(f"/proc/{parent}/task").glob("*/children"))
    if not lists:  # it ended, or this kernel does not keep the list
        return [one for one in _everyone() if one.parent == parent]
    found: list[_Process | None] = []
    for path in lists:
        with contextlib.suppress(OSError):
            found += [_find(int(word)) for word in path.read_text().split()]
    return [one for one in found if one is not None]


def _everyone() -> Iterator[_Process]:
    for entry in os.scandir("/proc"):
        if entry.name.isdigit() and (one := _find(int(entry.name))) is not None:
            yield one


def _find(pid: int) -> _Process | None:
    """The process of this number, or None where it has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    state, parent, group, session = text[text.rindex(")") + 2 :].split()[:4]
    return None if state in "ZX" else _Process(pid, int(parent), int(group), int(session))


def _end(find: Callable[[], list[_Process]]) -> int:
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
    """Waits for adopted processes to end: nobody else does, and they would stay as zombies."""
    deadline = time.monotonic() + _REAP_SECONDS
    while (ended := {pid for pid in ended if not _gone(pid)}) and time.monotonic() < deadline:
        time.sleep(0.001)


def _gone(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] != 0
    except ChildProcessError:
        # not our child, or not yet: its parent is about to end
        return not _adopting or not Path(f"/proc/{pid}").exists()
