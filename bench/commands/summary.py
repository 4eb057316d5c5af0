"""The summary that a terminal shows at the end of a run; writes no file."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from bench.analysis.bd import Comparison
from bench.analysis.table import BdTable
from bench.commands.terminal import print_table, print_wide, say
from bench.report.chroma import MARK
from bench.report.content import Content
from bench.report.remarks import own_warnings, warnings_of
from bench.report.tables import (
    PUBLISHED_TITLE,
    delta,
    gain,
    overlap,
    published_table,
    signed,
    spread,
    summary_table,
    without_headers,
)

if TYPE_CHECKING:
    from rich.console import Console

_MAX_WARNINGS = 12


def print_summary(shown: Content, printer: Console, missing: Sequence[str] = ()) -> None:
    """Prints the summary of a report, what a reader must mind, and in a line each what pages of the
    suite could not be written for."""
    columns, rows = summary_table(shown)
    # BD-rates before their spread and before times
    order = sorted(
        range(len(columns)), key=lambda i: (not columns[i].startswith(("Rate", "BD-rate")), i)
    )
    title = shown.results.run.suite_title
    left_out = print_table(printer, title, columns, rows, order=order)
    if left_out:
        _say(printer, f"table.md has also: {'; '.join(left_out)}")
    if any(MARK in cell for row in rows for cell in row):
        _say(printer, f"{MARK} chroma at half the resolution (4:2:0): see table.md")
    if shown.published and (lost := print_table(printer, PUBLISHED_TITLE, *published_table(shown))):
        _say(printer, f"table.md has also: {'; '.join(lost)}")
    warned = warnings_of(shown)
    for text in warned[:_MAX_WARNINGS]:
        _say(printer, f"! {text}")
    if len(warned) > _MAX_WARNINGS:
        _say(printer, f"! and {len(warned) - _MAX_WARNINGS} more, all of them in table.md")
    for line in missing:
        say(printer, f"! {line}")


def print_bd(table: BdTable, names: Mapping[str, str], printer: Console) -> None:
    """Prints a BD table: every comparison with interval, spread and warnings, then matrices; codecs
    by their names, ids where there is none.

    A codec without any number has no row, only the reason; a table without any says why.
    """

    def name(codec: str) -> str:
        return names.get(codec, codec)

    if table.note:
        _say(printer, f"! {table.note}")
    elif not table.comparisons and not table.matrices:
        why = f"{name(table.anchor or '')} is the only codec with a lossy curve" if (
            table.metrics) else "the run has no metric that a curve can be drawn of"  # fmt: skip
        _say(printer, f"! no BD-rates: {why}")
    for metric in table.metrics:
        found = [c for c in table.comparisons if c.metric == metric]
        headers = any(math.isfinite(c.without_headers_percent) for c in found)
        bare = ["no headers, %"] if headers else []
        columns = ["Codec", "BD-rate, %", *bare, "spread, %", "BD-quality", "Overlap, %", "Items"]
        rows = [
            [name(c.codec), delta(c), *(without_headers(c) for _ in bare),
             spread(c), gain(c), overlap(c), str(c.items)]
            for c in found if c.shown
        ]  # fmt: skip
        against = f"{metric} against {name(table.anchor or '')}"
        if rows and (left_out := print_table(printer, against, columns, rows)):
            _say(printer, f"a wider terminal or a pipe has also: {'; '.join(left_out)}")
        for line in _remarks(found, name):
            _say(printer, f"! {line}")
    for sentence in table.versions:
        _say(printer, sentence)
    for square in table.matrices:
        compared = square.compared
        title = f"BD-rate {square.metric}, %: row against column"
        lines = [[name(square.codecs[i]), *(signed(square.rates[i][j]) for j in compared)]
                 for i in compared]  # fmt: skip
        heads = (name(square.codecs[j]) for j in compared)
        print_wide(printer, title, ["", *heads], lines)


def _remarks(comparisons: Sequence[Comparison], name: Callable[[str], str]) -> list[str]:
    """A line for each codec; one for all that have no number for the same reason."""
    groups: dict[tuple[str, str], list[str]] = {}
    for c in comparisons:
        if c.warnings or c.left_out:
            text = "; ".join(own_warnings(c))
            groups.setdefault((c.codec if c.shown else "", text), []).append(c.codec)
    return [f"{', '.join(map(name, codecs))}: {text}" for (_, text), codecs in groups.items()]


def _say(console: Console, line: str) -> None:
    console.print(line, markup=False)
