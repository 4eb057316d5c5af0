"""Runs that are disturbed: by another run, by readers, by kills and by damage to their store."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
from pathlib import Path

from bench.doctor.robustness.trial import (
    LIMIT,
    Finding,
    Room,
    call,
    chance,
    finish,
    numbers,
    pictures,
    run_words,
    same_numbers,
    start,
)
from bench.engine.workers import scratch_name
from bench.results.store import FILE

_PICTURES = 150


def _undisturbed(room: Room) -> tuple[Path, list[tuple[str, ...]]]:
    source, out = room.folder / "pictures", room.folder / "undisturbed"
    if not source.exists():
        pictures(source, _PICTURES)
        ended = call(*run_words(source, out))
        assert ended.status == 0, ended.err
    return source, numbers(out)


def stored(out: Path) -> int:
    """How many records a store holds; 0 while there is none."""
    try:
        with sqlite3.connect(f"file:{out / FILE}?mode=ro", uri=True) as db:
            return int(db.execute("SELECT COUNT(*) FROM records").fetchone()[0])
    except sqlite3.Error:
        return 0


def wait_for_records(process: subprocess.Popen[str], out: Path, count: int = 1) -> None:
    """Until a run has stored so many records or is over."""
    end = time.monotonic() + LIMIT
    while process.poll() is None and stored(out) < count and time.monotonic() < end:
        time.sleep(0.01)


def two_runs(room: Room) -> Finding:
    """Two, then three runs into one folder, started at the same moment."""
    source, expected = _undisturbed(room)
    faults: list[str] = []
    refused = 0
    for number in range(room.repeats):
        out = room.folder / f"shared{number}"
        ends = [finish(one) for one in [start(*run_words(source, out)) for _ in range(3)]]
        for ended in ends:
            faults += ended.faults("a run", 0, 2)
            if ended.status == 2 and "another run is writing here" not in ended.err:
                faults.append(f"a run: refused otherwise: {ended.err.strip()[:200]}")
        refused += sum(ended.status == 2 for ended in ends)
        faults += same_numbers("three runs at once", out, expected)
    return Finding(3 * room.repeats, "runs", tuple(faults), f"{refused} were refused by name")


def readers(room: Room) -> Finding:
    """`report`, `check` and `bd` of a folder, new or finished, while a run writes into it."""
    source, expected = _undisturbed(room)
    baseline, faults, times = room.folder / "undisturbed", [], 0
    for number in range(room.repeats):
        out = room.folder / f"read{number}"
        if number % 2:
            shutil.copytree(baseline, out)
        more = ("--fresh",) if number % 2 else ()
        process = start(*run_words(source, out, *more))
        for words in (("check", out, "--against", baseline), ("report", out),
                      ("bd", out, "--anchor", "png")):  # fmt: skip
            wait_for_records(process, out)
            ended = call(*words)
            faults += ended.faults(words[0], 0, 1, 2)
            times += 1
        faults += finish(process).faults("the run that was read", 0)
        faults += same_numbers("the run that was read", out, expected)
    return Finding(times, "commands", tuple(faults))


def kills(room: Room) -> Finding:
    """Kills at moments of chance, each followed by the same command."""
    source, expected = _undisturbed(room)
    dice, out, faults, before = chance(room), room.folder / "killed", [], 0
    for _ in range(4 * room.repeats):
        process = start(*run_words(source, out))
        wait_for_records(process, out, before + 1)
        time.sleep(dice.uniform(0, 0.2))
        process.send_signal(signal.SIGKILL)
        finish(process)
        now = stored(out)
        if now < before:
            faults.append(f"a kill lost {before - now} records")
        before = now
    faults += call(*run_words(source, out)).faults("the run after the kills", 0)
    faults += same_numbers("after the kills", out, expected)
    if (Path(tempfile.gettempdir()) / scratch_name(out)).exists():
        faults.append("scratch is left")
    return Finding(4 * room.repeats, "kills", tuple(faults))


def damage(room: Room) -> Finding:
    """Bytes of the store overwritten while a run writes it; the next runs mend it."""
    source, expected = _undisturbed(room)
    dice, faults, mended = chance(room), [], 0
    for number in range(room.repeats):
        out = room.folder / f"damaged{number}"
        process = start(*run_words(source, out))
        wait_for_records(process, out, 50)
        _overwrite(out / FILE, dice.randrange(1 << 30), dice.randbytes(64))
        ended = finish(process)
        faults += ended.faults("the run whose store is damaged", 0, 1, 2)
        mended += ended.status != 0
        faults += call(*run_words(source, out)).faults("the run after damage", 0)
        faults += call(*run_words(source, out)).faults("the second run after damage", 0)
        faults += same_numbers("after damage", out, expected)
    return Finding(room.repeats, "stores", tuple(faults), f"{mended} runs noticed it themselves")


def _overwrite(path: Path, place: int, noise: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(place % max(1, path.stat().st_size))
        file.write(noise)
