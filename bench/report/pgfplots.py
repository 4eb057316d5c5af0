"""RD curves as a PGFPlots axis for LaTeX, with the file of each curve; computes no numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from bench.analysis.qualities import Quality
from bench.figures.plot import CurvePlot, Exit, Line, OtherLine
from bench.figures.style import LINE_WIDTHS, MARK_SIZES, OTHER_DASH, OTHER_WIDTH, Style
from bench.report.content import Content
from bench.report.latex import breakable, latex

_MARKS = {
    "o": "*", "s": "square*", "^": "triangle*", "D": "diamond*", "P": "+", "X": "x",
    "v": "triangle*; rotate=180", "<": "triangle*; rotate=90",
    ">": "triangle*; rotate=270", "p": "pentagon*", "*": "star",
}  # fmt: skip
_OPEN_MARKS = {
    "o": "o", "s": "square", "^": "triangle", "D": "diamond", "p": "pentagon", "x": "x",
    "+": "+", "v": "triangle; rotate=180",
}  # fmt: skip
"""Matplotlib's markers as PGFPlots names them, filled and open."""
_COLUMN_POINTS = 252
"""Width of a column of IEEE's, which the legend must fit."""
_MARK = 3.6
"""Points that a mark takes at most in a figure as wide as a column."""
_FEW = 8
"""More entries than these stand in two columns, the figure made smaller where they do not fit."""
_ENTRY, _LETTER = 24, 3.0
"""Points that line and gap of an entry take, and a letter of 7 points on average."""


def pgfplots(axis: Quality, plot: CurvePlot, style: Style, files: Mapping[str, str]) -> str:
    """What the PDF shows, as an axis that reads the file of each curve."""
    kind = "axis" if plot.linear_rate else "semilogxaxis"
    font = r"\scriptsize" if style.legend_below else r"\footnotesize"
    sign = -1 if plot.falling else 1
    low, high = sorted(sign * end for end in plot.qualities)
    title = axis.info.title if axis.falling else axis.title
    entries = [latex(line.label) for line in plot.lines]
    entries += [latex(other.label) for other in plot.others]
    rows = _legend_rows(entries)
    options = [
        r"width=\columnwidth", r"height={min(0.75\columnwidth,240pt)}",
        f"xmin={_text(plot.rates[0])}", f"xmax={_text(plot.rates[1])}",
        f"ymin={_text(low)}", f"ymax={_text(high)}", *(["y dir=reverse"] if plot.falling else []),
        f"xlabel={{{latex(plot.rate_label)}}}", f"ylabel={{{latex(title)} ({axis.unit or '1'})}}",
        *([] if plot.linear_rate else [f"xtick={{{_ticks(*plot.rates)}}}"]),
        "log ticks with fixed point", "grid=major", "grid style={line width=0.3pt, black!15}",
        f"tick label style={{font={font}}}", f"label style={{font={font}}}",
        f"transpose legend, legend columns={rows}", "legend cell align=left",
        r"legend style={at={(0.5,0)}, anchor=north, yshift=-3em, font=\scriptsize, draw=none, "
        "fill=none, inner sep=0pt, /tikz/column sep=2pt}",
        r"table/search path={.,\CurrentFilePath}",
    ]  # fmt: skip
    lines = [
        r"% \usepackage{pgfplots}; the curves lie in the .dat beside this file",
        r"% \newcommand\rdnote[1]{} in the preamble leaves out the note below the axes",
        r"\providecommand\CurrentFilePath{.}%",
        r"\providecommand\rdnote[1]{\par\smallskip"
        r"\parbox{\columnwidth}{\scriptsize\raggedright #1}}%",
        r"\sbox0{\begin{tikzpicture}",
        f"\\begin{{{kind}}}[",
        *(f"  {option}," for option in options),
        "]",
    ]
    for line, entry in zip(plot.lines, entries, strict=False):
        colour = line.colour.removeprefix("#")
        lines.append(f"\\definecolor{{c{colour}}}{{HTML}}{{{colour}}}")
        lines += _curves(line.sources, axis, files, _look(line, style), entry)
    for place, other in enumerate(plot.others):
        entry = entries[len(plot.lines) + place]
        lines += _curves(other.sources, axis, files, _other_look(other, style), entry)
    for line in plot.lines:
        lines += [_arrow(plot, line, edge, sign) for edge in plot.exits(line)]
    lines += [
        f"\\end{{{kind}}}",
        r"\end{tikzpicture}}%",
        r"\ifdim\wd0>\columnwidth\resizebox{\columnwidth}{!}{\usebox0}\else\usebox0\fi",
        *([f"\\rdnote{{{breakable(latex(plot.outside))}.}}"] if plot.outside else []),
    ]
    return "\n".join(lines) + "\n"


def _legend_rows(entries: Sequence[str]) -> int:
    """Rows of a legend that is filled column by column, in as many columns as fit."""
    for columns in (4, 3, 2):
        rows = math.ceil(len(entries) / columns)
        parts = [entries[start : start + rows] for start in range(0, len(entries), rows)]
        width = sum(_ENTRY + _LETTER * max(map(len, part)) for part in parts)
        if width <= _COLUMN_POINTS or (columns == 2 and len(entries) > _FEW):
            return rows
    return max(1, len(entries))


def _ticks(low: float, high: float) -> str:
    """1, 2 and 5 of each decade, over many decades only 1."""
    steps = (1, 2, 5) if high / low < 300 else (1,)
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = (step * 10.0**decade for decade in decades for step in steps)
    return ",".join(f"{tick:g}" for tick in ticks if low <= tick <= high)


def _look(line: Line, style: Style) -> str:
    """Colour, dash, thickness and marker as in the PDF."""
    width = style.line * LINE_WIDTHS[line.weight]
    mark, _, turned = _MARKS[line.marker].partition("; ")
    size = min(style.marker, _MARK) * MARK_SIZES[line.weight] / 2
    edge = f"line width={0.7 * size:.2g}pt" if mark in "+x" else "draw=white, line width=0.3pt"
    look = f"c{line.colour.removeprefix('#')}, line width={width:.2g}pt, mark={mark}, "
    look += f"mark size={size:.2g}pt, mark options={{solid, {edge}{turned and ', ' + turned}}}"
    if line.dash is None:
        return f"{look}, only marks"
    if isinstance(line.dash, str):
        return f"{look}, solid"
    words = zip(("on", "off") * 2, line.dash[1], strict=False)
    return f"{look}, dash pattern={' '.join(f'{w} {n * width:.2g}pt' for w, n in words)}"


def _other_look(other: OtherLine, style: Style) -> str:
    if other.bound:
        return f"black, densely dotted, line width={0.8 * style.line:.2g}pt, mark=none"
    width = OTHER_WIDTH * style.line
    on, off = (f"{n * width:.2g}pt" for n in OTHER_DASH[1])
    mark, _, turned = _OPEN_MARKS[other.marker].partition("; ")
    return (
        f"black!{100 - 100 * other.gray:.0f}, dash pattern=on {on} off {off}, "
        f"line width={width:.2g}pt, mark={mark}, mark size={style.marker / 2:.2g}pt, "
        f"mark options={{solid{turned and ', ' + turned}}}"
    )


def _arrow(plot: CurvePlot, line: Line, edge: Exit, sign: int) -> str:
    """Points that way, where points of a line lie outside the axes."""
    rate, quality = plot.value(edge)
    return (
        f"\\addplot[forget plot, only marks, clip marker paths=false, mark=triangle*, "
        f"c{line.colour.removeprefix('#')}, mark size=2pt, "
        f"mark options={{rotate={(edge.turn + 270) % 360}}}] "
        f"coordinates {{({_text(rate)},{_text(sign * quality)})}};"
    )


def _text(value: float) -> str:
    """A limit or a place at the edge, alike: PGFPlots draws no mark beyond the limits."""
    return f"{value:.6g}"


def _curves(
    sources: Sequence[str], axis: Quality, files: Mapping[str, str], look: str, entry: str
) -> list[str]:
    """The curves of one entry of the legend."""
    return [
        f"\\addplot[{look}{', forget plot' if index else ''}] "
        f"table[x=bpp, y={axis.id}] {{{files[source]}}};"
        + (f" \\addlegendentry{{{entry}}}" if not index else "")
        for index, source in enumerate(sources)
    ]


def write_data(content: Content, folder: Path) -> dict[str, str]:
    """A .dat of each curve, by rising rate, all metrics beside each other; returns their names by
    codec or name of the curve."""
    files: dict[str, str] = {}
    for codec in content.results.codecs:
        points = content.shared.lossy_points(codec)
        if points.empty:
            continue
        columns = {a.id: a.shown(points[a.column].to_numpy(float)) for a in content.axes}
        _write(folder, files, codec, points["bpp"], columns)
    for extra in content.extras:
        known = {axis.id: extra.quality(axis) for axis in content.axes}
        turned = {axis.id: axis.sign for axis in content.axes}
        shown = {key: [turned[key] * one for one in values or ()] for key, values in known.items()}
        drawn = {key: values for key, values in shown.items() if values}
        _write(folder, files, extra.marked, extra.rate, drawn)
    return files


def _write(
    folder: Path,
    files: dict[str, str],
    name: str,
    rates: Iterable[float],
    columns: Mapping[str, Iterable[float]],
) -> None:
    plain = re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-")
    same = sum(file.startswith(f"curve_{plain}.") for file in files.values())
    files[name] = f"curve_{plain}.{same}.dat" if same else f"curve_{plain}.dat"
    rows = sorted(zip(rates, *columns.values(), strict=True))
    text = "\n".join(" ".join(f"{value:.6g}" for value in row) for row in rows)
    head = " ".join(("bpp", *columns))
    (folder / files[name]).write_text(f"{head}\n{text}\n", encoding="utf-8")
