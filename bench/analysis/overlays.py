"""Curves that were not measured here: published results and theoretical bounds.

Reads the tables that come with the project, CompressAI's JSON, and tables of means or of single
items; every curve carries the convention under which it was made. Never compares.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from bench.analysis.qualities import Floats, Quality
from bench.cards.files import read_json, read_toml
from bench.errors import DataError, UsageError, near_matches
from bench.metrics.registry import metrics
from bench.records import read_number
from bench.results.rates import published_mark
from bench.results.run_info import shortened
from bench.results.vault_file import read_vault

PUBLISHED = Path(__file__).resolve().parent / "published"
_MORE = "\0"
"""Stands for the cells of a row that has more than the header."""
_MOST_BITS = 48  # a pixel of three samples of 16 bits
UNKNOWN_CONVENTION = "convention not stated by its source"
_SPELLINGS: Mapping[str, tuple[str, ...]] = {
    "name": ("codec", "name"),
    "item": ("item", "image"),
    "point": ("point", "quality", "lmbda", "lambda", "qp", "crf", "q"),
    "bpp": ("bpp",),
    "convention": ("convention",),
}
"""What a column is, and what it is called where nobody says; metrics go by their names and those
of published tables."""
_KEYS = (
    *("title", "file", "name", "dataset", "items", "source", "convention"),
    *("columns", "conventions"),
)


@dataclass(frozen=True, slots=True, eq=False)
class ItemTable:
    """What stands behind a curve of means: bits per pixel and metrics, (items, points). ``digests``
    are those of the items, where they are known."""

    items: tuple[str, ...]
    rate: Floats
    values: Mapping[str, Floats]
    digests: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ExtraCurve:
    """A curve to set beside the measured ones.

    ``rate`` is in bits per pixel or symbol, rising; ``values`` maps record columns (``psnr_rgb``,
    ``ms_ssim``, ``mse``) to one value a point. ``count`` says of how many items these are means,
    None where the source does not; ``table`` is there where the source has each item.
    """

    name: str
    origin: Literal["published", "vault", "bound"]
    rate: tuple[float, ...]
    values: Mapping[str, tuple[float, ...]]
    convention: str = ""
    source: str = ""
    labels: tuple[str, ...] = field(default=())
    dataset: str = ""
    count: int | None = None
    table: ItemTable | None = None

    @property
    def marked(self) -> str:
        """Its name among the measured ones."""
        return published_mark(self.name, "vault" if self.origin == "vault" else "published")

    def quality(self, axis: Quality) -> tuple[float, ...] | None:
        """Values on a quality axis such as ``ms_ssim_db``, None where not published."""
        if axis.column not in self.values:
            return None
        return tuple(float(v) for v in axis.of(np.array(self.values[axis.column])))


@dataclass(frozen=True, slots=True)
class Overlay:
    """A file of published numbers and what is said of it: the column of each role, the name of a
    curve without one, the items of its means, and how its numbers were made."""

    path: Path
    columns: Mapping[str, str] = field(default_factory=dict)
    name: str = ""
    dataset: str = ""
    items: int | None = None
    source: str = ""
    convention: str = ""
    conventions: Mapping[str, str] = field(default_factory=dict)

    def curve(
        self,
        name: str,
        labels: Sequence[str],
        rates: Sequence[float],
        values: Mapping[str, Sequence[float]],
        *,
        convention: str = "",
        table: ItemTable | None = None,
    ) -> ExtraCurve:
        """A curve of this file, by rising rate; ``convention`` is what the file itself says.
        Raises DataError for lists that do not fit."""
        if not values:
            raise DataError(f"{self.path}: {name}: no metric that is known, such as psnr_rgb")
        lengths = {len(rates), len(labels), *(len(column) for column in values.values())}
        if len(lengths) != 1 or not rates:
            raise DataError(f"{self.path}: {name}: lists of different or zero length")
        for rate in rates:
            if not 0 < rate <= _MOST_BITS:
                raise DataError(
                    f"{self.path}: {name}: a rate is {rate:g}, not bits a pixel: above 0 and at "
                    f"most the {_MOST_BITS} of raw samples"
                )
        for column, numbers in values.items():
            if not all(math.isfinite(number) for number in numbers):
                raise DataError(f"{self.path}: {name}: a value of {column} is not finite")
        order = sorted(range(len(rates)), key=rates.__getitem__)
        if table is not None:
            kept = {column: array[:, order] for column, array in table.values.items()}
            table = ItemTable(table.items, table.rate[:, order], kept)
        return ExtraCurve(
            name,
            "published",
            tuple(rates[i] for i in order),
            {key: tuple(column[i] for i in order) for key, column in values.items()},
            self.conventions.get(name) or self.convention or convention or UNKNOWN_CONVENTION,
            self.source or self.path.name,
            tuple(str(labels[i]) for i in order),
            self.dataset,
            len(table.items) if table is not None else self.items,
            table,
        )


def load_overlays(texts: Iterable[str], dataset: str) -> tuple[ExtraCurve, ...]:
    """The curves of several ``--overlay``; of two with one name the one that has each item. Raises
    UsageError where both or neither has, and as ``load_overlay`` does."""
    found: dict[str, ExtraCurve] = {}
    for text in texts:
        for curve in load_overlay(text, dataset):
            _refuse_decibels(text, curve)
            other = found.get(curve.name)
            if other is not None and (other.table is None) == (curve.table is None):
                raise UsageError(
                    f"--overlay {text}: two published curves are called {curve.name!r}; "
                    "give one of them another name"
                )
            if other is None or curve.table is not None:
                found[curve.name] = curve
    return tuple(found.values())


def _refuse_decibels(text: str, curve: ExtraCurve) -> None:
    """Of similarities, which curves hold as they are; an audit also reads claims of decibels."""
    for column, numbers in curve.values.items():
        if metrics()[column].info.scale == "one_minus_db" and max(numbers) > 1:
            raise DataError(
                f"{text}: {curve.name}: a value of {column} is {max(numbers):g}, above 1; of "
                "decibels x give 1 - 10^(-x/10)"
            )


def load_overlay(text: str, dataset: str) -> tuple[ExtraCurve, ...]:
    """The curves that ``--overlay`` names: ``published`` for the table of this data set,
    ``published:NAME,NAME`` for some of its curves, a TOML
    that describes a file, or the file: a vault, results of CompressAI or DCVC in JSON, a CSV or
    TSV, its columns as in ``FILE:bpp=rate,psnr_rgb=PSNR``.

    Raises UsageError if there is no such file or column, DataError for one of another shape.
    """
    source, _, names = text.partition(":") if text.startswith("published:") else (text, "", "")
    overlay = find_overlay(source, dataset)
    if overlay.path.suffix.lower() == ".zip":
        return _read_vault(overlay)
    if overlay.path.suffix.lower() == ".json":
        return _read_json(overlay)
    curves = {curve.name: curve for curve in _read_table(overlay)}
    wanted = [name.strip() for name in names.split(",")] if source != text else list(curves)
    for name in wanted:
        if name not in curves:
            raise UsageError(f"--overlay {text}: no curve {name!r}; {near_matches(name, curves)}")
    return tuple(curves[name] for name in wanted)


def find_overlay(text: str, dataset: str = "") -> Overlay:
    """What ``--overlay`` names, not yet read. Raises UsageError and DataError."""
    if text == "published":
        path = PUBLISHED / f"{dataset}.toml"
        if not path.is_file():
            known = ", ".join(sorted(p.stem for p in PUBLISHED.glob("*.toml")))
            raise UsageError(f"no published curves for data set {dataset!r}; known: {known}")
        return _described(path)
    place, colon, columns = text.rpartition(":")
    if not colon or "=" not in columns:
        place, columns = text, ""
    path = Path(place)
    if not path.is_file():
        raise UsageError(f"--overlay {text}: no such file; give 'published' or a path")
    pairs = [part.partition("=") for part in columns.split(",")] if columns else []
    mapped = {role.strip(): column.strip() for role, _, column in pairs}
    if path.suffix.lower() in (".toml", ".json", ".zip"):
        if mapped:
            raise UsageError(f"--overlay {text}: columns belong to a CSV or TSV, or into the TOML")
        return _described(path) if path.suffix.lower() == ".toml" else Overlay(path)
    return Overlay(path, mapped)


def _described(path: Path) -> Overlay:
    """What a TOML says of a file: ``file`` beside it, by default the CSV of the same name."""
    try:
        table = read_toml(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as TOML: {error}") from error
    for key in table:
        if key not in _KEYS:
            raise DataError(f"{path}: unknown key {key!r}; {near_matches(key, _KEYS)}")
    kinds = {"items": int, "columns": dict, "conventions": dict}
    for key, value in table.items():
        if not isinstance(value, kinds.get(key, str)):
            raise DataError(f"{path}: {key} is {value!r}, not {kinds.get(key, str).__name__}")
    file = path.parent / table.pop("file", f"{path.stem}.csv")
    if not file.is_file():
        raise UsageError(f'{path}: no file {file}; name it with file = "…"')
    table.pop("title", None)
    return Overlay(file, **table)


def _read_vault(overlay: Overlay) -> tuple[ExtraCurve, ...]:
    """The curves of a vault, one for each codec, named after who measured them."""
    vault = read_vault(overlay.path)
    overlay = replace(overlay, dataset=vault.run.dataset)
    said = f"measured by {vault.by} on {vault.run.machine.get('processor', 'an unknown processor')}"
    curves = []
    for info in vault.run.codecs:
        versions = ", ".join(f"{name} {shortened(text)}" for name, text in info.versions.items())
        rows = [
            _Row(0, {
                **{name: repr(value) for name, value in one.scores.items()},
                "bpp": repr(one.bpp), "item": one.item, "point": one.point,
                "convention": f"{said} ({versions}); streams in {overlay.path.name}",
            })
            for one in vault.records if one.codec == info.id and not info.lossless
        ]  # fmt: skip
        if rows:
            curve = _item_curve(overlay, f"{info.id}, by {vault.by}", rows)
            assert curve.table is not None
            table = replace(curve.table, digests=vault.run.item_digests)
            curves.append(replace(curve, origin="vault", table=table))
    return tuple(curves)


def _read_json(overlay: Overlay) -> tuple[ExtraCurve, ...]:
    try:
        table = read_json(overlay.path)
    except (OSError, ValueError) as error:
        raise DataError(f"{overlay.path}: cannot be read as JSON: {error}") from error
    if isinstance(table, dict) and "results" not in table:
        return _read_dcvc(overlay, table)
    return (_read_compressai(overlay, table),)


_DCVC_OF_YUV = {"psnr_yuv": "psnr", "psnr_y": "psnr_y", "ms_ssim": "msssim_y"}
_DCVC_OF_RGB = {"psnr_rgb": "psnr", "ms_ssim": "msssim"}


def _read_dcvc(overlay: Overlay, table: Mapping[str, Any]) -> tuple[ExtraCurve, ...]:
    """The curves of a results file of DCVC's test_video.py, one for each of its data sets:
    {data set: {sequence: {rate: {"ave_all_frame_bpp": …}}}}. Of YUV sources ``psnr`` is that of
    (6Y+U+V)/8."""
    curves, tested = [], {name: found for name, found in table.items() if found}
    for name, sequences in tested.items():
        try:
            rows = [
                _dcvc_row(item, point, found)
                for item, rates in sequences.items() for point, found in rates.items()
            ]  # fmt: skip
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"{overlay.path}: neither a CompressAI results file nor one of DCVC's "
                f"({type(error).__name__}: {error}); expected a table with results, or "
                '{data set: {sequence: {rate: {"ave_all_frame_bpp": …}}}}'
            ) from error
        own = overlay.name or overlay.path.stem
        curves.append(_item_curve(overlay, own if len(tested) == 1 else f"{own} {name}", rows))
    if not curves:
        raise DataError(f"{overlay.path}: holds no curve")
    return tuple(curves)


def _dcvc_row(item: str, point: str, found: Mapping[str, Any]) -> _Row:
    spelled = _DCVC_OF_YUV if "ave_all_frame_psnr_y" in found else _DCVC_OF_RGB
    values = {role: str(found[f"ave_all_frame_{key}"]) for role, key in spelled.items()}
    intra = int(found["i_frame_num"])
    frames = f"{intra + int(found['p_frame_num'])} frames, {intra} intra"
    said = f"means over {frames}, by DCVC's test_video.py"
    rate = str(found["ave_all_frame_bpp"])
    return _Row(0, {**values, "bpp": rate, "item": item, "point": point, "convention": said})


def _read_compressai(overlay: Overlay, table: Any) -> ExtraCurve:
    """The curve of one CompressAI results file: name, description and lists under ``results``."""
    path = overlay.path
    try:
        results: dict[str, Any] = table["results"]
        rates = [read_number(str(value)) for value in results["bpp"]]
        values = {
            name: [read_number(str(value)) for value in results[key]]
            for name, spellings in _metric_spellings().items()
            if (key := next((k for k in spellings if k in results), None))
        }
        name = overlay.name or str(table.get("name") or path.stem)
        stated = str(table.get("description") or "")
        points = [str(value) for value in results.get("quality", range(1, len(rates) + 1))]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path}: not a CompressAI results file ({type(error).__name__}: {error}); expected "
            '{"name": …, "description": …, "results": {"bpp": […], "psnr-rgb": […]}}'
        ) from error
    return overlay.curve(name, points, rates, values, convention=stated)


def _metric_spellings() -> dict[str, tuple[str, ...]]:
    return {name: (name, *one.info.aliases) for name, one in metrics().items()}


@dataclass(frozen=True, slots=True)
class _Row:
    """One line of a table, its cells by role."""

    line: int
    cells: Mapping[str, str]

    def number(self, path: Path, role: str) -> float:
        try:
            return read_number(self.cells[role])
        except ValueError as error:
            raise DataError(
                f"{path}, line {self.line}: {role} is {self.cells[role]!r}, not a number"
            ) from error


def _read_table(overlay: Overlay) -> tuple[ExtraCurve, ...]:
    """The curves of a table, one for each name in it."""
    curves: dict[str, list[_Row]] = {}
    for row in _rows(overlay):
        name = row.cells.get("name") or overlay.name or overlay.path.stem
        curves.setdefault(name, []).append(row)
    if not curves:
        raise DataError(f"{overlay.path}: holds no curve")
    return tuple(
        _item_curve(overlay, name, rows) if "item" in rows[0].cells
        else _mean_curve(overlay, name, rows)
        for name, rows in curves.items()
    )  # fmt: skip


def _rows(overlay: Overlay) -> list[_Row]:
    path = overlay.path
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
            file.seek(0)
            reader = csv.DictReader(file, delimiter=max("\t;,", key=first.count), restkey=_MORE)
            columns = _columns(overlay, reader.fieldnames or [])
            rows = []
            for row in reader:
                if any(row.get(_MORE, ())):
                    raise DataError(
                        f"{path}, line {reader.line_num}: more than {len(row) - 1} cells; "
                        "write decimal points, not commas"
                    )
                cells = {role: row[name] or "" for role, name in columns.items()}
                rows.append(_Row(reader.line_num, cells))
            return rows
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as a table: {error}") from error


def _columns(overlay: Overlay, header: Sequence[str]) -> dict[str, str]:
    """The column of each role: as said, else one of the known spellings."""
    known = {**_SPELLINGS, **_metric_spellings()}
    for role, column in overlay.columns.items():
        if role not in known:
            raise UsageError(f"{overlay.path}: no role {role!r}; {near_matches(role, known)}")
        if column not in header:
            raise UsageError(
                f"{overlay.path}: no column {column!r} for {role}; {near_matches(column, header)}"
            )
    found = dict(overlay.columns)
    for role, spellings in known.items():
        spelled = next((name for name in spellings if name in header), None)
        if spelled is not None:
            found.setdefault(role, spelled)
    for name in found.values():
        if header.count(name) > 1:
            raise DataError(f"{overlay.path}: column {name!r} is there twice; leave one")
    needed = ["bpp", *(["point"] if "item" in found else [])]
    missing = next((role for role in needed if role not in found), None)
    if missing is None and not set(found) & set(metrics()):
        missing = "psnr_rgb"
    if missing is not None:
        raise DataError(
            f"{overlay.path}: column {missing!r} is missing, there are {', '.join(header)}; "
            f'say which it is: --overlay "{overlay.path}:{missing}=COLUMN"'
        )
    return found


def _measured(path: Path, rows: Sequence[_Row]) -> list[str]:
    """The metrics that every row has."""
    there = [name for name in metrics() if name in rows[0].cells]
    empty = {name: next((row for row in rows if not row.cells[name]), None) for name in there}
    if found := [name for name in there if empty[name] is None]:
        return found
    said = ", ".join(f"{name} is empty in line {row.line}" for name, row in empty.items() if row)
    raise DataError(f"{path}: no metric has a value in every row of a curve: {said}")


def _mean_curve(overlay: Overlay, name: str, rows: Sequence[_Row]) -> ExtraCurve:
    rates = [row.number(overlay.path, "bpp") for row in rows]
    values = {
        key: [row.number(overlay.path, key) for row in rows]
        for key in _measured(overlay.path, rows)
    }
    ranks = sorted(range(len(rates)), key=rates.__getitem__)
    labels = [row.cells.get("point") or str(ranks.index(i) + 1) for i, row in enumerate(rows)]
    stated = rows[0].cells.get("convention", "")
    return overlay.curve(name, labels, rates, values, convention=stated)


def _item_curve(overlay: Overlay, name: str, rows: Sequence[_Row]) -> ExtraCurve:
    """Means over items, every one of which must have every point."""
    items = list(dict.fromkeys(row.cells["item"] for row in rows))
    points = list(dict.fromkeys(row.cells["point"] for row in rows))
    roles = ["bpp", *_measured(overlay.path, rows)]
    arrays = {role: np.full((len(items), len(points)), np.nan) for role in roles}
    for row in rows:
        place = items.index(row.cells["item"]), points.index(row.cells["point"])
        if not np.isnan(arrays["bpp"][place]):
            raise DataError(
                f"{overlay.path}, line {row.line}: {name} has {row.cells['item']} at "
                f"{row.cells['point']} twice"
            )
        for role in roles:
            arrays[role][place] = row.number(overlay.path, role)
    holes = np.argwhere(np.isnan(arrays["bpp"]))
    if len(holes):
        item, point = holes[0]
        raise DataError(
            f"{overlay.path}: {name} has no {items[item]} at {points[point]}; a curve needs every "
            "item at every point"
        )
    means = {role: array.mean(axis=0).tolist() for role, array in arrays.items()}
    rates = means.pop("bpp")
    table = ItemTable(tuple(items), arrays.pop("bpp"), arrays)
    stated = rows[0].cells.get("convention", "")
    return overlay.curve(name, points, rates, means, convention=stated, table=table)
