"""Decides which files a confined process may read: programs, libraries and what its card names.

Never the original. Starts programs so confined; landlock.py, namespaces.py and seccomp.py enforce
the rules, and ``describe`` says how far they go on this system. Knows no codec.
"""

from __future__ import annotations

import contextlib
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from bench.processes import landlock, linux, namespaces, orphans, seccomp

ISOLATED = "isolated"
NOT_ISOLATED = "not isolated"
DATA_VARIABLE = "BENCH_DATA"

_SYSTEM = tuple(
    Path(name)
    for name in (
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/opt",
    "/nix/store", "/gnu/store", "/run/opengl-driver", "/proc",
    # not /sys/fs: the highest use of memory of a control group is kept there
    "/sys/bus", "/sys/class", "/sys/dev", "/sys/devices", "/sys/kernel/mm", "/sys/module",
    )
)  # fmt: skip
_DEVICES = ("null", "zero", "full", "random", "urandom", "dri", "kfd", "dxg")
_PACKAGES = ("site-packages", "dist-packages")
_SHARED_MEMORY = namespaces.SHARED_FOLDERS[-1]
_PROC, _EVERYTHING = Path("/proc"), Path("/")
_DEVICE_LINKS = tuple(
    (Path("/dev", name), Path("/proc/self/fd", number))
    for name, number in (("fd", ""), ("stdin", "0"), ("stdout", "1"), ("stderr", "2"))
)
_TEMPORARY = ("TMPDIR", "TMP", "TEMP", "XDG_CACHE_HOME")
# where libraries keep downloaded weights: the variable, and the folder in the user's cache
_WEIGHT_CACHES = {"TORCH_HOME": "torch", "HF_HOME": "huggingface"}
_WEIGHTS_VARIABLE = "BENCH_WEIGHTS"
_LAUNCH_VARIABLE = "BENCH_LAUNCH_FOLDER"

BY_LANDLOCK_ALONE = (
    f"{ISOLATED} by Landlock alone: UDP, shared memory, attributes of files, other processes, the "
    "host's name and what an encoder left among its packages stay open"
)
# what is open without namespaces of this kind, although others are there
_OPEN_WITHOUT = {
    namespaces.PROCESSES: "it sees other processes and what they leave in /tmp",
    namespaces.USER: "it is root among users",
}
_DENIALS = ("Permission denied", "PermissionError", "No such file", "No module named")
_READ_ONLY = "Read-only file system"
_AGAIN_SECONDS = 1.0
_OWN_CURE = "it may write into $TMPDIR alone"
_CURE = "isolated, it sees no files but programs, packages and what its card names: reads = [...]"
_UNFILTERED = "no filter of system calls on this machine"


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
    if not landlock.version():
        return f"{NOT_ISOLATED}: this kernel offers no Landlock (Linux 5.13, enabled at boot)"
    offered = namespaces.offered()
    if not offered and not landlock.forbids_network():
        return f"{NOT_ISOLATED}: neither namespaces nor Landlock (Linux 6.7) close the network here"
    if not offered:
        return BY_LANDLOCK_ALONE
    left = [words for kind, words in _OPEN_WITHOUT.items() if not offered & kind]
    if not seccomp.is_known_machine():
        left.append(_UNFILTERED)
    return f"{ISOLATED}, but {'; '.join(left)}" if left else ISOLATED


def with_cure(failure: str) -> str:
    """Adds to a failure that isolation may have caused how an honest card avoids it."""
    if not describe().startswith(ISOLATED) or _CURE in failure or _OWN_CURE in failure:
        return failure
    if _READ_ONLY in failure:
        return f"{failure}; {_OWN_CURE}"
    return f"{failure}; {_CURE}" if any(word in failure for word in _DENIALS) else failure


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
    if namespaces.offered():
        scratch = Path(tempfile.gettempdir())
        code = [place for place in _hidden.code if not scratch.is_relative_to(place)]
        with contextlib.suppress(OSError):  # the verdicts then say that code was not guarded
            namespaces.protect(code)
            _guarded = True
    return _guarded


def is_guarded() -> bool:
    """Whether ``guard_code`` succeeded in this process."""
    return _guarded


def _real(places: Iterable[Path]) -> tuple[Path, ...]:
    return tuple(dict.fromkeys(Path(os.path.realpath(place.expanduser())) for place in places))


@dataclass(frozen=True, slots=True)
class Confinement:
    """Rules that ``confine`` has made for a process that is about to be confined.

    ``kinds`` are flags of the namespaces that it moves into.
    """

    ruleset: int
    kinds: int
    own: Path
    view: namespaces.View | None

    def enter(self) -> None:
        """Confines the calling process for good, or with PROCESSES its grandchild, in which this
        returns."""
        global _confined
        if self.kinds:
            namespaces.enter(self.kinds, self.own, self.view)
            self._allow_what_is_new()
        linux.leave_keyring()
        landlock.restrict(self.ruleset)
        seccomp.filter_calls()
        _confined = True

    def _allow_what_is_new(self) -> None:
        """Of file systems that this process alone sees."""
        shared = namespaces.SHARED_FOLDERS
        for place in shared[-1:] if self.view is None else shared:
            landlock.allow(self.ruleset, place, landlock.OWN)
        landlock.allow(self.ruleset, _PROC, landlock.READ)
        if self.view is not None:
            landlock.allow(self.ruleset, Path("/"), landlock.LIST)

    def close(self) -> None:
        os.close(self.ruleset)


def confine(
    own: Path, reads: Iterable[Path] = (), *, alone: bool = False, sees_originals: bool = False
) -> Confinement | None:
    """Rules for a process that may write into the folder ``own`` alone.

    The process reads the system's programs, installed packages and ``reads``, without hidden
    paths unless it ``sees_originals``. None where this system cannot enforce rules. With ``alone``
    the process that enters is a new one that sees no other processes and files, where the system
    has that. A process that is confined passes on its own namespaces: it may make no others.
    """
    if not landlock.version():
        return None
    data = os.environ.get(DATA_VARIABLE)
    hidden = replace(_hidden, private=(*_hidden.private, *_real([Path(data)]))) if data else _hidden
    hidden = HiddenPaths() if sees_originals else hidden
    reads, name, own = tuple(reads), own, own.resolve()
    rules = [*_visible(reads, hidden), *_devices()]
    if _confined and namespaces.offered():
        rules.append((_SHARED_MEMORY, landlock.OWN))
    ruleset = landlock.make_ruleset([*rules, (own, landlock.OWN)])
    if _confined or not namespaces.offered():
        return Confinement(ruleset, 0, own, None)
    if not alone:
        return Confinement(ruleset, namespaces.offered_here(), own, None)
    if _EVERYTHING in reads:
        return Confinement(ruleset, namespaces.offered(), own, None)
    view = _view(reads, tuple(rules))
    view = replace(view, links=(*view.links, *namespaces.links_on(name)))
    return Confinement(ruleset, namespaces.offered(), own, view)


@cache
def _devices() -> tuple[tuple[Path, int], ...]:
    named = (Path("/dev", name) for name in _DEVICES)
    return tuple((path, landlock.DEVICE) for path in (*named, *Path("/dev").glob("nvidia*")))


@cache
def _view(reads: tuple[Path, ...], rules: tuple[tuple[Path, int], ...]) -> namespaces.View:
    """What the rules allow to read, and the names by which that is asked for."""
    listed = tuple(path for path, rights in rules if rights == landlock.LIST)
    found: dict[Path, None] = {}
    places = (path for path, rights in rules if rights != landlock.LIST and path != _PROC)
    for path in sorted(places, key=lambda one: len(one.parts)):
        if not any(outer in found for outer in path.parents):
            found[path] = None
    names = (*_SYSTEM, *python_folders(), *reads)
    links = dict(link for name in names for link in namespaces.links_on(name))
    return namespaces.View(tuple(found), (*links.items(), *_DEVICE_LINKS), listed)


def launch(
    arguments: Sequence[str],
    own: Path,
    reads: Iterable[Path] = (),
    *,
    stdout: int | IO[bytes] | None = None,
    stderr: int | IO[bytes] | None = subprocess.STDOUT,
    pass_fds: Sequence[int] = (),
    environment: Mapping[str, str] | None = None,
    sees_originals: bool = False,
) -> subprocess.Popen[bytes]:
    """Starts a program that writes into the folder ``own`` alone, its current and temporary one.

    It reads the system's programs, installed packages and ``reads`` without hidden paths. It sees
    no other process, /tmp, /var/tmp and /dev/shm are its own, and when it ends or this thread does,
    so does all that it has started. ``environment`` is this process's unless given. The process
    object is that of a parent of the program: ``terminate`` ends both. How far the program is
    confined says ``describe``. Raises OSError if it does not start, SubprocessError if it cannot be
    confined.
    """
    confinement = confine(own, reads, alone=True, sees_originals=sees_originals)
    reason, telling = os.pipe()

    def confine_child() -> None:
        try:
            orphans.die_with_parent()
            if confinement is not None:
                confinement.enter()
                linux.drop_capabilities()
        except OSError as error:
            os.write(telling, str(error).encode())
            raise

    variables = os.environ if environment is None else environment
    kept = {key: value for key, value in variables.items() if key != DATA_VARIABLE}
    # numba writes into its cache or refuses to work, and beside installed packages it may not
    kept = {"NUMBA_CACHE_DIR": str(own), **kept, **dict.fromkeys(_TEMPORARY[:3], str(own))}
    try:
        return subprocess.Popen(
            arguments, cwd=own, env=kept, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr,
            pass_fds=pass_fds, start_new_session=True, preexec_fn=confine_child,
        )  # fmt: skip
    except subprocess.SubprocessError as error:
        os.write(telling, b" ")  # so that there is something to read
        raise subprocess.SubprocessError(os.read(reason, 1000).decode().strip()) from error
    finally:
        os.close(reason)
        os.close(telling)
        if confinement is not None:
            confinement.close()


def end(process: subprocess.Popen[bytes]) -> int:
    """Ends a launched program and all that it started; the exit status, which is the program's own
    if it had ended."""
    alone = not _confined and namespaces.offered() & namespaces.PROCESSES
    while alone:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            # it may not have its handler yet: a signal is then lost to one of this process
            return process.wait(_AGAIN_SECONDS)
    process.kill()
    status = process.wait()
    orphans.end_session(process.pid)
    return status


def confine_this_process(own: Path, reads: Iterable[Path], *, since: float) -> str:
    """Confines this process for good, with its temporary files in ``own`` and no way to the data.

    Returns how far that went, in the words of ``describe``. The decoders' code stays readable, and
    so do downloaded weights that did not change after ``since``, a time in seconds of the clock.
    """
    kind = describe()
    os.environ[_LAUNCH_VARIABLE] = str(Path.cwd())
    _set_environment(own)
    reads = (*_hidden.code, *reads, *downloaded_weights(since))
    confinement = confine(own, reads)
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
    for name, value in list(os.environ.items()):
        if name.startswith("BENCH_") and os.sep in value and Path(value).exists():
            os.environ[name] = str(Path(value).absolute())  # the current folder will be another
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
    return tuple((folder, landlock.LIST) for folder in named) + tuple(
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
        yield place, landlock.READ
    elif f"{place}/" not in inside and place.is_dir():
        yield place, landlock.LIST
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
        for place in module_places(name.partition(":")[0]):
            if not any(f"{place}/".startswith(one) for one in installed):
                found.update(dict.fromkeys((place, *_code_in(place.parent))))
    return tuple(found)


def module_places(name: str) -> tuple[Path, ...]:
    """Where a top-level module lies, or would lie in the current folder. Imports nothing."""
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
