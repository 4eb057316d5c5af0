"""Points of codecs at one rate on one item, to set their frames beside each other."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from bench.report.content import Content


@dataclass(frozen=True, slots=True)
class MatchedPoint:
    """A codec's point on an item that is nearest to a common rate."""

    codec: str
    point: str
    bpp: float


def matched_points(content: Content, item: str) -> tuple[float, tuple[MatchedPoint, ...]]:
    """The middle rate of the anchor on the item, of its points by rising rate, and of every codec
    the lossy point nearest to it in ratio; nothing where no codec has one."""
    rates = {
        codec: found for codec in content.results.codecs if (found := _rates(content, codec, item))
    }
    if not rates:
        return math.nan, ()
    anchor = content.bd.anchor if content.bd.anchor in rates else next(iter(rates))
    middle = sorted(rates[anchor].values())[len(rates[anchor]) // 2]
    return middle, tuple(_nearest(codec, each, middle) for codec, each in rates.items())


def _nearest(codec: str, rates: Mapping[str, float], wanted: float) -> MatchedPoint:
    point = min(rates, key=lambda name: abs(math.log(rates[name] / wanted)))
    return MatchedPoint(codec, point, rates[point])


def _rates(content: Content, codec: str, item: str) -> dict[str, float]:
    lossy = set(content.lossy_points(codec)["point"].astype(str))
    records = content.results.records
    own = records[(records["codec"] == codec) & (records["item"] == item)]
    own = own[(own["status"] == "done") & (own["bpp"] > 0)]
    pairs = zip(own["point"].astype(str), own["bpp"], strict=True)
    return {str(point): float(bpp) for point, bpp in pairs if point in lossy}
