"""Chooses which range of rates and qualities a plot shows.

A codec that is far from the others does not compress their curves to a line; a note says which
points lie outside. Draws nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from bench.analysis.qualities import Floats, Quality
from bench.records import CodecName
from bench.report.content import Content

Range = tuple[float, float]
# space for markers, as a fraction of the axis
_MARGIN = 0.04
# how far the axis may extend beyond the common range, as a fraction of that range
_REACH = 0.25
# points are left outside only if the axis would otherwise be longer by this factor
_SAVING = 1.25
# with fewer cards there is no common range
_FEW = 3


@dataclass(frozen=True, slots=True)
class AxisRange:
    """Limits of both axes without a margin, and what the caption says about them.

    ``outside`` names the points outside; ``over`` says on how many items the curves are, where
    some codecs were measured on more. Both are empty where there is nothing to say.
    """

    rate: Range
    quality: Range
    outside: str
    over: str = ""
    rate_margin: float = 0.12
    quality_margin: float = _MARGIN

    @property
    def note(self) -> str:
        return ". ".join(filter(None, (self.over, self.outside)))

    def padded(self) -> Range:
        """The quality limits with a margin for the markers."""
        low, high = self.quality
        margin = self.quality_margin * max(high - low, 1e-6)
        return low - margin, high + margin

    def padded_rate(self, *, linear: bool) -> Range:
        """The same of the rate; a linear axis begins at 0 unless its limits were chosen."""
        low, high = self.rate
        factor = 1 + self.rate_margin
        if linear and self.rate_margin:
            return 0.0, high * 1.05
        return low / factor, high * factor


def finite_points(content: Content, codec: str, axis: Quality) -> tuple[Floats, Floats]:
    """Rates and qualities of those lossy points of a codec that a plot can show, by rising rate.

    They are means over the items that all codecs have.
    """
    points = content.shared.lossy_points(codec)
    rate = points["bpp"].to_numpy(dtype=np.float64)
    quality = axis.of(points[axis.column].to_numpy(dtype=np.float64))
    keep = np.isfinite(quality) & (rate > 0)
    return rate[keep], quality[keep]


def axis_range(content: Content, axis: Quality) -> AxisRange | None:
    """The range that the plot of an axis shows; None where there is no point."""
    found = {codec: finite_points(content, codec, axis) for codec in content.results.codecs}
    curves = {codec: curve for codec, curve in found.items() if curve[0].size}
    if not curves:
        return None
    limits = content.choice.quality_limits(axis.id, axis.info.id)
    if limits:
        low, high = sorted(axis.sign * end for end in limits)
    else:
        low, high = _shown({codec: quality for codec, (_, quality) in curves.items()})
    inside = [rate[(quality >= low) & (quality <= high)] for rate, quality in curves.values()]
    rates = np.concatenate(
        inside if any(map(len, inside)) else [rate for rate, _ in curves.values()]
    )
    chosen = content.choice.xlim
    least, most = chosen or (float(rates.min()), float(rates.max()))
    notes = []
    for codec, (rate, quality) in curves.items():
        beyond = (quality < low) | (quality > high)
        if chosen:
            beyond |= (rate < least) | (rate > most)
        if beyond.any():
            notes.append(_note(content.name(codec), axis.sign * quality[beyond]))
    unit = f" {axis.unit}" if axis.unit else ""
    outside = f"Outside the axes: {', '.join(notes)}{unit}" if notes else ""
    margins = 0.0 if chosen else 0.12, 0.0 if limits else _MARGIN
    return AxisRange((least, most), (low, high), outside, _over(content), *margins)


def _over(content: Content) -> str:
    items = content.shared.results.run.items
    if items == content.results.run.items:
        return ""
    return f"Means over the {items} {content.item_word} that all codecs have"


def _note(codec: str, quality: Floats) -> str:
    ends = dict.fromkeys(f"{value:.1f}" for value in (quality.min(), quality.max()))
    return f"{codec} {'–'.join(ends)}"


def _shown(qualities: Mapping[str, Floats]) -> Range:
    """The range of all points, unless a few cards are far from the range that the others share."""
    families: dict[str, list[float]] = {}
    for codec, quality in qualities.items():
        families.setdefault(CodecName.parse(codec).card, []).extend(quality.tolist())
    ranges = [(min(values), max(values)) for values in families.values()]
    full = (min(low for low, _ in ranges), max(high for _, high in ranges))
    common = _common([each for each in ranges if each[1] > each[0]])
    if common is None or len(ranges) < _FEW:
        return full
    reach = _REACH * (common[1] - common[0])
    low, high = max(full[0], common[0] - reach), min(full[1], common[1] + reach)
    beyond = sum(each[0] < low or each[1] > high for each in ranges)
    if beyond > max(1, len(ranges) // 4) or full[1] - full[0] < _SAVING * (high - low):
        return full
    inside = [value for values in families.values() for value in values if low <= value <= high]
    return min(inside), max(inside)


def _common(ranges: Sequence[Range]) -> Range | None:
    """The connected range that at least two cards cover; of several, that of most cards."""
    ends = sorted({end for each in ranges for end in each})
    shared: list[Range] = []
    for low, high in pairwise(ends):
        if sum(one <= low and high <= other for one, other in ranges) < 2:
            continue
        if shared and shared[-1][1] == low:
            shared[-1] = (shared[-1][0], high)
        else:
            shared.append((low, high))
    if not shared:
        return None

    def weight(part: Range) -> tuple[int, float]:
        touching = sum(low < part[1] and high > part[0] for low, high in ranges)
        return touching, part[1] - part[0]

    return max(shared, key=weight)
