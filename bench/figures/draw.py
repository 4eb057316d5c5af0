"""Draws plots with Matplotlib: RD curves and the bars of the byte ledger. Writes no file."""

from __future__ import annotations

import textwrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from bench.figures.plot import BarPlot, CurvePlot, Line, OtherLine, Plot
from bench.figures.style import LINE_WIDTHS, MARK_SIZES, OTHER_DASH, OTHER_WIDTH, Style

_ARROWS = {0: ">", 90: "^", 180: "<", 270: "v"}
_GAP = 0.08
"""Inches between the parts of a figure."""


def draw(plot: Plot, style: Style) -> Figure:
    """The figure of a plot, under the settings of its style."""
    return draw_bars(plot, style) if isinstance(plot, BarPlot) else draw_lines(plot, style)


def draw_lines(plot: CurvePlot, style: Style) -> Figure:
    """Measured curves, learned ones over the others and published ones below them, dashed in gray;
    bounds dotted. An arrow at the edge stands for points outside."""
    # fine, so that what is measured is what a PDF sets, which hints no glyph
    figure = Figure(figsize=(style.width, style.height), dpi=600)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    if not plot.linear_rate:
        axes.set_xscale("log")
    axes.set_xlim(*plot.rates)
    axes.set_ylim(*plot.qualities)
    for line in plot.lines:
        _draw_line(axes, line, style)
        for edge in plot.exits(line):
            axes.plot(
                edge.x, edge.y, transform=axes.transAxes, marker=_ARROWS[edge.turn], zorder=4,
                color=line.colour, markersize=style.marker * 1.5, clip_on=False,
                markeredgecolor="white", markeredgewidth=0.4, label=f"_outside: {line.label}",
            )  # fmt: skip
    for other in plot.others:
        _draw_other(axes, other, style)
    _label_axes(axes, plot)
    # a legend that has published curves would take from the plot's width beside it
    below = style.legend_below or any(not other.bound for other in plot.others)
    legend = _legend(figure, axes, columns=4 if below else 1)
    _lay_out(figure, axes, legend, plot.outside, style, below=below)
    return figure


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
        other.rate, other.quality, label=other.label, color=str(other.gray),
        linestyle=":" if other.bound else OTHER_DASH, zorder=1,
        linewidth=style.line * (0.8 if other.bound else OTHER_WIDTH),
        marker=None if other.bound else other.marker, markersize=style.marker,
        fillstyle="none", markeredgewidth=0.6,
    )  # fmt: skip


def _legend(figure: Figure, axes: Axes, *, columns: int) -> Legend | None:
    """The legend in as many columns as fit the figure."""
    handles, labels = axes.get_legend_handles_labels()
    if not labels:
        return None
    shapes = [(1, 56)]
    if columns > 1:
        wide = [(count, 56) for count in range(columns, 1, -1)]
        shapes = [*wide, (2, 40), (2, 34), (2, 28), *shapes]
    for count, longest in shapes:
        legend = axes.legend(
            handles, [textwrap.fill(label, longest) for label in labels], ncol=count,
            loc="lower left", bbox_to_anchor=(0, 0), bbox_transform=figure.transFigure,
            frameon=False, handlelength=2.0, labelspacing=0.3, columnspacing=0.8,
            handletextpad=0.4, borderaxespad=0, borderpad=0,
        )  # fmt: skip
        if _size(figure, legend)[0] <= figure.get_figwidth() - _GAP / 2:
            break
    return legend


def _size(figure: Figure, shown: Legend | Text) -> tuple[float, float]:
    """Inches."""
    FigureCanvasAgg(figure)  # measures text
    box = shown.get_window_extent()
    return box.width / figure.dpi, box.height / figure.dpi


def _lay_out(
    figure: Figure, axes: Axes, legend: Legend | None, words: str, style: Style, *, below: bool
) -> None:
    """Room for the legend, beside or below the axes, and the note below both."""
    inch = style.font_size / 72
    left, bottom, top = 5.0 * inch, 4.2 * inch, 0.8 * inch
    width, height = style.width, style.height
    wide, high = (0.0, 0.0) if legend is None else _size(figure, legend)
    note = _note(figure, words, style)
    foot = _size(figure, note)[1] + _GAP / 2 if words else 0.0
    if below:
        foot += high + _GAP
        right, height = top, height + foot
    else:
        right = wide + 2.5 * _GAP
        # the axes keep at least half of what they have without any label
        width = max(width, left + right + 0.5 * style.width)
        height = max(height, high + 2 * top) + foot
    figure.set_size_inches(width, height)
    axes.set_position((
        left / width, (bottom + foot) / height,
        1 - (left + right) / width, 1 - (bottom + top + foot) / height,
    ))  # fmt: skip
    if legend is not None:
        place = ((width - wide) / 2, foot - high) if below else (
            width - right + 1.5 * _GAP, height - top - high
        )  # fmt: skip
        legend.set_bbox_to_anchor((place[0] / width, place[1] / height), figure.transFigure)
    note.set_position((_GAP / width, 0.5 * _GAP / height))


def _note(figure: Figure, words: str, style: Style) -> Text:
    """The sentence below the axes, in lines that the style's width holds."""
    note = figure.text(0, 0, words, fontsize=style.small, color="#444444", va="bottom")
    count = len(words)
    while _size(figure, note)[0] > style.width - 2 * _GAP:
        count = min(count, int(2.5 * style.width * 72 / style.small)) - 2
        note.set_text(textwrap.fill(words, count))
    return note


def _label_axes(axes: Axes, plot: CurvePlot) -> None:
    axes.set_xlabel(plot.rate_label)
    axes.set_ylabel(plot.quality_label)
    axes.yaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10]))
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
    columns = 1 if style.legend_below else 3
    longest = int((1.4 if style.serif else 1.15) * 72 * style.width / style.font_size)
    names = [textwrap.fill(name, longest) for name in plot.labels]
    pitch = 1.6 + 1.2 * max(name.count("\n") for name in names)
    lines = pitch * len(names) + 5.5 + 3 / columns
    figure = Figure(figsize=(style.width, lines * style.font_size / 72), layout="constrained")
    axes = figure.add_subplot()
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
    axes.set_yticks(rows, names)
    axes.invert_yaxis()
    axes.margins(y=0.02)
    axes.set_xlim(left=0)
    figure.supxlabel("Bytes, % of what a decoder needs", fontsize=style.font_size)
    figure.legend(loc="outside upper center", frameon=False, handlelength=1.2, ncol=columns)
    return figure
