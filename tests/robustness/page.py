"""What came of trials, as rows of one page that several commands fill, and the page as Markdown.

Of the same code, a trial that did not hold once stays so; findings of other code say whose.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from pathlib import Path

import bench
from bench.errors import UsageError
from bench.machine import describe_machine
from tests.robustness.trial import Finding, Trial

_SHOWN = 12
"""Trials that no command has tried yet, by name."""


@dataclass(frozen=True, slots=True)
class Row:
    """A finding with what it took: ``budget`` are the seconds that the command was given, ``took``
    those that passed, ``at_once`` the trials at the same time, ``code`` names what was tried."""

    title: str
    times: int
    unit: str
    faults: tuple[str, ...]
    note: str
    skipped: str
    budget: float
    took: float
    at_once: int
    load: float
    code: str
    processor: str

    @property
    def holds(self) -> bool:
        return not self.faults and not self.skipped


def row_of(trial: Trial, finding: Finding, budget: float, took: float, at_once: int) -> Row:
    """The row of what was just tried on this machine."""
    machine = describe_machine()
    return Row(
        trial.title, finding.times, finding.unit, finding.faults, finding.note, finding.skipped,
        budget, round(took, 1), at_once, round(os.getloadavg()[0], 1), code_digest(),
        f"{machine['processor']}, {machine['cores']} cores",
    )  # fmt: skip


@cache
def code_digest() -> str:
    """The commit, or eight digits of the package's modules where they are not those of a commit."""
    root = Path(bench.__file__).parent
    git = ["git", "-C", str(root)]
    changed = subprocess.run([*git, "status", "--porcelain", "."], capture_output=True, text=True)
    if changed.returncode == 0 and not changed.stdout.strip():
        words = [*git, "rev-list", "-1", "--abbrev-commit", "HEAD", "."]
        return subprocess.run(words, capture_output=True, text=True).stdout.strip()
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())
    return f"modules {digest.hexdigest()[:8]}"


class Page:
    """A Markdown file and, beside it, the rows that it shows, kept as JSON."""

    def __init__(self, path: Path) -> None:
        self.path, self._store = path, path.with_suffix(".json")
        self.rows = _read(self._store) if self._store.exists() else {}

    def is_answered(self, trial: Trial, budget: float) -> bool:
        """Whether this code held in this trial for as long."""
        row = self.rows.get(trial.title)
        return bool(row and row.holds and row.code == code_digest() and row.budget >= budget)

    def add(self, row: Row, all_trials: Sequence[Trial]) -> None:
        """Takes a row in and writes both files."""
        before = self.rows.get(row.title)
        if before and before.faults and before.code == row.code:
            faults = tuple(dict.fromkeys((*before.faults, *row.faults)))
            row = replace(row, faults=faults)
        self.rows[row.title] = row
        text = json.dumps([asdict(one) for one in self.rows.values()], indent=1) + "\n"
        for path, content in ((self._store, text), (self.path, describe(self.rows, all_trials))):
            path.parent.mkdir(parents=True, exist_ok=True)
            new = path.with_name(f"{path.name}.new")
            new.write_text(content, encoding="utf-8")
            new.replace(path)


def _read(path: Path) -> dict[str, Row]:
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        names = {one.name for one in fields(Row)}
        rows = [Row(**{k: v for k, v in entry.items() if k in names}) for entry in table]
        return {row.title: replace(row, faults=tuple(row.faults)) for row in rows}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise UsageError(f"{path}: not the findings of a page ({error}); remove it") from error


def describe(rows: Mapping[str, Row], all_trials: Sequence[Trial]) -> str:
    """The page: all trials in order, those not tried yet by name."""
    known = [trial for trial in all_trials if trial.title in rows]
    found = [(trial, rows[trial.title]) for trial in known]
    tried = [(trial, row) for trial, row in found if not row.skipped]
    held = sum(row.holds for _, row in tried)
    lines = [
        "# What was tried, how often, what held", "",
        "Made by `make robustness`, in one command or in several (docs/checks.md).", "",
        f"{held} of {len(tried)} trials held; {len(all_trials) - len(tried)} were not tried.", "",
        *_circumstances([row for _, row in tried]), "",
        "| tried | how often | what has to hold | held | took, s |",
        "| --- | ---: | --- | --- | ---: |",
    ]  # fmt: skip
    codes = {row.code for _, row in tried}
    for trial, row in tried:
        of = f" (code: {row.code})" if len(codes) > 1 else ""
        lines.append(
            f"| {trial.title} | {row.times:,} {row.unit} | {trial.holds} "
            f"| {verdict(row)}{f'; {row.note}' if row.note else ''}{of} | {row.took:.0f} |"
        )
    lines += ["", *_untried(found, all_trials)]
    faults = [f"- {trial.title}: {one}" for trial, row in found for one in row.faults]
    lines += ["What did not hold:", "", *faults, ""] if faults else []
    return "\n".join(lines).rstrip("\n") + "\n"


def _circumstances(rows: Sequence[Row]) -> list[str]:
    """One line for rows made alike: machine, code, load, how many at once, of what budget."""
    found = []
    for code, processor in dict.fromkeys((row.code, row.processor) for row in rows):
        alike = [row for row in rows if (row.code, row.processor) == (code, processor)]
        budgets = sorted({row.budget for row in alike})
        loads = [row.load for row in alike]
        found.append(
            f"- {len(alike)} with bench {bench.__version__}, code {code}, on {processor}: "
            f"{' and '.join(f'{one:g}' for one in budgets)} s a target, at most "
            f"{max(row.at_once for row in alike)} at a time, load average {min(loads):g} to "
            f"{max(loads):g}."
        )
    return found


def _untried(found: Sequence[tuple[Trial, Row]], all_trials: Sequence[Trial]) -> list[str]:
    """Lines for what could not be tried, by reason, and for what was not."""
    reasons: dict[str, list[str]] = {}
    for trial, row in found:
        if row.skipped:
            reasons.setdefault(row.skipped, []).append(trial.title)
    known = {trial.title for trial, _ in found}
    rest = [trial.title for trial in all_trials if trial.title not in known]
    if rest:
        shown = rest if len(rest) <= _SHOWN else [*rest[:_SHOWN], f"{len(rest) - _SHOWN} more"]
        reasons["no command tried them yet"] = shown
    return [f"Not tried: {'; '.join(titles)}: {reason}.\n" for reason, titles in reasons.items()]


def verdict(row: Finding | Row) -> str:
    """In a word or two."""
    if row.skipped:
        return f"not tried: {row.skipped}"
    return f"**no**: {len(row.faults)} faults" if row.faults else "yes"
