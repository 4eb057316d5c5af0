"""State that all tests of a process share. None of it survives a test: it is put back, and what the
test left there is named, unless a command of ours changes it by design."""

from __future__ import annotations

import os
import re
import resource
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from operator import is_
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2  # noqa: F401 - its import changes the environment, once

from bench.metrics import registry
from bench.processes import isolation

_ABSENT = object()
_CACHED = type(cache(len))
_INSTALLED: set[str] = set()
"""Names of modules that are no test's own: thousands, which are asked once."""
_PLAIN = (str, int, float, bool, tuple, list, dict, set, bytes, Path, isolation.HiddenPaths)
# SIGCHLD: torch hears it from the first worker that prepares batches, and asks for it only once
_SIGNALS = {*signal.Signals} - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}
_LIMITS = ("RLIMIT_AS", "RLIMIT_CORE", "RLIMIT_CPU", "RLIMIT_FSIZE", "RLIMIT_NOFILE")
TORCH_SEED = 67280421310721
"""What torch begins with by itself, so that a test that is the first to import it draws the same
numbers as one that is not."""


@dataclass(frozen=True, slots=True)
class Shared:
    """One kind of state as values by name; ``put`` sets one of them, or removes what was absent.
    What ``by_design`` matches is put back without a word: commands of ours change it."""

    kind: str
    read: Callable[[], Mapping[str, Any]]
    put: Callable[[str, Any], None]
    by_design: str = "nothing"


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}


def _put_environment(name: str, value: Any) -> None:
    if value is _ABSENT:
        del os.environ[name]
    else:
        os.environ[name] = value


def _process() -> dict[str, Any]:
    limits = {name: resource.getrlimit(getattr(resource, name)) for name in _LIMITS}
    return limits | {
        "working folder": str(Path.cwd()),
        "processors": os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None,
        "recursion limit": sys.getrecursionlimit(),
        "tempfile.tempdir": tempfile.tempdir,
        "sys.path": list(sys.path),
        "sys.argv": list(sys.argv),
        "sys.excepthook": sys.excepthook,
    }


def _put_process(name: str, value: Any) -> None:
    if name in _LIMITS:
        resource.setrlimit(getattr(resource, name), value)
    elif name == "working folder":
        os.chdir(value)
    elif name == "processors":
        os.sched_setaffinity(0, value)
    elif name == "recursion limit":
        sys.setrecursionlimit(value)
    else:
        module = tempfile if name.startswith("tempfile") else sys
        setattr(module, name.partition(".")[2], value)


def _signals() -> dict[str, Any]:
    return {one.name: signal.getsignal(one) for one in _SIGNALS}


def _put_signal(name: str, handler: Any) -> None:
    signal.signal(signal.Signals[name], handler)


_LIBRARIES: Mapping[str, tuple[str, str, str]] = {
    "torch threads": ("torch", "get_num_threads", "set_num_threads"),
    "torch default type": ("torch", "get_default_dtype", "set_default_dtype"),
    "torch gradients": ("torch", "is_grad_enabled", "set_grad_enabled"),
    "torch determinism": (
        *("torch", "are_deterministic_algorithms_enabled", "use_deterministic_algorithms"),
    ),
    "OpenCV threads": ("cv2", "getNumThreads", "setNumThreads"),
    "numpy errors": ("numpy", "geterr", "seterr"),
}


def _libraries() -> dict[str, Any]:
    """Settings of the libraries that are imported."""
    return {
        name: getattr(sys.modules[module], read)()
        for name, (module, read, _) in _LIBRARIES.items()
        if module in sys.modules
    }


def _put_library(name: str, value: Any) -> None:
    if value is not _ABSENT:
        module, _, put = _LIBRARIES[name]
        function = getattr(sys.modules[module], put)
        function(**value) if isinstance(value, dict) else function(value)


def _drawing() -> dict[str, Any]:
    matplotlib = sys.modules.get("matplotlib")
    # past its own methods, which look at each name
    return dict(dict.items(matplotlib.rcParams)) if matplotlib else {}


def _put_drawing(name: str, value: Any) -> None:
    if value is not _ABSENT:
        dict.__setitem__(sys.modules["matplotlib"].rcParams, name, value)


def _modules() -> dict[str, ModuleType]:
    """Modules of tests' own files, such as plug-ins and users' models."""
    scratch = tempfile.gettempdir()
    found = {}
    for name in sys.modules.keys() - _INSTALLED:
        if str(getattr(sys.modules[name], "__file__", None)).startswith(scratch):
            found[name] = sys.modules[name]
        else:
            _INSTALLED.add(name)
    return found


def _put_module(name: str, value: Any) -> None:
    if value is _ABSENT:
        del sys.modules[name]
    else:
        sys.modules[name] = value


@dataclass(frozen=True, slots=True)
class _Bound:
    """What a module of ours binds, and which of it are tables and caches of answers."""

    bound: dict[str, Any]
    order: list[str]
    names: dict[str, Any]
    tables: dict[str, Any]
    caches: list[Any]


_known: dict[str, _Bound] = {}
"""Modules as they were last seen: of hundreds, a test changes few."""


def _ours() -> dict[str, _Bound]:
    """The modules of ours, each the same object as long as the module binds the same."""
    found = {}
    for name, module in list(sys.modules.items()):
        if name[:6] in ("bench", "bench.") and isinstance(module, ModuleType):
            bound, known = vars(module), _known.get(name)
            if (
                known is None
                or list(bound) != known.order
                or not all(map(is_, bound.values(), known.bound.values()))
            ):
                known = _known[name] = _looked_at(name, bound)
            found[name] = known
    return found


def _looked_at(name: str, bound: dict[str, Any]) -> _Bound:
    names = {
        f"{name}:{attribute}": value
        for attribute, value in bound.items()
        if not attribute.startswith("__") and not isinstance(value, ModuleType)
    }
    # workers that decode for a codec live as long as the codec, which may be a fixture's
    names.pop("bench.processes.orphans:_kept", None)
    tables = {place: held for place, held in names.items() if type(held) in (dict, list, set)}
    caches = [value for value in bound.values() if type(value) is _CACHED]
    return _Bound(dict(bound), list(bound), names, tables, caches)


def _tables(ours: Mapping[str, _Bound]) -> dict[str, Any]:
    """What the tables of these modules hold now."""
    return {place: type(held)(held) for one in ours.values() for place, held in one.tables.items()}


def _put_ours(place: str, value: Any) -> None:
    name, _, attribute = place.partition(":")
    current = vars(sys.modules[name]).get(attribute)
    if type(value) is type(current) and isinstance(value, dict | set):
        current.clear()
        current.update(value)
    elif type(value) is type(current) and isinstance(value, list):
        current[:] = value
    elif value is _ABSENT:
        delattr(sys.modules[name], attribute)
    else:
        setattr(sys.modules[name], attribute, value)


STATE = (
    # of what a run starts, of torch's import of its compiler, and of polars' own memory
    Shared(
        "environment",
        _environment,
        _put_environment,
        r".*_NUM_THREADS|TORCHINDUCTOR_.*|_RJEM_MALLOC_CONF",
    ),
    Shared("process", _process, _put_process),
    Shared("signal handlers", _signals, _put_signal),
    Shared("libraries", _libraries, _put_library, "(OpenCV|torch) threads"),
    Shared("matplotlib", _drawing, _put_drawing, "backend(_fallback)?"),
    Shared("modules", _modules, _put_module, ".*"),
)


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """Names whose values changed, came or went."""
    names = [name for name, value in after.items() if before.get(name, _ABSENT) is not value]
    for name in (*names, *(before.keys() - after.keys())):
        one, other = before.get(name, _ABSENT), after.get(name, _ABSENT)
        if type(one) is not type(other) or not isinstance(one, _PLAIN) or one != other:
            yield name


def _misses(ours: Mapping[str, _Bound]) -> dict[Any, int]:
    """The functions of ours that remember their answers, with how many they had to find."""
    return {each: each.cache_info().misses for one in ours.values() for each in one.caches}


class Watch:
    """Sees the shared state when it is made; ``end`` puts it back and says what was changed."""

    def __init__(self) -> None:
        # settled when they are first asked for, which is no leftover
        registry.metrics()
        tempfile.gettempdir()
        self._before = [shared.read() for shared in STATE]
        self._ours = _ours()
        self._tables = _tables(self._ours)
        self._misses = _misses(self._ours)

    def end(self, *, replaced: bool) -> list[str]:
        """Where a test has ``replaced`` something, caches that were filled meanwhile are emptied:
        what they hold may be no answer for the next test."""
        left = []
        for shared, before in zip(STATE, self._before, strict=True):
            for name in list(_changed(before, shared.read())):
                # a module that a test is the first to import is no leftover
                if name in before or shared.kind not in ("libraries", "matplotlib"):
                    shared.put(name, before.get(name, _ABSENT))
                    if not re.fullmatch(shared.by_design, name):
                        left.append(f"{shared.kind}: {name}")
        left += [f"attributes: {name}" for name in dict.fromkeys(self._put_ours())]
        if replaced:
            for one, misses in _misses(_ours()).items():
                if misses != self._misses.get(one, 0):
                    one.cache_clear()
        return left

    def _put_ours(self) -> Iterator[str]:
        ours = _ours()
        for module, before in self._ours.items():
            now = ours.get(module)
            if now is not before and now is not None:
                for name in list(_changed(before.names, now.names)):
                    _put_ours(name, before.names.get(name, _ABSENT))
                    yield name
        tables = _tables(self._ours)
        for name in list(_changed(self._tables, tables)):
            _put_ours(name, self._tables[name])
            yield name


@contextmanager
def forgotten() -> Iterator[None]:
    """Plug-ins and metrics that are loaded inside are gone after it, as all else that is shared."""
    watch = Watch()
    try:
        yield
    finally:
        watch.end(replaced=True)
