"""All trials, one after the other, and what `bench doctor --robustness` prints of them."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from bench import __version__
from bench.cards import load_registry
from bench.doctor.robustness.clusters import cluster_kills, other_workers
from bench.doctor.robustness.folders import many_pictures, other_numpy
from bench.doctor.robustness.fuzz import fuzz
from bench.doctor.robustness.runs import damage, kills, readers, two_runs
from bench.doctor.robustness.targets import CODEC, FORGED, PARSER, learned, parsers
from bench.doctor.robustness.terminals import terminals
from bench.doctor.robustness.trainings import trainings
from bench.doctor.robustness.trial import Finding, Room, Trial
from bench.doctor.robustness.weights import hostile_weights
from bench.machine import describe_machine

_AT_ONCE = 4
"""Trials that run at the same time: most of theirs is waiting for processes, and a machine under
load is the better trial."""
_PLACE = 2 << 30
"""Bytes that the trials may need."""
_SAME = "the records of an undisturbed run, each once"
_READ = "read, or refused by an error of the harness; no hang, no crash"


@dataclass(frozen=True, slots=True)
class Result:
    """A trial and what came of it."""

    trial: Trial
    finding: Finding
    seconds: float


def trials() -> tuple[Trial, ...]:
    """Everything that is tried, in order."""
    codecs = [card.id for card in learned(load_registry())]
    fuzzed = [
        Trial(f"{words} `{name}`", _READ, partial(fuzz, kind, name))
        for kind, words, names in (
            (PARSER, "hostile bytes to the parser", list(parsers())),
            (CODEC, "hostile streams to", codecs),
            (FORGED, "hostile streams of right checksums to", codecs),
        )
        for name in names
    ]
    return (
        Trial("three runs into one folder at once", f"one measures: {_SAME}", two_runs),
        Trial("`report`, `check` and `bd` while a run writes", "exit status 0, 1 or one line "
              f"with 2; {_SAME}", readers),
        Trial("runs killed with SIGKILL", f"nothing lost: {_SAME}; no scratch", kills),
        Trial("a store damaged in the midst of a run", f"noticed, mended: {_SAME}", damage),
        Trial("a folder of many small pictures", "all measured; again: all kept", many_pictures),
        Trial("a folder without its store, continued with another numpy", _SAME, other_numpy),
        Trial("a cluster's worker, then its scheduler killed", f"continued: {_SAME}",
              cluster_kills),
        Trial("workers of other versions, and without a program", "refused by name",
              other_workers),
        Trial("a training killed, continued, and on a full disk", "the weights of an undisturbed "
              "one, to the bit", trainings),
        Trial("weights: pickles, other shapes, less tensors, changed tables", "refused by name; "
              "no code is run", hostile_weights),
        Trial("terminals: 40 columns, no colour, no UTF-8", "no traceback, no colour, no table "
              "wider than the terminal", terminals),
        *fuzzed,
    )  # fmt: skip


def try_all(room: Room, chosen: Sequence[Trial], say: Callable[[str], None]) -> Iterator[Result]:
    """Tries all, some at the same time, each in a folder of its own, removed if it held."""

    def one(number: int, trial: Trial) -> Result:
        folder = room.folder / f"trial{number:02d}"
        folder.mkdir(parents=True)
        begun = time.monotonic()
        finding = trial.call(replace(room, folder=folder))
        seconds = time.monotonic() - begun
        how_often = f"{finding.times} {finding.unit}, {seconds:.0f} s"
        lines = [f"{trial.title}: {_verdict(finding)} ({how_often})", *finding.faults]
        say("\n  ".join(lines))
        if not finding.faults:
            shutil.rmtree(folder)
        return Result(trial, finding, seconds)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        yield from pool.map(one, range(len(chosen)), chosen)


def describe(results: Sequence[Result], room: Room, words: str = "") -> str:
    """The table as Markdown."""
    only = f" --trials '{words}'" if words else ""
    machine = describe_machine()
    wrong = [result for result in results if result.finding.faults]
    skipped = sum(bool(result.finding.skipped) for result in results)
    held = len(results) - len(wrong) - skipped
    lines = [
        "# What was tried, how often, what held",
        "",
        f"Made by `python -m bench doctor --robustness {room.seconds:g}{only}` with bench "
        f"{__version__}:",
        f"{room.seconds:g} s for each target of hostile bytes, {_AT_ONCE} trials at a time, chance",
        f"seeded with {room.seed}. {machine['processor']}, {machine['cores']} cores, load average "
        f"{os.getloadavg()[0]:.1f} at the end.",
        "",
        f"{held} of {len(results)} trials held, {skipped} could not be tried.",
        "",
        "| tried | how often | what has to hold | held | seconds |",
        "| --- | ---: | --- | --- | ---: |",
    ]
    lines += [
        f"| {r.trial.title} | {r.finding.times:,} {r.finding.unit} | {r.trial.holds} "
        f"| {_verdict(r.finding)}{f'; {r.finding.note}' if r.finding.note else ''} "
        f"| {r.seconds:.0f} |"
        for r in results
        if not r.finding.skipped
    ]
    lines += _skipped(results)
    faults = [f"- {result.trial.title}: {one}" for result in wrong for one in result.finding.faults]
    return "\n".join([*lines, *(["", "What did not hold:", "", *faults] if faults else []), ""])


def _free(place: Path) -> int:
    return shutil.disk_usage(place).free if place.is_dir() else 0


def _skipped(results: Sequence[Result]) -> list[str]:
    """A line for all that could not be tried, with the first reason as an example."""
    found = [result for result in results if result.finding.skipped]
    if not found:
        return []
    names = ", ".join(result.trial.title for result in found)
    return ["", f"Not tried: {names}. The first of them: {found[0].finding.skipped}"]


def _verdict(finding: Finding) -> str:
    if finding.skipped:
        return f"not tried: {finding.skipped}"
    return f"**no**: {len(finding.faults)} faults" if finding.faults else "yes"


def robustness(seconds: float, say: Callable[[str], None], words: str = "") -> tuple[str, int]:
    """Tries everything, or what has ``words`` in its title, for so many ``seconds`` a target, and
    the rest a twelfth as often as there are seconds; the table and the exit status. What did not
    hold is left in a temporary folder."""
    memory = Path("/dev/shm")  # thousands of files: a disk would be tried, not the harness
    place = memory if _free(memory) > _PLACE else None
    folder = Path(tempfile.mkdtemp(prefix="bench-robustness-", dir=place))
    room = Room(folder, seconds, repeats=max(1, round(seconds / 12)))
    results = list(try_all(room, [one for one in trials() if words in one.title], say))
    wrong = any(result.finding.faults for result in results)
    if not wrong:
        shutil.rmtree(room.folder)
    return describe(results, room, words), int(wrong)
