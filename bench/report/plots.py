"""RD plots and the byte ledger as PDF, PNG and PGFPlots, ready for a paper; computes no numbers."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.analysis.qualities import Quality
from bench.errors import UsageError, near_matches
from bench.report.content import Content
from bench.report.extras import ExtraCurve
from bench.report.tables import latex

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette, safe for colour-blind readers, black for the anchor
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#7A5195", "#6B6B6B")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "*", "d")
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)))
_FAMILY = 3
LEDGER_SHARE = 0.05
"""The ledger is drawn if headers or discarded bytes are at least this part of some stream."""


@dataclass(frozen=True, slots=True)
class Style:
    """Sizes in inches and points; ``legend_below`` puts the legend under the axes."""

    width: float
    height: float
    font_size: float
    serif: bool
    line: float
    marker: float
    legend_below: bool


STYLES = {
    "paper": Style(6.4, 4.0, 9.0, False, 1.4, 4.5, False),
    "ieee": Style(3.5, 3.0, 8.0, True, 1.0, 3.2, True),
}


@dataclass(frozen=True, slots=True)
class Look:
    """How one codec is drawn in all plots: distinct without colour."""

    colour: str
    marker: str
    dash: Any
    width: float


def looks(content: Content) -> dict[str, Look]:
    """The look of every codec, the same in all plots of a report."""
    found, index = {}, 0
    for codec in content.results.codecs:
        if codec == content.bd.anchor:
            found[codec] = Look("#000000", "o", "-", 1.3)
            continue
        index += 1
        found[codec] = Look(
            COLOURS[(index - 1) % len(COLOURS)],
            MARKERS[index % len(MARKERS)],
            DASHES[(index - 1) % len(DASHES)],
            1.0,
        )
    return found


def style(name: str) -> Style:
    """The style of ``--style``. Raises UsageError for an unknown one."""
    if name not in STYLES:
        raise UsageError(f"unknown style {name!r}; {near_matches(name, STYLES)}")
    return STYLES[name]


def write_plots(content: Content, folder: Path, style_name: str = "paper") -> tuple[Path, ...]:
    """rd_<metric>.pdf, .png and .tex for every reported axis and, where headers weigh, ledger.*;
    returns the paths written. Raises UsageError for an unknown style."""
    chosen = style(style_name)
    from matplotlib import rc_context

    written: list[Path] = []
    settings: Any = _settings(chosen)
    with rc_context(settings):
        for axis in content.axes:
            if not _has_curve(content, axis):
                continue
            figure = draw_curves(content, axis, chosen)
            written += _save(figure, folder / f"rd_{axis.id}")
            target = folder / f"rd_{axis.id}.tex"
            target.write_text(pgfplots(content, axis), encoding="utf-8")
            written.append(target)
        ledger = ledger_shares(content)
        if any(header + discarded >= LEDGER_SHARE for _, _, header, discarded in ledger):
            written += _save(draw_ledger(content, ledger, chosen), folder / "ledger")
    return tuple(written)


def _settings(style: Style) -> dict[str, Any]:
    family = {"font.family": "STIXGeneral", "mathtext.fontset": "stix"} if style.serif else {}
    return {
        "font.size": style.font_size,
        "axes.titlesize": style.font_size,
        "legend.fontsize": style.font_size - 1,
        "pdf.fonttype": 42,
        "ps.fonttype": 42,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.linewidth": 0.7,
        "path.simplify": False,
        **family,
    }


def _save(figure: Figure, stem: Path) -> list[Path]:
    paths = [stem.with_name(f"{stem.name}.{kind}") for kind in ("pdf", "png")]
    # no creation date: the same records give the same file
    figure.savefig(paths[0], metadata={"CreationDate": None})
    figure.savefig(paths[1], dpi=200)
    return paths


def _has_curve(content: Content, axis: Quality) -> bool:
    return any(_finite(content, codec, axis)[0].size for codec in content.results.codecs)


def _finite(content: Content, codec: str, axis: Quality) -> tuple[Any, Any]:
    points = content.lossy_points(codec)
    rate = points["bpp"].to_numpy(dtype=np.float64)
    quality = axis.of(points[axis.column].to_numpy(dtype=np.float64))
    keep = np.isfinite(quality) & (rate > 0)
    return rate[keep], quality[keep]


def draw_curves(content: Content, axis: Quality, style: Style) -> Figure:
    """The RD figure of one axis: measured curves, then published ones dashed and bounds dotted."""
    from matplotlib.figure import Figure

    names = [c for c in content.results.codecs if _finite(content, c, axis)[0].size]
    extras = drawn_extras(content, axis)
    series = _series(content, names, axis)
    labels = [*(each.label for each in series), *map(_extra_label, extras)]
    frame = _frame(style, labels)
    figure = Figure(figsize=(style.width, frame.height))
    axes = figure.add_axes(frame.axes)
    looked = looks(content)
    rates, qualities = [], []
    for each in series:
        rate, quality = (
            np.concatenate(part)
            for part in zip(*(_finite(content, name, axis) for name in each.codecs), strict=True)
        )
        look = looked[each.codecs[0]]
        axes.plot(
            rate, quality, color=look.colour, marker=look.marker,
            linestyle="none" if len(each.codecs) > 1 else look.dash,
            linewidth=style.line * look.width, markersize=style.marker, label=each.label,
            markeredgecolor="white", markeredgewidth=0.4,
        )  # fmt: skip
        rates.append(rate)
        qualities.append(quality)
    _limit(axes, content, np.concatenate(rates), np.concatenate(qualities))
    for index, extra in enumerate(extras):
        _draw_extra(axes, extra, axis, index, style)
    _label_axes(axes, content, axis)
    _legend(figure, axes, style, labels)
    return figure


@dataclass(frozen=True, slots=True)
class Series:
    """What is drawn alike: one codec with its curve, or variations of one card as points."""

    label: str
    codecs: tuple[str, ...]


def _series(content: Content, names: Sequence[str], axis: Quality) -> list[Series]:
    """All codecs; variations of one card with a single point each share one entry of the legend,
    which would else be longer than the plot. The tables tell them apart."""
    marked = {row.codec: f"{row.codec} *" if row.incomplete else row.codec for row in content.rows}
    single = [name for name in names if _finite(content, name, axis)[0].size == 1]
    families: dict[str, list[str]] = {}
    for name in single:
        families.setdefault(name.partition(":")[0], []).append(name)
    series = []
    for name in names:
        family = families.get(name.partition(":")[0], []) if name in single else []
        if len(family) < _FAMILY:
            series.append(Series(marked[name], (name,)))
        elif name == family[0]:
            star = " *" if any(marked[each] != each for each in family) else ""
            label = f"{name.partition(':')[0]} ({len(family)} variations){star}"
            series.append(Series(label, tuple(family)))
    return series


def _draw_extra(axes: Axes, extra: ExtraCurve, axis: Quality, index: int, style: Style) -> None:
    bound = extra.origin == "bound"
    axes.plot(
        extra.rate, extra.quality(axis) or (), label=_extra_label(extra),
        color="#000000" if bound else f"{0.45 + 0.1 * (index % 4):.2f}",
        linestyle=":" if bound else (0, (2 + index % 3, 1.5)), linewidth=style.line * 0.8,
        marker=None if bound else MARKERS[index % len(MARKERS)], markersize=style.marker * 0.6,
        markerfacecolor="none", zorder=1,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Frame:
    """Height of a figure in inches and its axes (left, bottom, width, height) in figure parts."""

    height: float
    axes: tuple[float, float, float, float]


def _frame(style: Style, labels: Sequence[str]) -> Frame:
    """Room for the legend beside the axes or, in a narrow column, below them."""
    inch = style.font_size / 72
    left, bottom, top = 4.6 * inch, 3.6 * inch, 0.8 * inch
    height = style.height
    if style.legend_below:
        legend = 1.2 * inch * math.ceil(len(labels) / _columns(labels)) + 0.5 * inch
        height = max(height, 2.4 + legend)
        bottom += legend
        right = 0.8 * inch
    else:
        height = max(height, 1.5 * inch * len(labels) + inch)
        right = (0.55 * max(map(len, labels), default=0) + 4.5) * inch
    wide, high = 1 - (left + right) / style.width, 1 - (bottom + top) / height
    return Frame(height, (left / style.width, bottom / height, max(0.3, wide), max(0.3, high)))


def drawn_extras(content: Content, axis: Quality) -> list[ExtraCurve]:
    """Curves of others on this axis; of a system published with and without rounding to 8 bit
    only the rounded one, which was measured as ours are."""
    names = {extra.name for extra in content.extras}
    return [
        extra
        for extra in content.extras
        if extra.quality(axis) is not None and f"{extra.name}@8bit" not in names
    ]


def _extra_label(extra: ExtraCurve) -> str:
    name = extra.name.removesuffix("@8bit")
    return f"{name} (published)" if extra.origin == "published" else name


def _columns(labels: Sequence[str]) -> int:
    """Columns of a legend below the axes."""
    return 2 if max(map(len, labels), default=0) > 16 else 3


def _legend(figure: Figure, axes: Axes, style: Style, labels: Sequence[str]) -> None:
    if style.legend_below:
        axes.legend(
            loc="lower center", bbox_to_anchor=(0.5, 0.0), bbox_transform=figure.transFigure,
            ncol=_columns(labels), frameon=False, handlelength=2.2, columnspacing=1.0,
            handletextpad=0.4, labelspacing=0.3, borderaxespad=0.2,
        )  # fmt: skip
    else:
        axes.legend(
            loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, handlelength=3.0,
            labelspacing=0.45,
        )  # fmt: skip


def _limit(axes: Axes, content: Content, rates: Any, qualities: Any) -> None:
    if content.linear_rate:
        axes.set_xlim(0, rates.max() * 1.05)
    else:
        axes.set_xscale("log")
        axes.set_xlim(rates.min() / 1.12, rates.max() * 1.12)
    margin = 0.04 * max(float(np.ptp(qualities)), 1e-6)
    axes.set_ylim(qualities.min() - margin, qualities.max() + margin)


def _label_axes(axes: Axes, content: Content, axis: Quality) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_xlabel(f"Rate ({content.rate_unit})")
    axes.set_ylabel(f"{axis.title} ({axis.unit})" if axis.unit else axis.title)
    axes.grid(True, which="major", linewidth=0.4, color="#d9d9d9")
    axes.set_axisbelow(True)
    if content.linear_rate:
        return
    low, high = axes.get_xlim()
    subs = (1.0, 2.0, 5.0) if high / low < 300 else (1.0,)
    axes.xaxis.set_major_locator(LogLocator(base=10, subs=subs))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def ledger_shares(content: Content) -> list[tuple[str, str, float, float]]:
    """(codec, point, header share, discarded share) at each codec's cheapest point, as parts of
    the bytes that a decoder needs."""
    found = []
    for codec in content.results.codecs:
        points = content.curves[(content.curves["codec"] == codec) & (content.curves["bytes"] > 0)]
        if points.empty:
            continue
        point = points.sort_values("bytes").iloc[0]
        header, discarded = point["header_bytes"], point["discarded_bytes"]
        if math.isfinite(header) or discarded > 0:
            size = float(point["bytes"])
            shares = [0.0 if math.isnan(v) else float(v) / size for v in (header, discarded)]
            found.append((codec, str(point["point"]), shares[0], shares[1]))
    return found


def _heaviest(
    ledger: Sequence[tuple[str, str, float, float]], single: Collection[str]
) -> list[tuple[str, str, float, float]]:
    """Of many variations of one card with a single point, the one whose overhead weighs most,
    named as in the legend of the curves."""
    cards: dict[str, list[tuple[str, str, float, float]]] = {}
    for row in ledger:
        if row[0] in single:
            cards.setdefault(row[0].partition(":")[0], []).append(row)
    hidden, renamed = set(), {}
    for card, rows in cards.items():
        if len(rows) >= _FAMILY:
            hidden.update(rows)
            shown = max(rows, key=lambda row: row[2] + row[3])
            renamed[shown] = (f"{card} ({len(rows)} variations)", "", *shown[2:])
    return [renamed.get(row, row) for row in ledger if row in renamed or row not in hidden]


def draw_ledger(
    content: Content, ledger: Sequence[tuple[str, str, float, float]], style: Style
) -> Figure:
    """Bars of header, picture and discarded bytes, in percent of what a decoder needs."""
    from matplotlib.figure import Figure

    ledger = _heaviest(ledger, {row.codec for row in content.rows if row.points == 1})
    labels = [f"{codec} {point}".strip() for codec, point, _, _ in ledger]
    inch = style.font_size / 72
    height = (len(labels) * 1.6 + 6.5) * inch
    left = (0.55 * max(map(len, labels)) + 1.0) * inch
    figure = Figure(figsize=(style.width, height))
    axes = figure.add_axes((
        left / style.width, 3.4 * inch / height,
        max(0.3, 1 - (left + inch) / style.width), 1 - 5.8 * inch / height,
    ))  # fmt: skip
    header = np.array([100 * share for _, _, share, _ in ledger])
    discarded = np.array([100 * share for _, _, _, share in ledger])
    rows = np.arange(len(labels))
    parts = (
        ("headers and side information", header, "#333333", ""),
        ("picture", 100 - header, "#9ecae1", ""),
        ("discarded before counting", discarded, "white", "////"),
    )
    start = np.zeros(len(labels))
    for label, width, colour, hatch in parts:
        axes.barh(rows, width, left=start, color=colour, hatch=hatch, edgecolor="black",
                  linewidth=0.5, height=0.7, label=label)  # fmt: skip
        start = start + width
    axes.set_yticks(rows, labels)
    axes.invert_yaxis()
    axes.set_xlabel("Bytes, % of what a decoder needs")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False, handlelength=1.2,
                ncol=1 if style.legend_below else 3, columnspacing=1.0)  # fmt: skip
    return figure


def pgfplots(content: Content, axis: Quality) -> str:
    """A PGFPlots axis with the measured curves and, dashed, those of others."""
    kind = "axis" if content.linear_rate else "semilogxaxis"
    lines = [
        "% \\usepackage{pgfplots}",
        "\\begin{tikzpicture}",
        f"\\begin{{{kind}}}[xlabel={{Rate ({content.rate_unit})}}, "
        f"ylabel={{{latex(axis.title)} ({axis.unit or '1'})}}, grid=major, "
        "legend pos=outer north east, log ticks with fixed point]",
    ]
    for codec in content.results.codecs:
        rate, quality = _finite(content, codec, axis)
        if rate.size:
            lines += _pgf_curve(codec, rate, quality, "")
    for extra in content.extras:
        values = extra.quality(axis)
        if values is not None:
            lines += _pgf_curve(extra.name, extra.rate, values, "[dashed, black!60]")
    lines += [f"\\end{{{kind}}}", "\\end{tikzpicture}"]
    return "\n".join(lines) + "\n"


def _pgf_curve(
    name: str, rate: Sequence[float], quality: Sequence[float], options: str
) -> list[str]:
    points = " ".join(f"({r:.6g},{q:.6g})" for r, q in zip(rate, quality, strict=True))
    plus = "" if options else "+"
    return [
        f"\\addplot{plus}{options} coordinates {{{points}}};",
        f"\\addlegendentry{{{latex(name)}}}",
    ]
