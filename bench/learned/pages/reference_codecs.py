"""Reference codecs measured here beside their published Kodak curves: how far apart, and why.

Reads records that a report has read already and the table of published curves; measures nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.analysis.bd import MIN_POINTS, compare
from bench.analysis.curves import Grid
from bench.analysis.overlays import ExtraCurve, load_overlay
from bench.analysis.qualities import Floats, quality
from bench.errors import UsageError
from bench.learned.pages.reference_distance import (
    COLUMN,
    Distance,
    complete,
    distance,
    mean_curve,
    pooled,
    published_curve,
    rates_at_equal_quality,
    with_bytes,
)
from bench.records import CodecName
from bench.report.chroma import codes_420
from bench.report.pages import Page
from bench.report.tables import delta, signed

if TYPE_CHECKING:
    from bench.cards.suites import Suite
    from bench.report.content import Content

FILE = "reference_codecs.md"
_FAMILIES = ("vtm", "hm", "bpg")
_AS_COMPRESSAI = "conversion=compressai"
_FAST = (
    ("x265", ("hm",), "H.265"),
    ("vvenc", ("vtm-420", "vtm"), "H.266"),
    ("svtav1", ("avif:subsampling=4:2:0", "avif"), "AV1"),
)
"""A fast encoder and its standard's reference, or the next best that was measured."""


def write(content: Content, folder: Path, suite: Suite) -> Page:
    """Writes reference_codecs.md where a reference codec was measured on data with published
    curves."""
    present = [codec for codec in content.grids if _family(codec) in _FAMILIES]
    if not present:
        return Page()
    try:
        curves = load_overlay("published", content.results.run.dataset)
    except UsageError as error:
        return Page(missing=f"{FILE}: {error}")
    path = folder / FILE
    published = {curve.name: curve for curve in curves}
    path.write_text(markdown(content, sorted(present, key=_place), published), encoding="utf-8")
    return Page(path)


def _family(codec: str) -> str:
    return CodecName.parse(codec).card


def _place(codec: str) -> tuple[int, str]:
    return _FAMILIES.index(_family(codec)), codec


def markdown(content: Content, codecs: list[str], published: Mapping[str, ExtraCurve]) -> str:
    """The whole page."""
    run = content.results.run
    whole = {codec: complete(content.grids[codec], run.items) for codec in codecs}
    found = {
        codec: distance(grid, published[_family(codec)])
        for codec, grid in whole.items()
        if len(grid.points) and _family(codec) in published
    }
    lines = [
        f"# {run.dataset_title}: reference codecs and their published curves",
        "",
        *_answer(found),
        "",
        f"Means over {content.counted(run.items)}, of points that are measured on all of them. "
        "Published: CompressAI's tables. Everything is percent of rate against the published "
        "curve on PSNR-RGB, positive needs more bits. At equal PSNR: lowest and highest of the "
        "single points, log rate of the published curve interpolated by PCHIP; this says how well "
        "the distance is known. BD-rate: PCHIP on mean curves, from four points on. Brackets: 95 % "
        "interval of a bootstrap over the pictures that were measured here, the published curve "
        "held fixed, since it exists only as a mean; the pictures are the same, so this interval "
        "says how much Kodak's pictures differ, not how well the distance is known. Interpolation: "
        "lowest and highest of PCHIP, cubic and Akima.",
        "",
        *_table(content, found),
        "",
        *_against_each_other(whole, published),
        "## Why",
        "",
        *_reasons(content, whole, published),
        "",
        "## Point by point",
        "",
        *_points(content, codecs, published),
        "",
        "## What a fast encoder costs",
        "",
        *_fast(content),
    ]
    return "\n".join(lines) + "\n"


def _answer(found: Mapping[str, Distance]) -> list[str]:
    """What a reader came for: whether the published curves may serve as anchors."""
    lines = []
    for codec in _FAMILIES:
        if codec not in found:
            lines.append(
                f"{codec}: not measured on all pictures yet; docs/reference_codecs.md says how to "
                "build its program."
            )
            continue
        low, high = found[codec].extremes
        count = len(found[codec].points)
        lines.append(
            f"{codec}, decoded streams against its published curve at the same PSNR: "
            f"{_span(low, high)} % of rate over {count} point{'s' if count > 1 else ''}. "
            f"So the published curve may stand for it in comparisons that are not closer than "
            f"{_up(max(abs(low), abs(high)))} %."
        )
    return [f"- {line}" for line in lines]


def _up(value: float) -> str:
    """Rounded up to one digit, at least 0.1."""
    return f"{max(0.1, math.ceil(10 * value) / 10):.1f}" if math.isfinite(value) else "–"


def _percent(value: float, digits: int = 1) -> str:
    return signed(round(value, digits) + 0.0, digits) if math.isfinite(value) else "–"


def _span(low: float, high: float, digits: int = 1) -> str:
    one, other = _percent(low, digits), _percent(high, digits)
    return one if one == other else f"{one} … {other}"


def _table(content: Content, found: Mapping[str, Distance]) -> list[str]:
    lines = [
        "| Codec | Versions | Points | At equal PSNR, % | BD-rate, % | Interpolation, % "
        "| Overlap, % |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for codec, one in found.items():
        cells = [codec, _version(content, codec), str(len(one.points)), _span(*one.extremes)]
        if len(one.points) < MIN_POINTS:
            cells += ["–", "–", "–"]
        else:
            cells += [
                f"{_percent(one.rate)} [{_percent(one.low)}, {_percent(one.high)}]",
                f"{_percent(one.least)} … {_percent(one.most)}",
                f"{one.overlap:.0f}",
            ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _version(content: Content, codec: str) -> str:
    info = content.results.info(codec)
    shown = [f"{k} {v}" for k, v in info.versions.items() if not k.endswith(".cfg")] if info else []
    return ", ".join(shown) or "–"


def _against_each_other(
    whole: Mapping[str, Grid], published: Mapping[str, ExtraCurve]
) -> list[str]:
    """What VTM saves over HM here and as published: harness and conventions cancel out."""
    if not {"vtm", "hm"} <= set(whole) or not {"vtm", "hm"} <= set(published):
        return []
    here = rates_at_equal_quality(mean_curve(whole["vtm"]), mean_curve(whole["hm"]))
    named = published["vtm"]
    ratios = rates_at_equal_quality(published_curve(named), published_curve(published["hm"]))
    there = dict(zip(named.labels, ratios, strict=True))
    lines = [
        f"| {point} | {_percent(own)} | {_percent(there.get(point.partition('=')[2], math.nan))} |"
        for point, own in zip(whole["vtm"].points, here, strict=True)
    ]
    if not lines:
        return []
    return [
        "## VTM against HM",
        "",
        "Rate of VTM against the curve of HM at the same PSNR-RGB, percent: what the two share, "
        "colour, chroma, averaging and counting of bytes, cancels out, and what is left is the "
        "codecs.",
        "",
        "| VTM's point | here | published |",
        "| --- | ---: | ---: |",
        *lines,
        "",
    ]


def _reasons(
    content: Content, whole: Mapping[str, Grid], published: Mapping[str, ExtraCurve]
) -> list[str]:
    """How the distance changes with each convention by which the two could differ."""
    shown = [codec for codec in whole if _AS_COMPRESSAI not in codec and len(whole[codec].points)
             and _family(codec) in published]  # fmt: skip
    columns = [_changes(content, codec, whole, published[_family(codec)]) for codec in shown]
    lines = []
    if columns:
        lines += [
            "Distance at equal PSNR, mean over the points, percent, with one convention changed:",
            "",
            f"| Convention | {' | '.join(shown)} |",
            f"| --- |{' ---: |' * len(shown)}",
            *(f"| {row} | {' | '.join(column[row] for column in columns)} |" for row in columns[0]),
            "",
            "Size at the same point against the published one, percent, lowest and highest:",
            "",
            "| Codec | as measured | SEI counted |",
            "| --- | ---: | ---: |",
            *_sizes(content, whole, published),
            "",
        ]
    versions = "; ".join(f"{codec}: {_version(content, codec)}" for codec in shown)
    return [
        *lines,
        "- Colour: hm and vtm get BT.709, full range, 8 bits on both sides. Here the planes are "
        "rounded and 10 bits come out; CompressAI's bench cuts them to whole numbers and takes 8 "
        f"bits, which is `{_AS_COMPRESSAI}` here. bpg converts by itself (BT.601) on both sides.",
        "- Chroma: 4:4:4 on both sides, for all three.",
        "- PSNR: of decoded 8-bit RGB against the original here. Where sizes agree and PSNR does "
        "not, encoder, version and configuration are the same, and PSNR was taken in another way: "
        "against the source after its 8-bit conversion it reads higher, the more so the higher the "
        "rate.",
        "- Averaging: means over pictures of bpp and of PSNR on both sides; the last row of the "
        "table is what the other way, PSNR of the pooled squared error, would make of it.",
        f"- Version: {versions or 'none measured'}. The published tables name neither version nor "
        "configuration file.",
    ]


def _changes(
    content: Content, codec: str, whole: Mapping[str, Grid], reference: ExtraCurve
) -> dict[str, str]:
    """Cells of one codec's column in the table of conventions, by row."""

    def mean(changed: Grid) -> str:
        return _percent(float(np.nanmean(distance(changed, reference).points)))

    def counted(name: str, one: Grid) -> Grid:
        return with_bytes(one, _discarded(content, name, one))

    grid = whole[codec]
    variant = f"{codec}:{_AS_COMPRESSAI}" if ":" not in codec else f"{codec},{_AS_COMPRESSAI}"
    cut = whole.get(variant)
    both = planes = "same" if _family(codec) == "bpg" else "not measured"
    if cut is not None and len(cut.points):
        shared = [grid.points.index(point) for point in cut.points if point in grid.points]
        fewer = len(cut.points) < len(grid.points)
        where = f" at {', '.join(cut.points)}" if fewer else ""
        base = f" ({mean(grid.take(None, shared))} as measured there)" if fewer and shared else ""
        planes = f"{mean(cut)}{where}{base}"
        both = f"{mean(counted(variant, cut))}{where}"
    return {
        "as measured": mean(grid),
        "SEI counted": mean(counted(codec, grid)),
        "planes cut to whole numbers, 8 bits out (measured)": planes,
        "both": both,
        "PSNR of the pooled squared error": mean(pooled(grid)),
    }


def _sizes(
    content: Content, whole: Mapping[str, Grid], published: Mapping[str, ExtraCurve]
) -> list[str]:
    """Rows on mean sizes: the same encoder on the same planes gives the same ones."""
    lines = []
    for codec, grid in whole.items():
        reference = published.get(_family(codec))
        if reference is None or not len(grid.points):
            continue
        rates = dict(zip(reference.labels, reference.rate, strict=True))
        theirs = np.array([rates.get(point.partition("=")[2], math.nan) for point in grid.points])
        cells = []
        for one in (grid, with_bytes(grid, _discarded(content, codec, grid))):
            percent = 100 * (one.bpp.mean(axis=0) / theirs - 1)
            finite = percent[np.isfinite(percent)]
            low, high = (finite.min(), finite.max()) if len(finite) else (math.nan, math.nan)
            cells.append(_span(float(low), float(high), 2))
        lines.append(f"| {codec} | {' | '.join(cells)} |")
    return lines


def _field(content: Content, codec: str, grid: Grid, column: str) -> Floats:
    """A column of the records, (items, points) as in the grid; NaN where there is none."""
    records = content.results.records
    mine = records[(records["codec"] == codec) & (records["status"] == "done")]
    mine = mine.astype({"item": str, "point": str})
    table = mine.pivot(index="item", columns="point", values=column)
    found = table.reindex(index=list(grid.items), columns=list(grid.points))
    return found.to_numpy(dtype=np.float64)


def _discarded(content: Content, codec: str, grid: Grid) -> Floats:
    """What was stripped, in bits per pixel."""
    return 8 * np.nan_to_num(_field(content, codec, grid, "discarded_bytes")) / grid.pixels[:, None]


def _points(content: Content, codecs: list[str], published: Mapping[str, ExtraCurve]) -> list[str]:
    lines = [
        "| Codec | Point | Pictures | bpp | published | PSNR-RGB, dB | published "
        "| at equal PSNR, % |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    items = content.results.run.items
    for codec in codecs:
        reference = published.get(_family(codec))
        theirs, distances = {}, {}
        if reference is not None:
            pairs = zip(reference.rate, reference.values[COLUMN], strict=True)
            theirs = dict(zip(reference.labels, pairs, strict=True))
            grid = complete(content.grids[codec], items)
            distances = dict(zip(grid.points, distance(grid, reference).points, strict=True))
        for point in content.lossy_points(codec).to_dict("records"):
            word = str(point["point"])
            bpp, psnr = theirs.get(word.partition("=")[2], (math.nan, math.nan))
            lines.append(
                f"| {codec} | {word} | {point['items']:.0f} | {point['bpp']:.4f} "
                f"| {_cell(bpp, 4)} | {point[COLUMN]:.3f} | {_cell(psnr, 3)} "
                f"| {_percent(distances.get(word, math.nan))} |"
            )
    return lines


def _cell(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "–"


def _fast(content: Content) -> list[str]:
    """One sentence on the fast encoders beside their standards' reference encoders."""
    told, missing = [], []
    for fast, references, standard in _FAST:
        present = [name for name in references if name in content.grids]
        said = next((text for name in present if (text := _cost(content, fast, name))), "")
        if said:
            told.append(f"{standard}, {said}")
        if not said or present[0] != references[0]:
            missing.append(f"{fast} beside {references[0]}")
    lines = [f"Rate of the fast encoder at equal PSNR-RGB: {'. '.join(told)}."] if told else []
    if missing:
        lines.append(f"Not measured yet: {', '.join(missing)}.")
    return lines


def _cost(content: Content, fast: str, reference: str) -> str:
    """Of a fast encoder against a reference encoder: the BD-rate, or below four points the rates at
    its single points; empty where either has none on all pictures."""
    if fast not in content.grids:
        return ""
    items = content.results.run.items
    own, other = (complete(content.grids[name], items) for name in (fast, reference))
    if not own.points or not other.points:
        return ""
    info = content.results.info(reference)
    pair = f"{fast} against {reference} ({info.title if info else reference})"
    if codes_420(content, fast) != codes_420(content, reference):
        halved = fast if codes_420(content, fast) else reference
        pair += f", {halved} with halved chroma, which is part of the difference"
    if min(len(own.points), len(other.points)) < MIN_POINTS:
        inverse = rates_at_equal_quality(mean_curve(other), mean_curve(own))
        rates = 100 * (1 / (1 + inverse / 100) - 1)
        pairs = zip(other.points, rates, strict=True)
        return f"{pair}: " + ", ".join(f"{_percent(rate)} % at {point}" for point, rate in pairs)
    found = compare(other, own, quality(COLUMN))
    doubt = f"; {'; '.join(found.warnings)}" if found.warnings else ""
    return f"{pair}: {delta(found)} %{doubt}"
