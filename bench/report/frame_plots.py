"""Plots of quality over the frames of clips, of all codecs at about one rate."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from bench.figures.plot import CurvePlot, Line
from bench.report.content import Content
from bench.report.line_styles import line_styles
from bench.report.matched import matched_points
from bench.results.frames import read_frames

if TYPE_CHECKING:
    import pandas as pd

    from bench.analysis.qualities import Quality

MOST_ITEMS = 4
_PADDING = 0.05


def frame_plots(content: Content) -> Iterator[tuple[str, CurvePlot]]:
    """By the name of a file the plot of each of the first clips on the first axis that has a value
    a frame."""
    table = read_frames(content.results.folders) if content.results.run.media == "video" else None
    axes = [] if table is None else [axis for axis in content.axes if axis.column in table]
    if table is None or not axes:
        return
    for item in list(dict.fromkeys(map(str, table["item"])))[:MOST_ITEMS]:
        plot = _plot(content, table[table["item"] == item], item, axes[0])
        if plot is not None:
            yield f"frames_{re.sub(r'[^A-Za-z0-9.]+', '-', item).strip('-')}", plot


def _plot(content: Content, table: pd.DataFrame, item: str, axis: Quality) -> CurvePlot | None:
    rate, points = matched_points(content, item)
    styles, lines = line_styles(content), []
    for one in points:
        rows = table[(table["codec"] == one.codec) & (table["point"] == one.point)]
        places = zip(rows["frame"], rows[axis.column], strict=True)
        pairs = sorted((float(x), float(axis.shown(y))) for x, y in places)
        pairs = [(x, y) for x, y in pairs if math.isfinite(y)]
        if len(pairs) > 1:
            style = styles[one.codec]
            label = f"{content.name(one.codec)}, {one.bpp:.3f} bpp"
            across, up = tuple(x for x, _ in pairs), tuple(y for _, y in pairs)
            dash = style.dash.plot
            lines.append(Line(label, across, up, style.colour, "", dash, style.weight))
    if not lines:
        return None
    values = [value for line in lines for value in line.quality]
    room = _PADDING * (max(values) - min(values)) or 1.0
    return CurvePlot(
        tuple(lines),
        (),
        (0.0, max(max(line.rate) for line in lines)),
        (min(values) - room, max(values) + room),
        f"Frame of {item}, at about {rate:.3f} bpp",
        axis.label,
        linear_rate=True,
        falling=axis.falling,
    )
