"""Reads the records of one or several finished runs into one table, and refuses what disagrees.

Reads records.csv and run.json only; never computes a curve.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import StoreError, UsageError
from bench.provenance import CodecInfo, RunInfo, read_run
from bench.results.table import FILE, LABELS, metric_columns, read_frame

if TYPE_CHECKING:
    import pandas as pd

_WORDS = (*LABELS, "reason", "remarks", "rate")


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

    def info(self, codec: str) -> CodecInfo | None:
        """What run.json says of a codec, None for one it does not know."""
        return next((info for info in self.run.codecs if info.id == codec), None)


def read_results(folders: Path | Sequence[Path]) -> Results:
    """The records of one folder, or of several that were made alike.

    Raises StoreError for a folder that is not a finished run or was made by a newer format, and
    UsageError, naming the field, for runs whose versions, data or weights disagree.
    """
    if isinstance(folders, str | Path):
        folders = [Path(folders)]
    paths = tuple(Path(folder) for folder in folders)
    if not paths:
        raise UsageError("no results folder given; name at least one")
    runs = [read_run(path) for path in paths]
    tables = [read_frame(path / FILE, fingerprint=len(paths) > 1) for path in paths]
    if len(paths) == 1:
        return Results(paths, runs[0], _ordered(tables[0], runs[0]))
    run = _merge_runs(paths, runs)
    return Results(paths, run, _ordered(_merge_tables(paths, tables), run))


def _ordered(table: pd.DataFrame, run: RunInfo) -> pd.DataFrame:
    """The table with codecs and points as ordered categories, and never a row twice."""
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
    return table


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
                f"{_names(paths)}: fingerprint of {codec} {point} on {item} disagrees; "
                "measure it again in one of the folders, or report them apart"
            )
    # a finished record wins over a failed one of the same task
    table["_late"] = table["status"] != "done"
    table = table.sort_values("_late", kind="stable").drop_duplicates(key).drop(columns="_late")
    for name in ("reason", "remarks", "rate"):
        table[name] = table[name].where(table[name] != "nan")
    return table.sort_index().astype(dict.fromkeys(_WORDS, "category"))


def _merge_runs(paths: Sequence[Path], runs: list[RunInfo]) -> RunInfo:
    first = runs[0]
    for path, run in zip(paths[1:], runs[1:], strict=True):
        pair = f"{paths[0]} and {path}"
        for field in ("bench", "dataset", "dataset_digest", "items", "media"):
            _agree(pair, field, getattr(first, field), getattr(run, field))
        _agree_mapping(pair, "libraries", first.libraries, run.libraries)
    codecs: dict[str, CodecInfo] = {}
    for path, run in zip(paths, runs, strict=True):
        for info in run.codecs:
            known = codecs.setdefault(info.id, info)
            pair = f"{_names(paths[: paths.index(path)])} and {path}: codec {info.id}"
            _agree_mapping(pair, "settings", known.settings, info.settings, strict=True)
            _agree_mapping(pair, "versions", known.versions, info.versions, strict=True)
            ladder = tuple(dict.fromkeys((*known.ladder, *info.ladder)))
            codecs[info.id] = replace(known, ladder=ladder)
    return replace(
        first,
        suite="+".join(_unique(run.suite for run in runs)),
        suite_title=" + ".join(_unique(run.suite_title for run in runs)),
        metrics=tuple(_unique(metric for run in runs for metric in run.metrics)),
        dataset_notes=tuple(_unique(note for run in runs for note in run.dataset_notes)),
        notes=tuple(_unique(note for run in runs for note in run.notes)),
        anchor=next((run.anchor for run in runs if run.anchor), None),
        metric_facts=tuple({one.id: one for run in runs for one in run.metric_facts}.values()),
        codecs=tuple(codecs.values()),
        jobs=max(run.jobs for run in runs),
        timing=" ".join(_unique(run.timing for run in runs)),
        started=min(run.started for run in runs),
        finished=max(run.finished for run in runs),
        verdicts=tuple(verdict for run in runs for verdict in run.verdicts),
    )


def _agree(pair: str, field: str, one: object, other: object) -> None:
    if one != other:
        raise UsageError(
            f"{pair}: {field} disagrees: {one!r} and {other!r}; "
            "runs are merged only if made alike, report them apart"
        )


def _agree_mapping(
    pair: str,
    field: str,
    one: Mapping[str, object],
    other: Mapping[str, object],
    *,
    strict: bool = False,
) -> None:
    """Equal where both have a key; ``strict``: the same keys too."""
    shared = sorted(set(one) & set(other))
    for key in sorted(set(one) | set(other)) if strict else shared:
        _agree(pair, f"{field}.{key}", one.get(key), other.get(key))


def _unique(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))


def _names(paths: Iterable[Path]) -> str:
    return ", ".join(str(path) for path in paths)
