"""Who may see what: a decoder reads programs, libraries and what its card names, not the original.

Decides the rules that sandbox.py carries out, and says in words how far they go on this system.
Starts no program and knows no codec.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bench import sandbox

ISOLATED = "isolated"
NOT_ISOLATED = "not isolated"
DATA_VARIABLE = "BENCH_DATA"

_SYSTEM = tuple(
    Path(name)
    for name in (
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/opt",
    "/nix/store", "/gnu/store", "/run/opengl-driver", "/proc", "/sys",
    )
)  # fmt: skip
_DEVICES = ("null", "zero", "full", "random", "urandom", "dri", "kfd", "dxg")
_PACKAGES = ("site-packages", "dist-packages")
_SHARED_MEMORY = Path("/dev/shm")

_hidden: tuple[Path, ...] = ()
_inside = False


@cache
def describe() -> str:
    """``isolated``, or how far this system falls short of it."""
    if sys.platform != "linux":
        return f"{NOT_ISOLATED}: {sys.platform} has no Landlock"
    version = sandbox.landlock_version()
    if not version:
        return f"{NOT_ISOLATED}: this kernel offers no Landlock (Linux 5.13, enabled at boot)"
    if sandbox.spaces():
        return ISOLATED
    if not sandbox.forbids_network():
        return f"{NOT_ISOLATED}: neither namespaces nor Landlock (Linux 6.7) close the network here"
    return f"{ISOLATED} by Landlock alone: UDP, shared memory and attributes of files stay open"


def hide(places: Iterable[Path]) -> None:
    """Files and folders that no program started by this process may read: the originals, the
    results, and the temporary files of other tasks."""
    global _hidden
    _hidden = tuple(dict.fromkeys(_real(place) for place in places))


def _real(place: Path) -> Path:
    return Path(os.path.realpath(place.expanduser()))


def _all_hidden() -> tuple[Path, ...]:
    variable = os.environ.get(DATA_VARIABLE)
    return (*_hidden, _real(Path(variable))) if variable else _hidden


@dataclass(frozen=True, slots=True)
class Confinement:
    """Rules made ready by ``confine`` for a process that is about to be shut in."""

    ruleset: int
    spaces: int
    own: Path

    def enter(self) -> None:
        """Shuts in the process that calls, for good: a child before it becomes its program, or
        this one."""
        global _inside
        if self.spaces:
            sandbox.leave(self.spaces, self.own)
            sandbox.allow(self.ruleset, _SHARED_MEMORY, sandbox.OWN)  # a new one, its own
        sandbox.restrict(self.ruleset)
        _inside = True

    def close(self) -> None:
        os.close(self.ruleset)


def confine(
    own: Path, *, programs: Iterable[Path] = (), reads: Iterable[Path] = ()
) -> Confinement | None:
    """Rules for a process that may write into the folder ``own`` alone; None where this system has
    none.

    It reads the system's programs, Python and ``programs``, and of ``reads`` what is not hidden.
    """
    if not sandbox.landlock_version():
        return None
    rules = list(_visible(tuple(programs), tuple(reads), _all_hidden()))
    rules += [(Path("/dev", name), sandbox.DEVICE) for name in _DEVICES]
    rules += [(path, sandbox.DEVICE) for path in Path("/dev").glob("nvidia*")]
    if _inside and sandbox.spaces():
        rules.append((_SHARED_MEMORY, sandbox.OWN))
    ruleset = sandbox.make_ruleset([*rules, (own, sandbox.OWN)])
    return Confinement(ruleset, 0 if _inside else sandbox.spaces(), own)


@cache
def _visible(
    programs: tuple[Path, ...], reads: tuple[Path, ...], hidden: tuple[Path, ...]
) -> tuple[tuple[Path, int], ...]:
    """What may be read, as rules. Programs may lie below a hidden folder, ``reads`` may not."""
    secret = [f"{place}/" for place in hidden]
    roots = [_real(place) for place in (*_SYSTEM, *python_folders(), *programs)]
    wanted = [_real(place) for place in reads]
    roots += [place for place in wanted if not any(f"{place}/".startswith(one) for one in secret)]
    return tuple(rule for place in dict.fromkeys(roots) for rule in _around(place, secret))


def _around(place: Path, hidden: Sequence[str]) -> Iterator[tuple[Path, int]]:
    """Rules for a place and all beneath; entry by entry where something hidden lies in it, whose
    names can be listed but not opened."""
    inside = [one for one in hidden if one.startswith(f"{place}/")]
    if not inside:
        yield place, sandbox.READ
    elif f"{place}/" not in inside and place.is_dir():
        yield place, sandbox.LIST
        for entry in os.scandir(place):
            if not entry.is_symlink():
                yield from _around(Path(entry.path), inside)


def python_folders() -> tuple[Path, ...]:
    """Where the interpreter and installed packages lie, and what the environment adds to them."""
    installed = [Path(one) for one in sys.path if one.endswith(_PACKAGES)]
    added = [
        Path(one)
        for name in ("PYTHONPATH", "LD_LIBRARY_PATH")
        for one in os.environ.get(name, "").split(os.pathsep)
        if Path(one).is_absolute()
    ]
    return (Path(sys.prefix), Path(sys.base_prefix), *installed, *added)
