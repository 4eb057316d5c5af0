"""RD plots and the byte ledger as PDF, PNG and PGFPlots, ready for a paper; computes no numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.analysis.overlays import ExtraCurve
from bench.analysis.qualities import Quality
from bench.report.content import Content
from bench.report.direct_labels import label_ends, label_width
from bench.report.extent import Extent, extent, finite_points
from bench.report.ledger import LEDGER_SHARE, draw_ledger, ledger_shares
from bench.report.looks import Look, looks
from bench.report.pgfplots import pgfplots
from bench.report.style import FAMILY, Style, named_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PUBLISHED_COLOUR = "#8a8a8a"
_WIDTHS = {"field": 0.8, "learned": 1.6, "anchor": 1.4}
_SIZES = {"field": 0.85, "learned": 1.2, "anchor": 1.0}


def write_plots(content: Content, folder: Path, style_name: str = "paper") -> tuple[Path, ...]:
    """rd_<metric>.pdf, .png and .tex for every reported axis and, where headers weigh, ledger.*;
    returns the paths written. Raises UsageError for an unknown style."""
    style = named_style(style_name)
    from matplotlib import rc_context

    written: list[Path] = []
    settings: Any = style.settings
    with rc_context(settings):
        for axis in content.axes:
            shown = extent(content, axis)
            if shown is None:
                continue
            written += _save(draw_curves(content, axis, style), folder / f"rd_{axis.id}")
            target = folder / f"rd_{axis.id}.tex"
            target.write_text(pgfplots(content, axis, shown), encoding="utf-8")
            written.append(target)
        ledger = ledger_shares(content)
        if any(header + discarded >= LEDGER_SHARE for _, _, header, discarded in ledger):
            written += _save(draw_ledger(content, ledger, style), folder / "ledger")
    return tuple(written)


def _save(figure: Figure, stem: Path) -> list[Path]:
    paths = [stem.with_name(f"{stem.name}.{kind}") for kind in ("pdf", "png")]
    # no creation date: the same records give the same file
    figure.savefig(paths[0], metadata={"CreationDate": None})
    figure.savefig(paths[1], dpi=200)
    return paths


def draw_curves(content: Content, axis: Quality, style: Style) -> Figure:
    """The RD figure of one axis: measured curves in a legend, learned ones over the others,
    published ones thin and labelled at their ends, bounds dotted."""
    from matplotlib.figure import Figure

    shown = extent(content, axis)
    assert shown is not None, f"no point on {axis.id}"
    names = [c for c in content.results.codecs if finite_points(content, c, axis)[0].size]
    extras = drawn_extras(content, axis)
    published = [extra for extra in extras if extra.origin == "published"]
    series = _series(content, names, axis)
    entries = [each.label for each in series]
    entries += [extra.name for extra in extras if extra.origin == "bound"]
    ends = [published_name(content, extra) for extra in published]
    frame = _frame(style, entries, ends, note=bool(shown.outside))
    figure = Figure(figsize=(frame.width, frame.height))
    axes = figure.add_axes(frame.axes)
    looked = looks(content)
    for each in series:
        _draw_series(axes, content, axis, each, looked[each.codecs[0]], style)
    _limit(axes, content, shown)
    for extra in extras:
        _draw_extra(axes, extra, axis, style)
    _label_axes(axes, content, axis)
    if published:
        curves = [(e.rate, e.quality(axis) or ()) for e in published]
        label_ends(
            axes, curves, ends, title="published:", colour=PUBLISHED_COLOUR, font_size=_small(style)
        )  # fmt: skip
    _legend(figure, axes, frame, entries)
    if shown.outside:
        figure.text(
            frame.axes[0], 0.3 * style.font_size / 72 / frame.height, shown.outside,
            fontsize=_small(style), color="#444444", va="bottom",
        )  # fmt: skip
    return figure


def _small(style: Style) -> float:
    """The font size of labels in the figure."""
    return style.font_size - 2


def _draw_series(
    axes: Axes, content: Content, axis: Quality, series: Series, look: Look, style: Style
) -> None:
    points = [finite_points(content, codec, axis) for codec in series.codecs]
    rate, quality = (np.concatenate(part) for part in zip(*points, strict=True))
    axes.plot(
        rate, quality, color=look.colour, marker=look.marker.plot, label=series.label,
        linestyle="none" if len(series.codecs) > 1 else look.dash.plot,
        linewidth=style.line * _WIDTHS[look.weight], markersize=style.marker * _SIZES[look.weight],
        markeredgecolor="white", markeredgewidth=0.4, zorder=3 if look.weight == "learned" else 2,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Series:
    """What is drawn alike: one codec with its curve, or variations of one card as points."""

    label: str
    codecs: tuple[str, ...]


def _series(content: Content, names: Sequence[str], axis: Quality) -> list[Series]:
    """All codecs; variations of one card with a single point each share one entry of the legend,
    which would else be longer than the plot. The tables tell them apart."""
    marked = {row.codec: f"{row.codec} *" if row.incomplete else row.codec for row in content.rows}
    single = [name for name in names if finite_points(content, name, axis)[0].size == 1]
    families: dict[str, list[str]] = {}
    for name in single:
        families.setdefault(name.partition(":")[0], []).append(name)
    series = []
    for name in names:
        family = families.get(name.partition(":")[0], []) if name in single else []
        if len(family) < FAMILY:
            series.append(Series(marked[name], (name,)))
        elif name == family[0]:
            star = " *" if any(marked[each] != each for each in family) else ""
            label = f"{name.partition(':')[0]} ({len(family)} variations){star}"
            series.append(Series(label, tuple(family)))
    return series


def _draw_extra(axes: Axes, extra: ExtraCurve, axis: Quality, style: Style) -> None:
    bound = extra.origin == "bound"
    axes.plot(
        extra.rate, extra.quality(axis) or (),
        label=extra.name if bound else "_" + extra.name,
        color="#000000" if bound else PUBLISHED_COLOUR, linestyle=":" if bound else "-",
        linewidth=style.line * (0.8 if bound else 0.5), zorder=1,
        marker=None if bound else ".", markersize=style.marker * 0.5,
    )  # fmt: skip


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


def _limit(axes: Axes, content: Content, shown: Extent) -> None:
    low, high = shown.rate
    if content.linear_rate:
        axes.set_xlim(0, high * 1.05)
    else:
        axes.set_xscale("log")
        axes.set_xlim(low / 1.12, high * 1.12)
    axes.set_ylim(*shown.padded())


def _label_axes(axes: Axes, content: Content, axis: Quality) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_xlabel(f"Rate ({content.rate_unit})")
    axes.set_ylabel(axis.label)
    if axis.falling:
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{-value:g}"))
    axes.grid(True, which="major", linewidth=0.4, color="#d9d9d9")
    axes.set_axisbelow(True)
    if content.linear_rate:
        return
    low, high = axes.get_xlim()
    subs = (1.0, 2.0, 5.0) if high / low < 300 else (1.0,)
    axes.xaxis.set_major_locator(LogLocator(base=10, subs=subs))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
