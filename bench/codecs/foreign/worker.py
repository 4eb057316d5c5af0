"""The process that runs code which is not ours: reads calls from one pipe, answers on another.

Stands alone: Python 3.8 and newer with numpy; the backend for models, beside it, needs torch, too.
Imports nothing of bench but the backend for adapters, which are written against bench.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import os
import platform
import random
import resource
import struct
import sys
import time
import traceback
import types
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:  # what Python 3.8 cannot evaluate
    from typing import IO, Any

    Head = dict[str, Any]
    Blobs = list[bytes]
    Reply = tuple[Head, Blobs]

_SIZES = struct.Struct("<IQ")
_INSTALLED = {"site-packages", "dist-packages"}
_STANDARD = Path(os.__file__).resolve().parent
"""Where Python's own library lies."""
_NEIGHBOURS = "_bench_worker"
_NOT_ITS_OWN = {"bench", _NEIGHBOURS, "__main__", "__mp_main__"}
"""Modules that are no part of the code that runs here, with all that were there at the start."""
_MOST = 460
"""Characters of an exception's message that are passed on."""


# --- messages: <u32 n><u64 m>, n bytes of JSON, m bytes of blobs, whose lengths the JSON has


def send(pipe: IO[bytes], head: Head, blobs: Blobs) -> None:
    """Writes one message."""
    head = dict(head, blobs=[len(blob) for blob in blobs])
    text = json.dumps(head, default=str).encode()
    pipe.write(_SIZES.pack(len(text), sum(len(blob) for blob in blobs)) + text)
    for blob in blobs:
        pipe.write(blob)
    pipe.flush()


def receive(pipe: IO[bytes]) -> Reply | None:
    """Reads one message; None where the other side has closed its end."""
    start = pipe.read(_SIZES.size)
    if len(start) < _SIZES.size:
        return None
    size, _ = _SIZES.unpack(start)
    head = json.loads(pipe.read(size).decode())
    return head, [pipe.read(length) for length in head.pop("blobs")]


# --- which code ran: releases by version, all else by content


@lru_cache(maxsize=1)
def top_levels() -> dict[str, tuple[str, str]]:
    """Name and version of the installed release of each importable name."""
    from importlib import metadata

    found: dict[str, tuple[str, str]] = {}
    for release in metadata.distributions():
        if '"editable": true' in (release.read_text("direct_url.json") or ""):
            continue  # a repository that may change under its version
        names = (release.read_text("top_level.txt") or "").split()
        if not names:
            record = (release.read_text("RECORD") or "").splitlines()
            names = [line.split("/")[0].split(",")[0].split(".")[0] for line in record]
        about = (str(release.metadata["Name"]), str(release.version))
        for name in names:
            found.setdefault(name, about)  # the first on the path is what is imported
    return found


@lru_cache(maxsize=1 << 16)
def _code_of(top: str, file: str) -> tuple[str, str, bool]:
    """Of a module's file: the name of its release and version, or its path and sha256."""
    path = Path(file).resolve()
    installed, release = bool(_INSTALLED.intersection(path.parts)), top_levels().get(top)
    if installed and release:
        return (*release, True)
    if not installed and _STANDARD in path.parents:
        return "", "", True  # Python's own
    try:
        return str(path), hashlib.sha256(path.read_bytes()).hexdigest(), False
    except OSError:  # inside of an archive, or gone since
        return "", "", False


def loaded_code() -> tuple[dict[str, str], dict[str, str]]:
    """Of all modules that are loaded: version by installed release, and sha256 by source file of
    what is neither a release nor Python's own nor ours."""
    versions: dict[str, str] = {}
    sources: dict[str, str] = {}
    for name, module in sorted(sys.modules.items()):
        top, file = name.partition(".")[0], getattr(module, "__file__", None)
        if isinstance(file, str) and top not in _NOT_ITS_OWN:
            found, mark, released = _code_of(top, file)
            if found:
                (versions if released else sources)[found] = mark
    return versions, sources


# --- what an exception says


def described(error: BaseException) -> Head:
    """An exception in plain data; one whose ``str`` raises is described without it."""
    name = type(error).__name__
    try:
        message = " ".join(str(error).split())[:_MOST]
    except BaseException:  # the exception is foreign code, too
        message = "its message cannot be shown"
    if isinstance(error, SystemExit):
        message = f"called sys.exit({message})"
    for kind in type(error).__mro__:
        if kind.__module__ == "bench.errors":  # said by an adapter, in our own words
            return {"kind": "bench", "type": kind.__name__, "message": message, "where": ""}
    said_by_us = type(error).__module__.startswith(_NEIGHBOURS)
    kind_of = error.kind if said_by_us else _kind(error, message)  # type: ignore[attr-defined]
    return {"kind": kind_of, "type": name, "message": message, "where": _where(error)}


def _kind(error: BaseException, message: str) -> str:
    text, torch = message.lower(), sys.modules.get("torch")
    if "cuda" in text or "nvidia driver" in text:
        cuda = getattr(torch, "cuda", None)
        if cuda is None or not cuda.is_available():
            return "cuda"
    return "import" if isinstance(error, ImportError) else "code"


def _where(error: BaseException) -> str:
    """The last line of foreign code that was running: ``net.py:12``."""
    own = str(Path(__file__).resolve().parent)
    lines = [
        one
        for one in traceback.extract_tb(error.__traceback__)
        if str(Path(one.filename).resolve().parent) != own
    ]
    foreign = [
        one
        for one in lines
        if not one.filename.startswith("<")
        and not _INSTALLED.intersection(Path(one.filename).parts)
        and _STANDARD not in Path(one.filename).resolve().parents
    ]
    last = (foreign or lines)[-1:]
    return f"{Path(last[0].filename).name}:{last[0].lineno}" if last else ""


# --- backends


def _backend(name: str) -> Any:
    if name == "model":
        # a package of the files beside this one, under a name that no repository has
        package = types.ModuleType(_NEIGHBOURS)
        package.__path__ = [str(Path(__file__).resolve().parent)]
        sys.modules[_NEIGHBOURS] = package
        return importlib.import_module(f"{_NEIGHBOURS}.model_backend").Backend()
    return importlib.import_module(name).Backend()


# --- the loop


class Worker:
    """Answers calls until the pipe is closed. ``open`` chooses the backend of all that follow."""

    def __init__(self) -> None:
        self.backend: Any = None

    def answer(self, head: Head, blobs: Blobs) -> Reply:
        """The answer to a call, whatever the code raises."""
        call, args = head["call"], head.get("args", {})
        try:
            if call == "open":
                self._prepare(args)
            elif call == "sources":
                versions, sources = loaded_code()
                code = {"versions": versions, "sources": sources}
                return {"result": dict(code, python=platform.python_version())}, []
            _sow()
            wall, cpu = time.perf_counter(), _cpu()
            result, found = getattr(self.backend, call)(args, blobs)
            seconds = {"wall": time.perf_counter() - wall, "cpu": _cpu() - cpu}
            return {"result": result, "seconds": result.pop("seconds", seconds)}, found
        except BaseException as error:  # also sys.exit and KeyboardInterrupt of foreign code
            return {"error": described(error)}, []

    def _prepare(self, args: Head) -> None:
        sys.path[:] = list(dict.fromkeys([*args.get("path", ()), *sys.path, *args["last"]]))
        with contextlib.suppress(OSError):  # where relative paths of the code start
            os.chdir(args["folder"])
        _sow()
        self.backend = _backend(args["backend"])


def _sow() -> None:
    """Random numbers of a call do not depend on the calls before: in any order and number of
    processes the same is measured."""
    random.seed(0)
    np.random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def main(arguments: list[str]) -> None:
    reading, writing = (int(word) for word in arguments)
    for handle in (reading, writing):
        os.set_inheritable(handle, False)
    del sys.path[0]  # the folder of this file: its neighbours are no modules of anybody's
    del sys.argv[1:]  # which code with options of its own would read as its own
    _NOT_ITS_OWN.update({name.partition(".")[0] for name in sys.modules} - {"numpy"})
    worker, owner = Worker(), os.getpid()
    with os.fdopen(reading, "rb") as requests, os.fdopen(writing, "wb") as answers:
        while True:
            message = receive(requests)
            if message is None:
                break
            answer, blobs = worker.answer(*message)
            if os.getpid() != owner:  # a child that foreign code forked has come back
                os._exit(1)
            send(answers, answer, blobs)
    os._exit(0)  # threads of foreign code wait for nothing


if __name__ == "__main__":
    main(sys.argv[1:])
