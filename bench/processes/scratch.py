"""Folders of temporary files of runs that were killed, found and removed by the next run, into
whatever folder that is. Touches none of a run that is alive, and none without a lock in it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

_LOCK = "lock"


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Marks a folder as that of a run that is alive. The mark dies with the run and its workers."""
    new = folder / f"{_LOCK}.new"
    handle = os.open(new, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        new.rename(folder / _LOCK)  # never seen by others without its lock
        yield
    finally:
        os.close(handle)


def sweep(place: Path, pattern: str) -> int:
    """Removes the folders of this pattern in ``place`` whose runs are dead; returns how many."""
    removed = 0
    for lock in place.glob(f"{pattern}/{_LOCK}"):
        # another user's, or removed by another run meanwhile: left to those
        with contextlib.suppress(OSError):
            handle = os.open(lock, os.O_RDWR)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(lock.parent)
                removed += 1
            finally:
                os.close(handle)
    return removed
