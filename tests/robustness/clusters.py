"""A Dask cluster on this machine whose scheduler and workers are killed, outdated or incomplete."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from tests.robustness.folders import with_version
from tests.robustness.runs import wait_for_records
from tests.robustness.trial import (
    LIMIT,
    Finding,
    Hung,
    Room,
    call,
    environment,
    finish,
    numbers,
    pictures,
    run_words,
    running,
    same_numbers,
    start,
)

_MISSING = "cluster needs dask.distributed: pip install 'bench-rd[cluster]'"


@dataclass
class _Cluster:
    """A scheduler and workers as `dask scheduler` and `dask worker` start them."""

    folder: Path
    address: str = ""
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    def schedule(self) -> subprocess.Popen[str]:
        """Starts a scheduler, at the address of the last one if there was one."""
        file = self.folder / f"scheduler{len(self.processes)}.json"
        port = self.address.rpartition(":")[2] or "0"
        words = ("scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard")
        process = self._start(*words, "--scheduler-file", file)
        end, address = time.monotonic() + LIMIT, ""
        while process.poll() is None and not (address := _address(file)):
            if time.monotonic() > end:
                raise Hung(f"dask scheduler: no address within {LIMIT:g} s")
            time.sleep(0.05)
        self.address = address or self.address
        return process

    def work(self, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        local = self.folder / f"worker{len(self.processes)}"
        return self._start(
            "worker", self.address, "--nthreads", 1, "--no-dashboard", "--no-nanny", "--host",
            "127.0.0.1", "--local-directory", local, env=env,
        )  # fmt: skip

    def _start(self, *words: object, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        log = (self.folder / f"log{len(self.processes)}").open("w")
        process = start(*words, module="dask", env=env, log=log)
        self.processes.append(process)
        return process


def _address(file: Path) -> str:
    """What a scheduler has written of itself; empty while it has not, or not to the end."""
    try:
        return str(json.loads(file.read_text())["address"])
    except (FileNotFoundError, ValueError):
        return ""


@contextlib.contextmanager
def _cluster(folder: Path) -> Iterator[_Cluster]:
    folder.mkdir(parents=True)
    cluster = _Cluster(folder)
    try:
        cluster.schedule()
        yield cluster
    finally:
        for process in cluster.processes:
            process.kill()
            process.wait()


def cluster_kills(room: Room) -> Finding:
    """A worker killed with SIGKILL in the midst of a run, then the scheduler, which starts again at
    its address with a new worker; then the same command."""
    if find_spec("distributed") is None:
        return Finding(0, "clusters", skipped=_MISSING)
    source, local = pictures(room.folder / "pictures", 2 * room.disturbed), room.folder / "local"
    faults = call(*run_words(source, local)).faults("the local run", 0)
    expected, hits, named, number = numbers(local), 0, 0, 0
    for number in room.rounds():
        out = room.folder / f"out{number}"
        with _cluster(room.folder / f"dask{number}") as cluster:
            scheduler, first = cluster.processes[0], cluster.work()
            cluster.work()
            words = run_words(source, out, "--cluster", cluster.address)
            with running(*words) as process:
                wait_for_records(process, out)
                first.send_signal(signal.SIGKILL)
                wait_for_records(process, out, len(expected) // 15)
                hits += process.poll() is None
                scheduler.send_signal(signal.SIGKILL)
                scheduler.wait()
                cluster.schedule()
                cluster.work()
                ended = finish(process)
            faults += ended.faults("the run that lost its scheduler", 0, 2)
            named += ended.status == 2 and "lost the scheduler" in ended.err
            faults += call(*words).faults("the same command again", 0)
        faults += same_numbers("after worker and scheduler were killed", out, expected)
    note = f"{hits} runs lost their scheduler in their midst, {named} named the loss"
    return Finding(number + 1, "clusters", tuple(faults), note)


def other_workers(room: Room) -> Finding:
    """Workers with another version of numpy or of this package, and one that lacks a codec's
    program."""
    if find_spec("distributed") is None:
        return Finding(0, "workers", skipped=_MISSING)
    source, faults = pictures(room.folder / "pictures", 3), []
    changed = room.folder / "changed"
    changed.mkdir()
    (changed / "sitecustomize.py").write_text("import bench\nbench.__version__ = '0.0.0'\n")
    ours = environment()
    for name, env in (
        ("numpy", with_version(room.folder / "packages", "numpy", "9.9.9")),
        ("bench", {**ours, "PYTHONPATH": f"{changed}:{ours['PYTHONPATH']}"}),
    ):
        with _cluster(room.folder / name) as cluster:
            cluster.work(env)
            ended = call(*run_words(source, room.folder / "out", "--cluster", cluster.address))
            faults += ended.faults(f"workers with another {name}", 2)
            if f"has {name} " not in ended.err:
                faults.append(f"workers with another {name}: not named: {ended.err.strip()[:200]}")
    faults += _without_program(room, source)
    return Finding(3, "workers", tuple(faults))


def _without_program(room: Room, source: Path) -> list[str]:
    programs, cards = room.folder / "programs", room.folder / "cards" / "codecs"
    programs.mkdir()
    cards.mkdir(parents=True)
    tool = programs / "bench-trial-copy"
    tool.write_text('#!/bin/sh\ncp "$1" "$2"\n')
    tool.chmod(0o755)
    (cards / "copy.toml").write_text(
        'title = "A copy"\nadapter = "bench.codecs.command:CommandCodec"\nmedia = ["image"]\n'
        '[settings]\nencode = "bench-trial-copy {input} {bitstream}"\n'
        'decode = "bench-trial-copy {bitstream} {output}"\n[ladder]\nmode = ["only"]\n'
    )
    out, ours = room.folder / "without", environment()
    with _cluster(room.folder / "lacking") as cluster:
        cluster.work()
        ended = call(
            "run", "--input", source, "--codecs", "copy", "--cards", cards.parent, "--out", out,
            "--cluster", cluster.address, env={**ours, "PATH": f"{programs}:{ours['PATH']}"},
        )  # fmt: skip
    faults = ended.faults("a worker without the program", 0, 1, 2)
    rows = numbers(out)
    if any("done" in row for row in rows):
        faults.append("a worker without the program: tasks were done")
    said = ended.err + "".join(",".join(row) for row in rows)
    if "bench-trial-copy" not in said:
        faults.append(f"a worker without the program: it is not named: {said[:200]}")
    return faults
