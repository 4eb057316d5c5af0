"""Chooses a colour, marker and dash for each codec, the same in the plots and on the page.

Draws nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle
from typing import Any, NamedTuple

from bench.figures.plot import Weight
from bench.report.content import Content
from bench.results.run_info import CodecInfo

ANCHOR_COLOUR = "#000000"
# P. Tol, Colour schemes, SRON/EPS/TN/09-002: "vibrant" with a mint of "light" for what stands out,
# "muted" for the field; safe for colour-blind readers. Muted's pale grey, which is hard to see, is
# a brown here.
LEARNED_COLOURS = ("#CC3311", "#33BBEE", "#0077BB", "#EE7733", "#AA3377", "#44BB99")
FIELD_COLOURS = (
    *("#332288", "#44AA99", "#AA4499", "#88CCEE", "#CC6677"),
    *("#882255", "#999933", "#117733", "#DDAA33", "#8C6D4F"),
)
"""In an order in which neighbours are far apart in lightness, for those who print in grey."""


class Named(NamedTuple):
    """A marker or a dash by its names in Matplotlib and Plotly."""

    plot: Any
    page: str


MARKERS = (
    *(Named("o", "circle"), Named("s", "square"), Named("^", "triangle-up")),
    *(Named("D", "diamond"), Named("v", "triangle-down"), Named("P", "cross")),
    *(Named("X", "x"), Named("<", "triangle-left"), Named(">", "triangle-right")),
    *(Named("p", "pentagon"), Named("*", "star")),
)
DASHES = (
    Named("-", "solid"),
    Named((0, (5, 1.5)), "dash"),
    Named((0, (1, 1.2)), "dot"),
    Named((0, (5, 1.5, 1, 1.5)), "dashdot"),
)


@dataclass(frozen=True, slots=True)
class LineStyle:
    """How one codec is drawn.

    ``weight`` lets learned codecs stand out from the others in a run that has both. The anchor is
    black, on the page the colour of the text.
    """

    colour: str
    marker: Named
    dash: Named
    weight: Weight


def dark(colour: str) -> str:
    """The colour on a dark page: mixed with white."""
    parts = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return "#" + "".join(f"{round(0.6 * part + 0.4 * 255):02X}" for part in parts)


def is_learned(info: CodecInfo | None) -> bool:
    """Whether the codec is a network: networks have weights or a complexity."""
    return info is not None and (
        bool(info.complexity) or any(key.startswith("weights") for key in info.versions)
    )


def line_styles(content: Content) -> dict[str, LineStyle]:
    """The line style of every codec. Curves get theirs before single points, so that no two of the
    first ten curves share a colour, and no two of the first 44 both marker and dash."""
    found: dict[str, LineStyle] = {}
    points = {row.codec: row.points for row in content.rows}
    ranked = sorted(content.results.codecs, key=lambda codec: points[codec] < 2)
    networks = [codec for codec in ranked if is_learned(content.results.info(codec))]
    contrast = 0 < len(networks) < len(ranked)
    colours = {"learned": cycle(LEARNED_COLOURS), "field": cycle(FIELD_COLOURS)}
    place = 0
    for codec in ranked:
        if codec == content.bd.anchor:
            found[codec] = LineStyle(ANCHOR_COLOUR, MARKERS[0], DASHES[0], "anchor")
            continue
        kind: Weight = "learned" if contrast and codec in networks else "field"
        marker, dash = MARKERS[(place + 1) % len(MARKERS)], DASHES[place % len(DASHES)]
        found[codec] = LineStyle(next(colours[kind]), marker, dash, kind)
        place += 1
    return found
