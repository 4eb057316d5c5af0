"""BD tables of a results folder: every codec against an anchor, or every codec against every other.

Chooses anchor and axes from the run; computes through bd.py and prints nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.analysis.bd import Comparison, Matrix, compare, compare_all, refused
from bench.analysis.curves import Grid, grids
from bench.analysis.overlays import load_overlays
from bench.analysis.published import Beside, set_beside
from bench.analysis.qualities import Quality, quality, reported
from bench.analysis.sides import Sides
from bench.errors import UsageError, near_matches
from bench.results.reader import Results, read_results
from bench.results.run_info import RunInfo, shortened


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
    versions: tuple[str, ...] = ()
    """Sentences on the versions and models of metrics that are not the project's own."""

    def find(self, codec: str, metric: str) -> Comparison | None:
        return next((c for c in self.comparisons if (c.codec, c.metric) == (codec, metric)), None)


def bd_table(
    folder: Path | Sequence[Path] | Results,
    anchor: str | None = None,
    metric: str | None = None,
    *,
    hull: bool = False,
    matrix: bool = False,
    overlays: Sequence[str] = (),
) -> BdTable:
    """The BD table of one or several results folders, or of what was read of them, with the
    published curves of ``overlays``.

    Without ``anchor`` the suite's is taken, without ``metric`` all that the suite reports; the
    anchor may be a published curve. Raises UsageError for a codec or metric that is not there,
    StoreError for an unreadable folder, DataError for an unreadable overlay.
    """
    results = folder if isinstance(folder, Results) else read_results(folder)
    axes = (
        reported(results.run.metrics, results.run.media, results.run.metric_info)
        if metric is None
        else (measured_quality(results, metric),)
    )
    measured = grids(results)
    published = set_beside(load_overlays(overlays, results.run.dataset), results.run, measured)
    return compare_run(
        results, measured, axes, anchor=_named(anchor, results, published), hull=hull,
        matrix=matrix, published=published,
    )  # fmt: skip


def _named(anchor: str | None, results: Results, published: Sequence[Beside]) -> str | None:
    """The measured or, marked or not, the published curve of this name."""
    if anchor is None or anchor in results.codecs:
        return anchor
    for one in published:
        if anchor in (one.codec, one.curve.name):
            if one.grid is None:
                raise UsageError(f"{one.codec} is no anchor: {one.refusal}")
            return one.codec
    known = [*results.codecs, *(one.codec for one in published)]
    raise UsageError(f"{results.folders[0]}: no codec {anchor!r}; {near_matches(anchor, known)}")


def compare_run(
    results: Results,
    measured: dict[str, Grid],
    axes: Sequence[Quality],
    *,
    anchor: str | None = None,
    hull: bool = False,
    matrix: bool = False,
    published: Sequence[Beside] = (),
) -> BdTable:
    """The BD table of grids that are at hand, published ones after the measured. Raises UsageError
    for an anchor without a lossy point."""
    lossy = {name: grid for name, grid in measured.items() if (~grid.lossless).sum() > 0}
    if anchor in measured and anchor not in lossy:
        known = f"such as {' or '.join(list(lossy)[:3])}" if lossy else "no codec has one"
        raise UsageError(f"anchor {anchor} has no lossy point; give a codec that has, {known}")
    chosen, note = (anchor, "") if anchor else _default_anchor(results.run.anchor, lossy)
    theirs = {one.codec: one.grid for one in published if one.grid is not None}
    every = measured | theirs
    compared = axes if chosen is not None else ()
    comparisons = [
        c for axis in compared for c in _against(every, chosen or "", published, axis, hull=hull)
    ]
    shown = [*lossy.values(), *theirs.values()]
    matrices = [
        compare_all([grid for grid in shown if axis.column in grid.values], axis, hull=hull)
        for axis in (axes if matrix else ())
    ]
    return BdTable(
        chosen,
        tuple(axis.id for axis in axes),
        tuple(comparisons),
        tuple(matrices),
        note,
        tuple(version_sentences(results.run, axes)),
    )


def version_sentences(run: RunInfo, axes: Sequence[Quality]) -> list[str]:
    """With which versions and model each metric was measured that is not the project's own."""
    found = []
    for info in dict.fromkeys(axis.info for axis in axes):
        versions = run.metric_versions.get(info.id, {})
        words = [f"{name} {shortened(version)}" for name, version in versions.items()]
        if words or info.needs:
            found.append(f"{info.title}: {', '.join(words) or 'version not recorded'}.")
    return found


def _against(
    every: Mapping[str, Grid],
    anchor: str,
    published: Sequence[Beside],
    axis: Quality,
    *,
    hull: bool,
) -> list[Comparison]:
    """Every other curve that has values on this axis against the anchor's; of the published ones
    also those that are only drawn, with the reason."""
    if axis.column not in every[anchor].values:
        return []
    notes = {one.codec: one.note for one in published if one.note}
    sides = Sides(axis, hull)
    found = []
    for name, grid in every.items():
        if name != anchor and axis.column in grid.values:
            one = compare(every[anchor], grid, axis, sides=sides)
            said = [f"{codec}: {notes[codec]}" for codec in (name, anchor) if codec in notes]
            found.append(replace(one, warnings=(*one.warnings, *said)))
            sides.forget(grid)
    return found + [
        refused(axis, anchor, one.codec, [one.refusal])
        for one in published
        if one.refusal and axis.column in one.curve.values
    ]


def measured_quality(results: Results, metric: str) -> Quality:
    """The axis of a metric that this run has values of. Raises UsageError otherwise."""
    axis = quality(metric, results.run.metric_info)
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
