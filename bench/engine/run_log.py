"""The books of a run: what comes in is stored at once, counted, and told to whoever watches.

Starts nothing and decides nothing about what is measured next.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bench.engine.entries import with_layout
from bench.engine.measure import Added, WorkSpec
from bench.records import Record, Status, Task
from bench.results.packed import Packed, pack
from bench.results.run_info import Verdict
from bench.results.store import Store


class Progress(Protocol):
    """Where a run says how far it is."""

    def begin(self, total: int, finished: int) -> None:
        """Called once, with all tasks of the run and those that are stored already."""

    def advance(self, tasks: int, failed: int, seconds_left: float | None) -> None:
        """Called when tasks are over, ``failed`` of them without a result."""

    def say(self, line: str) -> None:
        """One line that the user should read."""


class Silence:
    """The progress of a run that nobody watches."""

    def begin(self, total: int, finished: int) -> None:
        return None

    def advance(self, tasks: int, failed: int, seconds_left: float | None) -> None:
        return None

    def say(self, line: str) -> None:
        return None


@dataclass(slots=True)
class Outcome:
    """What a run came to."""

    total: int = 0
    finished_before: int = 0
    done: int = 0
    failed: int = 0
    skipped: int = 0
    added: int = 0
    """Stored records to which metrics were added."""
    refuted: int = 0
    """Streams that a fresh process decoded to other pixels."""
    interrupted: bool = False
    workers: int = 1
    """How many tasks ran at the same time."""
    reasons: dict[str, int] = field(default_factory=dict)

    @property
    def exit_status(self) -> int:
        return 1 if self.failed or self.refuted or self.interrupted else 0


class RunLog:
    """Takes in the records, scores and verdicts of one run."""

    def __init__(
        self,
        spec: WorkSpec,
        store: Store,
        progress: Progress,
        seconds_left: Callable[[], float | None],
    ) -> None:
        self._spec, self._store, self._progress = spec, store, progress
        self._seconds_left = seconds_left
        self.outcome = Outcome()

    def begin(self, total: int, finished: int) -> None:
        """Opens the books with all tasks of the run and those that were stored before."""
        self.outcome.total, self.outcome.finished_before = total, finished
        self._progress.begin(total, finished)

    def keep(self, records: Sequence[Packed]) -> None:
        """Stores records."""
        self._store.add_packed(records)
        for record in records:
            if record.status == "done":
                self.outcome.done += 1
                continue
            if record.status == "skipped":
                self.outcome.skipped += 1
            else:
                self.outcome.failed += 1
            reason = f"{record.codec}: {record.reason}"
            self.outcome.reasons[reason] = self.outcome.reasons.get(reason, 0) + 1
        failed = sum(record.status in ("failed", "timeout") for record in records)
        self._progress.advance(len(records), failed, self._seconds_left())

    def keep_blank(self, tasks: Sequence[tuple[Task, str]], status: Status) -> None:
        """Stores that tasks have no result, each with the reason."""
        self.keep([pack(self._blank(task, status, reason)) for task, reason in tasks])

    def add(self, found: Sequence[Added]) -> None:
        """Stores what was added to records of before."""
        for entry in found:
            new = entry.scores
            self._store.add_scores(entry.task.key, new.values, new.remarks, new.frames)
            self.outcome.added += 1
        self._progress.advance(len(found), 0, self._seconds_left())

    def judge(self, verdicts: Sequence[Verdict]) -> None:
        """Stores what fresh processes found."""
        for verdict in verdicts:
            if not verdict.passed:
                self.outcome.refuted += 1
                self._progress.say(f"{verdict.codec} {verdict.point}: {verdict.detail}")
        self._store.add((), verdicts)

    def stop(self) -> None:
        """Notes that the run ends before its time."""
        self.outcome.interrupted = True
        self._progress.say("stopped; what was finished is kept, the same command continues")

    def _blank(self, task: Task, status: Status, reason: str) -> Record:
        record = Record(
            suite=self._spec.suite,
            dataset=self._spec.dataset,
            item=task.item,
            codec=task.codec,
            point=str(task.point),
            status=status,
            reason=reason,
            fingerprint=task.fingerprint,
            group=self._spec.items[task.item].group or None,
        )
        layout = self._spec.items[task.item].layout
        return record if layout is None else with_layout(record, layout)
