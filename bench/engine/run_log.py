"""The log of a run: stores results as soon as they arrive, counts them and reports the progress.

Starts no task and decides nothing about what is measured next.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bench.codecs.support.frame_progress import Coding
from bench.engine.task_records import empty_record, with_layout
from bench.engine.work import Added, WorkSpec
from bench.records import Record, Status, Task
from bench.results.packed import Packed, pack
from bench.results.run_info import Verdict
from bench.results.store import Store


class Progress(Protocol):
    """Where a run reports how far it is."""

    def begin(self, total: int, finished: int) -> None:
        """Called once, with the number of tasks of the run and of those that are stored already."""

    def advance(self, tasks: int, failed: int, seconds_left: float | None) -> None:
        """Called when ``tasks`` have ended, ``failed`` of them without a result."""

    def working(self, codings: Sequence[Coding]) -> None:
        """Called every few seconds with the clips in the works, the longest first."""

    def say(self, line: str) -> None:
        """Called with one line that the user should read."""


class Silence:
    """Reports nothing."""

    def begin(self, total: int, finished: int) -> None:
        return None

    def advance(self, tasks: int, failed: int, seconds_left: float | None) -> None:
        return None

    def working(self, codings: Sequence[Coding]) -> None:
        return None

    def say(self, line: str) -> None:
        return None


@dataclass(slots=True)
class Outcome:
    """How many tasks of a run ended how."""

    total: int = 0
    finished_before: int = 0
    done: int = 0
    failed: int = 0
    skipped: int = 0
    # stored records to which metrics were added
    added: int = 0
    # streams of stored records that were coded again to be kept
    coded_again: int = 0
    # streams that a fresh process decoded to other pixels
    refuted: int = 0
    interrupted: bool = False
    # how many tasks ran at the same time
    workers: int = 1
    reasons: dict[str, int] = field(default_factory=dict)

    @property
    def exit_status(self) -> int:
        return 1 if self.failed or self.refuted or self.interrupted else 0


class RunLog:
    """Stores and counts the records, scores and verdicts of one run."""

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
        """Starts the count: the number of tasks of the run and of those that were stored before."""
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
            self._count_reason(f"{record.codec}: {record.reason}")
        failed = sum(record.status in ("failed", "timeout") for record in records)
        self._progress.advance(len(records), failed, self._seconds_left())

    def keep_blank(self, tasks: Sequence[tuple[Task, str]], status: Status) -> None:
        """Stores records without a result for tasks, each with its reason."""
        self.keep([pack(self._blank(task, status, reason)) for task, reason in tasks])

    def add(self, found: Sequence[Added]) -> None:
        """Stores metrics that were added to records of an earlier run."""
        failed = sum(entry.problem is not None for entry in found)
        for entry in found:
            self.outcome.coded_again += entry.kept is not None
            if entry.problem is not None:
                self._count_reason(f"{entry.task.codec}: {entry.problem}")
            if entry.task.lacks:
                new = entry.scores
                self._store.add_scores(entry.task.key, new.values, new.remarks, new.frames)
                self.outcome.added += 1
        self.outcome.failed += failed
        self._progress.advance(len(found), failed, self._seconds_left())

    def _count_reason(self, reason: str) -> None:
        self.outcome.reasons[reason] = self.outcome.reasons.get(reason, 0) + 1

    def judge(self, verdicts: Sequence[Verdict]) -> None:
        """Stores the verdicts of fresh processes."""
        for verdict in verdicts:
            if not verdict.passed:
                self.outcome.refuted += 1
                self._progress.say(f"{verdict.codec} {verdict.point}: {verdict.detail}")
        self._store.add((), verdicts)

    def stop(self) -> None:
        """Notes that the run was interrupted."""
        self.outcome.interrupted = True
        self._progress.say("stopped; what was finished is kept, the same command continues")

    def _blank(self, task: Task, status: Status, reason: str) -> Record:
        record = empty_record(self._spec, task, status, reason)
        return with_layout(record, self._spec.items[task.item].layout)
