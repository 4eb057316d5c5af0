"""What a figure shows, as plain data that travels to the process that draws it. Draws nothing."""

from __future__ import annotations

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
    """A curve that was not measured here: labelled at its end, a bound in the legend."""

    label: str
    rate: Numbers
    quality: Numbers
    bound: bool
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


@dataclass(frozen=True, slots=True)
class BarPlot:
    """The byte ledger: for each label headers and discarded bytes, as parts of what a decoder
    needs."""

    labels: tuple[str, ...]
    headers: Numbers
    discarded: Numbers


Plot = CurvePlot | BarPlot
