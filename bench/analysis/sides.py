"""One codec's side of many comparisons: what does not depend on the other side is computed once."""

from __future__ import annotations

from dataclasses import dataclass, field

from bench.analysis.bootstrap import Sample
from bench.analysis.curves import Grid, Mask
from bench.analysis.deltas import Curve, hull_points
from bench.analysis.points import (
    complete,
    distinct_points,
    falls,
    label,
    mean_curve,
    usable_points,
)
from bench.analysis.qualities import Quality


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """A codec on the items that both codecs have: its points and their mean curve.

    ``not_monotonic`` says where it falls, else it is empty; ``notes`` what was left out, and
    ``hull_notes`` what lies off the convex hull.
    """

    grid: Grid
    curve: Curve
    not_monotonic: str
    sample: Sample
    notes: tuple[str, ...] = ()
    hull_notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Sides:
    """The sides of the comparisons on one axis; ``hull`` keeps the points on each convex hull."""

    quality: Quality
    hull: bool = False
    _usable: dict[Grid, tuple[Grid, Mask, list[str]]] = field(default_factory=dict)
    _sides: dict[tuple[Grid, bytes], Side] = field(default_factory=dict)

    def pair(self, one: Grid, other: Grid) -> tuple[list[Side], int, list[str]]:
        """Both on the items on which both are complete, how many these are, and what to know."""
        (first, done, notes), (second, others, more) = self._of(one), self._of(other)
        common: Mask = done & others
        count = int(common.sum())
        sides = [self._side(grid, common, count) for grid in (first, second)]
        notes = [*notes, *more]
        if 0 < count < (total := min(one.wanted, other.wanted)):
            notes.append(f"over {count} of {total} items: the others are missing in one of the two")
        notes += [note for side in sides for note in side.notes]
        notes += [note for side in sides for note in side.hull_notes]
        return sides, count, notes

    def forget(self, grid: Grid) -> None:
        """Frees what is kept of a grid that is compared no more."""
        for key in [key for key in self._sides if key[0] is grid]:
            del self._sides[key]

    def _of(self, grid: Grid) -> tuple[Grid, Mask, list[str]]:
        """The points of a codec that say something, its complete items, and what was left out."""
        if grid not in self._usable:
            notes: list[str] = []
            usable = usable_points(grid, self.quality, notes)
            self._usable[grid] = usable, complete(usable, self.quality), notes
        return self._usable[grid]

    def _side(self, grid: Grid, common: Mask, count: int) -> Side:
        key = (grid, common.tobytes())
        if key in self._sides:
            return self._sides[key]
        notes: list[str] = []
        hull_notes: list[str] = []
        grid = grid.take(common, slice(None))
        if count:
            grid = distinct_points(grid, self.quality, notes)
        if count and self.hull:
            grid = self._on_hull(grid, hull_notes)
        sample = Sample(grid.bpp, grid.values[self.quality.column])
        curve = mean_curve(grid, self.quality)
        fallen = falls(grid, self.quality) if count else ""
        side = Side(grid, curve, fallen, sample, tuple(notes), tuple(hull_notes))
        return self._sides.setdefault(key, side)

    def _on_hull(self, grid: Grid, notes: list[str]) -> Grid:
        kept = sorted(hull_points(mean_curve(grid, self.quality)))
        for index in sorted(set(range(len(grid.points))) - set(kept)):
            notes.append(
                f"{grid.codec}: {label(grid.points[index])} is not on the convex hull, left out"
            )
        return grid.take(None, kept)
