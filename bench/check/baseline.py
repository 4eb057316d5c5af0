"""What a check compares: the measured numbers of a results folder, a baseline folder or a CSV.

A baseline is a results folder cut down to what a comparison needs, so that it is small enough for
git: ``records.csv`` with fewer columns and shorter numbers, and ``run.json``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.errors import StoreError
from bench.records import FIRST_METRICS, Record
from bench.results.columns import Columns, Floats, Words, read_columns
from bench.results.run_info import CodecInfo, RunInfo, read_run
from bench.results.table import Cell, cells, metric_columns, read_records, write_records
from bench.results.vault_file import as_folder

_BEFORE = "suite dataset item codec point status width height frames bytes header_bytes".split()
_AFTER = ("bitstream_sha256", "reason")
_ESTIMATES = ("bpp_estimated", "rate")
"""Of runs with codecs that make no stream of their own."""
_REQUIRED = ("item", "codec", "point", "status", "bytes")
HASH_DIGITS = 16
"""64 bits: two different streams of a baseline do not collide by chance."""
Places = NDArray[np.intp]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Records of different items by column, one place in each array a record; NaN where empty."""

    items: Words
    status: Words
    reason: Words
    rate: Words
    coded_bytes: Floats
    """Bytes of the stream; of a rate that is an estimate those that the estimate stands for. Only
    records with the same ``rate`` are comparable."""
    header_bytes: Floats
    pixels: Floats
    """width · height · frames"""
    streams: NDArray[np.uint64]
    """Equal where bitstreams are, 0 where a hash is missing."""
    scores: Mapping[str, Floats]

    def __len__(self) -> int:
        return len(self.coded_bytes)

    @property
    def done(self) -> Mask:
        return self.status.are("done")

    @property
    def estimated(self) -> Mask:
        return self.rate.are("estimated")

    def names(self) -> list[str]:
        """The items by name."""
        return [self.items.words[code] for code in self.items.codes]

    def take(self, places: Places | slice | Mask) -> Rows:
        """The records at these places."""

        def some(words: Words) -> Words:
            return Words(words.codes[places], words.words)

        return Rows(
            some(self.items), some(self.status), some(self.reason), some(self.rate),
            self.coded_bytes[places], self.header_bytes[places], self.pixels[places],
            self.streams[places], {name: values[places] for name, values in self.scores.items()},
        )  # fmt: skip

    def find(self, items: NDArray[np.int32]) -> Places:
        """Where the records of these items are, −1 for none; both sides number items alike."""
        places = np.full(len(self.items.words), -1)
        places[self.items.codes] = np.arange(len(self))
        found: Places = places[items]
        return found

    def score(self, metric: str) -> Floats:
        """The values of a metric."""
        return self.scores.get(metric, np.full(len(self), np.nan))


@dataclass(frozen=True, slots=True)
class Measurements:
    """All measurements of a folder: by codec, then point, in the order of the file."""

    path: Path
    suite: str
    dataset: str
    codecs: Mapping[str, Mapping[str, Rows]]
    items: tuple[str, ...]
    metrics: tuple[str, ...]
    """Those with a value in some record."""
    run: RunInfo | None
    """None for a lone CSV: versions are then unknown."""

    def rows(self) -> Iterator[Rows]:
        """The records of each point of each codec."""
        for points in self.codecs.values():
            yield from points.values()

    def numbered(self, names: tuple[str, ...]) -> Measurements:
        """With items by their place among these names, which hold all of them."""
        new = _numbering(self.items, names)
        codecs = {
            codec: {
                point: replace(rows, items=Words(new[rows.items.codes], names))
                for point, rows in points.items()
            }
            for codec, points in self.codecs.items()
        }
        return replace(self, codecs=codecs)

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
    path = as_folder(path)
    table = path if path.is_file() else path / "records.csv"
    run = None
    if path.is_dir() and (path / "run.json").is_file():
        run = read_run(path)
    found = read_columns(table, required=_REQUIRED, digits={"bitstream_sha256": HASH_DIGITS})
    metrics = [name for name in metric_columns(found.numbers) if found.holds(name)]
    rows = _rows(found, metrics)
    present, first = np.unique(rows.items.codes, return_index=True)
    items = tuple(rows.items.words[code] for code in present[np.argsort(first)])
    new = _numbering(rows.items.words, items)
    rows = replace(rows, items=Words(new[rows.items.codes], items))
    codecs: dict[str, dict[str, Rows]] = {}
    for codec, point, places in _groups(table, found, rows.items):
        codecs.setdefault(codec, {})[point] = rows.take(places)
    suite, dataset = (
        found.words[name].at(-1) if name in found.words else "" for name in ("suite", "dataset")
    )
    return Measurements(path, suite, dataset, codecs, items, tuple(metrics), run)


def _rows(found: Columns, metrics: list[str]) -> Rows:
    count = len(found.words["item"].codes)
    nothing, blank = np.full(count, np.nan), Words(np.full(count, -1, np.int32), ())
    width, height, frames, estimate, header_bytes = (
        found.numbers.get(name, nothing)
        for name in ("width", "height", "frames", "bpp_estimated", "header_bytes")
    )
    pixels: Floats = np.prod([width, height, frames], axis=0)
    rate = found.words.get("rate", blank)
    sizes = np.nan_to_num(found.numbers["bytes"])
    estimates = np.nan_to_num(estimate) * np.nan_to_num(pixels) / 8
    return Rows(
        found.words["item"], found.words["status"], found.words.get("reason", blank), rate,
        np.where(rate.are("estimated"), estimates, sizes), header_bytes, pixels,
        found.marks.get("bitstream_sha256", np.zeros(count, np.uint64)),
        {name: found.numbers[name] for name in metrics},
    )  # fmt: skip


def _numbering(old: Sequence[str], new: Sequence[str]) -> NDArray[np.int32]:
    """Where each of these names stands among the new ones, −1 for a name that is not there."""
    place = {name: at for at, name in enumerate(new)}
    return np.array([place.get(name, -1) for name in old], dtype=np.int32)


def _groups(table: Path, found: Columns, items: Words) -> Iterator[tuple[str, str, Places | slice]]:
    """Codecs and points as they first come, and where their records are."""
    codec, point = found.words["codec"], found.words["point"]
    key = codec.codes.astype(np.int64) * len(point.words) + point.codes
    keys = key * len(items.words) + items.codes
    first = np.unique(keys, return_index=True)[1]
    if len(first) < len(keys):
        row = int(np.setdiff1d(np.arange(len(keys)), first)[0])
        record = " ".join(each.at(row) for each in (codec, point, items))
        raise StoreError(f"{table}: line {row + 2}: {record} is there twice")
    order = np.argsort(key, kind="stable")
    starts = np.flatnonzero(np.diff(key[order], prepend=-1))
    ends = [*starts[1:], len(order)]
    for start, end in sorted(zip(starts, ends, strict=True), key=lambda ends: order[ends[0]]):
        places = order[start:end]
        row, last = int(places[0]), int(places[-1])
        together = last - row == len(places) - 1
        yield codec.at(row), point.at(row), slice(row, last + 1) if together else places


def write_baseline(results: Path, baseline: Path) -> None:
    """Writes a baseline, a folder or (where the name ends in ``.csv``) a lone CSV, from a results
    folder. Numbers keep ten digits, hashes 64 bits; nothing is written if the results are bad."""
    measured = read_measurements(results)  # refuses what is damaged before anything is written
    table = baseline if baseline.suffix == ".csv" else baseline / "records.csv"
    if measured.run is None and baseline.suffix != ".csv":
        raise StoreError(f"{results}: has no run.json; a baseline folder needs the versions in it")
    estimated = any((rows.rate.codes >= 0).any() for rows in measured.rows())
    after = (*_AFTER, *(_ESTIMATES if estimated else ()))
    columns = (*_BEFORE, *dict.fromkeys((*FIRST_METRICS, *after, *measured.metrics)))
    try:
        table.parent.mkdir(parents=True, exist_ok=True)
        source = results if results.is_file() else results / "records.csv"
        records = (record for _, record in read_records(source, _REQUIRED))
        write_records(table, (_shortened(record, columns) for record in records), columns)
        if measured.run is not None and baseline.suffix != ".csv":
            measured.run.write(baseline)
    except OSError as error:
        raise StoreError(f"{table}: cannot be written: {error.strerror}") from error


def _shortened(record: Record, columns: tuple[str, ...]) -> tuple[Cell, ...]:
    digits = {name: f"{value:.10g}" for name, value in record.scores.items()}
    digits["bitstream_sha256"] = (record.bitstream_sha256 or "")[:HASH_DIGITS]
    row = zip(columns, cells(record, columns), strict=True)
    return tuple(digits.get(name, value) for name, value in row)
