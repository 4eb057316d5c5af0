"""Reads a claim, finds its points among those of a run, and measures what it is compared with."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePath

import numpy as np
from pebble import ProcessExpired

from bench.analysis.overlays import ExtraCurve, load_overlay
from bench.audit.conventions import USUAL
from bench.audit.samples import ERRORS, PLAIN, SIMILARITIES, Audited, audit_record, start
from bench.audit.search import Claim, Measured
from bench.cards.codec_specs import parse_point, parse_value
from bench.engine.campaign import Campaign
from bench.engine.hidden_paths import hidden_paths_of
from bench.engine.work import WorkSpec
from bench.errors import CodecError, UsageError, near_matches
from bench.processes.pool import LocalPool, scratch_folder
from bench.records import Record, Stored, Task, Value
from bench.results.kept_streams import KeptStreams
from bench.results.run_info import RunInfo, read_run
from bench.results.table import FILE, read_records
from bench.results.vault_file import Vault, key_of, read_vault

_CHEAP_SECONDS = 2.0
"""What may take longer to code is not coded again here."""
_NEAR = 0.05
"""How far the rate of a point may be from the claim's, where no label names one."""


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A results folder or vault: its run, records of one codec, and where its streams lie."""

    path: Path
    run: RunInfo
    records: Mapping[tuple[str, str], Record]
    vault: Vault | None

    @property
    def items(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(item for item, _ in self.records))

    @property
    def points(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(point for _, point in self.records))

    def stored(self, record: Record, folder: Path) -> Stored:
        """The stream of a record; that of a vault is laid into ``folder``."""
        digest, where = record.bitstream_sha256 or "", None
        if self.vault is None:
            where = KeptStreams(self.path).stream(*key_of(record))
        elif (stream := self.vault.stream(record)) is not None:
            where = folder / digest
            where.write_bytes(stream)
        return Stored(digest, record.scores.get("mse"), record.reached, where)


def read_source(path: Path, codec: str) -> Source:
    """Raises UsageError for a codec that is not there, StoreError for what cannot be read."""
    vault = read_vault(path) if path.is_file() else None
    run = vault.run if vault else read_run(path)
    records = vault.records if vault else [one for _, one in read_records(path / FILE)]
    known = [info.id for info in run.codecs]
    if codec not in known:
        raise UsageError(f"{path}: no codec {codec!r}; {near_matches(codec, known)}")
    held = {
        (one.item, one.point): one for one in records
        if one.codec == codec and one.status == "done" and one.bitstream_sha256
    }  # fmt: skip
    return Source(path, run, held, vault)


def read_claim(text: str, dataset: str, curve: str | None, codec: str) -> ExtraCurve:
    """The one curve of a claim, or that of a name. Raises UsageError where several are left."""
    curves = {one.name: one for one in load_overlay(text, dataset)}
    name = curve or (codec if codec in curves else None)
    if name is None and len(curves) == 1:
        name = next(iter(curves))
    if name not in curves:
        raise UsageError(
            f"{text}: holds {len(curves)} curves; name one with --curve: {', '.join(curves)}"
        )
    return curves[name]


def matched(curve: ExtraCurve, source: Source) -> tuple[dict[int, str], list[str]]:
    """The run's point of each of the claim's, by label, else by rate; and what has none, or of
    means over items lacks some."""
    labels = {parse_point(point).value: point for point in source.points}
    found: dict[int, str] = {}
    lost: list[str] = []
    bpp: dict[str, list[float]] = {}
    for (_, at), record in source.records.items():
        bpp.setdefault(at, []).append(record.bpp or 0.0)
    rates = {point: float(np.mean(own)) for point, own in bpp.items()}
    named = any(_value(label) in labels for label in curve.labels)
    for place, label in enumerate(curve.labels):
        point = labels.get(_value(label))
        if point is None and not named:
            near = min(rates, key=lambda one: abs(rates[one] - curve.rate[place]))
            point = near if abs(rates[near] / curve.rate[place] - 1) < _NEAR else None
        if point is None or point in found.values():
            lost.append(f"{label} ({curve.rate[place]:.4g} bpp)")
        else:
            found[place] = point
    sizes = {point: len(own) for point, own in bpp.items()}
    whole = max((sizes[point] for point in found.values()), default=0)
    for place, point in list(found.items()) if curve.table is None else ():
        if sizes[point] < whole:
            lost.append(f"{curve.labels[place]} ({sizes[point]} of {whole} items)")
            del found[place]
    return found, lost


def _value(label: str) -> Value:
    return parse_value(label.rpartition("=")[2])


def claim_of(curve: ExtraCurve, places: Sequence[int], items: Sequence[str]) -> Claim:
    """The numbers of these points, of single items where the claim has the run's."""
    metrics = [name for name in curve.values if name in (*ERRORS, *SIMILARITIES)]
    if not metrics:
        known = ", ".join((*ERRORS, *SIMILARITIES))
        raise UsageError(f"{curve.source}: claims no quality that is audited: {known}")
    chosen = list(places)
    if curve.table is not None:
        where = {PurePath(name).stem: at for at, name in enumerate(curve.table.items)}
        rows = [where[PurePath(item).stem] for item in items]
        rate = curve.table.rate[rows][:, chosen]
        values = {name: curve.table.values[name][rows][:, chosen] for name in metrics}
    else:
        rate = np.array(curve.rate)[chosen]
        values = {name: np.array(curve.values[name])[chosen] for name in metrics}
    limits = {name: _half_unit(column) for name, column in values.items()}
    return Claim(rate, values, _half_unit(rate), limits)


def _half_unit(numbers: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
    """Half a unit of the last printed digit, which is that of the number with most of them."""
    texts = [f"{float(one)!r}".removesuffix(".0").partition("e")[0] for one in numbers.flat]
    digits = max(len(text.partition(".")[2]) for text in texts)
    return 0.5 * 10.0**-digits


def measure(
    source: Source,
    campaign: Campaign,
    points: Sequence[str],
    items: Sequence[str],
    claim: Claim,
    *,
    jobs: int,
    seconds: float,
) -> tuple[Measured, int]:
    """Measures the records of a claim under all conventions; also how many were coded again.

    Raises CodecError for a stream that is neither kept nor cheap to code, or that decodes to
    something else than its record says.
    """
    held = {item.name: item for item in campaign.loader.items()}
    source.run.refuse_other_items({name: item.digest for name, item in held.items()})
    (card,) = campaign.codecs
    spec = WorkSpec(
        suite=campaign.suite.id, dataset=campaign.suite.dataset, loader=campaign.loader,
        items=held, codecs={card.id: card}, metrics=(), streams_only=True,
    )  # fmt: skip
    rows: list[list[Audited]] = []
    with (
        tempfile.TemporaryDirectory(prefix="bench-audit-") as name,
        scratch_folder(Path(name)) as scratch,
    ):
        hidden = hidden_paths_of(campaign.loader, campaign.codecs, (scratch,))
        pool = LocalPool(jobs, start, (spec,), scratch=scratch, hidden=hidden)
        with closing(pool):
            futures = {
                (item, point): pool.submit(
                    audit_record, *_work(source, item, point, Path(name), claim), timeout=seconds
                )
                for item in items
                for point in points
            }
            for item in items:
                found = []
                for point in points:
                    record = source.records[item, point]
                    try:
                        found.append(_with_sizes(futures[item, point].result(), record))
                    except (FutureTimeoutError, ProcessExpired) as error:
                        raise CodecError(f"{' '.join(key_of(record))}: {error}") from error
                rows.append(found)
    firsts = [source.records[item, points[0]] for item in items]
    sizes = {one.item: (one.width or 1, one.height or 1) for one in firsts}
    again = sum(one.coded_again for row in rows for one in row)
    return Measured(sizes, [one.frames or 1 for one in firsts], rows), again


def _work(
    source: Source, item: str, point: str, folder: Path, claim: Claim
) -> tuple[Task, frozenset[str], bool]:
    record = source.records[item, point]
    stored = source.stored(record, folder)
    cheap = (record.encode_seconds or 0) < _CHEAP_SECONDS
    if stored.kept_stream() is None and not cheap:
        raise CodecError(
            f"{' '.join(key_of(record))}: its stream is not kept, and coding it took "
            f"{record.encode_seconds:.0f} s; keep streams with `bench run --keep all`, or give a "
            "vault"
        )
    task = Task(record.codec, parse_point(point), item, "", "", (), stored)
    return task, frozenset(claim.values), cheap and not claim.per_item


def _with_sizes(found: Audited, record: Record) -> Audited:
    """With what the record says of sizes, and of metrics that are not computed here."""
    size, pixels = record.bytes, (record.width or 1) * (record.height or 1) * (record.frames or 1)
    known = {
        "written": size and record.discarded_bytes and 8.0 * (size + record.discarded_bytes),
        "bare": size and record.header_bytes and 8.0 * (size - record.header_bytes),
        "estimated": record.bpp_estimated and record.bpp_estimated * pixels,
        "likelihood": record.bpp_likelihood and record.bpp_likelihood * pixels,
    }
    found.bits |= {(PLAIN, name): float(bits) for name, bits in known.items() if bits}
    for metric, score in record.scores.items():
        if metric in SIMILARITIES and metric not in found.values:
            found.values[metric] = {(PLAIN, USUAL): np.array([[score]])}
    return found


def items_of(curve: ExtraCurve, source: Source, points: Sequence[str]) -> Iterator[str]:
    """The run's items that have every point and, of a claim of single items, are in it."""
    theirs = None if curve.table is None else {PurePath(one).stem for one in curve.table.items}
    for item in source.items:
        complete = all((item, point) in source.records for point in points)
        if complete and (theirs is None or PurePath(item).stem in theirs):
            yield item
