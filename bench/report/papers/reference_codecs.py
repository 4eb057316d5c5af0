"""Reference codecs measured here beside their published Kodak curves: how far apart, and why.

Reads records that a report has read already and the table of published curves; measures nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.analysis.bd import Curve, bd_rate, compare, overlap_percent
from bench.analysis.curves import Grid
from bench.analysis.interpolation import METHODS, average_differences
from bench.analysis.overlays import ExtraCurve, load_overlay
from bench.analysis.qualities import Floats, quality
from bench.errors import UsageError
from bench.report.papers import Page
from bench.report.tables import delta, signed

if TYPE_CHECKING:
    from bench.cards import Suite
    from bench.report.content import Content

FILE = "reference_codecs.md"
_FAMILIES = ("vtm", "hm", "bpg")
_COLUMN = "psnr_rgb"
_RESAMPLES = 2000
_FAST = (
    ("x265", ("hm",), "H.265"),
    ("vvenc", ("vtm-420", "vtm"), "H.266"),
    ("svtav1", ("avif:subsampling=4:2:0", "avif"), "AV1"),
)
"""A fast encoder and its standard's reference, or the next best that was measured."""


@dataclass(frozen=True, slots=True)
class Distance:
    """BD-rate of a measured curve against the published one, in percent; ``low`` and ``high`` are
    the 95 % interval over pictures, ``least`` and ``most`` the extremes over interpolations."""

    rate: float
    low: float
    high: float
    least: float
    most: float
    overlap: float


def write(content: Content, folder: Path, suite: Suite) -> Page:
    """Writes reference_codecs.md where a reference codec was measured on data with published
    curves."""
    present = [codec for codec in content.grids if codec.partition(":")[0] in _FAMILIES]
    if not present:
        return Page()
    try:
        curves = load_overlay("published", content.results.run.dataset)
    except UsageError as error:
        return Page(missing=f"{FILE}: {error}")
    path = folder / FILE
    path.write_text(
        markdown(content, present, {curve.name: curve for curve in curves}), encoding="utf-8"
    )
    return Page(path)


def markdown(content: Content, codecs: list[str], published: Mapping[str, ExtraCurve]) -> str:
    """The whole page."""
    run = content.results.run
    lines = [
        f"# {run.dataset_title}: reference codecs and their published curves",
        "",
        f"Means over {run.items} {content.item_word}. Published: CompressAI's tables. BD-rate is "
        "of what was measured here against the published curve, PSNR-RGB, PCHIP on mean curves, "
        "positive needs more bits. Brackets: 95 % interval of a bootstrap over the pictures that "
        "were measured here, the published curve held fixed, since it exists only as a mean; the "
        "pictures are the same, so the interval says how far one may generalise, not how well the "
        "distance is known. Interpolation: lowest and highest of PCHIP, cubic and Akima.",
        "",
        *_table(content, codecs, published),
        "",
        "## Why",
        "",
        *(f"- {sentence}" for codec in codecs for sentence in _reasons(content, codec, published)),
        *(f"- {sentence}" for sentence in _absent(content, codecs)),
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


def distance(grid: Grid, reference: ExtraCurve) -> Distance:
    """Of a complete grid's mean curve from a published curve."""
    anchor = Curve.of(reference.rate, reference.values[_COLUMN])
    own = Curve(grid.bpp.mean(axis=0), grid.values[_COLUMN].mean(axis=0))
    rates = [bd_rate(anchor, own, method) for method in METHODS]
    finite = [rate for rate in rates if math.isfinite(rate)] or [math.nan]
    low, high = _interval(grid, anchor)
    overlap = overlap_percent(anchor, own)
    return Distance(rates[METHODS.index("pchip")], low, high, min(finite), max(finite), overlap)


def _interval(grid: Grid, anchor: Curve) -> tuple[float, float]:
    count = len(grid.items)
    if count < 2:
        return math.nan, math.nan
    drawn = np.random.default_rng(0).integers(0, count, (_RESAMPLES, count))
    own = (grid.values[_COLUMN][drawn].mean(axis=1), np.log10(grid.bpp[drawn].mean(axis=1)))
    fixed = [np.tile(axis, (_RESAMPLES, 1)) for axis in (anchor.quality, np.log10(anchor.rate))]
    found = 100 * (10 ** average_differences((fixed[0], fixed[1]), own, "pchip") - 1)
    found = found[np.isfinite(found)]
    if not len(found):
        return math.nan, math.nan
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def complete(grid: Grid) -> Grid:
    """The points done on most pictures, on the pictures that have all of these."""
    done = np.isfinite(grid.values[_COLUMN]) & np.isfinite(grid.bpp)
    points = done.mean(axis=0) > 0.5
    return grid.take(done[:, points].all(axis=1), points)


def _table(content: Content, codecs: list[str], published: Mapping[str, ExtraCurve]) -> list[str]:
    lines = [
        "| Codec | Versions | Points | Pictures | BD-rate to published, % | Interpolation, % "
        "| Overlap, % |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for codec in codecs:
        reference = published.get(codec.partition(":")[0])
        grid = complete(content.grids[codec])
        if reference is None or not len(grid.items) or len(grid.points) < 2:
            continue
        found = distance(grid, reference)
        cells = [codec, _version(content, codec), str(len(grid.points)), str(len(grid.items))]
        cells += [
            f"{signed(found.rate)} [{signed(found.low)}, {signed(found.high)}]",
            f"{signed(found.least)} … {signed(found.most)}",
            f"{found.overlap:.0f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _version(content: Content, codec: str) -> str:
    info = content.results.info(codec)
    shown = [f"{k} {v}" for k, v in info.versions.items() if not k.endswith(".cfg")] if info else []
    return ", ".join(shown) or "–"


def _reasons(content: Content, codec: str, published: Mapping[str, ExtraCurve]) -> list[str]:
    """How the distance changes as the published conventions are followed one after the other."""
    reference = published.get(codec.partition(":")[0])
    grid = complete(content.grids[codec])
    if reference is None or not len(grid.items) or len(grid.points) < 2:
        return [f"{codec}: too few points for a BD-rate yet."]
    steps: list[tuple[str, Callable[[Grid], Grid]]] = []
    extra = _discarded(content, codec, grid)
    if extra.any():
        steps.append(("with SEI counted as the published files do", lambda g: _add_bytes(g, extra)))
    ceiling = _ceilings(content, codec, grid)
    if np.isfinite(ceiling).all():
        steps.append(
            (
                "and PSNR against the source after its 8-bit conversion, the conversion's error "
                "taken as independent",
                lambda g: without_conversion(g, ceiling),
            )
        )
    said = f"{codec}: {signed(distance(grid, reference).rate)} % as measured"
    for words, change in steps:
        grid = change(grid)
        said += f"; {signed(distance(grid, reference).rate)} % {words}"
    return [f"{said}. {_rest(codec)}"]


def _rest(codec: str) -> str:
    if codec.startswith("bpg"):
        return (
            "Same program, version, container and colour (BT.601 of bpgenc); both count the file "
            "whole and compare 8-bit RGB with the original."
        )
    if "conversion=compressai" in codec:
        return "Planes made as CompressAI makes them; what is left is version and configuration."
    return (
        "Both are 4:4:4 from 8-bit BT.709 full range, intra; here rounded planes, and 10 bits out. "
        "The published version and configuration file are not stated."
    )


def _absent(content: Content, codecs: list[str]) -> list[str]:
    return [
        f"{family}: not measured in these results yet; docs/reference_codecs.md says how to build "
        "its program."
        for family in _FAMILIES
        if not any(codec.partition(":")[0] == family for codec in codecs)
    ]


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


def _ceilings(content: Content, codec: str, grid: Grid) -> Floats:
    return _field(content, codec, grid, "psnr_rgb_ceiling")


def _add_bytes(grid: Grid, extra: Floats) -> Grid:
    return replace(grid, bpp=grid.bpp + extra)


def without_conversion(grid: Grid, ceiling: Floats) -> Grid:
    """PSNR with the squared error of the colour path taken out."""
    error = 10 ** (-grid.values[_COLUMN] / 10) - 10 ** (-ceiling / 10)
    return replace(grid, values={**grid.values, _COLUMN: -10 * np.log10(np.maximum(error, 1e-12))})


def _points(content: Content, codecs: list[str], published: Mapping[str, ExtraCurve]) -> list[str]:
    lines = [
        "| Codec | Point | Pictures | bpp | published | PSNR-RGB, dB | published |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for codec in codecs:
        reference = published.get(codec.partition(":")[0])
        theirs = {}
        if reference is not None:
            pairs = zip(reference.rate, reference.values[_COLUMN], strict=True)
            theirs = dict(zip(reference.labels, pairs, strict=True))
        for point in content.lossy_points(codec).to_dict("records"):
            bpp, psnr = theirs.get(str(point["point"]).partition("=")[2], (math.nan, math.nan))
            lines.append(
                f"| {codec} | {point['point']} | {point['items']:.0f} | {point['bpp']:.4f} "
                f"| {_cell(bpp, 4)} | {point[_COLUMN]:.3f} | {_cell(psnr, 3)} |"
            )
    return lines


def _cell(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "–"


def _fast(content: Content) -> list[str]:
    """One sentence on the fast encoders beside their standards' reference encoders."""
    told, missing = [], []
    for fast, references, standard in _FAST:
        reference = next((name for name in references if name in content.grids), None)
        if fast not in content.grids or reference is None:
            missing.append(f"{fast} beside {references[0]}")
            continue
        found = compare(content.grids[reference], content.grids[fast], quality(_COLUMN))
        info = content.results.info(reference)
        doubt = f"; {'; '.join(found.warnings)}" if found.warnings else ""
        title = info.title if info else reference
        told.append(f"{standard}, {fast} against {reference} ({title}): {delta(found)} %{doubt}")
    lines = [f"BD-rate of the fast encoder, PSNR-RGB: {'. '.join(told)}."] if told else []
    if missing:
        lines.append(f"Not measured yet: {', '.join(missing)}.")
    return lines
