"""BD tables of a results folder: every codec against an anchor, or every codec against every other.

Chooses anchor and axes from the run; computes through bd.py and prints nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.analysis.bd import Comparison, Matrix, compare, compare_all
from bench.analysis.curves import Grid, grids
from bench.analysis.qualities import Quality, quality, reported
from bench.errors import UsageError, near_matches
from bench.results.reader import Results, read_results


@dataclass(frozen=True, slots=True)
class BdTable:
    """All codecs of a run against one anchor; ``matrices`` only where asked for.

    ``note`` says why another anchor than the suite's was taken, else it is empty.
    """

    anchor: str | None
    metrics: tuple[str, ...]
    comparisons: tuple[Comparison, ...]
    matrices: tuple[Matrix, ...] = ()
    note: str = ""

    def find(self, codec: str, metric: str) -> Comparison | None:
        return next((c for c in self.comparisons if (c.codec, c.metric) == (codec, metric)), None)


def bd_table(
    folder: Path | Sequence[Path],
    anchor: str | None = None,
    metric: str | None = None,
    *,
    hull: bool = False,
    matrix: bool = False,
) -> BdTable:
    """The BD table of one or several results folders.

    Without ``anchor`` the suite's is taken, without ``metric`` all that the suite reports. Raises
    UsageError for a codec or metric that is not there, StoreError for an unreadable folder.
    """
    results = read_results(folder)
    axes = (
        reported(results.run.metrics, results.run.media, results.run.metric_facts)
        if metric is None
        else (measured_quality(results, metric),)
    )
    if anchor is not None and anchor not in results.codecs:
        raise UsageError(
            f"{results.folders[0]}: no codec {anchor!r}; {near_matches(anchor, results.codecs)}"
        )
    return compare_run(results, grids(results), axes, anchor=anchor, hull=hull, matrix=matrix)


def compare_run(
    results: Results,
    measured: dict[str, Grid],
    axes: Sequence[Quality],
    *,
    anchor: str | None = None,
    hull: bool = False,
    matrix: bool = False,
) -> BdTable:
    """The BD table of grids that are at hand."""
    lossy = {name: grid for name, grid in measured.items() if (~grid.lossless).sum() > 0}
    chosen, note = (anchor, "") if anchor else _default_anchor(results.run.anchor, lossy)
    others = [grid for name, grid in measured.items() if name != chosen]
    comparisons = (
        [compare(measured[chosen], grid, axis, hull=hull) for axis in axes for grid in others]
        if chosen is not None
        else []
    )
    every = list(lossy.values())
    matrices = [compare_all(every, axis, hull=hull) for axis in axes] if matrix else []
    return BdTable(
        chosen,
        tuple(axis.id for axis in axes),
        tuple(comparisons),
        tuple(matrices),
        note,
    )


def measured_quality(results: Results, metric: str) -> Quality:
    """The axis of a metric that this run has values of. Raises UsageError otherwise."""
    axis = quality(metric, results.run.metric_facts)
    if axis.column not in results.records or not results.records[axis.column].notna().any():
        known = [name for name in results.run.metrics if name != metric]
        raise UsageError(
            f"{results.folders[0]}: metric {metric} was not measured; "
            f"measured: {', '.join(known) or 'none'}"
        )
    return axis


def _default_anchor(wanted: str | None, lossy: dict[str, Grid]) -> tuple[str | None, str]:
    if wanted in lossy:
        return wanted, ""
    first = next((name for name, grid in lossy.items() if len(grid.points) > 1), None)
    if first is None:
        return None, "no lossy curve to compare with: no BD-rates"
    if wanted is None:
        return first, f"the suite names no anchor: compared with {first}, its first lossy codec"
    return first, f"anchor {wanted} has no lossy result here: compared with {first} instead"
