"""All trials, some at the same time, as `make robustness` tries them."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from functools import partial
from pathlib import Path

from bench.cards import load_registry
from bench.errors import UsageError
from bench.processes.pool import available_cores
from tests.robustness.clusters import cluster_kills, other_workers
from tests.robustness.folders import many_pictures, other_numpy
from tests.robustness.fuzz import fuzz
from tests.robustness.page import Page, Row, describe, row_of, verdict
from tests.robustness.runs import damage, kills, readers, two_runs
from tests.robustness.targets import CODEC, FORGED, PARSER, learned, parsers
from tests.robustness.terminals import terminals
from tests.robustness.trainings import trainings
from tests.robustness.trial import Finding, Hung, Room, Trial
from tests.robustness.weights import hostile_weights

_MOST_AT_ONCE = 4
_BOUND, _LEAST_BOUND = 5.0, 60.0
"""No round of a trial begins after so many times the seconds that a target has, and never less."""
_SHOWN = 4
_PLACE = 2 << 30
"""Bytes that the trials may need."""
_SAME = "the records of an undisturbed run, each once"
_READ = "read, or refused by an error of the harness; no hang, no crash"


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
        Trial("a store overwritten, cut, replaced or removed in the midst of a run",
              f"noticed, mended: {_SAME}", damage),
        Trial("a folder of many small pictures", "all measured; again: all kept", many_pictures),
        Trial("a folder without its store, continued with another numpy", _SAME, other_numpy),
        Trial("a cluster's worker, then its scheduler killed", f"continued: {_SAME}",
              cluster_kills),
        Trial("workers of other versions, and without a program", "refused by name",
              other_workers),
        Trial("a training stopped, killed, continued, and on a full disk", "the weights of an "
              "undisturbed one, to the bit", trainings),
        Trial("weights and checkpoints: pickles, other shapes, less tensors, changed tables",
              "refused by name; no code is run", hostile_weights),
        Trial("terminals: 40 columns, no colour, no UTF-8", "no traceback, no colour, no table "
              "wider than the terminal", terminals),
        *fuzzed,
    )  # fmt: skip


def try_all(
    room: Room, chosen: Sequence[Trial], say: Callable[[str], None], at_once: int
) -> Iterator[tuple[Trial, Row]]:
    """Tries all, some at the same time, each in a folder of its own, removed if it held; what was
    tried comes out as it ends."""

    def one(number: int, trial: Trial) -> tuple[Trial, Row]:
        folder = room.folder / f"trial{number:02d}"
        folder.mkdir(parents=True)
        begun = time.monotonic()
        finding = _attempt(trial, replace(room, folder=folder))
        row = row_of(trial, finding, room.seconds, time.monotonic() - begun, at_once)
        how_often = f"{finding.times} {finding.unit}, {row.took:.0f} s"
        say("\n  ".join([f"{trial.title}: {verdict(finding)} ({how_often})", *finding.faults]))
        if not finding.faults:
            shutil.rmtree(folder)
        return trial, row

    with ThreadPoolExecutor(at_once) as pool:
        started = [pool.submit(one, number, trial) for number, trial in enumerate(chosen)]
        for done in as_completed(started):
            yield done.result()


def _attempt(trial: Trial, room: Room) -> Finding:
    """A trial that hangs or breaks has not held, and does not end the others."""
    try:
        return trial.call(room)
    except Hung as hung:
        return Finding(1, "commands", (str(hung),))
    except Exception as error:  # a fault of the trial, or of what it calls in this process
        return Finding(1, "tries", (f"broke off: {type(error).__name__}: {str(error)[:200]}",))


def _free(place: Path) -> int:
    return shutil.disk_usage(place).free if place.is_dir() else 0


def robustness(
    seconds: float, say: Callable[[str], None], words: str = "", page: Path | None = None
) -> tuple[str, int]:
    """Tries everything, or what has ``words`` in its title, for so many ``seconds`` a target, and
    the rest a twelfth as often as there are seconds; the page and the exit status. What did not
    hold is left in a temporary folder. A ``page`` that is there is continued: what held with this
    code for as long is not tried again, and rows are added as trials end."""
    memory = Path("/dev/shm")  # thousands of files: a disk would be tried, not the harness
    place = memory if _free(memory) > _PLACE else None
    everything = trials()
    chosen = [one for one in everything if words in one.title]
    if not chosen:
        titles = "; ".join(one.title for one in everything[:_SHOWN])
        raise UsageError(f"--trials {words!r}: no trial has these words; there are {titles}; …")
    kept = Page(page) if page else None
    if kept:
        left = [one for one in chosen if not kept.is_answered(one, seconds)]
        say(f"{len(chosen) - len(left)} of {len(chosen)} trials kept from before")
        chosen = left
    folder = Path(tempfile.mkdtemp(prefix="bench-robustness-", dir=place))
    repeats = max(1, round(seconds / 12))
    room = Room(folder, seconds, repeats, bound=max(_LEAST_BOUND, _BOUND * seconds))
    rows = {}
    for trial, row in try_all(room, chosen, say, _at_once()):
        rows[trial.title] = row
        if kept:
            kept.add(row, everything)
    wrong = any(row.faults for row in rows.values())
    if not wrong:
        shutil.rmtree(room.folder)
    of = [one for one in everything if words in one.title]
    text = describe(kept.rows, everything) if kept else describe(rows, of)
    return text, int(wrong)


def _at_once() -> int:
    """Two trials for each CPU that this process may use: most of theirs is waiting for processes,
    and a machine under load is the better trial."""
    return min(_MOST_AT_ONCE, 2 * available_cores())
