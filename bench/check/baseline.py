"""What a check compares: the measured numbers of a results folder, a baseline folder or a CSV.

A baseline is a results folder cut down to what a comparison needs, so that it is small enough for
git: ``records.csv`` with fewer columns and shorter numbers, and ``run.json``.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.errors import StoreError
from bench.provenance import CodecInfo, RunInfo, read_run

COLUMNS = tuple(
    "suite dataset item codec point status width height frames bytes header_bytes mse psnr_rgb "
    "psnr_y ssim ms_ssim bitstream_sha256 reason".split()
)
"""Columns of a baseline, named as in records.csv."""

_REQUIRED = ("item", "codec", "point", "status", "bytes")
_HASH_DIGITS = 16
"""64 bits: two different streams of a baseline do not collide by chance."""
_QUALITIES = ("psnr_rgb", "psnr_y", "ssim", "ms_ssim")
_NUMBERS = ("mse", *_QUALITIES)


@dataclass(frozen=True, slots=True)
class Measurement:
    """One record as far as a check compares it; what does not apply is None."""

    status: str
    bytes: int | None
    header_bytes: int | None
    pixels: int | None
    mse: float | None
    qualities: Mapping[str, float]
    """PSNR in dB and SSIM as indices, by column name; infinite for identical pixels."""
    sha256: str
    reason: str


@dataclass(frozen=True, slots=True)
class Measurements:
    """All measurements of a folder: by codec, then point, then item, in the order of the file."""

    path: Path
    suite: str
    dataset: str
    codecs: Mapping[str, Mapping[str, Mapping[str, Measurement]]]
    items: tuple[str, ...]
    run: RunInfo | None
    """None for a lone CSV: versions are then unknown."""

    def info(self, codec: str) -> CodecInfo | None:
        """What run.json says of a codec, if there is a run.json and it names the codec."""
        if self.run is None:
            return None
        return next((info for info in self.run.codecs if info.id == codec), None)


def read_measurements(path: Path) -> Measurements:
    """The measurements of a results or baseline folder, or of a CSV with these columns.

    Raises StoreError where nothing can be compared: no such file, no records, a broken row.
    """
    table = path if path.is_file() else path / "records.csv"
    run = None
    if path.is_dir() and (path / "run.json").is_file():
        run = read_run(path)
    codecs: dict[str, dict[str, dict[str, Measurement]]] = {}
    items: dict[str, None] = {}
    suite = dataset = ""
    for line, row in _rows(table):
        suite, dataset = row.get("suite", ""), row.get("dataset", "")
        points = codecs.setdefault(row["codec"], {}).setdefault(row["point"], {})
        if row["item"] in points:
            raise StoreError(
                f"{table}: line {line}: {row['codec']} {row['point']} {row['item']} is there twice"
            )
        try:
            points[row["item"]] = _measurement(row)
        except ValueError as error:
            raise StoreError(f"{table}: line {line}: {error}; the file is damaged") from error
        items[row["item"]] = None
    if not items:
        raise StoreError(f"{table}: holds no record; run the suite first")
    return Measurements(path, suite, dataset, codecs, tuple(items), run)


def _rows(table: Path) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        with table.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            missing = [name for name in _REQUIRED if name not in (reader.fieldnames or ())]
            if missing:
                raise StoreError(f"{table}: column {missing[0]!r} is missing; not a records.csv")
            for row in reader:
                if any(row[name] is None for name in _REQUIRED):
                    raise StoreError(f"{table}: line {reader.line_num} is cut short")
                yield reader.line_num, row
    except FileNotFoundError as error:
        raise StoreError(
            f"{table}: no such file; give a results folder, a baseline folder or a CSV"
        ) from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise StoreError(f"{table}: cannot be read: {error}") from error


def _measurement(row: Mapping[str, str]) -> Measurement:
    values = {name: float(row[name]) for name in _NUMBERS if row.get(name)}
    if any(math.isnan(value) for value in values.values()):
        raise ValueError("a metric is nan")
    sizes = [int(row[name]) for name in ("width", "height", "frames") if row.get(name)]
    return Measurement(
        status=row["status"],
        bytes=int(row["bytes"]) if row["bytes"] else None,
        header_bytes=int(row["header_bytes"]) if row.get("header_bytes") else None,
        pixels=math.prod(sizes) if len(sizes) == 3 else None,
        mse=values.get("mse"),
        qualities={name: values[name] for name in _QUALITIES if name in values},
        sha256=row.get("bitstream_sha256") or "",
        reason=row.get("reason") or "",
    )


def write_baseline(results: Path, baseline: Path) -> None:
    """Writes a baseline, a folder or (where the name ends in ``.csv``) a lone CSV, from a results
    folder. Numbers keep ten digits, hashes 64 bits; nothing is written if the results are bad."""
    measured = read_measurements(results)
    table = baseline if baseline.suffix == ".csv" else baseline / "records.csv"
    source = results if results.is_file() else results / "records.csv"
    if measured.run is None and baseline.suffix != ".csv":
        raise StoreError(f"{results}: has no run.json; a baseline folder needs the versions in it")
    try:
        table.parent.mkdir(parents=True, exist_ok=True)
        temporary = table.with_name(table.name + ".new")
        with temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            for _, row in _rows(source):
                writer.writerow([_short(name, row.get(name) or "") for name in COLUMNS])
        temporary.replace(table)
        if measured.run is not None and baseline.suffix != ".csv":
            measured.run.write(baseline)
    except OSError as error:
        raise StoreError(f"{table}: cannot be written: {error.strerror}") from error


def _short(name: str, value: str) -> str:
    if name in _NUMBERS and value:
        return f"{float(value):.10g}"
    return value[:_HASH_DIGITS] if name == "bitstream_sha256" else value
