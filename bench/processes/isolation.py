"""Decides which files a confined process may read: programs, libraries and what its card names.

Never the original. sandbox.py enforces the rules; ``describe`` says how far they go on this system.
Starts no program and knows no codec.
"""

from __future__ import annotations

import contextlib
import math
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from bench.processes import sandbox

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
_TEMPORARY = ("TMPDIR", "TMP", "TEMP", "XDG_CACHE_HOME")
# where libraries keep downloaded weights: the variable, and the folder in the user's cache
_WEIGHT_CACHES = {"TORCH_HOME": "torch", "HF_HOME": "huggingface"}
_WEIGHTS_VARIABLE = "BENCH_WEIGHTS"
_LAUNCH_VARIABLE = "BENCH_LAUNCH_FOLDER"

BY_LANDLOCK_ALONE = (
    f"{ISOLATED} by Landlock alone: UDP, shared memory, attributes of files and what an encoder "
    "left among its packages stay open"
)


@dataclass(frozen=True, slots=True)
class HiddenPaths:
    """The paths of a run that codecs may not read or not change.

    ``originals`` are the files and folders of the data set: never readable. ``private`` are
    folders with data, results or temporary files: readable are only files in them that a card
    names. ``code`` is what decoders read: encoders may not change it.
    """

    originals: tuple[Path, ...] = ()
    private: tuple[Path, ...] = ()
    code: tuple[Path, ...] = ()


_hidden = HiddenPaths()
_confined = _guarded = False


@cache
def describe() -> str:
    """``isolated``, or in words what this system leaves open."""
    if sys.platform != "linux":
        return f"{NOT_ISOLATED}: {sys.platform} has no Landlock"
    version = sandbox.landlock_version()
    if not version:
        return f"{NOT_ISOLATED}: this kernel offers no Landlock (Linux 5.13, enabled at boot)"
    if sandbox.spaces():
        return ISOLATED
    if not sandbox.forbids_network():
        return f"{NOT_ISOLATED}: neither namespaces nor Landlock (Linux 6.7) close the network here"
    return BY_LANDLOCK_ALONE


def hide(hidden: HiddenPaths) -> None:
    """Sets the paths that are hidden from processes which this process confines from now on."""
    global _hidden
    _hidden = HiddenPaths(_real(hidden.originals), _real(hidden.private), _real(hidden.code))


def guard_code() -> bool:
    """Makes the decoders' code read-only for this process and all processes that it starts.

    An encoder then can leave nothing there for its decoder. Returns False where the system does
    not allow it.
    """
    global _guarded
    if sandbox.spaces():
        scratch = Path(tempfile.gettempdir())
        code = [place for place in _hidden.code if not scratch.is_relative_to(place)]
        with contextlib.suppress(OSError):  # the verdicts then say that code was not guarded
            sandbox.protect(sandbox.spaces(), code)
            _guarded = True
    return _guarded


def is_guarded() -> bool:
    """Whether ``guard_code`` succeeded in this process."""
    return _guarded


def _real(places: Iterable[Path]) -> tuple[Path, ...]:
    return tuple(dict.fromkeys(Path(os.path.realpath(place.expanduser())) for place in places))


@dataclass(frozen=True, slots=True)
class Confinement:
    """Rules that ``confine`` has made for a process that is about to be confined."""

    ruleset: int
    spaces: int
    own: Path

    def enter(self) -> None:
        """Confines the calling process for good: a child before its exec, or this process."""
        global _confined
        if self.spaces:
            sandbox.leave(self.spaces, self.own)
            # in its new namespace the process has a shared memory of its own
            sandbox.allow(self.ruleset, _SHARED_MEMORY, sandbox.OWN)
        sandbox.restrict(self.ruleset)
        _confined = True

    def close(self) -> None:
        os.close(self.ruleset)


def confine(own: Path, reads: Iterable[Path] = ()) -> Confinement | None:
    """Rules for a process that may write into the folder ``own`` alone.

    The process reads the system's programs, installed packages and ``reads``, without hidden
    paths. None where this system cannot enforce rules.
    """
    if not sandbox.landlock_version():
        return None
    data = os.environ.get(DATA_VARIABLE)
    hidden = replace(_hidden, private=(*_hidden.private, *_real([Path(data)]))) if data else _hidden
    rules = list(_visible(tuple(reads), hidden))
    rules += [(Path("/dev", name), sandbox.DEVICE) for name in _DEVICES]
    rules += [(path, sandbox.DEVICE) for path in Path("/dev").glob("nvidia*")]
    if _confined and sandbox.spaces():
        rules.append((_SHARED_MEMORY, sandbox.OWN))
    ruleset = sandbox.make_ruleset([*rules, (own, sandbox.OWN)])
    return Confinement(ruleset, 0 if _confined else sandbox.spaces(), own)


def confine_this_process(own: Path, reads: Iterable[Path], *, since: float) -> str:
    """Confines this process for good, with its temporary files in ``own`` and no way to the data.

    Returns how far that went, in the words of ``describe``. The decoders' code stays readable, and
    so do downloaded weights that did not change after ``since``, a time in seconds of the clock.
    """
    kind = describe()
    os.environ[_LAUNCH_VARIABLE] = str(Path.cwd())
    _set_environment(own)
    confinement = confine(own, (*_hidden.code, *reads, *downloaded_weights(since)))
    if confinement is not None:
        try:
            confinement.enter()
        except OSError as error:
            return f"{NOT_ISOLATED}: {error}"
    return kind


def launch_folder() -> Path:
    """The folder that relative paths of cards start from: the current folder or, in a confined
    process, the folder that was current before."""
    return Path(os.environ.get(_LAUNCH_VARIABLE) or Path.cwd())


def _set_environment(own: Path) -> None:
    """Puts temporary files and caches into ``own``; libraries still find downloaded weights."""
    cache_home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    for name, folder in _WEIGHT_CACHES.items():
        os.environ.setdefault(name, str(cache_home / folder))
    os.environ.update(dict.fromkeys(_TEMPORARY, str(own)))
    os.environ.pop(DATA_VARIABLE, None)
    tempfile.tempdir = str(own)


def downloaded_weights(since: float = math.inf) -> Iterator[Path]:
    """Files in the caches of downloaded weights that did not change after ``since``."""
    for name in (*_WEIGHT_CACHES, _WEIGHTS_VARIABLE):
        for folder, _, files in os.walk(os.environ.get(name, "")):
            for path in (Path(folder, file) for file in files):
                with contextlib.suppress(OSError):
                    if path.stat().st_ctime < since:
                        yield path


@cache
def _visible(reads: tuple[Path, ...], paths: HiddenPaths) -> tuple[tuple[Path, int], ...]:
    """Rules for what may be read. A named path may lie in a private folder, but not among the
    originals; the folder that it lies in can be listed, since Python looks for modules so."""
    originals = [f"{place}/" for place in paths.originals]
    hidden = [*originals, *(f"{place}/" for place in paths.private)]
    named = dict.fromkeys(place.parent for place in _real(reads))
    return tuple((folder, sandbox.LIST) for folder in named) + tuple(
        rule
        for place in _real((*_SYSTEM, *python_folders(), *reads))
        if not any(f"{place}/".startswith(one) for one in originals)
        for rule in _around(place, hidden)
    )


def _around(place: Path, hidden: Sequence[str]) -> Iterator[tuple[Path, int]]:
    """Rules for a place and everything below it.

    Where a hidden path lies in it the rules go entry by entry: the hidden path can then be listed,
    but not opened.
    """
    inside = [one for one in hidden if one.startswith(f"{place}/")]
    if not inside:
        yield place, sandbox.READ
    elif f"{place}/" not in inside and place.is_dir():
        yield place, sandbox.LIST
        for path in _entries(place):
            yield from _around(path, inside)


def _entries(folder: Path) -> list[Path]:
    """The entries of a folder without symbolic links; none of a folder that this process, itself
    confined, may not read, since its children may not read it either."""
    try:
        return [Path(entry.path) for entry in os.scandir(folder) if not entry.is_symlink()]
    except PermissionError:
        return []


def installed_places() -> tuple[Path, ...]:
    """The folders of the system's programs and of Python with its packages."""
    system = [place for place in _SYSTEM if place.name not in ("proc", "sys")]
    return (*system, *python_folders())


def python_folders() -> tuple[Path, ...]:
    """The folders of the interpreter and of installed packages."""
    installed = [Path(one) for one in sys.path if one.endswith(_PACKAGES)]
    return (Path(sys.prefix), Path(sys.base_prefix), *installed)


def source_places(modules: Iterable[str]) -> tuple[Path, ...]:
    """The paths of code that is not installed: these modules and all imported so far, with the
    other modules and packages beside them. Imports nothing."""
    installed = [f"{place}/" for place in _real(python_folders())]
    found: dict[Path, None] = {}
    imported = {name.partition(".")[0] for name in sys.modules} - sys.stdlib_module_names
    for name in dict.fromkeys((*(name.partition(".")[0] for name in modules), *sorted(imported))):
        for place in _module_places(name.partition(":")[0]):
            if not any(f"{place}/".startswith(one) for one in installed):
                found.update(dict.fromkeys((place, *_code_in(place.parent))))
    return tuple(found)


def _module_places(name: str) -> tuple[Path, ...]:
    try:
        spec = find_spec(name)
    except (ImportError, ValueError):  # such as __main__
        return ()
    if spec is None:
        return tuple(
            path for path in (Path.cwd() / f"{name}.py", Path.cwd() / name) if path.exists()
        )
    if spec.submodule_search_locations:
        return _real(map(Path, spec.submodule_search_locations))
    return _real([Path(spec.origin)]) if spec.has_location and spec.origin else ()


@cache
def _code_in(folder: Path) -> tuple[Path, ...]:
    packages = (path.parent for path in folder.glob("*/__init__.py"))
    return (*folder.glob("*.py"), *folder.glob("*.so"), *packages)
