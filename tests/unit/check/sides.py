"""Results folders written by hand, whose records and run.json a test changes as it needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from bench.check.axes import Tolerances
from bench.check.baseline import read_measurements
from bench.check.compare import compare
from bench.check.verdicts import CheckReport
from bench.records import FIRST_METRICS, Record, columns_of
from bench.results.run_info import CodecInfo, RunInfo
from bench.results.table import FILE, cells, write_records

POINTS = ("q=1", "q=2", "q=3", "q=4", "q=5")
ITEMS = ("a", "b", "c", "d", "e", "f")
Change = Callable[[Record], Record | None]

INFO = CodecInfo("jpeg", "JPEG", {}, POINTS, True, False, {"lib": "1.0"})
RUN = RunInfo(
    bench="1", suite="unknown-suite", suite_title="", dataset="d", dataset_title="", media="image",
    dataset_notes=(), dataset_digest="d" * 64, items=len(ITEMS), metrics=("psnr_rgb", "ssim"),
    anchor=None, codecs=(INFO,), command=(), machine={}, libraries={}, jobs=1, timing="",
    started="", finished="", item_digests=dict.fromkeys(ITEMS, "0" * 16),
)  # fmt: skip


def records(codec: str = "jpeg") -> list[Record]:
    """Bits double from point to point, PSNR grows by 3 dB; items differ by 0.37 dB."""
    return [
        Record(
            suite="unknown-suite", dataset="d", item=item, codec=codec, point=point, status="done",
            width=64, height=64, frames=1, channels=3, bytes=20000 * 2**p + 900 * i,
            header_bytes=20, bitstream_sha256=f"{p}{i}".ljust(64, "0"),
            scores=scores(27.0 + 3 * p + 0.37 * i),
        )
        for p, point in enumerate(POINTS)
        for i, item in enumerate(ITEMS)
    ]  # fmt: skip


def scores(psnr: float) -> dict[str, float]:
    """Metrics of a picture with this PSNR."""
    return {
        "mse": 255**2 / 10 ** (psnr / 10), "psnr_rgb": psnr, "ssim": 1 - 10 ** (-psnr / 20),
    }  # fmt: skip


def side(
    path: Path,
    change: Change = lambda record: record,
    *,
    run: RunInfo | None = RUN,
    codecs: Sequence[str] = ("jpeg",),
) -> Path:
    """A results folder, or without ``run`` one that has no run.json; ``change`` maps a record to
    another one or to none. Of each of the ``codecs`` that the run does not name it says the same.
    """
    path.mkdir()
    kept = [new for codec in codecs for one in records(codec) if (new := change(one)) is not None]
    columns = columns_of((*FIRST_METRICS, *(name for one in kept for name in one.scores)))
    write_records(path / FILE, (cells(one, columns) for one in kept), columns)
    if run is not None:
        named = {info.id for info in run.codecs}
        further = tuple(replace(INFO, id=name) for name in codecs if name not in named)
        replace(run, codecs=(*run.codecs, *further)).write(path)
    return path


def at(point: str, item: str, change: Change) -> Change:
    """The change of one record alone; an empty name stands for all."""
    return lambda record: (
        change(record)
        if point in ("", record.point) and item in ("", record.item)
        else record
    )  # fmt: skip


def recoded(record: Record) -> Record:
    """Another stream of the same size, which decodes to the same pixels."""
    return replace(record, bitstream_sha256="f" * 64)


def by(decibels: float) -> Change:
    """Another stream of the same size, which decodes to a PSNR that is so much higher."""
    return lambda record: replace(
        recoded(record), scores=scores(record.scores["psnr_rgb"] + decibels)
    )


def checked(old: Path, new: Path, tolerances: Tolerances | None = None) -> CheckReport:
    """The report on two folders or CSVs."""
    return compare(read_measurements(new), read_measurements(old), tolerances or Tolerances())
