"""Starts a worker process, speaks to it, and turns its failures and its death into reasons.

Owns pipes, time limits and the words of a reason; knows neither cards nor signals.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import subprocess
import sys
import tempfile
import threading
import weakref
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from shutil import rmtree
from typing import Any, NoReturn

from bench import errors
from bench.codecs.foreign.worker import receive, send
from bench.codecs.support import frame_progress, stopwatch
from bench.codecs.support.process import summarize
from bench.errors import BenchError, CodecError, Unavailable
from bench.processes import isolation, orphans
from bench.processes.pool import ended

_WORKER = Path(__file__).with_name("worker.py")
# how often a host that waits for an answer looks whether its worker is alive
_LOOK_SECONDS = 0.05
# after the end of a pipe until the process has ended: on a loaded machine that is seconds
_LAST_SECONDS = 20.0
# and after how many looks it asks how many frames of a clip are coded
_TOLD_EVERY = 20
_TAIL_BYTES = 4000
_PIPE_BYTES = 1 << 20
_BROKEN = (OSError, ValueError, KeyError, TypeError, MemoryError, RecursionError)
_EVERYTHING = (Path("/"),)
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


class StartError(CodecError):
    """Foreign code cannot be imported or set up: all its rows fail for this reason."""


@dataclass(frozen=True, slots=True)
class Program:
    """What a worker is started with. ``codec`` is for messages, ``opening`` has the arguments of
    the call that imports the code, as JSON."""

    codec: str
    opening: str
    python: str = sys.executable


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call gave."""

    result: Mapping[str, Any]
    blobs: Sequence[bytes] = field(default=())


class Host:
    """One worker process. It is started by the first call, and again after it died.

    A ``decoder`` reads programs, packages and ``reads``; others read all but hidden paths, or these
    too where it ``sees_originals``. All write into a folder of their own alone, as far as the
    system can enforce it.
    """

    def __init__(
        self, program: Program, *, decoder: bool = False, sees_originals: bool = False
    ) -> None:
        self.program = program
        self._decoder, self._sees_originals = decoder, sees_originals
        self.reads: tuple[Path, ...] = ()
        self.isolation = isolation.describe()
        self._process: _Process | None = None

    def call(
        self,
        name: str,
        args: Mapping[str, object] | None = None,
        blobs: Sequence[bytes] = (),
        *,
        seconds: float | None = None,
    ) -> Answer:
        """The answer to a call. What is timed by the caller is the time inside of the worker.

        Raises what the code's failure is to us: Unavailable, StartError, CodecError, or the
        BenchError that an adapter raised; CodecError where the process dies or takes longer than
        ``seconds``.
        """
        start = stopwatch.now()
        process = self._started(seconds)
        answer, found = process.ask(name, args or {}, blobs, seconds)
        taken = answer.get("seconds", {})
        inside = stopwatch.Seconds(taken.get("wall", 0.0), taken.get("cpu", 0.0))
        stopwatch.count_as(inside, since=start)
        if "error" in answer:
            self._refuse(answer["error"])
        return Answer(answer["result"], found)

    def _refuse(self, error: Mapping[str, Any], *, starting: bool = False) -> NoReturn:
        # a decoder may lack a file that the card does not name; both may try to write somewhere
        if self._decoder or "Read-only" in error["message"]:
            error = {**error, "message": isolation.with_cure(error["message"])}
        refuse(self.program.codec, error, starting=starting)

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.alive

    @property
    def own(self) -> Path | None:
        """The folder that the process may write into, while it runs."""
        return None if self._process is None else self._process.folder

    def _started(self, seconds: float | None) -> _Process:
        if self._process is not None and self._process.alive:
            return self._process
        self.close()
        reads = self.reads if self._decoder else _EVERYTHING
        self._process = process = _Process(self.program, reads, self._sees_originals)
        answer, _ = process.ask("open", json.loads(self.program.opening), (), seconds)
        if "error" in answer:
            self.close()
            self._refuse(answer["error"], starting=True)
        return process

    def close(self) -> None:
        """Ends the process and removes its folder."""
        if self._process is not None:
            self._process.close()
            self._process = None


def refuse(codec: str, error: Mapping[str, Any], *, starting: bool = False) -> NoReturn:
    """Raises what a worker's error is to us."""
    kind, message = error["kind"], error["message"]
    if kind == "bench":
        made = getattr(errors, error["type"], CodecError)
        known = issubclass(made, BenchError) and (not starting or made is Unavailable)
        raise made(message) if known else StartError(message)
    if kind == "cuda":
        raise Unavailable(f"{codec} needs a CUDA device ({message}); run with --device cuda")
    where = f"at {error['where']}" if error.get("where") else ""
    name = "" if error["type"] == "Fault" else f"{error['type']}: "
    words = "cannot be imported: " if kind == "import" else ""
    text = " ".join(f"{codec}: {words}{name}{message} {where}".split())
    if kind == "unsupported":
        raise errors.Unsupported(text)
    raise StartError(text) if starting or kind in ("import", "weights") else CodecError(text)


class _Process:
    """A worker that runs, its pipes, and the end of what it prints."""

    def __init__(self, program: Program, reads: Sequence[Path], sees_originals: bool) -> None:
        self.codec = program.codec
        self.folder = Path(tempfile.mkdtemp(prefix="foreign-"))
        calls, answers, said = _wide_pipe(), _wide_pipe(), os.pipe()
        theirs = (calls[0], answers[1])
        try:
            self._process = _launch(
                program.python, theirs, said[1], self.folder, reads, sees_originals
            )
        except (OSError, subprocess.SubprocessError) as error:
            for handle in (calls[1], answers[0], said[0]):
                os.close(handle)
            rmtree(self.folder, ignore_errors=True)
            raise StartError(f"{self.codec}: {program.python} does not start: {error}") from error
        finally:
            for handle in (*theirs, said[1]):
                os.close(handle)
        self._calls, self._answers = os.fdopen(calls[1], "wb"), os.fdopen(answers[0], "rb")
        self._said: deque[bytes] = deque(maxlen=_TAIL_BYTES // 64)
        listener = threading.Thread(target=_listen, args=(said[0], self._said), daemon=True)
        listener.start()
        orphans.keep(self._process.pid)
        self._end = weakref.finalize(self, _end, self._process, self.folder)

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def ask(
        self, name: str, args: Mapping[str, object], blobs: Sequence[bytes], seconds: float | None
    ) -> tuple[Mapping[str, Any], Sequence[bytes]]:
        """Sends a call and waits for its answer. Raises CodecError with the cause of death."""
        try:
            send(self._calls, {"call": name, "args": dict(args)}, list(blobs))
            self._wait(name, seconds)
            answer = receive(self._answers)
        except _BROKEN as error:  # it died meanwhile, or wrote into its own pipe
            answer = None
            if not isinstance(error, BrokenPipeError):
                self.close()
                raise CodecError(f"{self.codec}: its process broke off ({error})") from error
        if answer is None:
            raise CodecError(f"{self.codec}: {self._cause_of_death(name)}")
        return answer

    def _wait(self, name: str, seconds: float | None) -> None:
        """Until there is an answer, or none will come: a child of the dead worker may hold its end
        of the pipe open."""
        rounds, poll = 0, select.poll()  # not select, which takes no descriptor over 1023
        poll.register(self._answers, select.POLLIN)
        while not poll.poll(_LOOK_SECONDS * 1000):
            rounds += 1
            if name == "encode" and not rounds % _TOLD_EVERY:
                frame_progress.relay(self.folder / "frames.log")
            if not self.alive:
                raise BrokenPipeError
            if seconds is not None and rounds * _LOOK_SECONDS > seconds:
                self.close()
                raise CodecError(f"{self.codec}: {name} takes longer than {seconds:g} s")

    def _cause_of_death(self, call: str) -> str:
        what = {"encode": "encoding", "decode": "decoding", "open": "being imported"}
        doing = what.get(call, f"asked for {call}")
        try:
            end = ended(self._process.wait(_LAST_SECONDS), doing)
        except subprocess.TimeoutExpired:  # it may go on for ever
            end = f"closed its pipe while {doing}"
        self.close()
        text = summarize(b"".join(self._said).decode(errors="replace"))
        return f"its process {end}: {text}" if text else f"its process {end}"

    def close(self) -> None:
        for pipe in (self._calls, self._answers):
            try:
                pipe.close()
            except OSError:  # what was not yet written to a dead process
                continue
        self._end()


def _wide_pipe() -> tuple[int, int]:
    """A pipe that takes a picture at once: each time that it is full costs two turns of the CPU."""
    handles = os.pipe()
    with contextlib.suppress(OSError, AttributeError):  # the user has many, or no Linux
        fcntl.fcntl(handles[1], fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    return handles


def _launch(
    python: str,
    pipes: Sequence[int],
    said: int,
    folder: Path,
    reads: Sequence[Path],
    sees_originals: bool,
) -> subprocess.Popen[bytes]:
    # packages of our interpreter are none of another's
    kept = {k: v for k, v in os.environ.items() if python == sys.executable or k != "PYTHONPATH"}
    return isolation.launch(
        [python, "-B", str(_WORKER), *map(str, pipes)],
        folder,
        reads,
        stdout=said,
        stderr=said,
        pass_fds=pipes,
        environment={**kept, **dict.fromkeys(_THREADS, "1")},
        sees_originals=sees_originals,
    )


def _listen(handle: int, said: deque[bytes]) -> None:
    with os.fdopen(handle, "rb", buffering=0) as pipe:
        while piece := pipe.read(64):
            said.append(piece)


def _end(process: subprocess.Popen[bytes], folder: Path) -> None:
    isolation.end(process)
    orphans.end_kept(process.pid)
    rmtree(folder, ignore_errors=True)
