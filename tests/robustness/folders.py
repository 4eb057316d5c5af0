"""Folders as users have them: of very many pictures, and of results that came from elsewhere."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from bench.results.store import FILE
from tests.robustness.trial import (
    Finding,
    Room,
    call,
    environment,
    numbers,
    pictures,
    run_words,
    same_numbers,
)


def many_pictures(room: Room) -> Finding:
    """A run over thousands of small pictures, and the same again, which has nothing to do."""
    source, out = pictures(room.folder / "many", room.pictures, side=8), room.folder / "out"
    words = ("run", "--input", source, "--codecs", "png", "--out", out, "--jobs", 2)
    begun = time.monotonic()
    faults = call(*words).faults("the run", 0)
    seconds = time.monotonic() - begun
    rows = numbers(out)
    if len(rows) != room.pictures or any("done" not in row for row in rows):
        faults.append(f"{len(rows)} records for {room.pictures} pictures")
    again = call(*words)
    faults += again.faults("the second run", 0)
    faults += same_numbers("the second run", out, rows)
    note = f"{seconds:.0f} s from start to tables"
    return Finding(room.pictures, "pictures", tuple(faults), note)


def other_numpy(room: Room) -> Finding:
    """A results folder without its store, continued with another version of numpy and two more
    points."""
    source, out = pictures(room.folder / "pictures", 20), room.folder / "out"
    faults = call(*run_words(source, out)).faults("the first run", 0)
    first, copy = numbers(out), room.folder / "copy"
    shutil.copytree(out, copy, ignore=shutil.ignore_patterns(f"{FILE}*"))
    elsewhere = with_version(room.folder / "packages", "numpy", "9.9.9")
    ended = call(*run_words(source, copy), env=elsewhere)
    faults += ended.faults("the run elsewhere", 0)
    faults += same_numbers("the run elsewhere", copy, first)
    if "kept from before" not in ended.out:
        faults.append("nothing of records.csv was continued")
    checked = call("check", copy, "--against", out, env=elsewhere)
    faults += checked.faults("check", 0)
    return Finding(1, "folders", tuple(faults))


def with_version(folder: Path, package: str, version: str) -> dict[str, str]:
    """The environment of a machine where a package has this version, as far as its metadata say."""
    info = folder / f"{package}-{version}.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
    ours = environment()
    return {**ours, "PYTHONPATH": f"{folder}:{ours['PYTHONPATH']}"}
