"""Packs a results folder with its kept streams; decodes each stream once for its samples' hash."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.cards import Registry
from bench.codecs.build import select
from bench.errors import StoreError, near_matches
from bench.records import CodecName, Record, Stored
from bench.results.kept_streams import KeptStreams
from bench.results.run_info import CodecInfo, RunInfo, read_run
from bench.results.table import FILE, read_records
from bench.results.vault_file import key_of, write_vault
from bench.vault.decoding import decode_all


@dataclass(frozen=True, slots=True)
class Packed:
    """What a vault came to; ``notes`` are sentences that the user should read."""

    records: int
    streams: int
    notes: tuple[str, ...]


def pack(
    folder: Path, path: Path, codecs: Sequence[str], registry: Registry, *, by: str, seconds: float
) -> Packed:
    """Packs the measured records of a folder, of some codecs or of all, into ``path``.

    ``by`` is who measured. Raises StoreError where a stream is not kept, does not decode or no
    decoder is here: a vault is whole.
    """
    run = _only(read_run(folder), codecs, registry, folder)
    points = {info.id: info.ladder for info in run.codecs}
    asked = [
        one for _, one in read_records(folder / FILE) if one.point in points.get(one.codec, ())
    ]
    records = [one for one in asked if one.status == "done" and one.bitstream_sha256]
    if not records:
        raise StoreError(f"{folder}: no measured record with a stream; nothing to pack")
    used = {one.codec for one in records}
    cards = {info.id: select(registry, info.spec) for info in run.codecs if info.id in used}
    streams = _streams(folder, records)
    decoded = decode_all(streams, cards, seconds=seconds)
    for name, why in decoded.missing.items():
        raise StoreError(f"{name}: cannot be packed, since nothing decodes it here: {why}")
    for key, why in decoded.failures.items():
        raise StoreError(f"{' '.join(key)}: its stream does not decode: {why}")
    kept = {key_of(record) for record in records}
    payloads = [stream for held in streams.values() for _, stream in held]
    rows = _rows(folder / FILE, kept)
    texts = {card.path.name: card.path.read_bytes() for card in cards.values()}
    try:
        write_vault(path, run, rows, payloads, decoded.hashes, texts, by)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror}; give --out") from error
    notes = []
    if left := len(asked) - len(records):
        notes.append(f"{left} records without a stream (failed, skipped or estimated) are left out")
    return Packed(len(records), len(set(payloads)), tuple(notes))


def _only(run: RunInfo, specs: Sequence[str], registry: Registry, folder: Path) -> RunInfo:
    """The run with these codecs and, of a codec whose points are named, these points."""
    known = {info.id: info for info in run.codecs}
    chosen = {} if specs else known
    for spec in specs:
        name = spec if spec in known else select(registry, spec).id
        if name not in known:
            raise StoreError(f"{folder}: no codec {spec!r}; {near_matches(name, known)}")
        chosen[name] = known[name] if spec in known else _at(known[name], spec, registry)
    verdicts = tuple(
        one for one in run.verdicts
        if one.codec in chosen and (not one.point or one.point in chosen[one.codec].ladder)
    )  # fmt: skip
    return replace(run, codecs=tuple(chosen.values()), verdicts=verdicts)


def _at(info: CodecInfo, spec: str, registry: Registry) -> CodecInfo:
    """The codec at the points of a spec, if it names some."""
    named = [str(point) for point in select(registry, spec).ladder]
    if not any(word.startswith(f"{info.ladder_key}=") for word in CodecName.parse(spec).settings):
        return info
    if lost := [point for point in named if point not in info.ladder]:
        raise StoreError(f"{info.id}: no point {lost[0]}; there are {', '.join(info.ladder)}")
    return replace(info, ladder=tuple(point for point in info.ladder if point in named))


def _streams(folder: Path, records: Sequence[Record]) -> dict[str, list[tuple[Record, bytes]]]:
    kept, found = KeptStreams(folder), dict[str, list[tuple[Record, bytes]]]()
    lost = Counter[str]()
    for record in records:
        where = kept.stream(*key_of(record))
        payload = Stored(record.bitstream_sha256 or "", None, kept=where).kept_stream()
        if payload is None:
            lost[record.codec] += 1
        else:
            found.setdefault(record.codec, []).append((record, payload))
    if lost:
        words = ", ".join(f"{count} of {codec}" for codec, count in lost.items())
        raise StoreError(
            f"{folder}: streams are not kept or damaged: {words}; give the command of the run "
            "again with --keep all, or choose others with --codecs"
        )
    return found


def _rows(table: Path, kept: set[tuple[str, str, str]]) -> list[list[str]]:
    """The lines of records.csv as they stand."""
    with table.open(newline="", encoding="utf-8-sig") as file:
        header, *rows = csv.reader(file)
    places = [header.index(name) for name in ("codec", "point", "item", "status")]
    wanted = [
        row for row in rows
        if tuple(row[at] for at in places[:3]) in kept and row[places[3]] == "done"
    ]  # fmt: skip
    return [header, *wanted]
