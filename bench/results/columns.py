"""Reads records.csv by columns, as arrays: a million records in seconds.

Checks every row as the typed reader does, which then names the damaged line; decides nothing.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.errors import StoreError
from bench.records import FIRST_METRICS
from bench.results.damage import AMOUNTS, ragged, suspicious
from bench.results.table import (
    LABELS,
    OPTIONAL_NUMBERS,
    OPTIONAL_WORDS,
    REQUIRED,
    name_damage,
    read_header,
    score_columns,
)

Floats = NDArray[np.float64]
LARGE_BYTES = 8_000_000
"""From this size on a table is read by polars, whose import alone takes as long as pandas takes for
as much."""


@dataclass(frozen=True, slots=True, eq=False)
class Words:
    """A column of text: the place of each row's word among the sorted words; −1 for no word."""

    codes: NDArray[np.int32]
    words: tuple[str, ...]

    def at(self, row: int) -> str:
        """The word of a row, empty where there is none."""
        code = int(self.codes[row])
        return "" if code < 0 else self.words[code]

    def are(self, word: str) -> NDArray[np.bool_]:
        """Which rows have this word."""
        are: NDArray[np.bool_] = self.codes == (
            self.words.index(word) if word in self.words else -2
        )
        return are


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """The columns of a table that were asked for and are there; numbers are NaN where empty."""

    words: Mapping[str, Words]
    numbers: Mapping[str, Floats]
    marks: Mapping[str, NDArray[np.uint64]] = field(default_factory=dict)
    """Hashes of the first digits of a column of hashes; 0 where there are fewer."""

    def holds(self, name: str) -> bool:
        """Whether some row has a number in this column."""
        return not bool(np.isnan(self.numbers[name]).all())


def read_columns(
    path: Path,
    *,
    required: Sequence[str] = REQUIRED,
    more: Collection[str] = (),
    digits: Mapping[str, int] | None = None,
    large: bool | None = None,
) -> Columns:
    """The columns of a report, and ``more`` columns of words; ``digits`` are columns of hashes, and
    how many of their digits tell one from another.

    Raises StoreError for a file that cannot be read, a column of ``required`` that is missing, and
    what no run writes, naming line and column.
    """
    header = read_header(path, required)
    numbers = (*AMOUNTS, *FIRST_METRICS, *score_columns(header), *OPTIONAL_NUMBERS)
    numbers = tuple(name for name in dict.fromkeys(numbers) if name in header)
    words = (*LABELS, "reason", *OPTIONAL_WORDS, *more)
    words = tuple(name for name in dict.fromkeys(words) if name in header)
    large = path.stat().st_size >= LARGE_BYTES if large is None else large
    if large or digits is not None:
        held = {name: count for name, count in (digits or {}).items() if name in header}
        found = _by_polars(path, words, numbers, held, required)
    else:
        found = _by_pandas(path, words, numbers)
    if not len(found.words["status"].codes):
        raise StoreError(f"{path}: holds no record; run the suite before its report")
    status, rate = found.words["status"], found.words.get("rate")
    done = status.are("done")
    rated = np.zeros(len(done), np.bool_) if rate is None else rate.codes >= 0
    if suspicious(found.numbers, status.words, done, rated) or ragged(path, len(header)):
        name_damage(path, required)
    for name in (one for one in LABELS if one in required):
        if (empty := found.words[name].codes < 0).any():
            row = int(empty.argmax()) + 2
            raise StoreError(f"{path}: line {row}: {name!r} is empty; the file is damaged")
    return found


def _by_polars(
    path: Path,
    words: Sequence[str],
    numbers: Sequence[str],
    digits: Mapping[str, int],
    required: Sequence[str],
) -> Columns:
    # what polars frees goes back at once, without which a million records take half as much again
    os.environ.setdefault("_RJEM_MALLOC_CONF", "dirty_decay_ms:0,muzzy_decay_ms:0")
    import polars as pl

    kinds: dict[str, pl.DataType] = dict.fromkeys(words, pl.Categorical())
    kinds |= dict.fromkeys(numbers, pl.Float64())
    marks = [
        pl.when(pl.col(name).str.len_bytes() >= count)
        .then(pl.col(name).str.slice(0, count).hash(seed=0))
        .otherwise(0)
        for name, count in digits.items()
    ]
    try:
        table = (
            pl.scan_csv(path, schema_overrides=kinds, infer_schema=False)
            .select(*words, *numbers, *marks)
            .collect(engine="streaming")
        )
    except (pl.exceptions.PolarsError, OSError) as error:
        name_damage(path, required)
        raise StoreError(f"{path}: cannot be read: {str(error).splitlines()[0]}") from error
    values, coded = {}, {}
    for name in numbers:
        column = table.drop_in_place(name)
        if column.is_nan().any():
            name_damage(path, required)
        values[name] = column.to_numpy()
    for name in words:
        column = table.drop_in_place(name)
        held = sorted(word for word in column.unique().to_list() if word)
        codes = column.cast(pl.Enum(held), strict=False).to_physical().cast(pl.Int32).fill_null(-1)
        coded[name] = Words(codes.to_numpy(), tuple(held))
    return Columns(coded, values, {name: table[name].to_numpy() for name in digits})


def _by_pandas(path: Path, words: Sequence[str], numbers: Sequence[str]) -> Columns:
    """Numbers to a relative 1e-12, where polars reads them exactly."""
    import pandas as pd

    kinds: dict[str, str] = dict.fromkeys(words, "category")
    kinds |= dict.fromkeys(numbers, "float64")
    try:
        table = pd.read_csv(
            path, usecols=list(kinds), dtype=kinds, keep_default_na=False, na_values=[""],
            encoding="utf-8-sig",
        )  # fmt: skip
    except (ValueError, OverflowError, pd.errors.ParserError) as error:
        name_damage(path)
        raise StoreError(f"{path}: cannot be read: {error}") from error
    coded = {
        name: Words(np.asarray(table[name].cat.codes, dtype=np.int32),
                    tuple(map(str, table[name].cat.categories)))
        for name in words
    }  # fmt: skip
    return Columns(coded, {name: table[name].to_numpy() for name in numbers})
