"""Where a data set lies on this machine: ``--data``, ``$BENCH_DATA``, then the user's cache; and
which of its items ``--list`` names."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.cards import DatasetCard
from bench.cards.files import read_text
from bench.datasets.base import DataOptions
from bench.errors import DataError

VARIABLE = "BENCH_DATA"


def cache_folder() -> Path:
    """The user's cache folder for data sets, which may not exist yet."""
    # where pooch would put it, which takes longer to import than a first task to run
    import platformdirs

    return Path(platformdirs.user_cache_dir("bench-rd"))


def candidates(card: DatasetCard, root: Path | None) -> Iterator[Path]:
    """Folders and archives in which the data set may lie, in the order of search.

    ``--data`` may name the data set's own folder or archive, or the folder that holds it; if it is
    given, nothing else is searched.
    """
    if root is not None:
        yield root
        yield from (root / name for name in card.folders)
        return
    if variable := os.environ.get(VARIABLE):
        yield from (Path(variable) / name for name in card.folders)
        yield Path(variable)
    yield from (cache_folder() / name for name in card.folders)


def locate(card: DatasetCard, options: DataOptions, holds: Callable[[Path], bool]) -> Path:
    """The first candidate that ``holds`` the data set; ``holds`` is asked of existing paths only.

    Raises DataError that says what is missing, where it was looked for and how to get it.
    """
    looked = list(dict.fromkeys(candidates(card, options.root)))
    for path in looked:
        if path.exists() and holds(path):
            return path
    raise DataError(f"{card.title}: not found in {_sentence(looked)}; {cure(card)}")


def cure(card: DatasetCard) -> str:
    """How to get the data set: the fetch command, or where to put it by hand."""
    by_hand = f"put it into a folder {card.folders[0]!r} inside ${VARIABLE} or name it with --data"
    if any(file.url for file in card.files):
        return f"run `python -m bench fetch {card.id}`, or {by_hand}"
    return by_hand


def _sentence(paths: list[Path]) -> str:
    words = [str(path) for path in paths]
    if len(words) > 4:
        words = [*words[:3], f"{len(words) - 3} more folders"]
    return ", ".join(words[:-1]) + f" or {words[-1]}" if len(words) > 1 else words[0]


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
