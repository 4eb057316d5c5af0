"""Draws plots with Matplotlib: RD curves and the bars of the byte ledger. Writes no file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from bench.figures.direct_labels import label_ends, label_width
from bench.figures.plot import BarPlot, CurvePlot, Line, OtherLine, Plot
from bench.figures.style import LINE_WIDTHS, MARK_SIZES, Style

PUBLISHED_COLOUR = "#8a8a8a"


def draw(plot: Plot, style: Style) -> Figure:
    """The figure of a plot, under the settings of its style."""
    return draw_bars(plot, style) if isinstance(plot, BarPlot) else draw_lines(plot, style)


def draw_lines(plot: CurvePlot, style: Style) -> Figure:
    """Measured curves in a legend, learned ones over the others, published ones thin and labelled
    at their ends, bounds dotted."""
    published = [other for other in plot.others if not other.bound]
    entries = [line.label for line in plot.lines]
    entries += [other.label for other in plot.others if other.bound]
    ends = [other.label for other in published]
    frame = _frame(style, entries, ends, note=bool(plot.outside))
    figure = Figure(figsize=(frame.width, frame.height))
    axes = figure.add_axes(frame.axes)
    for line in plot.lines:
        _draw_line(axes, line, style)
    _limit(axes, plot)
    for other in plot.others:
        _draw_other(axes, other, style)
    _label_axes(axes, plot)
    if published:
        curves = [(other.rate, other.quality) for other in published]
        label_ends(
            axes, curves, ends, title="published:", colour=PUBLISHED_COLOUR, font_size=_small(style)
        )  # fmt: skip
    _legend(figure, axes, frame, entries)
    if plot.outside:
        figure.text(
            frame.axes[0], 0.3 * style.font_size / 72 / frame.height, plot.outside,
            fontsize=_small(style), color="#444444", va="bottom",
        )  # fmt: skip
    return figure


def _small(style: Style) -> float:
    """The font size of labels in the figure."""
    return style.font_size - 2


def _draw_line(axes: Axes, line: Line, style: Style) -> None:
    axes.plot(
        line.rate, line.quality, color=line.colour, marker=line.marker, label=line.label,
        linestyle="none" if line.dash is None else line.dash,
        linewidth=style.line * LINE_WIDTHS[line.weight],
        markersize=style.marker * MARK_SIZES[line.weight],
        markeredgecolor="white", markeredgewidth=0.4, zorder=3 if line.weight == "learned" else 2,
    )  # fmt: skip


def _draw_other(axes: Axes, other: OtherLine, style: Style) -> None:
    axes.plot(
        other.rate, other.quality, label=other.label if other.bound else "_" + other.label,
        color="#000000" if other.bound else PUBLISHED_COLOUR,
        linestyle=":" if other.bound else "-",
        linewidth=style.line * (0.8 if other.bound else 0.5), zorder=1,
        marker=None if other.bound else ".", markersize=style.marker * 0.5,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Frame:
    """A figure's size in inches; its axes (left, bottom, width, height) and the place of its legend
    in figure parts; ``columns`` of a legend below the axes, 0 where it stands beside them."""

    width: float
    height: float
    axes: tuple[float, float, float, float]
    legend: tuple[float, float]
    columns: int


def _frame(style: Style, labels: Sequence[str], ends: Sequence[str], *, note: bool) -> Frame:
    """Room for the labels at the curves' ends and for the legend: beside the axes or, in a narrow
    column, below them."""
    inch = style.font_size / 72
    left, bottom, top = 4.6 * inch, (4.8 if note else 3.6) * inch, 0.8 * inch
    beside = label_width(ends, _small(style))
    longest = max(map(len, labels), default=0)
    width, height, columns = style.width, style.height, 0
    if style.legend_below:
        columns = 2 if longest > 16 else 3
        legend = 1.2 * inch * math.ceil(len(labels) / columns) + 0.5 * inch
        height = max(height, 2.4 + legend, 0.1 * len(ends) + 1.0 + legend)
        bottom += legend
        right = max(0.8 * inch, beside)
        place = (0.5, (1.2 if note else 0.0) * inch / height)
    else:
        right = (0.55 * longest + 4.5) * inch + beside
        # the axes keep at least half of what they have without any label
        width = max(width, left + right + 0.5 * style.width)
        height = max(height, 1.5 * inch * len(labels) + inch)
        place = ((width - right + beside) / width, 1 - top / height)
    box = (left / width, bottom / height, 1 - (left + right) / width, 1 - (bottom + top) / height)
    return Frame(
        width, height, (box[0], box[1], max(0.3, box[2]), max(0.3, box[3])), place, columns
    )


def _legend(figure: Figure, axes: Axes, frame: Frame, labels: Sequence[str]) -> None:
    if not labels:
        return
    below = frame.columns > 0
    layout: dict[str, Any] = (
        {"ncol": frame.columns, "handlelength": 2.2, "labelspacing": 0.3, "columnspacing": 1.0,
         "handletextpad": 0.4, "borderaxespad": 0.2}
        if below
        else {"handlelength": 3.0, "labelspacing": 0.45}
    )  # fmt: skip
    axes.legend(
        loc="lower center" if below else "upper left", bbox_to_anchor=frame.legend,
        bbox_transform=figure.transFigure, frameon=False, **layout,
    )  # fmt: skip


def _limit(axes: Axes, plot: CurvePlot) -> None:
    if not plot.linear_rate:
        axes.set_xscale("log")
    axes.set_xlim(*plot.rates)
    axes.set_ylim(*plot.qualities)


def _label_axes(axes: Axes, plot: CurvePlot) -> None:
    axes.set_xlabel(plot.rate_label)
    axes.set_ylabel(plot.quality_label)
    if plot.falling:
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{-value:g}"))
    axes.grid(True, which="major", linewidth=0.4, color="#d9d9d9")
    axes.set_axisbelow(True)
    if plot.linear_rate:
        return
    low, high = axes.get_xlim()
    subs = (1.0, 2.0, 5.0) if high / low < 300 else (1.0,)
    axes.xaxis.set_major_locator(LogLocator(base=10, subs=subs))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def draw_bars(plot: BarPlot, style: Style) -> Figure:
    """Bars of header, picture and discarded bytes, in percent of what a decoder needs; the legend
    above them, as wide as the figure."""
    inch = style.font_size / 72
    columns = 1 if style.legend_below else 3
    above = 1.4 + 3 / columns
    height = (len(plot.labels) * 1.6 + 4.1 + above) * inch
    left = (0.55 * max(map(len, plot.labels)) + 1.0) * inch
    figure = Figure(figsize=(style.width, height))
    axes = figure.add_axes((
        left / style.width, 3.4 * inch / height,
        max(0.3, 1 - (left + inch) / style.width), 1 - (3.4 + above) * inch / height,
    ))  # fmt: skip
    header = 100 * np.array(plot.headers)
    discarded = 100 * np.array(plot.discarded)
    rows = np.arange(len(plot.labels))
    parts = (
        ("headers and side information", header, "#333333", ""),
        ("picture", 100 - header, "#9ecae1", ""),
        ("discarded before counting", discarded, "white", "////"),
    )
    start = np.zeros(len(plot.labels))
    for label, width, colour, hatch in parts:
        axes.barh(rows, width, left=start, color=colour, hatch=hatch, edgecolor="black",
                  linewidth=0.5, height=0.7, label=label)  # fmt: skip
        start = start + width
    axes.set_yticks(rows, plot.labels)
    axes.invert_yaxis()
    axes.set_xlabel("Bytes, % of what a decoder needs")
    figure.legend(loc="upper center", frameon=False, handlelength=1.2, borderaxespad=0,
                  ncol=columns, columnspacing=1.0)  # fmt: skip
    return figure
