"""The byte ledger: headers, picture and discarded bytes of each codec, as bars."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np

from bench.report.content import Content
from bench.report.style import FAMILY, Style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEDGER_SHARE = 0.05
"""The ledger is drawn if headers or discarded bytes are at least this part of some stream."""


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


def heaviest(
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
        if len(rows) >= FAMILY:
            hidden.update(rows)
            shown = max(rows, key=lambda row: row[2] + row[3])
            renamed[shown] = (f"{card} ({len(rows)} variations)", "", *shown[2:])
    return [renamed.get(row, row) for row in ledger if row in renamed or row not in hidden]


def draw_ledger(
    content: Content, ledger: Sequence[tuple[str, str, float, float]], style: Style
) -> Figure:
    """Bars of header, picture and discarded bytes, in percent of what a decoder needs."""
    from matplotlib.figure import Figure

    ledger = heaviest(ledger, {row.codec for row in content.rows if row.points == 1})
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
