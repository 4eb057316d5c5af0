"""RD plots and the byte ledger of a report, as PDF, PNG and PGFPlots; computes no numbers and
leaves the drawing to figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.analysis.overlays import ExtraCurve
from bench.analysis.qualities import Quality
from bench.figures.files import Sheet, make_sheet
from bench.figures.plot import CurvePlot, Line, OtherLine
from bench.figures.style import FAMILY, OTHER_GRAYS, OTHER_MARKS, Style, named_style
from bench.records import CodecName
from bench.report.axis_range import AxisRange, axis_range, finite_points
from bench.report.content import Content
from bench.report.frame_plots import frame_plots
from bench.report.ledger import ledger_plot
from bench.report.line_styles import LineStyle, line_styles
from bench.report.names import family_name
from bench.report.pgfplots import pgfplots, write_data

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plan_plots(content: Content, folder: Path, style_name: str = "paper") -> tuple[Sheet, ...]:
    """The sheets rd_<metric> of every reported axis, of clips frames_<item> and, where headers
    weigh, ledger.

    Raises UsageError for an unknown style.
    """
    style = named_style(style_name)
    plots = [(f"rd_{axis.id}", curve_plot(content, axis)) for axis in content.axes]
    sheets = [make_sheet(plot, style, folder / name) for name, plot in plots if plot is not None]
    over = [make_sheet(plot, style, folder / name) for name, plot in frame_plots(content)]
    bars = ledger_plot(content)
    return (*sheets, *over, *([] if bars is None else [make_sheet(bars, style, folder / "ledger")]))


def write_pgfplots(content: Content, folder: Path, style_name: str = "paper") -> tuple[Path, ...]:
    """rd_<metric>.tex of every reported axis and the .dat of each curve; returns the paths."""
    style, files = named_style(style_name), write_data(content, folder)
    written = [folder / name for name in files.values()]
    for axis in content.axes:
        plot = curve_plot(content, axis)
        if plot is not None:
            path = folder / f"rd_{axis.id}.tex"
            path.write_text(pgfplots(axis, plot, style, files), encoding="utf-8")
            written.append(path)
    return tuple(written)


def draw_curves(content: Content, axis: Quality, style: Style) -> Figure:
    """The RD figure of one axis."""
    from bench.figures.draw import draw_lines

    plot = curve_plot(content, axis)
    assert plot is not None, f"no point on {axis.id}"
    return draw_lines(plot, style)


def curve_plot(content: Content, axis: Quality) -> CurvePlot | None:
    """What the figure of one axis shows; None where there is no point."""
    shown: AxisRange | None = axis_range(content, axis)
    if shown is None:
        return None
    names = [c for c in content.results.codecs if finite_points(content, c, axis)[0].size]
    styles = line_styles(content)
    return CurvePlot(
        lines=tuple(
            _line(content, axis, series, styles[series.codecs[0]])
            for series in _series(content, names, axis)
        ),
        others=tuple(
            _other(content, extra, axis, place)
            for place, extra in enumerate(drawn_extras(content, axis))
        ),
        rates=shown.padded_rate(linear=content.linear_rate),
        qualities=shown.padded(),
        rate_label=f"Rate ({content.rate_unit})",
        quality_label=axis.label,
        linear_rate=content.linear_rate,
        falling=axis.falling,
        outside=shown.note,
    )


def _line(content: Content, axis: Quality, series: Series, style: LineStyle) -> Line:
    points = [finite_points(content, codec, axis) for codec in series.codecs]
    rate, quality = (np.concatenate(part) for part in zip(*points, strict=True))
    return Line(
        series.label,
        tuple(rate.tolist()),
        tuple(quality.tolist()),
        style.colour,
        style.marker.plot,
        None if len(series.codecs) > 1 else style.dash.plot,
        style.weight,
        series.codecs,
    )


def _other(content: Content, extra: ExtraCurve, axis: Quality, place: int) -> OtherLine:
    values, source = tuple(extra.quality(axis) or ()), (extra.marked,)
    if extra.origin == "bound":
        return OtherLine(extra.name, tuple(extra.rate), values, True, sources=source)
    label = f"{published_name(content, extra)} ({extra.origin})"
    mark = OTHER_MARKS[place % len(OTHER_MARKS)]
    gray = OTHER_GRAYS[place % len(OTHER_GRAYS)]
    return OtherLine(label, tuple(extra.rate), values, False, mark, gray, source)


@dataclass(frozen=True, slots=True)
class Series:
    """What is drawn alike: one codec with its curve, or variations of one card as points."""

    label: str
    codecs: tuple[str, ...]


def _series(content: Content, names: Sequence[str], axis: Quality) -> list[Series]:
    """All codecs; variations of one card with a single point each share one entry of the legend,
    which would else be longer than the plot. The tables tell them apart."""
    marked = {row.codec: content.name(row.codec) + " *" * row.incomplete for row in content.rows}
    single = [name for name in names if finite_points(content, name, axis)[0].size == 1]
    families: dict[str, list[str]] = {}
    for name in single:
        families.setdefault(CodecName.parse(name).card, []).append(name)
    series = []
    for name in names:
        family = families.get(CodecName.parse(name).card, []) if name in single else []
        if len(family) < FAMILY:
            series.append(Series(marked[name], (name,)))
        elif name == family[0]:
            star = " *" if any(marked[each].endswith(" *") for each in family) else ""
            card = content.name(CodecName.parse(name).card)
            series.append(Series(family_name(card, str(len(family))) + star, tuple(family)))
    return series


def drawn_extras(content: Content, axis: Quality) -> list[ExtraCurve]:
    """Curves of others on this axis; of a system published with and without rounding to 8 bit
    only the rounded one, which was measured as ours are."""
    names = {extra.name for extra in content.extras}
    return [
        extra
        for extra in content.extras
        if extra.quality(axis) is not None and f"{extra.name}@8bit" not in names
    ]


def published_name(content: Content, extra: ExtraCurve) -> str:
    """The name of a published curve as a plot labels it; one over other items says so."""
    name = extra.name.removesuffix("@8bit")
    if not any(one.curve is extra and one.refusal for one in content.published):
        return name
    return f"{name} ({extra.count or 'other'} {content.item_word})"
