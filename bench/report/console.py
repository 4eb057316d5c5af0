"""The summary that a terminal shows at the end of a run; writes no file."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from bench.analysis.table import BdTable
from bench.report.content import Content, collect, warnings_of
from bench.report.tables import delta, signed, spread, summary_cells, summary_columns

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_MAX_WARNINGS = 12


def print_summary(
    folder: Path | Sequence[Path], *, content: Content | None = None, console: Console | None = None
) -> None:
    """Prints the summary of a results folder and what a reader must mind.

    ``content`` saves reading the folder again where a report was just built. Raises StoreError
    for a folder that is not a finished run.
    """
    from rich.console import Console

    shown = content or collect(folder)
    printer = console or Console()
    columns, rows = summary_columns(shown), [summary_cells(shown, row) for row in shown.rows]
    kept = _columns_that_fit(columns, rows, printer.width)
    printer.print(
        _table(
            shown.results.run.suite_title,
            [columns[index] for index in kept],
            [[row[index] for index in kept] for row in rows],
        )
    )
    if len(kept) < len(columns):
        left_out = ", ".join(name for i, name in enumerate(columns) if i not in kept)
        printer.print(f"table.md has also: {left_out}", markup=False, highlight=False)
    warned = warnings_of(shown)
    for text in warned[:_MAX_WARNINGS]:
        printer.print(f"! {text}", markup=False, highlight=False)
    if len(warned) > _MAX_WARNINGS:
        more = len(warned) - _MAX_WARNINGS
        printer.print(f"! and {more} more, all of them in table.md", markup=False)


def print_bd(table: BdTable, *, console: Console | None = None) -> None:
    """Prints a BD table: every comparison with interval, spread and warnings, then matrices."""
    from rich.console import Console

    printer = console or Console()
    for metric in table.metrics:
        rows = [c for c in table.comparisons if c.metric == metric]
        columns = ["Codec", "BD-rate, %", "spread, %", "BD-quality", "Overlap, %", "Items"]
        printer.print(_table(f"{metric} against {table.anchor}", columns, [
            [c.codec, delta(c), spread(c), signed(c.quality_gain, 2),
             f"{c.overlap_percent:.0f}", str(c.items)]
            for c in rows
        ]))  # fmt: skip
        for c in rows:
            for text in c.warnings:
                printer.print(f"! {c.codec}: {text}", markup=False, highlight=False)
    for square in table.matrices:
        title = f"BD-rate {square.metric}, %: row against column"
        lines = [
            [codec, *(signed(value) for value in values)]
            for codec, values in zip(square.codecs, square.rates, strict=True)
        ]
        printer.print(_table(title, ["", *square.codecs], lines))


def _columns_that_fit(
    columns: Sequence[str], rows: Sequence[Sequence[str]], width: int
) -> list[int]:
    """As many columns as a terminal of ``width`` shows unbroken: the first ones, and BD-rates
    before their spread and before times."""
    order = sorted(
        range(len(columns)),
        key=lambda i: (i != 0, not columns[i].startswith(("Rate", "BD-rate")), i),
    )
    kept: list[int] = []
    used = 1
    for index in order:
        used += _column_width(columns[index], [row[index] for row in rows]) + 3
        if used > width and kept:
            break
        kept.append(index)
    return sorted(kept)


def _column_width(heading: str, cells: Sequence[str]) -> int:
    """Cells on one line each, the heading broken between words."""
    return max(map(len, [*cells, *(heading.split() or [""])]))


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(title), title_justify="left", header_style="bold")
    for index, name in enumerate(columns):
        justify: Literal["left", "right"] = "left" if index == 0 else "right"
        width = _column_width(name, [row[index] for row in rows])
        heading = "\n".join(textwrap.wrap(name, width, break_on_hyphens=False))
        table.add_column(escape(heading), justify=justify, no_wrap=True)
    for row in rows:
        table.add_row(*map(escape, row))
    return table
