"""What a check compares: the measured numbers of a results folder, a baseline folder or a CSV.

A baseline is a results folder cut down to what a comparison needs, so that it is small enough for
git: ``records.csv`` with fewer columns and shorter numbers, and ``run.json``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.check.streams import HASH_DIGITS
from bench.errors import StoreError
from bench.records import FIRST_METRICS, Record
from bench.results.run_info import CodecInfo, RunInfo, read_run
from bench.results.table import Cell, cells, read_records, write_records

_BEFORE = "suite dataset item codec point status width height frames bytes header_bytes".split()
_AFTER = ("bitstream_sha256", "reason")
_ESTIMATES = ("bpp_estimated", "rate")
"""Of runs with codecs that make no stream of their own."""
_REQUIRED = ("item", "codec", "point", "status", "bytes")


def pixels(record: Record) -> int | None:
    """width · height · frames, None where one is missing."""
    sizes = (record.width, record.height, record.frames)
    return None if None in sizes else math.prod(size or 0 for size in sizes)


def coded_bytes(record: Record) -> float:
    """Bytes of the stream; of a rate that is an estimate those that the estimate stands for. Only
    records with the same ``rate`` are comparable."""
    if record.rate == "estimated":
        return (record.bpp_estimated or 0.0) * (pixels(record) or 0) / 8
    return record.bytes or 0


@dataclass(frozen=True, slots=True)
class Measurements:
    """All measurements of a folder: by codec, then point, then item, in the order of the file."""

    path: Path
    suite: str
    dataset: str
    codecs: Mapping[str, Mapping[str, Mapping[str, Record]]]
    items: tuple[str, ...]
    run: RunInfo | None
    """None for a lone CSV: versions are then unknown."""

    def records(self) -> Iterator[Record]:
        """All records."""
        for points in self.codecs.values():
            for items in points.values():
                yield from items.values()

    def first_items(self, codec: str) -> frozenset[str] | None:
        """The items that its suite measures a codec on, where these are not all."""
        info = self.info(codec)
        if self.run is None or info is None or info.items is None:
            return None
        return frozenset(self.run.first_items(info.items))

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
    codecs: dict[str, dict[str, dict[str, Record]]] = {}
    items: dict[str, None] = {}
    suite = dataset = ""
    for line, record in read_records(table, _REQUIRED):
        suite, dataset = record.suite, record.dataset
        points = codecs.setdefault(record.codec, {}).setdefault(record.point, {})
        if record.item in points:
            raise StoreError(
                f"{table}: line {line}: {record.codec} {record.point} {record.item} is there twice"
            )
        points[record.item] = record
        items[record.item] = None
    if not items:
        raise StoreError(f"{table}: holds no record; run the suite first")
    return Measurements(path, suite, dataset, codecs, tuple(items), run)


def write_baseline(results: Path, baseline: Path) -> None:
    """Writes a baseline, a folder or (where the name ends in ``.csv``) a lone CSV, from a results
    folder. Numbers keep ten digits, hashes 64 bits; nothing is written if the results are bad."""
    measured = read_measurements(results)
    table = baseline if baseline.suffix == ".csv" else baseline / "records.csv"
    if measured.run is None and baseline.suffix != ".csv":
        raise StoreError(f"{results}: has no run.json; a baseline folder needs the versions in it")
    held = dict.fromkeys(name for record in measured.records() for name in record.scores)
    estimated = any(record.rate for record in measured.records())
    after = (*_AFTER, *(_ESTIMATES if estimated else ()))
    columns = (*_BEFORE, *dict.fromkeys((*FIRST_METRICS, *after, *held)))
    try:
        table.parent.mkdir(parents=True, exist_ok=True)
        rows = (_shortened(record, columns) for record in measured.records())
        write_records(table, rows, columns)
        if measured.run is not None and baseline.suffix != ".csv":
            measured.run.write(baseline)
    except OSError as error:
        raise StoreError(f"{table}: cannot be written: {error.strerror}") from error


def _shortened(record: Record, columns: tuple[str, ...]) -> tuple[Cell, ...]:
    digits = {name: f"{value:.10g}" for name, value in record.scores.items()}
    digits["bitstream_sha256"] = (record.bitstream_sha256 or "")[:HASH_DIGITS]
    row = zip(columns, cells(record, columns), strict=True)
    return tuple(digits.get(name, value) for name, value in row)
