"""Runs that are disturbed: by another run, by readers, by kills and by damage to their store."""

from __future__ import annotations

import contextlib
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.processes.pool import scratch_name
from bench.results.store import FILE
from tests.robustness.trial import (
    LIMIT,
    Finding,
    Hung,
    Room,
    call,
    chance,
    finish,
    numbers,
    pictures,
    run_words,
    running,
    same_numbers,
)

_QUICKLY = "--no-report"
_POINTS = 3
"""Of the codecs of ``run_words``."""


def _undisturbed(room: Room) -> tuple[Path, list[tuple[str, ...]]]:
    source, out = room.folder / "pictures", room.folder / "undisturbed"
    pictures(source, room.disturbed)
    ended = call(*run_words(source, out))
    if ended.status != 0:
        raise RuntimeError(f"the undisturbed run: exit {ended.status} ({ended.err.strip()})")
    return source, numbers(out)


def stored(out: Path) -> int:
    """How many records a store holds; 0 while there is none."""
    try:
        with contextlib.closing(sqlite3.connect(f"file:{out / FILE}?mode=ro", uri=True)) as db:
            return int(db.execute("SELECT COUNT(*) FROM records").fetchone()[0])
    except sqlite3.Error:
        return 0


def wait_for_records(
    process: subprocess.Popen[str], out: Path, count: int = 1, *, other_than: int | None = None
) -> None:
    """Until a run has stored so many records, or another number of them than it had, or is over.
    Raises Hung if none of this comes."""
    end = time.monotonic() + LIMIT
    while process.poll() is None:
        now = stored(out)
        if (now >= count) if other_than is None else (now != other_than):
            return
        if time.monotonic() > end:
            raise Hung(f"a run: {now} records within {LIMIT:g} s")
        time.sleep(0.01)


def two_runs(room: Room) -> Finding:
    """Two, then three runs into one folder, started at the same moment."""
    source, expected = _undisturbed(room)
    faults: list[str] = []
    refused = tried = 0
    for number in room.rounds():
        out = room.folder / f"shared{number}"
        with contextlib.ExitStack() as stack:
            started = [stack.enter_context(running(*run_words(source, out))) for _ in range(3)]
            ends = [finish(one) for one in started]
        for ended in ends:
            faults += ended.faults("a run", 0, 2)
            if ended.status == 2 and "another run is writing here" not in ended.err:
                faults.append(f"a run: refused otherwise: {ended.err.strip()[:200]}")
        tried += len(ends)
        refused += sum(ended.status == 2 for ended in ends)
        faults += same_numbers("three runs at once", out, expected)
    return Finding(tried, "runs", tuple(faults), f"{refused} were refused by name")


def readers(room: Room) -> Finding:
    """`report`, `check` and `bd` of a folder, new or finished, while a run writes into it."""
    source, expected = _undisturbed(room)
    baseline, faults, times, met = room.folder / "undisturbed", [], 0, 0
    for number in room.rounds(2):
        out = room.folder / f"read{number}"
        if number % 2:
            shutil.copytree(baseline, out)
        more = ("--fresh",) if number % 2 else ()
        with running(*run_words(source, out, *more)) as process:
            for words in (("check", out, "--against", baseline), ("report", out),
                          ("bd", out, "--anchor", "png")):  # fmt: skip
                wait_for_records(process, out)
                met += process.poll() is None
                faults += call(*words).faults(words[0], 0, 1, 2)
                times += 1
            faults += finish(process).faults("the run that was read", 0)
        faults += same_numbers("the run that was read", out, expected)
    return Finding(times, "commands", tuple(faults), f"{met} began while it measured")


def kills(room: Room) -> Finding:
    """Kills at moments of chance, each followed by the same command, until a run is done; then the
    next folder."""
    source, expected = _undisturbed(room)
    dice, faults, before, folders, hits = chance(room), list[str](), 0, 0, 0
    out = room.folder / "killed0"
    for number in room.rounds(12):
        with running(*run_words(source, out, _QUICKLY)) as process:
            if number % 2:  # while it measures, however slowly this machine starts a run
                wait_for_records(process, out, other_than=before)
            time.sleep(dice.uniform(0, 0.2) if number % 2 else dice.uniform(0.02, 1.1))
            hits += process.poll() is None
            process.send_signal(signal.SIGKILL)
            finish(process)
        now = stored(out)
        if now < before:
            faults.append(f"a kill lost {before - now} records")
        before = now
        if now >= len(expected):
            faults += _continued(source, out, expected, now)
            folders, before = folders + 1, 0
            out = room.folder / f"killed{folders}"
    if before:
        faults += _continued(source, out, expected, before)
    return Finding(hits, "kills", tuple(faults), f"in {folders + bool(before)} runs")


def _continued(source: Path, out: Path, expected: list[tuple[str, ...]], kept: int) -> list[str]:
    """Faults of the run that ends what kills left, so many records."""
    ended = call(*run_words(source, out, _QUICKLY))
    faults = ended.faults("the run after the kills", 0)
    said = re.search(r"(\d+) (?:of them )?kept", ended.out)
    # a first item that no fresh process had decoded is measured again, at each of its points
    if not said or not kept - _POINTS <= int(said[1]) <= kept:
        faults.append(f"the run after the kills did not keep {kept}: {ended.out.strip()[:120]}")
    faults += same_numbers("after the kills", out, expected)
    if (Path(tempfile.gettempdir()) / scratch_name(out)).exists():
        faults.append("scratch is left")
    faults += [f"{path.name} is left" for path in out.glob("*new*")]
    return faults


def damage(room: Room) -> Finding:
    """The store overwritten, cut, replaced or removed while a run writes it; the next runs mend
    it."""
    source, expected = _undisturbed(room)
    dice, faults, mended, tried = chance(room), [], 0, 0
    for number in room.rounds(len(_DAMAGES)):
        out, (what, spoil) = room.folder / f"damaged{number}", _DAMAGES[number % len(_DAMAGES)]
        with running(*run_words(source, out, _QUICKLY)) as process:
            wait_for_records(process, out, len(expected) // 9)
            spoil(out / FILE, dice)
            ended = finish(process)
        faults += ended.faults(f"the run whose store is {what}", 0, 1, 2)
        mended += ended.status != 0
        for which in ("first", "second"):
            ended = call(*run_words(source, out, _QUICKLY))
            faults += ended.faults(f"the {which} run after the store was {what}", 0)
        faults += same_numbers(f"after the store was {what}", out, expected)
        tried += 1
    return Finding(tried, "stores", tuple(faults), f"{mended} runs noticed it themselves")


def _overwrite(path: Path, dice: random.Random) -> None:
    with path.open("r+b") as file:
        file.seek(dice.randrange(max(1, path.stat().st_size)))
        file.write(dice.randbytes(64))


def _overwrite_log(path: Path, dice: random.Random) -> None:
    log = path.with_name(f"{path.name}-wal")
    _overwrite(log if log.is_file() and log.stat().st_size else path, dice)


def _cut(path: Path, dice: random.Random) -> None:
    with path.open("r+b") as file:
        file.truncate(dice.randrange(max(1, path.stat().st_size)))


def _replace(path: Path, dice: random.Random) -> None:
    path.write_bytes(dice.randbytes(5000))


def _remove(path: Path, dice: random.Random) -> None:
    path.unlink()


_DAMAGES: tuple[tuple[str, Callable[[Path, random.Random], None]], ...] = (
    ("overwritten", _overwrite),
    ("cut", _cut),
    ("overwritten in its log", _overwrite_log),
    ("replaced by noise", _replace),
    ("removed", _remove),
)
