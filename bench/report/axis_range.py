"""Chooses which range of rates and qualities a plot shows: the anchor's, and what most codecs
share.

A codec that is far from the others does not compress their curves to a line; a note says which
points lie outside. Draws nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.analysis.qualities import Floats, Quality
from bench.errors import UsageError
from bench.records import CodecName
from bench.report.content import Content

Range = tuple[float, float]
# space for markers, as a fraction of the axis
_MARGIN = 0.04
# how far the axis may extend beyond the range of the anchor and of most, as a fraction of it
_REACH = 0.15
# with fewer cards there is nothing that most share
_FEW = 3
# codecs that a note names
_NAMED = 6


@dataclass(frozen=True, slots=True)
class AxisRange:
    """Limits of both axes without a margin; ``note`` says on how many items the curves are, where
    some codecs were measured on more, and names the points outside."""

    rate: Range
    quality: Range
    rate_margin: float
    quality_margin: float
    note: str = ""

    def padded(self) -> Range:
        """The quality limits with a margin for the markers."""
        low, high = self.quality
        margin = self.quality_margin * (high - low or abs(high) or 1.0)
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
    anchor = content.bd.anchor or ""
    limits, chosen = content.choice.quality_limits(axis.id, axis.info.id), content.choice.xlim
    _refuse_empty(content, axis, curves, chosen, limits)
    if limits:
        low, high = sorted(axis.sign * end for end in limits)
    else:
        low, high = _shown({codec: quality for codec, (_, quality) in curves.items()}, anchor)
    if chosen:
        least, most = chosen
    else:
        rates = _inside({codec: (np.log2(r), q) for codec, (r, q) in curves.items()}, low, high)
        least, most = (float(2**end) for end in _shown(rates, anchor))
    margins = 0.0 if chosen else 0.12, 0.0 if limits else _MARGIN
    shown = AxisRange((least, most), (low, high), *margins)
    if not limits:
        ends = shown.padded_rate(linear=content.linear_rate)
        qualities = _inside({codec: (q, r) for codec, (r, q) in curves.items()}, *ends)
        shown = replace(shown, quality=_within(qualities, low, high))
    said = (_over(content), _outside(content, axis, shown, curves))
    return replace(shown, note=". ".join(filter(None, said)))


def _inside(
    pairs: Mapping[str, tuple[Floats, Floats]], low: float, high: float
) -> dict[str, Floats]:
    """Of every codec the first values whose second lie between the limits; all where none does."""
    found = {codec: one[(two >= low) & (two <= high)] for codec, (one, two) in pairs.items()}
    kept = {codec: values for codec, values in found.items() if values.size}
    return kept or {codec: one for codec, (one, _) in pairs.items()}


def _within(values: Mapping[str, Floats], low: float, high: float) -> Range:
    """The limits, narrowed to what lies between them: no space for points that are not shown."""
    shown = np.concatenate(list(values.values()))
    shown = shown[(shown >= low) & (shown <= high)]
    return (float(shown.min()), float(shown.max())) if shown.size else (low, high)


def _refuse_empty(
    content: Content, axis: Quality, curves: Mapping[str, tuple[Floats, Floats]],
    xlim: Range | None, ylim: Range | None,
) -> None:  # fmt: skip
    """Raises UsageError for limits that no curve reaches, or that no axis of logarithms has."""
    if xlim and xlim[0] <= 0 and not content.linear_rate:
        raise UsageError(
            f"xlim {xlim[0]:g}: a logarithmic axis begins above 0; give --rate linear too"
        )
    rates, qualities = (np.concatenate(part) for part in zip(*curves.values(), strict=True))
    for name, limits, values in (("xlim", xlim, rates), ("ylim", ylim, axis.sign * qualities)):
        if limits and (values.max() < limits[0] or values.min() > limits[1]):
            raise UsageError(
                f"{name} {limits[0]:g}, {limits[1]:g}: no point of {axis.id} lies there; "
                f"its points are from {values.min():.3g} to {values.max():.3g}"
            )


def _outside(
    content: Content, axis: Quality, shown: AxisRange, curves: Mapping[str, tuple[Floats, Floats]]
) -> str:
    """Which codecs have points beyond the margins, and where these lie."""
    notes = []
    low, high = shown.padded()
    least, most = shown.padded_rate(linear=content.linear_rate)
    rate_unit = "bpp" if content.rate_unit == "bits per pixel" else "bits"
    for codec, (rate, quality) in curves.items():
        far = (quality < low) | (quality > high)
        beside = ~far & ((rate < least) | (rate > most))
        told = [_span(axis.sign * quality[far], ".1f", axis.unit)] if far.any() else []
        told += [_span(rate[beside], ".3g", rate_unit)] if beside.any() else []
        if told:
            notes.append(f"{content.name(codec)} {', '.join(told)}")
    if len(notes) > _NAMED:
        notes[_NAMED:] = [f"{len(notes) - _NAMED} more"]
    return f"Outside the axes: {'; '.join(notes)}" if notes else ""


def _over(content: Content) -> str:
    items = content.shared.results.run.items
    if items == content.results.run.items:
        return ""
    return f"Means over the {content.counted(items)} that all codecs have"


def _span(values: Floats, digits: str, unit: str) -> str:
    ends = dict.fromkeys(f"{value:{digits}}" for value in (values.min(), values.max()))
    return f"{'–'.join(ends)} {unit}".rstrip()


def _shown(values: Mapping[str, Floats], anchor: str) -> Range:
    """The range of all points, unless some are far from the anchor's and from what at least half
    of the cards share."""
    families: dict[str, list[float]] = {}
    for codec, own in values.items():
        families.setdefault(CodecName.parse(codec).card, []).extend(own.tolist())
    ranges = [(min(own), max(own)) for own in families.values()]
    full = (min(low for low, _ in ranges), max(high for _, high in ranges))
    core = _shared([each for each in ranges if each[1] > each[0]])
    if core is None or len(ranges) < _FEW:
        return full
    if anchor in values:
        core = min(core[0], values[anchor].min()), max(core[1], values[anchor].max())
    reach = _REACH * (core[1] - core[0])
    near = [v for own in families.values() for v in own if core[0] - reach <= v <= core[1] + reach]
    return float(min(near)), float(max(near))


def _shared(ranges: Sequence[Range]) -> Range | None:
    """From the lowest to the highest value that at least half of the ranges hold, and at least
    two."""
    needed = max(2, (len(ranges) + 1) // 2)
    ends = sorted({end for each in ranges for end in each})
    held = [e for e in ends if sum(low <= e <= high for low, high in ranges) >= needed]
    return (held[0], held[-1]) if held and held[-1] > held[0] else None
