"""What is printed fits every terminal: tables without cutting a number, where columns are left out
and names are broken, and words in whatever characters it has.

Knows nothing of what the cells say.
"""

from __future__ import annotations

import codecs
import io
import os
import re
import shutil
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from rich.console import Console

NAME_WIDTH = 20
"""To make room for numbers the first column is broken into lines of this width, not below it."""
_LEAST = 8
_BORDER, _PADDING = 1, 3
_PIPE_WIDTH = 10_000


def make_console(*, quiet: bool = False) -> Console:
    """As wide as the terminal or $COLUMNS; wide enough for every table where there is neither."""
    from rich.console import ConsoleDimensions

    from bench.commands.console import PlainConsole

    console = PlainConsole(quiet=quiet, highlight=False)
    if console.is_dumb_terminal:  # of which Rich assumes 80 columns
        columns, lines = shutil.get_terminal_size()
        console.size = ConsoleDimensions(columns, lines)
    elif not console.is_terminal:
        wanted = os.environ.get("COLUMNS", "")
        console.width = (int(wanted) if wanted.isdecimal() else 0) or _PIPE_WIDTH
    return console


def say(console: Console, line: str, style: str | None = None) -> None:
    """Prints a line as it is; the terminal breaks it where it must."""
    console.print(line, style=style, markup=False, soft_wrap=True)


def print_plainly(*streams: object) -> None:
    """Lets these streams stand in for characters that their encoding lacks, one for one so that
    tables stay straight, instead of raising UnicodeEncodeError."""
    for stream in streams:
        # the locale C lets bytes through, but no character beyond ASCII
        if isinstance(stream, io.TextIOWrapper) and stream.errors in ("strict", "surrogateescape"):
            stream.reconfigure(errors=_PLAINLY)


def _stand_in(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    return "".join(_STAND_INS.get(character, "?") for character in missing), error.end


_PLAINLY = "bench.plainly"
_STAND_INS = dict(zip("–—−…×·→←✓✗≥≤“”‘’│┃─━†‡", "---.x.><+x><\"\"''||--+#", strict=True))
codecs.register_error(_PLAINLY, _stand_in)


def print_table(
    console: Console,
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    order: Sequence[int] | None = None,
) -> list[str]:
    """Prints as many columns as fit, those first in ``order`` preferred; the first one always.

    Returns the headings that were left out.
    """
    from rich.markup import escape
    from rich.table import Table

    ranked = [index for index in order or range(len(columns)) if index]
    kept, name_width = _fit(_widths(columns, rows), ranked, console.width)
    table = Table(title=escape(title), title_justify="left", header_style="bold")
    shown = [[break_name(row[0], name_width), *(row[i] for i in kept)] for row in rows]
    for place, index in enumerate([0, *kept]):
        justify: Literal["left", "right"] = "left" if place == 0 else "right"
        width = _width(columns[index], [row[place] for row in shown])
        heading = "\n".join(textwrap.wrap(columns[index], width, break_on_hyphens=False))
        table.add_column(escape(heading), justify=justify, no_wrap=True, overflow="fold")
    for row in shown:
        table.add_row(*map(escape, row))
    console.print(table)
    return [name for index, name in enumerate(columns) if index and index not in kept]


def print_wide(
    console: Console, title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]
) -> None:
    """Prints all columns, in as many tables below each other as the width asks for."""
    widths = _widths(columns, rows)
    left = list(range(1, len(columns)))
    while left:
        kept, _ = _fit(widths, left, console.width)
        kept = kept or left[:1]
        places = [0, *kept]
        part = [[row[i] for i in places] for row in rows]
        print_table(console, title, [columns[i] for i in places], part)
        left = [index for index in left if index not in kept]
        title = ""


def break_name(name: str, width: int) -> str:
    """A codec's name in lines of at most ``width``, broken behind its colons and commas."""
    lines = [""]
    for piece in re.findall(r"[^:,]+[:,]?|[:,]", name):
        if len(lines[-1]) + len(piece) > width and lines[-1]:
            lines.append("")
        lines[-1] += piece
    return "\n".join(part for line in lines for part in textwrap.wrap(line, width) or [line])


def _fit(widths: Sequence[int], ranked: Sequence[int], room: int) -> tuple[list[int], int]:
    """The columns besides the first, by their place, and the width of the first one."""
    name = widths[0]
    least = min(name, NAME_WIDTH)
    used = _BORDER + least + _PADDING
    kept: list[int] = []
    for index in ranked:
        if not kept and used + widths[index] + _PADDING > room:
            # better a name in pieces than a table of names
            used -= least
            least = max(_LEAST, min(least, room - used - widths[index] - _PADDING))
            used += least
        needed = widths[index] + _PADDING
        # the first two are what the table is for: a name is broken for their sake alone
        if kept and used + needed > room - (0 if len(kept) < 2 else name - least):
            break
        used += needed
        kept.append(index)
    return sorted(kept), max(least, min(name, room - used + least))


def _widths(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    return [_width(name, [row[index] for row in rows]) for index, name in enumerate(columns)]


def _width(heading: str, cells: Sequence[str]) -> int:
    """Cells on one line each, the heading broken between words."""
    lines = [line for cell in cells for line in cell.split("\n")]
    return max(map(len, [*lines, *(heading.split() or [""])]))
