"""Verifies a vault: every byte is hashed, every stream decoded apart, every metric computed again.

Needs decoders and, for metrics, the originals; no encoder. Writes nothing.
"""

from __future__ import annotations

import math
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from pebble import ProcessExpired

from bench.cards import CodecCard, Registry
from bench.cards.codec_specs import parse_point
from bench.codecs.build import select
from bench.codecs.foreign.places import is_ours
from bench.datasets.base import Item
from bench.engine.campaign import Campaign
from bench.engine.elsewhere import may_differ
from bench.engine.hidden_paths import hidden_paths_of
from bench.engine.measure import measure_tasks, start_worker
from bench.engine.work import Added, Portion, WorkSpec
from bench.errors import BenchError
from bench.metrics.base import ALWAYS
from bench.metrics.registry import metrics, versions_of
from bench.processes.pool import LocalPool, scratch_folder
from bench.records import ENERGY, Record, Stored, Task
from bench.results.vault_file import Vault, key_of
from bench.vault.decoding import decode_all

_SAME = 1e-6
"""How far a metric of the same samples may differ, relatively: other machines add in another
order."""
_ROUNDED = 1e-3
"""The same of codecs that compute in floating point: other processors round otherwise."""


@dataclass(slots=True)
class Verification:
    """What is wrong, what could not be examined and what to know, a sentence each; ``able`` are the
    codecs whose streams were decoded, ``real`` those of them that compute in floating point."""

    problems: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    decoded: int = 0
    compared: int = 0
    notes: list[str] = field(default_factory=list)
    able: tuple[str, ...] = ()
    real: frozenset[str] = frozenset()
    isolation: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        if self.problems:
            return f"{len(self.problems)} problem{'s' * (len(self.problems) > 1)}"
        return "nothing wrong, not all examined" if self.skipped else "verified"


def cards_of(vault: Vault, registry: Registry) -> tuple[dict[str, CodecCard], dict[str, str]]:
    """The cards of the codecs of a vault as this installation has them, and why others have none.
    A card in the vault is not used: it may name any program."""
    cards, missing = {}, {}
    for info in vault.run.codecs:
        try:
            cards[info.id] = select(registry, info.spec)
        except BenchError as error:
            missing[info.id] = f"{error}; unzip the vault, read its card and give it with --cards"
    return cards, missing


def verify_streams(vault: Vault, registry: Registry, *, seconds: float) -> Verification:
    """Hashes all files and decodes all streams, ``seconds`` at most for each."""
    found = Verification([*vault.damage(), *_misplaced(vault)])
    cards, missing = cards_of(vault, registry)
    held: dict[str, list[tuple[Record, bytes]]] = {}
    for record in vault.records:
        stream = vault.stream(record)
        found.problems += _contradictions(record, stream)
        if stream is not None and record.codec in cards:
            held.setdefault(record.codec, []).append((record, stream))
    decoded = decode_all(held, cards, seconds=seconds)
    for name, why in {**missing, **decoded.missing}.items():
        found.skipped.append(f"{name}: not decoded: {why}")
    found.able = tuple(name for name in cards if name not in decoded.missing)
    found.real = frozenset(
        n for n in found.able if not is_ours(cards[n].adapter) or may_differ(cards[n])
    )
    found.problems += [
        f"{' '.join(k)}: its stream does not decode: {why}" for k, why in decoded.failures.items()
    ]
    other = [key for key, digest in decoded.hashes.items() if vault.samples.get(key) != digest]
    found.problems += [
        f"{' '.join(key)}: its stream decodes to other samples than were packed"
        for key in other if key[0] not in found.real
    ]  # fmt: skip
    for name, count in Counter(key[0] for key in other if key[0] in found.real).items():
        found.notes.append(
            f"{name}: {count} streams decode to other samples here: it computes in floating point, "
            f"so its metrics are compared to {100 * _ROUNDED:g} %"
        )
    found.decoded, found.isolation = len(decoded.hashes), tuple(sorted(decoded.isolation))
    return found


def _misplaced(vault: Vault) -> Iterator[str]:
    """Records that are no measurement of the run."""
    run, seen = vault.run, Counter(map(key_of, vault.records))
    yield from (f"{' '.join(key)}: is there {n} times" for key, n in seen.items() if n > 1)
    yield from (
        f"{' '.join(key)}: has samples, but no record" for key in vault.samples.keys() - seen
    )
    known = {info.id for info in run.codecs}
    for record in vault.records:
        if record.codec not in known:
            yield f"{' '.join(key_of(record))}: run.json has no codec {record.codec}"
        if (record.suite, record.dataset) != (run.suite, run.dataset):
            yield (
                f"{' '.join(key_of(record))}: is of {record.suite} and {record.dataset}, the run "
                f"of {run.suite} and {run.dataset}"
            )


def _contradictions(record: Record, stream: bytes | None) -> Iterator[str]:
    """Where a record contradicts itself or its stream, by the name of its column."""
    where = " ".join(key_of(record))
    if record.status != "done" or record.rate:
        yield f"{where}: is {record.status} with a rate that is {record.rate or 'none'}"
    if stream is not None and record.bytes != len(stream):
        yield f"{where}: bytes is {record.bytes} in the record, its stream has {len(stream)}"
    if (record.header_bytes or 0) > (record.bytes or 0):
        yield f"{where}: header_bytes is {record.header_bytes} of {record.bytes} bytes"
    if record.lossless and record.scores.get(ALWAYS):
        yield f"{where}: is called lossless, with {ALWAYS} {record.scores[ALWAYS]}"
    pixels = (record.width or 0) * (record.height or 0) * (record.frames or 0)
    rate = 8 * (record.bytes or 0) / pixels if pixels else 0.0
    if record.bpp is None or not _same(record.bpp, rate):
        yield (
            f"{where}: bpp is {record.bpp} in the record, {record.bytes} bytes of "
            f"{record.width}×{record.height}×{record.frames} are {rate}"
        )


def verify_metrics(
    vault: Vault, campaign: Campaign, found: Verification, *, jobs: int, seconds: float
) -> None:
    """Computes every metric of every record from stream and original, and adds what differs."""
    items = {item.name: item for item in campaign.loader.items()}
    vault.run.refuse_other_items({name: item.digest for name, item in items.items()})
    able = _comparable(vault, found)
    for record in vault.records:
        found.problems += _other_sizes(record, items.get(record.item))
    cards = {card.id: card for card in campaign.codecs}
    spec = WorkSpec(
        suite=campaign.suite.id, dataset=campaign.suite.dataset, loader=campaign.loader,
        items=items, codecs=cards, metrics=able,
        parallel=jobs, streams_only=True,
    )  # fmt: skip
    with (
        tempfile.TemporaryDirectory(prefix="bench-vault-") as streams,
        scratch_folder(Path(streams)) as scratch,
    ):
        tasks = [task for task in _tasks(vault, cards, able, Path(streams)) if task.item in items]
        hidden = hidden_paths_of(campaign.loader, campaign.codecs, (scratch,))
        pool = LocalPool(jobs, start_worker, (spec,), scratch=scratch, hidden=hidden)
        with closing(pool):
            futures = {
                task.key: pool.submit(measure_tasks, (task,), timeout=seconds) for task in tasks
            }
            records = {key_of(record): record for record in vault.records}
            for key, future in futures.items():
                try:
                    result: Portion = future.result()
                except (FutureTimeoutError, ProcessExpired) as error:
                    found.problems.append(f"{' '.join(key)}: metrics: {error}")
                    continue
                for added in result.added:
                    limit = _ROUNDED if key[0] in found.real else _SAME
                    found.problems += _other_values(records[key], added, limit)
                    found.compared += len(added.scores.values)


def _other_sizes(record: Record, item: Item | None) -> Iterator[str]:
    """Where the item is not what the record says it is."""
    where = " ".join(key_of(record))
    if item is None or item.layout is None:
        yield f"{where}: the data set has no such item"
        return
    layout = item.layout
    for name in ("width", "height", "frames", "channels"):
        told, value = getattr(record, name), getattr(layout, name)
        if told != value:
            yield f"{where}: {name} is {told} in the record, {value} of the item"
    if record.kbps is not None and record.bytes:
        kbps = 8 * record.bytes * float(layout.fps / layout.frames) / 1000
        if not _same(record.kbps, kbps):
            yield f"{where}: kbps is {record.kbps} in the record, by its bytes {kbps}"


def _comparable(vault: Vault, found: Verification) -> tuple[str, ...]:
    """The metrics that are here in the version that measured."""
    able = []
    scored = (name for record in vault.records for name in record.scores if name not in ENERGY)
    for name in dict.fromkeys((ALWAYS, *vault.run.metrics, *scored)):
        theirs = vault.run.metric_versions.get(name, {})
        if name not in metrics():
            found.skipped.append(f"{name}: not compared: unknown here; load it with --plugin")
        elif dict(theirs) != versions_of(name):
            ours = ", ".join(f"{k} {v[:40]}" for k, v in versions_of(name).items()) or "none"
            words = ", ".join(f"{k} {v[:40]}" for k, v in theirs.items()) or "none recorded"
            found.skipped.append(f"{name}: not compared: version {ours} here, {words} measured")
        else:
            able.append(name)
    return tuple(able)


def _tasks(
    vault: Vault, cards: Mapping[str, CodecCard], able: tuple[str, ...], folder: Path
) -> Iterator[Task]:
    for record in vault.records:
        stream = vault.stream(record)
        if stream is None or record.codec not in cards:
            continue
        digest = record.bitstream_sha256 or ""
        (folder / digest).write_bytes(stream)
        stored = Stored(digest, None, record.reached, folder / digest)
        point = parse_point(record.point)
        yield Task(record.codec, point, record.item, "", "", able, stored)


def _other_values(record: Record, added: Added, limit: float) -> Iterator[str]:
    where = " ".join(key_of(record))
    again = dict(added.scores.values)
    again |= {} if added.scores.frames is None else added.scores.frames.scores
    for name, value in {**record.scores, **record.frame_scores}.items():
        if name in again and not _same(value, again[name], limit):
            yield f"{where}: {name} is {value} in the record, {again[name]} by decoding"
    for name, value in added.scores.values.items():
        if name not in record.scores and name not in record.remarks:
            yield f"{where}: {name} is empty in the record, {value} by decoding"
    for why in dict.fromkeys(added.scores.remarks.values()):
        said = [name for name, one in added.scores.remarks.items() if one == why]
        if names := [name for name in said if name in record.scores]:
            yield f"{where}: {', '.join(names)}: {why}"


def _same(one: float, other: float, limit: float = _SAME) -> bool:
    return one == other or math.isclose(one, other, rel_tol=limit, abs_tol=limit / 1000)
