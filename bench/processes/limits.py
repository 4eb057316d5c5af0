"""How many files a process may have open: asks the system for more, and says so before anything is
measured where it gives too few."""

from __future__ import annotations

import resource

from bench.errors import UsageError

_ENOUGH, _LEAST, _WORKERS = 4096, 48, 4
"""Asked for; needed by a run without workers; by each of its workers."""


def allow_files(workers: int = 0) -> None:
    """Makes sure that a run with so many workers can open its pipes and files."""
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = _LEAST + _WORKERS * workers
    wanted = max(_ENOUGH, needed)
    if now == resource.RLIM_INFINITY or now >= wanted:
        return
    if most == resource.RLIM_INFINITY or most > now:
        now = wanted if most == resource.RLIM_INFINITY else min(most, wanted)
        resource.setrlimit(resource.RLIMIT_NOFILE, (now, most))
    if now < needed:
        fewer = ", or give fewer --jobs" if workers > 1 else ""
        raise UsageError(
            f"this shell allows {now} open files, {needed} are needed; ulimit -n {_ENOUGH}{fewer}"
        )
