"""Assembles report.html: template, style, scripts and the report's content as inlined JSON.

Everything that comes from a run travels as JSON text and reaches the page as text nodes only, so
that no codec id or file name can become markup.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import html
import json
import math
import os
import re
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from bench.analysis.bd import Comparison
from bench.analysis.curves import Grid
from bench.analysis.overlays import ExtraCurve
from bench.analysis.qualities import Quality
from bench.datasets.locate import cache_folder
from bench.records import ENERGY
from bench.report.axis_range import axis_range
from bench.report.content import Content
from bench.report.footnote import describe, footnote
from bench.report.html.clips import clip_data
from bench.report.html.pictures import BUDGET_BYTES, embed, read_shots
from bench.report.line_styles import LineStyle, dark, line_styles
from bench.report.remarks import warnings_of
from bench.report.tables import (
    point_table,
    published_sentences,
    published_table,
    summary_table,
    with_unit,
)

SCRIPTS = (
    *("app.js", "curves.js", "charts.js", "sorting.js", "tables.js", "items.js"),
    *("pictures.js", "compare.js", "clips.js", "start.js"),
)
MAX_ITEM_RATES = 500
"""Per-item BD-rates of one comparison that the page shows as points."""
MOST_OPEN = 12
"""Lines of a list of provenance that stands open."""
MAX_NUMBERS = 60_000
"""Rates and qualities of single items in a page, some 400 kB."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What a report has beside its own parts where it is a page of a site: markup above and below,
    the addresses of the pages of codecs by what the report calls them, and of Plotly's file, and
    how many bytes of pictures the page may embed."""

    above: str
    below: str
    links: Mapping[str, str]
    plotly: str
    pictures: int = BUDGET_BYTES


def write_page(content: Content, target: Path, frame: Frame | None = None) -> Path:
    """Writes report.html into a folder, or a page of a site to ``target``, and returns its path;
    needs no network when opened."""
    shots = [shot for folder in content.results.folders for shot in read_shots(folder)]
    wanted = content.choice.codecs
    called = [
        replace(shot, codec=content.name(shot.codec))
        for shot in shots if not wanted or shot.codec in wanted
    ]  # fmt: skip
    shown = embed(called, frame.pictures if frame else BUDGET_BYTES)
    data = page_data(content)
    data["pictures"] = [entry["item"] for entry in shown.items]
    data["pictures_note"] = shown.note
    data["clips"] = clip_data(content, shots)
    data["links"] = frame.links if frame else {}
    library = f'<script src="{html.escape(frame.plotly)}"></script>' if frame else (
        f'<script type="text/plain" id="plotly">{packed_plotly()}</script>'
    )  # fmt: skip
    parts = {
        "title": html.escape(content.results.run.suite_title),
        "style": resource("bench.report.html", "style.css"),
        "sources": " 'self' file:" if frame else "",
        "above": frame.above if frame else "",
        "below": frame.below if frame else "",
        "data": script_json(data),
        "pictures": script_json(shown.items),
        "plotly": library,
        "scripts": "\n".join(resource("bench.report.html", name) for name in SCRIPTS),
    }
    path = target if frame else target / "report.html"
    page = filled(resource("bench.report.html", "template.html"), parts)
    path.write_text(page, encoding="utf-8")
    return path


def filled(template: str, parts: Mapping[str, str]) -> str:
    """The template with its ``{{slots}}``; braces of what is put in are no slots."""
    return re.sub(r"\{\{(\w+)\}\}", lambda slot: parts[slot[1]], template)


def resource(package: str, name: str) -> str:
    return files(package).joinpath(name).read_text(encoding="utf-8")


def script_json(value: Any) -> str:
    """JSON that may stand inside a script element: ``<`` cannot close it."""
    text = json.dumps(_plain(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _plain(value: Any) -> Any:
    """Only JSON types; six significant digits; None for what is not finite."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value if isinstance(value, str | int | bool) or value is None else str(value)


def page_data(content: Content) -> dict[str, Any]:
    """All that the page shows besides the pictures."""
    run = content.results.run
    columns, points = point_table(content)
    published, summary = published_table(content), summary_table(content)
    styles = line_styles(content)
    return {
        "title": run.suite_title,
        "suite": run.suite,
        "media": run.media,
        "dataset": run.dataset_title,
        "items": run.items,
        "item_word": content.item_word,
        "rate_unit": content.rate_unit,
        "scale": "linear" if content.linear_rate else "log",
        "anchor": content.bd.anchor and content.name(content.bd.anchor),
        "parallel": content.parallel,
        "timing": run.timing,
        "metrics": [
            {
                "id": axis.id, "title": axis.info.title if axis.falling else axis.title,
                "unit": axis.unit, "falling": axis.falling, "purpose": axis.info.purpose,
                "definition": axis.info.definition,
            }
            for axis in content.axes
        ],
        "codecs": [_codec(content, codec, styles[codec]) for codec in content.results.codecs],
        "extents": {axis.id: _extent(content, axis) for axis in content.axes},
        "extras": [_extra(content, extra) for extra in content.extras],
        "comparisons": [_comparison(content, c) for c in content.bd.comparisons],
        "matrices": [
            asdict(matrix) | {"codecs": [content.name(codec) for codec in matrix.codecs]}
            for matrix in content.bd.matrices
        ],
        "warnings": warnings_of(content),
        "footnote": footnote(content, codecs=False),
        "summary": {
            "columns": summary[0], "rows": summary[1],
            "codecs": [content.name(row.codec) for row in content.rows],
            "metrics": _metrics_of(content, summary[0]),
        },
        "points": {
            "columns": columns, "rows": points, "codecs": [row[0] for row in points],
            "metrics": _metrics_of(content, columns),
        },
        "by_item": _by_item(content),
        "published": {
            "columns": published[0], "rows": published[1],
            "sentences": published_sentences(content) if published[1] else [],
        },
        "provenance": _provenance(content),
    }  # fmt: skip


def _extra(content: Content, extra: ExtraCurve) -> dict[str, Any]:
    return {
        "name": extra.name, "origin": extra.origin, "rate": extra.rate,
        "convention": extra.convention, "source": extra.source, "labels": extra.labels,
        "values": {
            axis.id: None if (values := extra.quality(axis)) is None
            else [axis.sign * value for value in values]
            for axis in content.axes
        },
    }  # fmt: skip


def _metrics_of(content: Content, columns: Sequence[str]) -> list[str]:
    """The metric of each column, empty for the others; what follows a BD-rate up to the next or to
    the times belongs to it."""
    titles = {f"BD-rate {axis.title}, %": axis.id for axis in content.axes}
    plain = {with_unit(axis): axis.id for axis in content.axes}
    found, current = [], ""
    for column in columns:
        current = titles.get(column, "" if column.startswith(("Encode", "Decode")) else current)
        found.append(plain.get(column, current))
    return found


def _by_item(content: Content) -> dict[str, Any]:
    """Rates and qualities of each item, of all metrics or, of many items, of the first; of very
    many of none."""
    grids = {content.name(codec): grid for codec, grid in content.grids.items()}
    size = sum(grid.bpp.size for grid in grids.values())
    fitting = [axis for place, axis in enumerate(content.axes) if size * (place + 2) <= MAX_NUMBERS]
    items = list(dict.fromkeys(item for grid in grids.values() for item in grid.items))
    return {
        "items": items[:MAX_ITEM_RATES],
        "codecs": {
            name: {
                "items": grid.items, "points": grid.points, "bpp": grid.bpp.tolist(),
                **{axis.id: axis.shown(grid.values[axis.column]).tolist() for axis in fitting},
            }
            for name, grid in grids.items()
        } if fitting else {},
    }  # fmt: skip


def _extent(content: Content, axis: Quality) -> dict[str, Any] | None:
    shown = axis_range(content, axis)
    if shown is None:
        return None
    return {
        "x": shown.rate,
        "y": [axis.sign * end for end in shown.padded()],
        "outside": shown.note,
    }


def _codec(content: Content, codec: str, style: LineStyle) -> dict[str, Any]:
    info = content.results.info(codec)
    row = next(row for row in content.rows if row.codec == codec)
    points = content.shared.curves[content.shared.curves["codec"] == codec]
    shown = points[points["items"] > 0].sort_values("bpp")
    lossy = {str(name) for name in content.shared.lossy_points(codec)["point"]}
    bands = {axis.id: _bands(content.shared.grids[codec], axis) for axis in content.axes}
    return {
        "id": content.name(codec),
        "title": f"{codec}: {row.title}",
        "look": {
            "light": style.colour, "dark": dark(style.colour), "symbol": style.marker.page,
            "dash": style.dash.page, "weight": style.weight,
        },
        "lossless": row.lossless,
        "incomplete": row.incomplete,
        "complexity": dict(info.complexity) if info else {},
        "points": [
            {
                "point": str(point["point"]),
                "lossy": str(point["point"]) in lossy,
                "items": point["items"],
                "expected": point["items_expected"],
                **{name: point[name] for name in (*_POINT_NUMBERS, *ENERGY) if name in point},
                "values": {a.id: float(a.shown(point[a.column])) for a in content.axes},
                "bands": {a.id: bands[a.id].get(str(point["point"])) for a in content.axes},
            }
            for point in shown.to_dict("records")
        ],
    }  # fmt: skip


_POINT_NUMBERS = (
    *("bpp", "bpp_pooled", "bpp_estimated", "encode_seconds", "decode_seconds"),
    *("bytes", "header_bytes", "discarded_bytes"),
)


def _bands(grid: Grid, axis: Quality) -> dict[str, list[float]]:
    """95 % interval of the mean over items at each point, on the quality axis."""
    values = grid.values[axis.column]
    found = {}
    for column, point in enumerate(grid.points):
        done = values[np.isfinite(values[:, column]), column]
        if len(done) > 1:
            half = 1.96 * done.std(ddof=1) / math.sqrt(len(done))
            ends = axis.shown([done.mean() - half, done.mean() + half])
            found[point] = sorted(float(end) for end in ends)
    return found


def _comparison(content: Content, c: Comparison) -> dict[str, Any]:
    step = max(1, math.ceil(len(c.item_rates) / MAX_ITEM_RATES))
    return {
        "metric": c.metric, "codec": content.name(c.codec), "rate": c.rate_percent,
        "low": c.rate_low,
        "high": c.rate_high, "significant": c.significant, "gain": c.quality_gain,
        "overlap": c.overlap_percent, "items": c.items, "warnings": c.warnings,
        "conventions": [[k.averaging, k.method, k.rate_percent] for k in c.conventions],
        "item_rates": c.item_rates[::step],
    }  # fmt: skip


def _provenance(content: Content) -> list[dict[str, Any]]:
    """Titled lists of names and values."""
    run = content.results.run
    failed = not all(v.passed for v in run.verdicts)
    verdicts = [
        [
            f"{v.check}: {v.codec} {v.point} on {v.item}",
            "; ".join(filter(None, ("passed" if v.passed else f"failed: {v.detail}", v.isolation))),
        ]
        for v in run.verdicts
    ]
    sections: Sequence[tuple[str, Sequence[Sequence[str]]]] = (
        ("Run", [
            ["bench", run.bench], ["suite", run.suite], ["command", " ".join(run.command)],
            ["started", run.started], ["finished", run.finished], ["jobs", str(run.jobs)],
            ["timing", run.timing], *[["note", note] for note in run.notes],
        ]),
        ("Data", [
            ["data set", run.dataset_title], ["digest", run.dataset_digest],
            *[["note", note] for note in run.dataset_notes],
            ["licence", run.licence], ["citation", run.citation],
        ]),
        ("Metrics", [
            [name, ", ".join(f"{key} {value}" for key, value in versions.items())]
            for name, versions in run.metric_versions.items()
        ]),
        ("Codecs", [
            [info.id, describe(content, info.id)] for info in run.codecs
        ]),
        ("Machine", [[key, str(value)] for key, value in run.machine.items()]),
        ("Libraries", [[key, str(value)] for key, value in run.libraries.items()]),
        ("Verdicts", verdicts),
    )  # fmt: skip
    return [
        {
            "title": title,
            "rows": shown,
            "open": len(shown) <= MOST_OPEN or (rows is verdicts and failed),
        }
        for title, rows in sections
        if (shown := [row for row in rows if row[1]])
    ]


def packed_plotly() -> str:
    """Plotly's script as base64 of its gzip, a third of its size: the page unpacks it. Packed once
    for a version, which takes longer than the rest of the page, and kept in the user's cache."""
    kept = cache_folder() / f"plotly-{version('plotly')}.min.js.gz"
    packed = kept.read_bytes() if kept.is_file() else b""
    script = files("plotly").joinpath("package_data", "plotly.min.js").read_bytes()
    # a gzip ends with checksum and length (RFC 1952)
    if packed[-8:] != struct.pack("<II", zlib.crc32(script), len(script)):
        packed = gzip.compress(script, 9, mtime=0)
        with contextlib.suppress(OSError):  # a cache that cannot be written
            kept.parent.mkdir(parents=True, exist_ok=True)
            written = kept.with_suffix(f".{os.getpid()}")
            written.write_bytes(packed)
            written.replace(kept)
    return base64.b64encode(packed).decode("ascii")
