"""Lists of names that ``--list`` gives, one a line."""

from __future__ import annotations

from pathlib import Path

from bench.cards.files import read_text
from bench.errors import DataError


def read_list(path: Path) -> list[str]:
    """The names in a list file, one a line, blank lines left out. Raises DataError if it cannot be
    read or names nothing."""
    try:
        names = [line.strip() for line in read_text(path).splitlines()]
    except (OSError, ValueError) as error:
        raise DataError(f"--list {path}: cannot be read: {error}") from error
    names = [name for name in names if name]
    if not names:
        raise DataError(f"--list {path}: names nothing; write one name a line")
    return names
