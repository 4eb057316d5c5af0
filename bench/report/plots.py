"""Plots of a report: RD curves, quality over the frames of clips, and the byte ledger; as sheets
that are drawn into PDF and PNG, and for PGFPlots. Draws nothing itself."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.analysis.overlays import ExtraCurve
from bench.analysis.qualities import Quality
from bench.figures.files import Sheet, make_sheet
from bench.figures.plot import BarPlot, CurvePlot, Line, OtherLine
from bench.figures.style import FAMILY, OTHER_GRAYS, OTHER_MARKS, STYLES, Style
from bench.records import CodecName
from bench.report.axis_range import axis_range, finite_points
from bench.report.content import Content, matched_points
from bench.report.line_styles import LineStyle, line_styles
from bench.report.names import family_name
from bench.report.pgfplots import pgfplots, write_data
from bench.results.frames import read_frames

if TYPE_CHECKING:
    import pandas as pd

LEDGER_SHARE = 0.05
"""The ledger is drawn if headers or discarded bytes are at least this part of some stream."""
MOST_ITEMS = 4
_PADDING = 0.05
_PAPER = STYLES["paper"]


def plan_plots(content: Content, folder: Path, style: Style = _PAPER) -> tuple[Sheet, ...]:
    """The sheets rd_<metric> of every reported axis, of clips frames_<item> and, where headers
    weigh, ledger."""
    plots = [
        *((f"rd_{axis.id}", curve_plot(content, axis)) for axis in content.axes),
        *frame_plots(content),
        ("ledger", ledger_plot(content)),
    ]
    return tuple(make_sheet(plot, style, folder / name) for name, plot in plots if plot is not None)


def write_pgfplots(content: Content, folder: Path, style: Style = _PAPER) -> tuple[Path, ...]:
    """rd_<metric>.tex of every reported axis and the .dat of each curve; returns the paths."""
    files = write_data(content, folder)
    written = [folder / name for name in files.values()]
    for axis in content.axes:
        plot = curve_plot(content, axis)
        if plot is not None:
            path = folder / f"rd_{axis.id}.tex"
            path.write_text(pgfplots(axis, plot, style, files), encoding="utf-8")
            written.append(path)
    return tuple(written)


def curve_plot(content: Content, axis: Quality) -> CurvePlot | None:
    """What the figure of one axis shows; None where there is no point."""
    shown = axis_range(content, axis)
    if shown is None:
        return None
    names = [c for c in content.results.codecs if finite_points(content, c, axis)[0].size]
    styles = line_styles(content)
    return CurvePlot(
        lines=tuple(
            _line(content, axis, label, codecs, styles[codecs[0]])
            for label, codecs in _series(content, names, axis)
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


def _line(
    content: Content, axis: Quality, label: str, codecs: tuple[str, ...], style: LineStyle
) -> Line:
    points = [finite_points(content, codec, axis) for codec in codecs]
    rate, quality = (tuple(np.concatenate(part).tolist()) for part in zip(*points, strict=True))
    dash = None if len(codecs) > 1 else style.dash.plot
    return Line(label, rate, quality, style.colour, style.marker.plot, dash, style.weight, codecs)


def _other(content: Content, extra: ExtraCurve, axis: Quality, place: int) -> OtherLine:
    values, source = tuple(extra.quality(axis) or ()), (extra.marked,)
    if extra.origin == "bound":
        return OtherLine(extra.name, tuple(extra.rate), values, True, sources=source)
    label = f"{published_name(content, extra)} ({extra.origin})"
    mark = OTHER_MARKS[place % len(OTHER_MARKS)]
    gray = OTHER_GRAYS[place % len(OTHER_GRAYS)]
    return OtherLine(label, tuple(extra.rate), values, False, mark, gray, source)


def _families(single: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Of codecs with a single point those whose card has several: they share one entry of a legend,
    which would else be longer than the plot. The tables tell them apart."""
    cards: dict[str, list[str]] = {}
    for codec in single:
        cards.setdefault(CodecName.parse(codec).card, []).append(codec)
    large = (tuple(family) for family in cards.values() if len(family) >= FAMILY)
    return {codec: family for family in large for codec in family}


def _called(content: Content, family: Sequence[str]) -> str:
    return family_name(content.name(CodecName.parse(family[0]).card), str(len(family)))


def _series(
    content: Content, names: Sequence[str], axis: Quality
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """What is drawn alike, by its label: a codec with its curve, or a family's points."""
    starred = {row.codec for row in content.rows if row.incomplete}
    families = _families(name for name in names if finite_points(content, name, axis)[0].size == 1)
    for name in names:
        family = families.get(name, (name,))
        if name == family[0]:
            label = content.name(name) if len(family) == 1 else _called(content, family)
            yield label + " *" * bool(starred.intersection(family)), family


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


def frame_plots(content: Content) -> Iterator[tuple[str, CurvePlot]]:
    """By the name of a file the plot of each of the first clips, of all codecs at about one rate,
    on the first axis that has a value a frame."""
    table = read_frames(content.results.folders) if content.results.run.media == "video" else None
    axes = [] if table is None else [axis for axis in content.axes if axis.column in table]
    if table is None or not axes:
        return
    for item in list(dict.fromkeys(map(str, table["item"])))[:MOST_ITEMS]:
        plot = _frame_plot(content, table[table["item"] == item], item, axes[0])
        if plot is not None:
            yield f"frames_{re.sub(r'[^A-Za-z0-9.]+', '-', item).strip('-')}", plot


def _frame_plot(
    content: Content, table: pd.DataFrame, item: str, axis: Quality
) -> CurvePlot | None:
    rate, points = matched_points(content, item)
    styles, lines = line_styles(content), []
    for codec, (point, bpp) in points.items():
        rows = table[(table["codec"] == codec) & (table["point"] == point)].sort_values("frame")
        shown = axis.shown(rows[axis.column].to_numpy(float))
        kept = np.isfinite(shown)
        if kept.sum() > 1:
            across, up = rows["frame"].to_numpy(float)[kept].tolist(), shown[kept].tolist()
            label, style = f"{content.name(codec)}, {bpp:.3f} bpp", styles[codec]
            lines.append(
                Line(label, tuple(across), tuple(up), style.colour, "", style.dash.plot,
                     style.weight)
            )  # fmt: skip
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


def ledger_plot(content: Content) -> BarPlot | None:
    """Headers and discarded bytes of each codec, of many variations of one card with a single point
    those of the one whose overhead weighs most; None where no codec's is worth showing."""
    shares = _ledger_shares(content)
    weights = {codec: header + discarded for codec, (_, header, discarded) in shares.items()}
    if max(weights.values(), default=0.0) < LEDGER_SHARE:
        return None
    single = {row.codec for row in content.rows if row.points == 1}
    families = _families(codec for codec in shares if codec in single)
    bars = []
    for codec, (point, *parts) in shares.items():
        family = families.get(codec, (codec,))
        if codec == max(family, key=weights.__getitem__):
            alone = f"{content.name(codec)} {point}"
            bars.append((alone if len(family) == 1 else _called(content, family), *parts))
    return BarPlot(*zip(*bars, strict=True))


def _ledger_shares(content: Content) -> dict[str, tuple[str, float, float]]:
    """By codec its cheapest point with headers and discarded bytes there, as parts of the bytes
    that a decoder needs."""
    found, curves = {}, content.shared.curves
    for codec in content.results.codecs:
        points = curves[(curves["codec"] == codec) & (curves["bytes"] > 0)]
        if points.empty:
            continue
        point = points.sort_values("bytes").iloc[0]
        parts = [float(point[name]) for name in ("header_bytes", "discarded_bytes")]
        if math.isfinite(parts[0]) or parts[1] > 0:
            header, discarded = (float(np.nan_to_num(part / point["bytes"])) for part in parts)
            found[codec] = str(point["point"]), header, discarded
    return found
