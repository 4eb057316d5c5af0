"""Curves that were not measured here: published results and theoretical bounds.

Reads the tables that come with the project, CompressAI's results JSON and plain CSV; every curve
carries the convention under which it was made and never mixes with measured ones.
"""

from __future__ import annotations

import csv
import json
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from bench.analysis.qualities import Quality
from bench.errors import DataError, UsageError
from bench.metrics.registry import metrics

PUBLISHED = Path(__file__).resolve().parent / "published"
UNKNOWN_CONVENTION = "convention not stated by its source"


@dataclass(frozen=True, slots=True)
class ExtraCurve:
    """A curve to draw beside the measured ones.

    ``rate`` is in bits per pixel or symbol, rising; ``values`` maps record columns (``psnr_rgb``,
    ``ms_ssim``, ``mse``) to one value a point.
    """

    name: str
    origin: Literal["published", "bound"]
    rate: tuple[float, ...]
    values: Mapping[str, tuple[float, ...]]
    convention: str = ""
    source: str = ""
    labels: tuple[str, ...] = field(default=())

    def quality(self, axis: Quality) -> tuple[float, ...] | None:
        """Values on a quality axis such as ``ms_ssim_db``, None where not published."""
        if axis.column not in self.values:
            return None
        return tuple(float(v) for v in axis.of(np.array(self.values[axis.column])))


def load_overlay(overlay: str, dataset: str) -> tuple[ExtraCurve, ...]:
    """The curves that ``--overlay`` names: ``published`` for the table of this data set, else the
    path of a CompressAI results JSON or a CSV with ``codec,quality,bpp,psnr_rgb,ms_ssim``.

    Raises UsageError if no table exists for the data set, DataError for a file that is neither.
    """
    if overlay == "published":
        path = PUBLISHED / f"{dataset}.csv"
        if not path.with_suffix(".toml").is_file():
            known = ", ".join(sorted(p.stem for p in PUBLISHED.glob("*.toml")))
            raise UsageError(f"no published curves for data set {dataset!r}; known: {known}")
        return read_csv(path, _read_conventions(path.with_suffix(".toml")))
    path = Path(overlay)
    if not path.is_file():
        raise UsageError(f"--overlay {overlay}: no such file; give 'published' or a path")
    if path.suffix.lower() == ".json":
        return (read_compressai(path),)
    return read_csv(path)


def read_compressai(path: Path) -> ExtraCurve:
    """The curve of one CompressAI results file: name, description and lists under ``results``.

    Raises DataError if it is of another shape.
    """
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        results: dict[str, Any] = table["results"]
        rates = [float(value) for value in results["bpp"]]
        values = {
            name: [float(value) for value in results[key]]
            for name, one in metrics().items()
            if (key := next((k for k in (*one.facts.aliases, name) if k in results), None))
        }
        name = str(table.get("name") or path.stem)
        convention = str(table.get("description") or UNKNOWN_CONVENTION)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path}: not a CompressAI results file ({type(error).__name__}: {error}); expected "
            '{"name": …, "description": …, "results": {"bpp": […], "psnr-rgb": […]}}'
        ) from error
    points = [str(value) for value in results.get("quality", range(1, len(rates) + 1))]
    return _curve(path, name, points, rates, values, convention, str(path.name))


def read_csv(
    path: Path, conventions: tuple[str, Mapping[str, str]] | None = None
) -> tuple[ExtraCurve, ...]:
    """The curves of a CSV with the columns ``codec,quality,bpp``, those of metrics such as
    ``psnr_rgb``, and ``convention`` where the file has one. Raises DataError naming the line."""
    source, stated = conventions or (path.name, {})
    rows: dict[str, list[dict[str, str]]] = {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            header = reader.fieldnames or []
            missing = [name for name in ("codec", "quality", "bpp") if name not in header]
            if missing:
                raise DataError(
                    f"{path}: column {missing[0]!r} is missing; "
                    "expected codec,quality,bpp,psnr_rgb,ms_ssim"
                )
            for row in reader:
                rows.setdefault(row["codec"], []).append(row)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as CSV: {error}") from error
    if not rows:
        raise DataError(f"{path}: holds no curve")
    curves = []
    for name, points in rows.items():
        columns = [c for c in metrics() if all(row.get(c) for row in points)]
        try:
            rates = [float(row["bpp"]) for row in points]
            values = {column: [float(row[column]) for row in points] for column in columns}
        except ValueError as error:
            raise DataError(f"{path}: codec {name}: {error}") from error
        convention = stated.get(name) or points[0].get("convention") or UNKNOWN_CONVENTION
        labels = [row["quality"] for row in points]
        curves.append(_curve(path, name, labels, rates, values, convention, source))
    return tuple(curves)


def _curve(
    path: Path,
    name: str,
    labels: Sequence[str],
    rates: Sequence[float],
    values: Mapping[str, Sequence[float]],
    convention: str,
    source: str,
) -> ExtraCurve:
    lengths = {len(rates), len(labels), *(len(column) for column in values.values())}
    if len(lengths) != 1 or not rates:
        raise DataError(f"{path}: {name}: lists of different or zero length")
    if not values:
        raise DataError(f"{path}: {name}: no metric that is known, such as psnr_rgb")
    if not all(math.isfinite(rate) and rate > 0 for rate in rates):
        raise DataError(f"{path}: {name}: a rate is not a positive number of bits per pixel")
    order = sorted(range(len(rates)), key=rates.__getitem__)
    return ExtraCurve(
        name,
        "published",
        tuple(rates[i] for i in order),
        {key: tuple(column[i] for i in order) for key, column in values.items()},
        convention,
        source,
        tuple(str(labels[i]) for i in order),
    )


def _read_conventions(path: Path) -> tuple[str, Mapping[str, str]]:
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    return table["source"], table["conventions"]
