"""Labels at the ends of curves: beside the axes, apart from each other, joined by a thin line.

Knows curves and texts only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_GAP = 0.3
"""Inches from the axes to the labels."""
_SPACING = 1.15
"""Of two labels' baselines, in heights of the font."""


def label_width(labels: Sequence[str], font_size: float) -> float:
    """Inches that these labels take beside the axes; 0 if there are none."""
    if not labels:
        return 0.0
    return _GAP + 0.58 * font_size / 72 * max(map(len, labels)) + 0.05


def label_ends(
    axes: Axes,
    curves: Sequence[tuple[Sequence[float], Sequence[float]]],
    labels: Sequence[str],
    *,
    title: str,
    colour: str,
    font_size: float,
) -> None:
    """Writes each label to the right of the axes at the height where its curve ends in sight, and
    the title above them.

    ``curves`` are (rates, values), rates rising; one that is nowhere in sight gets no label.
    """
    figure = axes.get_figure(root=True)
    assert figure is not None
    box = axes.get_position()
    wide, high = box.width * figure.get_figwidth(), box.height * figure.get_figheight()
    ends = [(visible_end(axes, *curve), label) for curve, label in zip(curves, labels, strict=True)]
    found = sorted((end[1], end[0], label) for end, label in ends if end is not None)
    gap = _SPACING * font_size / 72 / high
    heights = spread([end for end, _, _ in found], gap, 1 - gap)
    place = 1 + _GAP / wide
    if heights:
        axes.text(
            place, heights[-1] + gap, title, transform=axes.transAxes, fontsize=font_size,
            fontstyle="italic", color="#444444", va="center",
        )  # fmt: skip
    for (end, across, label), height in zip(found, heights, strict=True):
        axes.annotate(
            label, (across, end), (place, height), xycoords="axes fraction",
            textcoords="axes fraction", fontsize=font_size, color="#444444", va="center",
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.35,
                        "shrinkA": 1, "shrinkB": 0},
        )  # fmt: skip


def visible_end(
    axes: Axes, rates: Sequence[float], values: Sequence[float]
) -> tuple[float, float] | None:
    """Where a curve leaves the axes or ends in them, in parts of the axes; None if it is nowhere
    inside."""
    points = np.column_stack([rates, values]).astype(float)
    inside = axes.transAxes.inverted().transform(axes.transData.transform(points))
    for one, other in zip(inside[::-1], [None, *inside[:0:-1]], strict=True):
        if not _within(one):
            continue
        if other is None:
            return float(one[0]), float(one[1])
        return _border(one, other)
    return None


def _within(point: np.ndarray[tuple[int], np.dtype[np.float64]]) -> bool:
    return bool(np.isfinite(point).all() and (point >= 0).all() and (point <= 1).all())


def _border(
    inner: np.ndarray[tuple[int], np.dtype[np.float64]],
    outer: np.ndarray[tuple[int], np.dtype[np.float64]],
) -> tuple[float, float]:
    """Where the line from a point inside to one outside crosses the border of the unit square."""
    part = 1.0
    for start, end in zip(inner, outer, strict=True):
        if math.isfinite(end) and not 0 <= end <= 1:
            part = min(part, ((1.0 if end > 1 else 0.0) - start) / (end - start))
    crossing = inner + part * (outer - inner)
    return float(crossing[0]), float(crossing[1])


def spread(places: Sequence[float], gap: float, top: float) -> list[float]:
    """Places, rising, moved as little as it takes to be ``gap`` apart and none above ``top``:
    neighbours that are too close become a group around their mean."""
    groups: list[list[float]] = []
    for place in places:
        groups.append([place])
        while len(groups) > 1 and _first(groups[-1], gap) - _last(groups[-2], gap) < gap:
            groups[-2:] = [groups[-2] + groups[-1]]
    apart = [_first(group, gap) + gap * index for group in groups for index in range(len(group))]
    limits = [top - gap * index for index in range(len(apart))][::-1]
    return [min(place, limit) for place, limit in zip(apart, limits, strict=True)]


def _first(group: Sequence[float], gap: float) -> float:
    return sum(group) / len(group) - gap * (len(group) - 1) / 2


def _last(group: Sequence[float], gap: float) -> float:
    return _first(group, gap) + gap * (len(group) - 1)
