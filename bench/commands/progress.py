"""What the command line shows: progress of a run, on a terminal as a bar, elsewhere as lines."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.commands.terminal import make_console, say
from bench.metrics.registry import info_of, metrics
from bench.records import RATE_REMARK, Record

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID

    from bench.codecs.support.frame_progress import Coding
    from bench.engine.attempt import Attempt
    from bench.engine.preview import Preview
    from bench.engine.run_log import Outcome

_LINE_SECONDS = 15.0
_BAR_SECONDS = 5.0
_CODING_SECONDS = 60.0
"""How often lines say how far the coding of clips is, at most."""
_REASONS_SHOWN = 8
_FILES_SHOWN = (".md", ".png", ".html")


def make_progress(
    console: Console, ahead: Callable[[], None] | None = None
) -> BarProgress | LineProgress:
    """A progress bar on a terminal, plain lines otherwise; ``ahead`` is called when tasks begin."""
    kind = BarProgress if console.is_terminal else LineProgress
    return kind(console, ahead)


def format_seconds(seconds: float) -> str:
    """A duration as a person reads it: ``45 s``, ``3 min 20 s``, ``2 h 05 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


class _Counter:
    def __init__(self, console: Console, ahead: Callable[[], None] | None = None) -> None:
        self.console, self.ahead = console, ahead
        self.total = self.done = self.failed = 0

    def start_ahead(self) -> None:
        """Once: a run with damaged records begins twice."""
        ahead, self.ahead = self.ahead, None
        if ahead is not None:
            ahead()

    def count(self, tasks: int, failed: int) -> None:
        self.done += tasks
        self.failed += failed


def _coding_line(one: Coding) -> str:
    """``vtm qp=22 on BasketballPass: frame 12 of 32 after 3 min 20 s, 5 min 33 s left``."""
    left = one.seconds_left
    ends = "" if left is None or not left else f", {format_seconds(left)} left"
    where = f"{one.codec} {one.point} on {one.item}"
    after = format_seconds(one.seconds)
    if one.done == one.frames:
        return f"{where}: all {one.frames} frames coded, decoding after {after}"
    return f"{where}: frame {one.done} of {one.frames} after {after}{ends}"


class LineProgress(_Counter):
    """Plain lines for logs: one at the start, one every few seconds, one at the end."""

    def __init__(self, console: Console, ahead: Callable[[], None] | None = None) -> None:
        super().__init__(console, ahead)
        self._said_at = self._worked_at = time.monotonic()

    def begin(self, total: int, finished: int) -> None:
        self.start_ahead()
        self.total, self.done = total, finished
        kept = f", {finished} of them kept from before" if finished else ""
        self.say(f"{total} tasks{kept}")

    def advance(self, tasks: int, failed: int, seconds_left: float | None) -> None:
        self.count(tasks, failed)
        now = time.monotonic()
        if self.total and (now - self._said_at > _LINE_SECONDS or self.done == self.total):
            self._said_at = now
            left = "" if seconds_left is None else f", {format_seconds(seconds_left)} left"
            lost = f", {self.failed} failed" if self.failed else ""
            self.say(f"{self.done}/{self.total} tasks{lost}{left}")

    def working(self, codings: Sequence[Coding]) -> None:
        long = [one for one in codings if one.seconds > _LINE_SECONDS]
        now = time.monotonic()
        if long and now - max(self._said_at, self._worked_at) > _CODING_SECONDS:
            self._worked_at = now
            for one in long:
                self.say(_coding_line(one))

    def say(self, line: str) -> None:
        say(self.console, line)

    def close(self) -> None:
        pass


class BarProgress(_Counter):
    """A bar with the time left."""

    def __init__(self, console: Console, ahead: Callable[[], None] | None = None) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        super().__init__(console, ahead)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[left]}"),
            console=console,
            transient=True,
        )
        self._clips: dict[str, TaskID] = {}
        self._task: TaskID | None = None

    def begin(self, total: int, finished: int) -> None:
        self.start_ahead()
        self.total = total
        self._task = self._bar.add_task("measuring", total=total, completed=finished, left="")
        self._bar.start()

    def advance(self, tasks: int, failed: int, seconds_left: float | None) -> None:
        self.count(tasks, failed)
        if self._task is not None:
            lost = f"[red]{self.failed} failed[/] " if self.failed else ""
            left = "" if seconds_left is None else f"{format_seconds(seconds_left)} left"
            self._bar.update(self._task, advance=tasks, left=f"{lost}{left}")

    def working(self, codings: Sequence[Coding]) -> None:
        """A bar for each clip that has been in the works for a while."""
        from rich.markup import escape

        long = [one for one in codings if one.seconds > _BAR_SECONDS]
        lines = {f"{one.codec} {one.point} {one.item}": one for one in long}
        for name in [name for name in self._clips if name not in lines]:
            self._bar.remove_task(self._clips.pop(name))
        for name, one in lines.items():
            if name not in self._clips:
                self._clips[name] = self._bar.add_task(escape(name), total=one.frames, left="")
            left = "" if not one.seconds_left else f", {format_seconds(one.seconds_left)} left"
            after = f"{format_seconds(one.seconds)}{left}"
            self._bar.update(self._clips[name], completed=one.done, left=after)

    def say(self, line: str) -> None:
        self.console.print(line, markup=False)

    def close(self) -> None:
        self._bar.stop()


def print_outcome(
    console: Console, out: Path, outcome: Outcome, files: Sequence[Path] = ()
) -> None:
    """What a run came to: why tasks failed, the most frequent reasons first, counts, files."""
    reasons = sorted(outcome.reasons.items(), key=lambda pair: -pair[1])
    for reason, count in reasons[:_REASONS_SHOWN]:
        say(console, f"{count} × {reason}")
    if len(reasons) > _REASONS_SHOWN:
        say(console, f"… and {len(reasons) - _REASONS_SHOWN} more reasons; see {out}/records.csv")
    told = {
        "kept": outcome.finished_before,
        "with metrics added": outcome.added,
        "streams coded again and kept": outcome.coded_again,
        "skipped": outcome.skipped,
        "failed": outcome.failed,
        "not decodable elsewhere": outcome.refuted,
    }
    words = [f"{outcome.done} measured", *(f"{n} {what}" for what, n in told.items() if n)]
    say(console, f"{', '.join(words)}; results in {out}")
    shown = [path for path in files if path.suffix in _FILES_SHOWN]
    if shown:
        say(console, f"see {', '.join(path.name for path in shown)}")


def print_preview(out: Path, plan: Preview) -> None:
    """What would be measured, a line a codec, and how long it may take."""
    console = make_console()
    width = max(len(codec.id) for codec in plan.codecs)
    for codec in plan.codecs:
        words = f"{codec.points} points × {codec.items} items"
        if codec.unavailable is not None:
            words += f", would be skipped: {codec.unavailable}"
        else:
            words += f", {codec.left} to measure" if codec.left else ", all measured"
            if codec.left and codec.seconds is not None:
                words += f", {codec.seconds:.2g} s each"
        say(console, f"{codec.id:<{width}}  {words}")
    workers = "worker" if plan.jobs == 1 else "workers"
    line = f"{plan.left} tasks for {plan.jobs} {workers} into {out}; nothing was done"
    if plan.seconds:
        line += f"; about {format_seconds(plan.seconds)} by earlier times"
    if plan.unknown:
        line += f"; no time is known yet of {', '.join(plan.unknown)}"
    say(console, line)


def print_attempt(found: Attempt) -> None:
    """The numbers of one measurement, one line for each kind."""
    console, record = make_console(), found.record
    say(console, f"{record.codec} {record.point} on {record.item}: {record.status}")
    if record.reason:
        say(console, f"  {record.reason}")
    if record.status == "done":
        for label, text in _attempt_lines(record):
            say(console, f"  {label:<11} {text}")
    if found.verdict is not None:
        words = "decodes alike" if found.verdict.passed else "does not decode alike"
        detail = f": {found.verdict.detail}" if found.verdict.detail else ""
        say(console, f"  fresh process {words}{detail}")
    for path in found.saved:
        say(console, f"  saved {path}")


def _attempt_lines(record: Record) -> Iterator[tuple[str, str]]:
    size = f"{record.bytes:,} bytes" if record.bytes is not None else "no stream"
    aside = [
        f"{value:,} {word}"
        for value, word in ((record.header_bytes, "header"), (record.discarded_bytes, "discarded"))
        if value
    ]
    yield "size", size + (f" ({', '.join(aside)})" if aside else "")
    if record.bpp is not None:
        kbps = "" if record.kbps is None else f", {record.kbps:.1f} kbps"
        yield "rate", f"{record.bpp:.4f} bpp{kbps}"
    if record.bpp_estimated is not None:
        yield "estimated", f"{record.bpp_estimated:.4f} bpp"
    for name, value in record.scores.items():
        info = info_of(name)
        yield info.title, f"{value:.4f} {info.unit}".rstrip()
    for name, reason in record.remarks.items():
        title = info_of(name).title if name in metrics() else name
        yield title, reason if name == RATE_REMARK else f"none: {reason}"
    if record.encode_seconds is not None and record.decode_seconds is not None:
        yield "time", f"encode {record.encode_seconds:.3f} s, decode {record.decode_seconds:.3f} s"
