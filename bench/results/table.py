"""The one reader and writer of records.csv, as typed records or, for large tables, as a frame.

What is no column of a record is a metric's. Never decides which records belong together.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from functools import cache
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import StoreError, as_cell
from bench.records import COLUMNS, ENERGY, NO_COLUMNS, RESERVED, Record, is_of_frames, read_number
from bench.results.damage import implausible

if TYPE_CHECKING:
    from _csv import Writer

FILE = "records.csv"
LABELS = ("suite", "dataset", "item", "codec", "point", "status")
REQUIRED = COLUMNS[: COLUMNS.index("reason") + 1]
"""Columns of every records.csv; what later versions added may be missing."""
Cell = int | float | str | None

OPTIONAL_NUMBERS = (
    *("psnr_rgb_ceiling", "parallel", "bpp_likelihood", "frames_identical", "worst_frame"),
    *("kbps", "encode_fps", "decode_fps"),
)
OPTIONAL_WORDS = ("remarks", "rate", "group", "format")
_KINDS = {
    one.name: str(one.type).partition(" ")[0]
    for one in fields(Record)
    if one.name not in NO_COLUMNS
}
_METRIC = re.compile(r"[a-z][a-z0-9_]*")


def metric_columns(header: Iterable[str]) -> tuple[str, ...]:
    """The metrics among the columns of a table: all that are not another column of a record."""
    columns = score_columns(header)
    return tuple(n for n in columns if not is_of_frames(n, columns) and n not in ENERGY)


def score_columns(header: Iterable[str]) -> tuple[str, ...]:
    """As ``metric_columns``, with what stands there of the frames of clips, and energy."""
    taken = RESERVED.difference(ENERGY)
    return tuple(name for name in header if name not in taken and _METRIC.fullmatch(name))


def cells(record: Record, columns: tuple[str, ...]) -> tuple[Cell, ...]:
    """The values of a record under these columns; None where there is none."""
    read, metrics, remarks = _reader(columns)
    row, scores, of_frames = list(read(record)), record.scores, record.frame_scores
    for at, name in metrics:
        row[at] = scores.get(name, of_frames.get(name))
    if remarks is not None:
        row[remarks] = join_remarks(record.remarks)
    return tuple(row)


@cache
def _reader(
    columns: tuple[str, ...],
) -> tuple[Callable[[Record], tuple[Cell, ...]], tuple[tuple[int, str], ...], int | None]:
    """What reads all columns at once, of a metric something else, and where metrics and remarks
    stand."""
    metrics = tuple((at, name) for at, name in enumerate(columns) if name not in _KINDS)
    remarks = columns.index("remarks") if "remarks" in columns else None
    read = attrgetter(*(name if name in _KINDS else "item" for name in columns))
    return read, metrics, remarks


def join_remarks(remarks: Mapping[str, str]) -> str | None:
    """The cell of a record's ``remarks``: ``name: reason``, joined by semicolons."""
    return "; ".join(f"{name}: {_plain(why)}" for name, why in remarks.items()) or None


def _plain(reason: str) -> str:
    return as_cell(reason.replace(";", ","))


def split_remarks(text: str | None) -> dict[str, str]:
    """The remarks of a cell."""
    found = {}
    for part in filter(None, (text or "").split("; ")):
        name, _, reason = part.partition(": ")
        found[name] = reason
    return found


def record_of(values: Mapping[str, Any]) -> Record:
    """The record of typed values by column; metrics are those that are no other column."""
    own = {name: value for name, value in values.items() if name in _KINDS}
    if own.get("lossless") is not None:
        own["lossless"] = bool(own["lossless"])
    found = {
        name: value for name, value in values.items() if name not in _KINDS and value is not None
    }
    return _with_scores(own, found, values.keys())


def _with_scores(
    own: Mapping[str, Any], found: Mapping[str, float], header: Collection[str]
) -> Record:
    """The record of its own columns and of what was found of metrics and of frames."""
    of_frames = {name: value for name, value in found.items() if is_of_frames(name, header)}
    scores = {name: value for name, value in found.items() if name not in of_frames}
    remarks = split_remarks(own.get("remarks"))
    return Record(scores=scores, frame_scores=of_frames, **{**own, "remarks": remarks})


def write_records(path: Path, rows: Iterable[Sequence[Cell]], columns: Sequence[str]) -> None:
    """Writes a table: empty where nothing applies, ``inf`` for infinite."""
    boolean = columns.index("lossless") if "lossless" in columns else None
    with written(path) as writer:
        writer.writerow(columns)
        for row in rows:
            if boolean is not None and row[boolean] is not None:
                word = "true" if row[boolean] else "false"
                row = (*row[:boolean], word, *row[boolean + 1 :])
            writer.writerow(row)


@contextmanager
def written(path: Path) -> Iterator[Writer]:
    """Writes a CSV file in one step: whole, or not at all."""
    temporary = path.with_name(path.name + ".new")
    try:
        with temporary.open("w", newline="", encoding="utf-8") as file:
            yield csv.writer(file, lineterminator="\n")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise StoreError(f"{path}: cannot be written: {error.strerror}") from error


def read_records(path: Path, required: Sequence[str] = REQUIRED) -> Iterator[tuple[int, Record]]:
    """The records of a table with their line numbers.

    Only ``required`` columns must be there. Raises StoreError for a file that cannot be read, a
    column that is missing, a line that is cut short and a value that no run writes, naming line and
    column.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            header = tuple(reader.fieldnames or ())
            missing = [name for name in required if name not in header]
            if missing:
                raise StoreError(f"{path}: column {missing[0]!r} is missing; not a {FILE}")
            metrics = score_columns(header)
            for row in reader:
                if None in row or None in row.values():
                    what = "has too many cells" if None in row else "is cut short"
                    raise StoreError(f"{path}: line {reader.line_num} {what}")
                record = _record(path, reader.line_num, row, metrics)
                if fault := implausible(record):
                    raise StoreError(f"{path}: line {reader.line_num}: {fault}; it is damaged")
                yield reader.line_num, record
    except FileNotFoundError as error:
        raise _no_table(path) from error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise StoreError(f"{path}: cannot be read: {error}") from error


def _no_table(path: Path) -> StoreError:
    return StoreError(f"{path}: no such file; give a results folder, a baseline folder or a CSV")


def _record(path: Path, line: int, row: Mapping[str, str], metrics: Sequence[str]) -> Record:
    values: dict[str, Any] = dict.fromkeys(LABELS, "")
    scores: dict[str, float] = {}
    for name, text in row.items():
        try:
            if text and name in metrics:
                scores[name] = read_number(text)
            elif text and name in _KINDS:
                values[name] = _typed(_KINDS[name], text)
        except ValueError as error:
            shown = text if len(text) <= 40 else f"{text[:40]}…"
            raise StoreError(
                f"{path}: line {line}: {name} is {shown!r}, not a number; it is damaged"
            ) from error
    return _with_scores(values, scores, row.keys())


def _typed(kind: str, text: str) -> Cell:
    if kind == "bool":
        return text == "true"
    if kind == "int":
        number = read_number(text)
        if text.isdigit():
            return int(text)
        if not number.is_integer():
            raise ValueError(text)
        return int(number)
    return read_number(text) if kind == "float" else text


def name_damage(path: Path, required: Sequence[str] = REQUIRED) -> None:
    """Reads line by line, which raises StoreError at the first line that is damaged."""
    for _ in read_records(path, required):
        continue


def read_header(path: Path, required: Sequence[str] = REQUIRED) -> list[str]:
    """The columns of a table. Raises StoreError where one of ``required`` is missing."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = file.readline().strip().split(",")
    except FileNotFoundError as error:
        raise _no_table(path) from error
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{path}: cannot be read: {error}; run the suite again") from error
    missing = [name for name in required if name not in header]
    if missing:
        raise StoreError(
            f"{path}: column {missing[0]!r} is missing; the file was not written by this "
            "version of bench, run the suite again"
        )
    return header
