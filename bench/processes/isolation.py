"""Who may see what: a decoder reads programs, libraries and what its card names, not the original.

Decides the rules that sandbox.py carries out, and says in words how far they go on this system.
Starts no program and knows no codec.
"""

from __future__ import annotations

import contextlib
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
_WEIGHT_CACHES = {"TORCH_HOME": "torch", "HF_HOME": "huggingface"}
"""Where libraries keep downloaded weights: the variable, and the folder in the user's cache."""
_WEIGHTS_VARIABLE = "BENCH_WEIGHTS"

BY_LANDLOCK_ALONE = (
    f"{ISOLATED} by Landlock alone: UDP, shared memory, attributes of files and what an encoder "
    "left among its packages stay open"
)


@dataclass(frozen=True, slots=True)
class HiddenPaths:
    """What the processes of a run keep from codecs.

    ``originals`` are the files and folders of the data set; ``private`` are folders of which
    nothing is to be seen but what is named inside them: all data, results, temporary files;
    ``code`` is what decoders read and so encoders may not change.
    """

    originals: tuple[Path, ...] = ()
    private: tuple[Path, ...] = ()
    code: tuple[Path, ...] = ()


_hidden = HiddenPaths()
_inside = _guarded = False


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
    return BY_LANDLOCK_ALONE


def hide(hidden: HiddenPaths) -> None:
    """Processes that this process confines from now on do not see ``hidden``."""
    global _hidden
    _hidden = HiddenPaths(_real(hidden.originals), _real(hidden.private), _real(hidden.code))


def guard_code() -> bool:
    """Makes the code that decoders read read-only for this process and all that it starts, so that
    an encoder leaves nothing there for its decoder. False where the system does not allow it."""
    global _guarded
    if sandbox.spaces():
        scratch = Path(tempfile.gettempdir())
        code = [place for place in _hidden.code if not scratch.is_relative_to(place)]
        with contextlib.suppress(OSError):  # then payloads are proved in a process that says so
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


def confine(own: Path, reads: Iterable[Path] = ()) -> Confinement | None:
    """Rules for a process that may write into the folder ``own`` alone; None where this system has
    none.

    It reads the system's programs, installed packages and ``reads``, not what is hidden.
    """
    if not sandbox.landlock_version():
        return None
    data = os.environ.get(DATA_VARIABLE)
    hidden = replace(_hidden, private=(*_hidden.private, *_real([Path(data)]))) if data else _hidden
    rules = list(_visible(tuple(reads), hidden))
    rules += [(Path("/dev", name), sandbox.DEVICE) for name in _DEVICES]
    rules += [(path, sandbox.DEVICE) for path in Path("/dev").glob("nvidia*")]
    if _inside and sandbox.spaces():
        rules.append((_SHARED_MEMORY, sandbox.OWN))
    ruleset = sandbox.make_ruleset([*rules, (own, sandbox.OWN)])
    return Confinement(ruleset, 0 if _inside else sandbox.spaces(), own)


def shut_in(own: Path, reads: Iterable[Path], *, since: float) -> str:
    """Shuts in this process for good, with temporary files in ``own`` and no way to the data, and
    says in the words of ``describe`` how far that went. The code that decoders read stays readable.

    Downloaded weights can be read if they did not change since ``since``, in seconds of the clock.
    """
    kind = describe()
    os.environ[_LAUNCH_VARIABLE] = str(Path.cwd())
    _set_environment(own)
    confinement = confine(own, (*_hidden.code, *reads, *_downloaded_weights(since)))
    if confinement is not None:
        try:
            confinement.enter()
        except OSError as error:
            return f"{NOT_ISOLATED}: {error}"
    return kind


def launch_folder() -> Path:
    """The folder that relative names of cards belong to: the current one or, in a process that was
    shut in, the one it came from."""
    return Path(os.environ.get(_LAUNCH_VARIABLE) or Path.cwd())


_LAUNCH_VARIABLE = "BENCH_LAUNCH_FOLDER"


def _set_environment(own: Path) -> None:
    """Temporary files and caches in ``own``; libraries still find downloaded weights."""
    cache_home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    for name, folder in _WEIGHT_CACHES.items():
        os.environ.setdefault(name, str(cache_home / folder))
    os.environ.update(dict.fromkeys(_TEMPORARY, str(own)))
    os.environ.pop(DATA_VARIABLE, None)
    tempfile.tempdir = str(own)


def _downloaded_weights(since: float) -> Iterator[Path]:
    for name in (*_WEIGHT_CACHES, _WEIGHTS_VARIABLE):
        for folder, _, files in os.walk(os.environ.get(name, "")):
            for path in (Path(folder, file) for file in files):
                with contextlib.suppress(OSError):
                    if path.stat().st_ctime < since:
                        yield path


@cache
def _visible(reads: tuple[Path, ...], paths: HiddenPaths) -> tuple[tuple[Path, int], ...]:
    """What may be read, as rules. Something named may lie in a private folder, but not among the
    originals."""
    originals = [f"{place}/" for place in paths.originals]
    hidden = [*originals, *(f"{place}/" for place in paths.private)]
    return tuple(
        rule
        for place in _real((*_SYSTEM, *python_folders(), *reads))
        if not any(f"{place}/".startswith(one) for one in originals)
        for rule in _around(place, hidden)
    )


def _around(place: Path, hidden: Sequence[str]) -> Iterator[tuple[Path, int]]:
    """Rules for a place and all beneath; entry by entry where something hidden lies in it, whose
    names can be listed but not opened."""
    inside = [one for one in hidden if one.startswith(f"{place}/")]
    if not inside:
        yield place, sandbox.READ
    elif f"{place}/" not in inside and place.is_dir():
        yield place, sandbox.LIST
        for path in _entries(place):
            yield from _around(path, inside)


def _entries(folder: Path) -> list[Path]:
    """What lies in a folder, links aside; nothing of one that this process, shut in itself, cannot
    see, nor could what it shuts in."""
    try:
        return [Path(entry.path) for entry in os.scandir(folder) if not entry.is_symlink()]
    except PermissionError:
        return []


def installed_places() -> tuple[Path, ...]:
    """The system's programs and Python with its packages, all that may have files."""
    system = [place for place in _SYSTEM if place.name not in ("proc", "sys")]
    return (*system, *python_folders())


def python_folders() -> tuple[Path, ...]:
    """Where the interpreter and installed packages lie."""
    installed = [Path(one) for one in sys.path if one.endswith(_PACKAGES)]
    return (Path(sys.prefix), Path(sys.base_prefix), *installed)


def source_places(modules: Iterable[str]) -> tuple[Path, ...]:
    """Code that is not installed: modules by these names and those imported so far, and the other
    modules and packages of their folders. Imports nothing."""
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
