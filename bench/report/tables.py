"""The tables of a report as Markdown and CSV files; computes no numbers."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import astuple
from itertools import product
from pathlib import Path

from bench.analysis.bd import Comparison, Single
from bench.analysis.interpolation import METHODS
from bench.analysis.qualities import Quality
from bench.report.chroma import marked
from bench.report.content import Content, SummaryRow
from bench.report.footnote import footnote
from bench.report.remarks import warnings_of
from bench.results.rates import without_estimates

MINUS = "−"
BD_COLUMNS = (
    *("suite", "metric", "anchor", "codec", "items", "bd_rate", "bd_rate_low", "bd_rate_high"),
    *("significant", "bd_quality", "overlap", "spread_low", "spread_high"),
    *(f"{a}_{m}" for a in ("mean", "pooled", "item") for m in METHODS),
    *("warnings", "hull_rate", "bd_rate_without_headers"),
    *("point_rate", "point_rate_low", "point_rate_high", "point_quality"),
)
"""Rates, interval, overlap and spread in percent; ``bd_quality`` in the metric's unit,
its sign turned for a metric that falls with quality: more is better."""
NO_SINGLE = Single(math.nan, math.nan, math.nan, math.nan)
MATRIX_COLUMNS = ("suite", "metric", "codec", "anchor", "bd_rate", "overlap", "items")


def write_curves(content: Content, folder: Path) -> None:
    """curves.csv, and curves.tsv with the same columns for PGFPlots."""
    kept = without_estimates(content.curves)
    kept.to_csv(folder / "curves.csv", index=False, lineterminator="\n")
    kept.to_csv(folder / "curves.tsv", index=False, sep="\t", na_rep="nan", lineterminator="\n")


def write_bd(content: Content, folder: Path) -> None:
    """bd.csv, and bd_matrix.csv with every codec against every other."""
    suite = content.results.run.suite
    with (folder / "bd.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(BD_COLUMNS)
        for c in content.bd.comparisons:
            flag = "" if c.significant is None else str(c.significant).lower()
            conventions = [
                c.under(averaging, method)
                for averaging in ("mean", "pooled", "per item")
                for method in METHODS
            ]
            numbers = (c.quality_gain, c.overlap_percent, *c.spread, *conventions)
            rates = map(number, (c.rate_percent, c.rate_low, c.rate_high))
            row = (suite, c.metric, c.anchor, c.codec, c.items, *rates, flag)
            others = (c.hull_percent, c.without_headers_percent, *astuple(c.single or NO_SINGLE))
            said = "; ".join((*c.warnings, *c.left_out))
            writer.writerow((*row, *map(number, numbers), said, *map(number, others)))
    with (folder / "bd_matrix.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(MATRIX_COLUMNS)
        for matrix in content.bd.matrices:
            for (i, codec), (j, anchor) in product(enumerate(matrix.codecs), repeat=2):
                cells = map(number, (matrix.rates[i][j], matrix.overlaps[i][j]))
                both = (suite, matrix.metric, codec, anchor)
                writer.writerow((*both, *cells, matrix.items[i][j]))


def number(value: float) -> str:
    """A cell of a CSV file, empty where there is no value."""
    return f"{value:.6f}" if math.isfinite(value) else ""


_LARGEST_SHOWN = 9999.0


def signed(value: float, digits: int = 1) -> str:
    """``+12.3`` or ``−4.5``, an en dash where there is no value.

    A fit through too little overlap may give any number; past a few digits only that it is large
    is said.
    """
    if not math.isfinite(value):
        return "–"
    if value > _LARGEST_SHOWN:
        return f"> {_LARGEST_SHOWN:.0f}"
    text = f"{value:+.{digits}f}"
    return text.replace("-", MINUS)


ONE_POINT, HULL = "1 point", "hull"
"""What stands before a difference in rate that is no BD-rate of the curves."""


def delta(comparison: Comparison | None) -> str:
    """A BD-rate with its interval: ``−32.6 [−33.5, −31.8]``. Where there is none, by its name that
    of the convex hulls, ``hull −38.1``, or the rate at the quality of a single point."""
    if comparison is None:
        return "–"
    if comparison.single is not None:
        one = comparison.single
        text = _with_interval(one.rate_percent, one.rate_low, one.rate_high)
        return text if text == "–" else f"{ONE_POINT} {text}"
    if not comparison.defined:
        text = signed(comparison.hull_percent)
        return text if text == "–" else f"{HULL} {text}"
    text = _with_interval(comparison.rate_percent, comparison.rate_low, comparison.rate_high)
    return text + (" n.s." if comparison.significant is False else "")


def _with_interval(rate: float, low: float, high: float) -> str:
    text = signed(rate)
    return f"{text} [{signed(low)}, {signed(high)}]" if math.isfinite(low) else text


def gain(comparison: Comparison | None) -> str:
    """A BD-quality, or the quality at the rate of a single point by that name."""
    if comparison is None:
        return "–"
    one = comparison.single or NO_SINGLE
    text = signed(one.quality_gain, 2)
    return signed(comparison.quality_gain, 2) if text == "–" else f"{ONE_POINT} {text}"


def spread(comparison: Comparison | None) -> str:
    """The BD-rates over all conventions: ``−36.1 … −32.2``."""
    if comparison is None or not comparison.defined:
        return "–"
    low, high = comparison.spread
    return f"{signed(low)} … {signed(high)}"


def overlap(comparison: Comparison) -> str:
    """The common quality range in percent, an en dash where there is none."""
    share = comparison.overlap_percent
    return f"{share:.0f}" if share else "–"


def summary_table(content: Content) -> tuple[list[str], list[list[str]]]:
    """Headings and rows of the summary, shared by all formats; a curve over fewer items is marked
    with ``*``."""
    rows = [list(_summary_cells(content, row)) for row in content.rows]
    return [heading for heading, _ in rows[0]], [[cell for _, cell in row] for row in rows]


def _summary_cells(content: Content, row: SummaryRow) -> Iterator[tuple[str, str]]:
    """The cells of a codec, each with its heading."""
    unit = "bit/symbol" if content.results.run.media == "vector" else "bpp"
    time = "s, parallel" if content.parallel else "s"
    curve = content.curves[content.curves["codec"] == row.codec]
    yield "Codec", marked(content, row.codec)
    yield "Points", str(row.points)
    yield content.item_word.capitalize(), f"{row.items}{'*' * row.incomplete}"
    yield f"Rate, {unit}", rate_range(row)
    if "kbps" in curve:
        yield "Rate, kbps", ends_of([curve["kbps"].min(), curve["kbps"].max()], 1)
    for index, axis in enumerate(content.axes if content.bd.anchor else ()):
        is_anchor, found = row.codec == content.bd.anchor, row.comparisons[index]
        word = "lossless" if row.lossless else "anchor" if is_anchor else ""
        yield f"BD-rate {axis.title}, %", word or delta(found)
        if index == 0:
            if headers_matter(content):
                yield "no headers, %", "–" if word else without_headers(found)
            yield "spread, %", "–" if word else spread(found)
            yield f"BD {axis.title}, {axis.unit or '1'}", "–" if word else gain(found)
    yield f"Encode, {time}", seconds(row.encode_seconds)
    yield f"Decode, {time}", seconds(row.decode_seconds)
    if "kbps" in curve:
        for word, name in (("Encode", "encode_fps"), ("Decode", "decode_fps")):
            rate = seconds(curve[name].mean()) if name in curve else "–"
            yield f"{word}, {time.replace('s', 'fps', 1)}", rate


def without_headers(comparison: Comparison | None) -> str:
    return "–" if comparison is None else signed(comparison.without_headers_percent)


def headers_matter(content: Content) -> bool:
    """Whether some BD-rate on the first axis stands also without header bytes."""
    firsts = (row.comparisons[0] for row in content.rows if row.comparisons)
    return any(c is not None and math.isfinite(c.without_headers_percent) for c in firsts)


def rate_range(row: SummaryRow) -> str:
    """``0.112–3.401`` or the one rate there is."""
    return ends_of([row.rate_low, row.rate_high], 3)


def ends_of(ends: Sequence[float], digits: int) -> str:
    """A range, or the one value at both ends; an en dash where there is none."""
    if not math.isfinite(ends[0]):
        return "–"
    return "–".join(dict.fromkeys(f"{end:.{digits}f}" for end in ends))


def seconds(value: float) -> str:
    """Three significant digits, an en dash where there is none."""
    return f"{value:.3g}" if math.isfinite(value) else "–"


def write_markdown(content: Content, folder: Path, sections: Sequence[str] = ()) -> None:
    """table.md: summary, further sections, warnings, footnote and all points."""
    run = content.results.run
    lines = [f"# {_md(run.suite_title)}", "", *md_table(*summary_table(content))]
    if any(row.incomplete for row in content.rows):
        lines += ["", f"\\* over fewer {content.item_word} than its neighbours, or with failures."]
    lines += sections
    warned = warnings_of(content)
    if warned:
        lines += ["", "## Mind", "", *(f"- {_md(text)}" for text in warned)]
    if content.published:
        lines += ["", f"## {PUBLISHED_TITLE}", ""]
        lines += [_md(sentence) for sentence in published_sentences(content)]
        lines += ["", *md_table(*published_table(content))]
    lines += ["", "## How these numbers were made", ""]
    lines += [f"- {_md(sentence)}" for sentence in footnote(content)]
    lines += ["", "## All points", "", *md_table(*point_table(content))]
    (folder / "table.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


_OF_CLIPS = {"kbps": "kbps", "encode_fps": "encode fps", "decode_fps": "decode fps"}
"""Columns of curves.csv on clips, and how tables call them."""
PUBLISHED_TITLE = "Published curves, not measured here"


def published_sentences(content: Content) -> list[str]:
    """What the table of published curves is against, and where its numbers are from."""
    sources = dict.fromkeys(one.curve.source for one in content.published)
    anchor = content.bd.anchor and content.name(content.bd.anchor)
    against = f"Against {anchor}, measured here; means over {content.item_word} have no interval."
    return [*([against] if anchor else []), f"Sources: {'; '.join(sources)}."]


def published_table(content: Content) -> tuple[list[str], list[list[str]]]:
    """Headings and rows of the published curves: BD-rates, or why they are only drawn."""
    curves = [one.curve for one in content.published]
    told = [axis for axis in content.axes if any(axis.column in c.values for c in curves)]
    axes = told if content.bd.anchor else []
    columns = ["Curve", content.item_word.capitalize()]
    columns += [f"BD-rate {axis.title}, %" for axis in axes]
    columns += ["Overlap, %", "Made with"] if axes else ["Made with"]
    rows = []
    for one in content.published:
        found = [content.bd.find(one.codec, axis.id) for axis in axes]
        cover = next((overlap(c) for c in found if c and c.overlap_percent), "–")
        cells = [one.curve.name, "–" if one.curve.count is None else str(one.curve.count)]
        cells += [delta(c) for c in found] + ([cover] if axes else [])
        rows.append([*cells, "; ".join(filter(None, (one.curve.convention, one.refusal)))])
    return columns, rows


def point_table(content: Content) -> tuple[list[str], list[list[str]]]:
    """Headings and rows of all points by rising rate, values of the reported axes."""
    columns = ["Codec", "Point", content.item_word.capitalize(), "bpp", "pooled bpp"]
    columns += [with_unit(axis) for axis in content.axes]
    clips = [name for name in _OF_CLIPS if name in content.curves]
    columns += [_OF_CLIPS[name] for name in clips]
    bounded = "bound_gap_db" in content.curves
    columns += ["above R(D), dB"] if bounded else []
    rows = []
    for point in content.curves.sort_values(["codec", "bpp"], kind="stable").to_dict("records"):
        mark = "*" if point["items"] < point["items_expected"] else ""
        cells = [content.name(str(point["codec"])), str(point["point"]), f"{point['items']}{mark}"]
        cells += [_plain(point["bpp"]), _plain(point["bpp_pooled"])]
        cells += [_plain(float(a.shown(point[a.column])), a) for a in content.axes]
        cells += [f"{point[name]:.4g}" if point[name] == point[name] else "–" for name in clips]
        rows.append([*cells, _plain(point["bound_gap_db"])] if bounded else cells)
    return columns, rows


def with_unit(axis: Quality) -> str:
    title = axis.info.title if axis.falling else axis.title
    return f"{title}, {axis.unit}" if axis.unit else title


def _plain(value: float, axis: Quality | None = None) -> str:
    if not math.isfinite(value):
        return "–"
    digits = 4 if axis is None or not axis.unit else 3
    return f"{value:.{digits}f}"


def md_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table whose first column is text."""
    align = ["---"] + ["---:"] * (len(columns) - 1)
    lines = [columns, align, *rows]
    return ["| " + " | ".join(_md(str(cell)) for cell in line) + " |" for line in lines]


def _md(text: str) -> str:
    """No codec id or reason may break the table or smuggle HTML in."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|").replace("\n", " ")
