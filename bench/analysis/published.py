"""Published curves set beside a run: whether they are of its items, and what BD computes with.

Reads no overlay and computes no delta.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePath

import numpy as np

from bench.analysis.curves import Grid
from bench.analysis.overlays import ExtraCurve, ItemTable
from bench.analysis.qualities import Floats
from bench.errors import UsageError
from bench.results.run_info import RunInfo


@dataclass(frozen=True, slots=True, eq=False)
class Beside:
    """A published curve and the grid on which it is compared; where it is of other items than the
    run's there is none, and ``refusal`` says so. ``note`` is what a comparison must mention."""

    curve: ExtraCurve
    grid: Grid | None
    refusal: str = ""
    note: str = ""

    @property
    def codec(self) -> str:
        """Its name among the measured ones, marked."""
        return self.curve.marked


def set_beside(
    curves: Iterable[ExtraCurve], run: RunInfo, measured: Mapping[str, Grid]
) -> tuple[Beside, ...]:
    """Each curve beside the measured grids, which share their items.

    A table of single items is cut to the run's, if it has all of these; a curve of means must be
    over as many items as the run's, of its data set.
    """
    some = next(iter(measured.values()), None)
    if some is None:
        return tuple(Beside(curve, None, "drawn only: nothing was measured") for curve in curves)
    return tuple(
        _of_items(curve, curve.table, run, some) if curve.table is not None
        else _of_means(curve, run, some)
        for curve in curves
    )  # fmt: skip


def _of_items(curve: ExtraCurve, table: ItemTable, run: RunInfo, some: Grid) -> Beside:
    ours = run.item_digests
    if other := [name for name in ours if table.digests.get(name, ours[name]) != ours[name]]:
        return Beside(curve, None, f"drawn only: its {other[0]} is not the item of this run")
    places = _places(table.items, some.items)
    if len(places) < len(some.items):
        return Beside(
            curve, None,
            f"drawn only: its table has {len(places)} of the {len(some.items)} items of this run",
        )  # fmt: skip
    rate = table.rate[places]
    values = {name: array[places] for name, array in table.values.items()}
    order = np.argsort(rate.mean(axis=0), kind="stable")
    rate, values = rate[:, order], {name: array[:, order] for name, array in values.items()}
    cut = replace(
        curve,
        rate=tuple(rate.mean(axis=0).tolist()),
        values={name: tuple(array.mean(axis=0).tolist()) for name, array in values.items()},
        labels=tuple(curve.labels[place] for place in order),
        count=len(some.items),
        table=ItemTable(some.items, rate, values),
    )
    return Beside(cut, _grid(cut, some, rate, values, averaged=False))


def _places(theirs: tuple[str, ...], ours: tuple[str, ...]) -> list[int]:
    """Where our items are among theirs: by name, else by name without folder and suffix."""
    exact = {name: place for place, name in enumerate(theirs)}
    stems: dict[str, list[int]] = {}
    for name, place in exact.items():
        stems.setdefault(PurePath(name).stem, []).append(place)
    found = []
    for name in ours:
        alike = stems.get(PurePath(name).stem, [])
        if name in exact:
            found.append(exact[name])
        elif len(alike) == 1:
            found.append(alike[0])
    return found if len(set(found)) == len(found) else []


def _of_means(curve: ExtraCurve, run: RunInfo, some: Grid) -> Beside:
    if curve.dataset and curve.dataset != run.dataset:
        return Beside(
            curve, None, f"drawn only: of data set {curve.dataset}, this run's is {run.dataset}"
        )
    whole = _whole(run.dataset)
    count = curve.count or whole or run.items
    if not run.items == count == len(some.items):
        stated = "" if curve.count else ", if of the whole data set"
        return Beside(
            curve, None,
            f"drawn only: means over {count} items{stated}; this run has {len(some.items)}",
        )  # fmt: skip
    note = f"its items are not stated: taken as the {count} of this run" if not curve.count else ""
    shape = (len(some.items), len(curve.rate))
    rate = np.broadcast_to(np.array(curve.rate), shape)
    values = {
        name: np.broadcast_to(np.array(column), shape) for name, column in curve.values.items()
    }
    return Beside(curve, _grid(curve, some, rate, values, averaged=True), note=note)


def _whole(dataset: str) -> int | None:
    """How many items a data set has; None where its card is on another machine or does not say."""
    from bench.cards import load_registry

    try:
        return load_registry().dataset(dataset).items
    except UsageError:
        return None


def _grid(
    curve: ExtraCurve,
    some: Grid,
    rate: Floats,
    values: Mapping[str, Floats],
    *,
    averaged: bool,
) -> Grid:
    return Grid(
        curve.marked, some.items, curve.labels, rate, rate * some.pixels[:, None],
        some.pixels, values, np.zeros(rate.shape), averaged, groups=some.groups,
    )  # fmt: skip
