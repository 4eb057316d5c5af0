"""What a figure shows, as plain data that travels to the process that draws it. Draws nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

Weight = Literal["field", "learned", "anchor"]
"""Learned codecs stand out over the field of the others; the anchor is black."""
Numbers = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """What is drawn alike under one entry of the legend. ``marker`` and ``dash`` are Matplotlib's,
    a dash of None leaves points alone."""

    label: str
    rate: Numbers
    quality: Numbers
    colour: str
    marker: str
    dash: Any
    weight: Weight
    sources: tuple[str, ...] = ()
    """The curves that it joins, by codec."""


@dataclass(frozen=True, slots=True)
class OtherLine:
    """A curve that was not measured here: a bound dotted, a published one dashed in ``gray``, 0 to
    1, with open marks of its own."""

    label: str
    rate: Numbers
    quality: Numbers
    bound: bool
    marker: str = ""
    gray: float = 0.0
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CurvePlot:
    """One RD figure; limits are those of the axes, ``outside`` is a sentence below them."""

    lines: tuple[Line, ...]
    others: tuple[OtherLine, ...]
    rates: tuple[float, float]
    qualities: tuple[float, float]
    rate_label: str
    quality_label: str
    linear_rate: bool = False
    falling: bool = False
    outside: str = ""

    def exits(self, line: Line) -> list[Exit]:
        """Where points of a line leave the axes: where its curve crosses their edge, else at the
        nearest place of the edge."""
        points = [self._place(*point) for point in zip(line.rate, line.quality, strict=True)]
        inside = [0 <= x <= 1 and 0 <= y <= 1 for x, y in points]
        found: dict[tuple[float, float], Exit] = {}
        for index, point in enumerate(points):
            beside = [i for i in (index - 1, index + 1) if 0 <= i < len(points) and inside[i]]
            if inside[index] or (line.dash is not None and any(inside) and not beside):
                continue
            start = points[beside[0]] if beside and line.dash is not None else None
            edge = _edge(point, start)
            found.setdefault((round(edge.x, 2), round(edge.y, 2)), edge)
        return list(found.values())

    def _place(self, rate: float, quality: float) -> tuple[float, float]:
        (left, right), (low, high) = self.rates, self.qualities
        if self.linear_rate:
            return (rate - left) / (right - left), (quality - low) / (high - low)
        return math.log(rate / left) / math.log(right / left), (quality - low) / (high - low)

    def value(self, edge: Exit) -> tuple[float, float]:
        """Rate and quality of a place at the edge."""
        (left, right), (low, high) = self.rates, self.qualities
        across = left + edge.x * (right - left) if self.linear_rate else (
            left * (right / left) ** edge.x
        )  # fmt: skip
        return across, low + edge.y * (high - low)


@dataclass(frozen=True, slots=True)
class Exit:
    """A place at the edge of the axes, in parts of them, and the way out in degrees: 0 to the
    right, 90 up."""

    x: float
    y: float
    turn: int


def _edge(point: tuple[float, float], start: tuple[float, float] | None) -> Exit:
    """Where the way from ``start`` to a point outside crosses the edge; the nearest place without
    a start."""
    over = (point[0] - 1, point[1] - 1, -point[0], -point[1])
    if start is None:
        x, y = (min(1.0, max(0.0, value)) for value in point)
        return Exit(x, y, 90 * over.index(max(over)))
    # the part of the way that lies inside, for each edge that is crossed
    parts = {
        90 * side: 1 - past / abs(point[side % 2] - start[side % 2])
        for side, past in enumerate(over) if past > 0
    }  # fmt: skip
    turn = min(parts, key=parts.__getitem__)
    x, y = (a + parts[turn] * (b - a) for a, b in zip(start, point, strict=True))
    return Exit(min(1.0, max(0.0, x)), min(1.0, max(0.0, y)), turn)


@dataclass(frozen=True, slots=True)
class BarPlot:
    """The byte ledger: for each label headers and discarded bytes, as parts of what a decoder
    needs."""

    labels: tuple[str, ...]
    headers: Numbers
    discarded: Numbers


Plot = CurvePlot | BarPlot
