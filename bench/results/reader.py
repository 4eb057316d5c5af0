"""Reads the records of one or several finished runs into one table, and refuses what disagrees.

Reads records.csv and run.json only; never computes a curve.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.errors import StoreError, UsageError, near_matches
from bench.records import FIRST_METRICS
from bench.results.columns import Words, read_columns
from bench.results.merging import merge_runs, names_of, on_common_items
from bench.results.rates import mark_rates, unmarked
from bench.results.run_info import CodecInfo, RunInfo, read_run
from bench.results.table import FILE, LABELS, OPTIONAL_NUMBERS, OPTIONAL_WORDS, metric_columns
from bench.results.vault_file import as_folder

if TYPE_CHECKING:
    import pandas as pd

_OTHER_WORDS = ("reason", "remarks", "rate", "group")
_WORDS = (*LABELS, *_OTHER_WORDS)


@dataclass(frozen=True, slots=True, eq=False)
class Results:
    """The records of one report and the run that made them.

    ``records`` has one row per (codec, point, item); labels are categorical with codecs in the
    order of the run and points in the order of each codec's ladder.
    """

    folders: tuple[Path, ...]
    run: RunInfo
    records: pd.DataFrame

    @property
    def codecs(self) -> tuple[str, ...]:
        """Codecs with at least one record, in the order of the run."""
        return tuple(str(name) for name in self.records["codec"].cat.categories)

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that the records have columns of, in their order."""
        return metric_columns(str(name) for name in self.records.columns)

    def expected(self, codec: str) -> int:
        """How many items a codec was to be measured on."""
        return self.run.items_of(self.info(codec))

    def on_shared_items(self) -> Results:
        """These results on the items that every codec was to be measured on: themselves where that
        is all of the run's."""
        count = min((self.expected(codec) for codec in self.codecs), default=self.run.items)
        if not 0 < count < self.run.items:
            return self
        records = self.records[self.records["item"].isin(self.run.first_items(count))].copy()
        return Results(self.folders, replace(self.run, items=count), records)

    def only(self, codecs: Sequence[str]) -> Results:
        """These results of some codecs, in this order. Raises UsageError for one not there."""
        for codec in codecs:
            if codec not in self.codecs:
                raise UsageError(
                    f"{self.folders[0]}: no codec {codec!r}; {near_matches(codec, self.codecs)}"
                )
        records = self.records[self.records["codec"].isin(codecs)].copy()
        records["codec"] = records["codec"].cat.set_categories(list(codecs))
        infos = {info.id: info for info in self.run.codecs}
        named = [infos[name] for name in map(unmarked, codecs) if name in infos]
        proofs = tuple(v for v in self.run.verdicts if v.codec in {info.id for info in named})
        return Results(
            self.folders, replace(self.run, codecs=tuple(named), verdicts=proofs), records
        )

    def info(self, codec: str) -> CodecInfo | None:
        """What run.json says of a codec, None for one it does not know."""
        name = unmarked(codec)
        return next((info for info in self.run.codecs if info.id == name), None)


def read_results(folders: Path | Sequence[Path], *, common: bool = False) -> Results:
    """The records of one folder or vault, or of several that were made alike; of runs over
    different items those on the items that all of them hold, if ``common``.

    Raises StoreError for a folder that is not a finished run or was made by a newer format, and
    UsageError, naming the field, for runs whose versions, data or weights disagree.
    """
    if isinstance(folders, str | Path):
        folders = [Path(folders)]
    paths = tuple(as_folder(Path(folder)) for folder in folders)
    if not paths:
        raise UsageError("no results folder given; name at least one")
    runs = [read_run(path) for path in paths]
    tables = [_frame(path / FILE, fingerprint=len(paths) > 1) for path in paths]
    if len(paths) == 1:
        return Results(paths, runs[0], _ordered(tables[0], runs[0]))
    items = [tuple(map(str, table["item"].cat.categories)) for table in tables]
    if common:
        runs, shared = on_common_items(paths, runs, items)
        tables = [table[table["item"].isin(shared)] for table in tables]
    run = merge_runs(paths, runs, items)
    return Results(paths, run, _ordered(_merge_tables(paths, tables), run))


def _frame(path: Path, *, fingerprint: bool) -> pd.DataFrame:
    """The table as a frame: words categorical, numbers float64, all columns of a report there."""
    import pandas as pd

    found = read_columns(path, more=["fingerprint"] if fingerprint else [])
    count = len(found.words["status"].codes)
    nothing = Words(np.full(count, -1, np.int32), ())
    columns: dict[str, object] = {}
    for name, one in {**dict.fromkeys(OPTIONAL_WORDS, nothing), **found.words}.items():
        columns[name] = pd.Categorical.from_codes(pd.Series(one.codes), pd.Index(one.words))
    for name in dict.fromkeys((*found.numbers, *FIRST_METRICS, *OPTIONAL_NUMBERS)):
        columns[name] = found.numbers.get(name, np.full(count, np.nan))
    return pd.DataFrame(columns, copy=False)


def _ordered(table: pd.DataFrame, run: RunInfo) -> pd.DataFrame:
    """The table with codecs, marked, and points as ordered categories, and never a row twice."""
    ladders = [point for info in run.codecs for point in info.ladder]
    for name, first in (("codec", [info.id for info in run.codecs]), ("point", ladders)):
        present = set(map(str, table[name].cat.remove_unused_categories().cat.categories))
        known = [value for value in dict.fromkeys(first) if value in present]
        rest = sorted(present - set(known))
        table[name] = table[name].cat.set_categories([*known, *rest])
    twice = table.duplicated(["codec", "point", "item"])
    if bool(twice.any()):
        row = table[twice].iloc[0]
        raise StoreError(
            f"records.csv: {row['codec']} {row['point']} on {row['item']} is there twice; "
            "run the suite again with --fresh"
        )
    return mark_rates(table)


def _merge_tables(paths: Sequence[Path], tables: list[pd.DataFrame]) -> pd.DataFrame:
    import pandas as pd

    key = ["codec", "point", "item"]
    plain = [table.astype(dict.fromkeys(_WORDS, "str")) for table in tables]
    table = pd.concat(plain, ignore_index=True)
    if "fingerprint" in table:
        table["fingerprint"] = table["fingerprint"].astype("str")
        prints = table.groupby(key, observed=True)["fingerprint"].nunique()
        if bool((prints > 1).any()):
            codec, point, item = prints.index[int((prints > 1).to_numpy().argmax())]
            raise UsageError(
                f"{names_of(paths)}: fingerprint of {codec} {point} on {item} disagrees; "
                "measure it again in one of the folders, or report them apart"
            )
    # a finished record wins over a failed one of the same task
    table["_late"] = table["status"] != "done"
    table = table.sort_values("_late", kind="stable").drop_duplicates(key).drop(columns="_late")
    for name in _OTHER_WORDS:
        table[name] = table[name].where(table[name] != "nan")
    return table.sort_index().astype(dict.fromkeys(_WORDS, "category"))
