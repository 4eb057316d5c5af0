"""Local worker processes: a pool that survives codecs that hang, crash or are killed.

Each worker is one process held to one thread. Knows nothing of records or plans.
"""

from __future__ import annotations

import contextlib
import fcntl
import multiprocessing
import os
import pickle
import shutil
import signal
import tempfile
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from bench.processes import isolation, orphans
from bench.processes.fork_server import start_fork_server
from bench.processes.isolation import HiddenPaths
from bench.processes.limits import allow_files

if TYPE_CHECKING:
    from pebble import ProcessExpired

T = TypeVar("T")

# how often pools look at their workers; with pebble's 0.1 s the end of a run took 0.3 s
_POLL_SECONDS = 0.01
# fresh processes at a time, each forked before it is needed
_MOST_FRESH = 4
_LOCK = "lock"
_CRASHES = ("SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGABRT")


def available_cores() -> int:
    """The cores that this process may use, which in a container or batch job may be few."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Pool(Protocol):
    """Where tasks run: processes of this machine or a cluster's."""

    def submit(self, call: Callable[..., T], *arguments: object, timeout: float) -> Future[T]:
        """Runs ``call`` in a worker; the future raises TimeoutError past ``timeout`` seconds and
        pebble.ProcessExpired if the worker died."""

    def submit_fresh(self, call: Callable[..., T], *arguments: object, timeout: float) -> Future[T]:
        """Runs ``call`` in a new process that has run nothing else and never saw a worker."""

    def close(self) -> None:
        """Ends the workers after their last task."""

    def kill(self) -> None:
        """Ends the workers and what they started, now."""


class LocalPool:
    """Worker processes that run functions under a time limit.

    Workers are forked from the process of ``start_fork_server``, so that replacing one that was
    killed is cheap.
    """

    def __init__(
        self,
        workers: int,
        initializer: Callable[..., None],
        arguments: tuple[object, ...],
        *,
        scratch: Path,
        hidden: HiddenPaths,
    ) -> None:
        from pebble import CONSTS, ProcessPool

        allow_files(workers)
        CONSTS.sleep_unit = _POLL_SECONDS
        start_fork_server()
        context = multiprocessing.get_context("forkserver")
        # once for all workers: of many thousand items it takes longer than starting one; and small,
        # since starting the next worker waits until this one has read what its pipe cannot hold
        packed = _pack(initializer, *arguments)
        self.workers = workers
        self._pool = ProcessPool(
            max_workers=workers,
            initializer=_start,
            initargs=(str(scratch), hidden, packed),
            context=context,
        )
        self._fresh = ProcessPool(
            max_workers=min(workers, _MOST_FRESH),
            max_tasks=1,
            initializer=_start,
            initargs=(str(scratch), hidden, _pack(_nothing)),
            context=context,
        )
        self._pools: tuple[Any, ...] = (self._pool, self._fresh)

    def submit(self, call: Callable[..., T], *arguments: object, timeout: float) -> Future[T]:
        future: Future[T] = self._pool.schedule(_tidily, args=(call, *arguments), timeout=timeout)
        return future

    def submit_fresh(self, call: Callable[..., T], *arguments: object, timeout: float) -> Future[T]:
        future: Future[T] = self._fresh.schedule(_tidily, args=(call, *arguments), timeout=timeout)
        return future

    def close(self) -> None:
        for pool in self._pools:
            pool.close()
            pool.join()

    def kill(self) -> None:
        for pool in self._pools:
            pool.stop()
            pool.join()


@contextlib.contextmanager
def scratch_folder(out: Path) -> Iterator[Path]:
    """The folder of temporary files of a run into ``out``.

    Its name depends on ``out`` alone, so that what a killed run left is removed by the next; that
    of killed runs into other folders goes as well.
    """
    folder = Path(tempfile.gettempdir()) / scratch_name(out)
    shutil.rmtree(folder, ignore_errors=True)
    _sweep(folder.parent, f"bench-{os.getuid()}-*")
    folder.mkdir(mode=0o700)
    try:
        with _held(folder):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def scratch_name(out: Path) -> str:
    """The name of that folder."""
    import hashlib

    mark = hashlib.sha256(str(out.resolve()).encode()).hexdigest()[:12]
    return f"bench-{os.getuid()}-{mark}"


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Marks a folder as that of a run that is alive. The mark dies with the run and its workers."""
    new = folder / f"{_LOCK}.new"
    handle = os.open(new, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        new.rename(folder / _LOCK)  # never seen by others without its lock
        yield
    finally:
        os.close(handle)


def _sweep(place: Path, pattern: str) -> int:
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


def cause_of_death(error: ProcessExpired) -> str:
    """Why a worker ended, in words."""
    code = getattr(error, "exitcode", None)
    if not isinstance(code, int) or code >= 0:
        return f"exit status {code}"
    return ended(code).removeprefix("was ")


def ended(status: int, doing: str = "") -> str:
    """How a process ended while it was ``doing`` something, in words."""
    while_ = f" while {doing}" if doing else ""
    if status >= 0:
        return f"was ended by exit({status}){while_}"
    name = signal.Signals(-status).name
    if name == "SIGKILL":
        return f"was killed by SIGKILL{while_}; out of memory?"
    return f"crashed ({name}){while_}" if name in _CRASHES else f"was ended by {name}{while_}"


def _pack(call: Callable[..., None], *arguments: object) -> bytes:
    return zlib.compress(pickle.dumps((call, arguments)), 1)


def _nothing() -> None:
    pass


def _start(scratch: str, hidden: HiddenPaths, packed: bytes) -> None:
    """Makes this process the leader of a process group, sets its folder of temporary files and
    calls what is ``packed``.

    The whole group ends when this process is told to stop or when the run that started it ends.
    """
    os.setpgrp()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _kill_group)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # ignored by the process that forked this one
    orphans.die_with_parent(signal.SIGTERM)
    run = multiprocessing.parent_process()
    if run is not None:
        # the server that forked this process lives as long as one of those it forked
        orphans.die_when_closed(run.sentinel)
        if not run.is_alive():  # it ended before its end could be heard of
            os._exit(1)
    orphans.adopt()
    tempfile.tempdir = scratch
    isolation.hide(hidden)
    initializer, arguments = pickle.loads(zlib.decompress(packed))
    initializer(*arguments)


def _tidily(call: Callable[..., T], *arguments: object) -> T:
    """The result of a call, after ending all processes that the call left running."""
    try:
        return call(*arguments)
    finally:
        orphans.end_orphans()


def _kill_group(number: int, frame: object) -> None:
    orphans.end_descendants()
    os.killpg(os.getpgrp(), signal.SIGKILL)
