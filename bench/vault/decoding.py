"""Decodes streams in a process that sees nothing but them and the decoder; compares nothing."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from pebble import ProcessExpired

from bench.cards import CodecCard, plugins
from bench.cards.plugins import Plugin
from bench.codecs.base import Codec
from bench.codecs.build import build_codec
from bench.engine.hidden_paths import decoder_places
from bench.engine.task_records import one_line
from bench.errors import Unavailable
from bench.processes import isolation
from bench.processes.isolation import HiddenPaths, installed_places
from bench.processes.pool import LocalPool, Pool, scratch_folder
from bench.records import Record
from bench.results.vault_file import Key, key_of
from bench.signals import Signal


@dataclass(slots=True)
class Decoded:
    """By record the hash of the samples that its stream decodes to, else what went wrong; by codec
    why nothing of it can be decoded here; and how far the processes were isolated."""

    hashes: dict[Key, str] = field(default_factory=dict)
    failures: dict[Key, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    isolation: set[str] = field(default_factory=set)


def decode_all(
    streams: Mapping[str, Sequence[tuple[Record, bytes]]],
    cards: Mapping[str, CodecCard],
    *,
    seconds: float,
) -> Decoded:
    """Decodes streams by codec, each codec's in a fresh process; ``seconds`` for each at most."""
    found = Decoded()
    # a name of its own: a run into the folder may be under way
    with tempfile.TemporaryDirectory() as own, scratch_folder(Path(own)) as scratch:
        hidden = HiddenPaths((), (scratch,), installed_places())
        pool = LocalPool(1, _guard, (), scratch=scratch, hidden=hidden)
        with closing(pool):
            for codec, held in streams.items():
                try:
                    reads = check_decoder(build_codec(cards[codec]))
                except Unavailable as error:
                    found.missing[codec] = str(error)
                    continue
                _decode_codec(pool, cards[codec], held, reads, seconds, found)
    return found


def _decode_codec(
    pool: Pool,
    card: CodecCard,
    held: Sequence[tuple[Record, bytes]],
    reads: Sequence[Path],
    seconds: float,
    found: Decoded,
) -> None:
    future = pool.submit_fresh(
        _hash_apart, card, [stream for _, stream in held], reads, time.time(), plugins.loaded(),
        timeout=seconds * len(held),
    )  # fmt: skip
    try:
        kind, results = future.result()
    except (FutureTimeoutError, ProcessExpired) as error:
        kind, results = "", [("", f"decoding in a fresh process failed: {error}")] * len(held)
    found.isolation |= {kind} if kind else set()
    for (record, _), (digest, failure) in zip(held, results, strict=True):
        (found.failures if failure else found.hashes)[key_of(record)] = failure or digest


def check_decoder(codec: Codec) -> tuple[Path, ...]:
    """What the codec's decoder reads. Raises Unavailable where it cannot run here; the encoder may
    be missing."""
    try:
        codec.check_available()
    except Unavailable:
        reads = codec.reads()  # raises it of a decoder that is missing, too
        if not reads:
            raise
        return reads
    return codec.reads()


def _guard() -> None:
    isolation.guard_code()


def _hash_apart(
    card: CodecCard,
    streams: Sequence[bytes],
    reads: Sequence[Path],
    since: float,
    plugged: Sequence[Plugin],
) -> tuple[str, list[tuple[str, str]]]:
    """Isolates this process for good; how far that went and, of each stream, the hash of its
    samples and what went wrong."""
    own = Path(tempfile.mkdtemp(prefix="vault-"))
    kind = isolation.confine_this_process(own, (*decoder_places(card), *reads), since=since)
    try:
        plugins.note(plugged)
        codec = build_codec(card)
    except Exception as error:  # whatever a codec raises is the finding
        return kind, [("", one_line(error))] * len(streams)
    return kind, [_hash_one(codec.decode, stream) for stream in streams]


def _hash_one(decode: Callable[[bytes], Signal], stream: bytes) -> tuple[str, str]:
    try:
        return decode(stream).sha256(), ""
    except Exception as error:  # whatever a decoder raises is the finding
        return "", one_line(error)
