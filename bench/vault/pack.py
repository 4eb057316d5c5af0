"""Packs a results folder with its kept streams; decodes each stream once for its samples' hash."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.cards import CodecCard, Registry
from bench.codecs.build import select
from bench.errors import StoreError, near_matches
from bench.records import Record, Stored
from bench.results.kept_streams import KeptStreams
from bench.results.run_info import RunInfo, read_run
from bench.results.table import FILE, read_records
from bench.results.vault_file import key_of, write_vault
from bench.vault.decoding import decode_all


@dataclass(frozen=True, slots=True)
class Packed:
    """What a vault came to; ``notes`` are sentences that the user should read."""

    path: Path
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
    run = read_run(folder)
    run = _only(run, codecs or [info.id for info in run.codecs], folder)
    names = [info.id for info in run.codecs]
    numbered = [(line, one) for line, one in read_records(folder / FILE) if one.codec in names]
    records = [one for _, one in numbered if one.status == "done" and one.bitstream_sha256]
    if not records:
        raise StoreError(f"{folder}: no measured record with a stream; nothing to pack")
    cards = {name: select(registry, name) for name in {one.codec for one in records}}
    streams = _streams(folder, records)
    decoded = decode_all(streams, cards, seconds=seconds)
    for name, why in decoded.missing.items():
        raise StoreError(f"{name}: cannot be packed, since nothing decodes it here: {why}")
    for key, why in decoded.failures.items():
        raise StoreError(f"{' '.join(key)}: its stream does not decode: {why}")
    kept = {key_of(record) for record in records}
    payloads = [stream for held in streams.values() for _, stream in held]
    rows = _rows(folder / FILE, kept)
    write_vault(path, run, rows, payloads, decoded.hashes, _texts(cards), by)
    notes = []
    if left := len(numbered) - len(records):
        notes.append(f"{left} records without a stream (failed, skipped or estimated) are left out")
    return Packed(path, len(records), len(set(payloads)), tuple(notes))


def _only(run: RunInfo, codecs: Sequence[str], folder: Path) -> RunInfo:
    known = {info.id: info for info in run.codecs}
    for name in codecs:
        if name not in known:
            raise StoreError(f"{folder}: no codec {name!r}; {near_matches(name, known)}")
    verdicts = tuple(one for one in run.verdicts if one.codec in codecs)
    return replace(run, codecs=tuple(known[name] for name in codecs), verdicts=verdicts)


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


def _texts(cards: Mapping[str, CodecCard]) -> dict[str, bytes]:
    return {card.path.name: card.path.read_bytes() for card in cards.values()}
