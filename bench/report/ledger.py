"""The byte ledger: headers, picture and discarded bytes of each codec. Draws nothing."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from bench.figures.plot import BarPlot
from bench.figures.style import FAMILY
from bench.records import CodecName
from bench.report.content import Content
from bench.report.names import family_name

LEDGER_SHARE = 0.05
"""The ledger is drawn if headers or discarded bytes are at least this part of some stream."""


def ledger_shares(content: Content) -> list[tuple[str, str, float, float]]:
    """(codec, point, header share, discarded share) at each codec's cheapest point, as parts of
    the bytes that a decoder needs."""
    found = []
    curves = content.shared.curves
    for codec in content.results.codecs:
        points = curves[(curves["codec"] == codec) & (curves["bytes"] > 0)]
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
            cards.setdefault(CodecName.parse(row[0]).card, []).append(row)
    hidden, renamed = set(), {}
    for card, rows in cards.items():
        if len(rows) >= FAMILY:
            hidden.update(rows)
            shown = max(rows, key=lambda row: row[2] + row[3])
            renamed[shown] = (f"{card} ({len(rows)} variations)", "", *shown[2:])
    return [renamed.get(row, row) for row in ledger if row in renamed or row not in hidden]


def ledger_plot(content: Content) -> BarPlot | None:
    """The bars of the ledger; None where no codec's overhead is worth showing."""
    ledger = ledger_shares(content)
    if not any(header + discarded >= LEDGER_SHARE for _, _, header, discarded in ledger):
        return None
    shown = heaviest(ledger, {row.codec for row in content.rows if row.points == 1})
    return BarPlot(
        tuple(f"{_name(content, codec)} {point}".strip() for codec, point, _, _ in shown),
        tuple(header for _, _, header, _ in shown),
        tuple(discarded for _, _, _, discarded in shown),
    )


def _name(content: Content, codec: str) -> str:
    """What readers call a codec, or a card with the number of its variations."""
    own, _, count = codec.partition(" (")
    name = content.name(own)
    return family_name(name, count.partition(" ")[0]) if count else name
