"""Planning: (codecs, items, what is stored) -> the tasks that are left. Pure: no file, no clock."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.cards import CodecCard
from bench.codecs.base import Complexity
from bench.datasets.base import Item
from bench.records import Stored, Task
from bench.results.run_info import CODE, CodecInfo

Key = tuple[str, str, str]
"""Codec, point and item of a task."""
# Raised when a change of the harness changes measured numbers: older records are measured again.
RULES = 1


def _digest_of(path: str) -> str:
    """A file's sha256; empty where it is gone."""
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except OSError:
        return ""


@dataclass(frozen=True, slots=True)
class Probe:
    """What a codec says of itself on the machine that will run it."""

    codec: str
    versions: Mapping[str, str]
    device: str = ""
    """The kind of device that its bits or pixels depend on; empty where they depend on none."""
    complexity: Complexity | None = None
    reads: tuple[Path, ...] = ()
    """Programs and files that its decoder needs to see."""
    unavailable: str | None = None
    """Why the codec cannot run here, with the cure; None if it can."""
    failure: str | None = None
    """Why its code fails before anything is coded; None if it does not."""
    code: Mapping[str, str] = field(default_factory=dict)
    """By path the sha256 of the files of its code that are part of no installed release."""
    command: str = ""
    """What codes the first item at the first point, where that is a program."""
    apart: bool = False
    """Whether its code runs in processes of its own."""

    @property
    def able(self) -> bool:
        """Whether there is anything to measure."""
        return self.unavailable is None and self.failure is None

    def with_known_code(self, known: Sequence[CodecInfo]) -> Probe:
        """With the files that earlier codings of this codec loaded, among the codecs of a folder.

        What the first coding loads is not known before it. A mark stands for the code in the
        fingerprint, and stays as long as no file that is known has changed.
        """
        earlier = next((info for info in known if info.id == self.codec), None)
        files = {} if earlier is None else earlier.code
        mark = None if earlier is None else earlier.versions.get(CODE)
        if not self.able or (not self.code and not files):
            return self
        now = {path: self.code.get(path) or _digest_of(path) for path in {*self.code, *files}}
        if mark is None or now != files:
            text = json.dumps(sorted(filter(None, now.values())))
            mark = hashlib.sha256(text.encode()).hexdigest()
        versions = {**self.versions, CODE: mark}
        return replace(self, versions=versions, code={p: d for p, d in now.items() if d})


@dataclass(frozen=True, slots=True)
class Plan:
    """Tasks that are left, in the order of codecs, items, points, and what does not belong."""

    tasks: tuple[Task, ...]
    stale: tuple[Key, ...]
    """Keys of stored records that other versions, cards, weights, devices or data gave."""
    finished: int
    """Tasks of this run that are stored already with all their metrics."""


def codec_fingerprint(card: CodecCard, probe: Probe, metrics: Sequence[str] = ()) -> str:
    """Hash of what all records of a codec depend on. Earlier versions named the ``metrics``, too,
    so that another one made all records stale."""
    facts = [RULES, card.digest, sorted(probe.versions.items()), sorted(metrics)]
    facts += [probe.device] if probe.device else []
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def item_fingerprint(codec: str, item: Item) -> str:
    """Hash of what one record depends on: its codec's fingerprint and the item's content."""
    return hashlib.sha256(f"{codec} {item.digest}".encode()).hexdigest()[:24]


def make_plan(
    codecs: Sequence[tuple[CodecCard, Probe]],
    items: Sequence[Item],
    done: Mapping[Key, str],
    *,
    lacking: Mapping[Key, tuple[tuple[str, ...], Stored]] | None = None,
    earlier: Sequence[str] = (),
) -> Plan:
    """All (codec, point, item) that are not in ``done`` with the fingerprint of today, and those
    whose records lack metrics.

    ``done`` maps (codec, point, item) to the fingerprint of the stored record, ``lacking`` some of
    them to what is to be added. ``earlier`` are the metrics that an earlier version would have
    fingerprinted. A card that says so is measured on the first items only. Records of codecs that
    this run does not name, and of further items, are left alone.
    """
    tasks: list[Task] = []
    stale: list[Key] = []
    finished = 0
    lacking = lacking or {}
    for card, probe in codecs:
        base = codec_fingerprint(card, probe)
        former = codec_fingerprint(card, probe, earlier) if earlier else base
        words = [(point, str(point)) for point in card.ladder]
        for item in items[: card.items]:
            fingerprint = item_fingerprint(base, item)
            also = item_fingerprint(former, item) if earlier else fingerprint
            for point, word in words:
                key = (card.id, word, item.name)
                found = done.get(key)
                answered = found is not None and found in (fingerprint, also)
                if answered and key not in lacking:
                    finished += 1
                    continue
                lacks, stored = lacking[key] if answered else ((), None)
                if found is not None and not answered:
                    stale.append(key)
                tasks.append(
                    Task(card.id, point, item.name, fingerprint, probe.device, lacks, stored)
                )
    return Plan(tuple(tasks), tuple(stale), finished)
