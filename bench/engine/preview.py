"""What a run would do, and how long it may take: plans against what is stored, does nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from bench.engine.campaign import Campaign
from bench.engine.metrics import lacking
from bench.engine.plan import make_plan
from bench.engine.probe import probe
from bench.records import Record, Stored
from bench.results.kept_streams import KeptStreams
from bench.results.recovery import judged_points, recover_records
from bench.results.run_info import RunInfo, held_metrics, held_run
from bench.results.store import FILE, TABLE


@dataclass(frozen=True, slots=True)
class PlannedCodec:
    """The tasks of one codec on ``items`` items. ``seconds`` is what one took on average when it
    was measured into this folder, None where that never was; ``unavailable`` is why it would be
    skipped."""

    id: str
    points: int
    items: int
    tasks: int
    left: int
    seconds: float | None
    unavailable: str | None = None


@dataclass(frozen=True, slots=True)
class Preview:
    """A run that was not started."""

    jobs: int
    codecs: tuple[PlannedCodec, ...]

    @property
    def left(self) -> int:
        return sum(codec.left for codec in self.codecs)

    @property
    def seconds(self) -> float:
        """Wall time of the tasks whose duration is known."""
        return sum(each.left * (each.seconds or 0.0) for each in self.codecs) / self.jobs

    @property
    def unknown(self) -> tuple[str, ...]:
        """Codecs with tasks of unknown duration."""
        return tuple(each.id for each in self.codecs if each.left and each.seconds is None)


def preview(
    campaign: Campaign,
    out: Path,
    *,
    jobs: int,
    device: str,
    fresh: bool,
    keep: int = 0,
    keep_streams: bool = False,
) -> Preview:
    """What ``run`` would measure into ``out``; reads the folder, writes nothing. Of the first
    ``keep`` items, whose reconstructions are to stay, what is not kept yet is measured again, and
    to ``keep_streams`` coded again."""
    items = campaign.loader.items()
    usable = [item.name for item in items if item.problem is None]
    records = [] if fresh or not out.is_dir() else recover_records(out / FILE, out / TABLE)
    run = held_run(out) if records else None
    known, held = run.codecs if run else (), held_metrics(run)
    pairs = [(card, probe(card, device).with_known_code(known)) for card in campaign.codecs]
    able = [(card, found) for card, found in pairs if found.able]
    asked = tuple(dict.fromkeys((*held.names, *campaign.suite.metrics)))
    lacks = lacking(records, items, asked, held)
    streams = KeptStreams(out)
    if keep_streams:
        stored = {
            (one.codec, one.point, one.item): Stored(one.bitstream_sha256 or "", None)
            for one in records
        }
        lacks = {key: ((), one) for key, one in streams.lacking(stored).items()} | lacks
    done = streams.complete(_done(records, usable[:1], _judged(out, run)), usable[:keep])
    plan = make_plan(able, items, done, lacking=lacks, earlier=held.names)
    left = Counter(task.codec for task in plan.tasks)
    seconds = _seconds(records)
    return Preview(
        jobs=jobs,
        codecs=tuple(
            PlannedCodec(
                id=card.id,
                points=len(card.ladder),
                items=len(items[: card.items]),
                tasks=len(card.ladder) * len(items[: card.items]),
                left=left[card.id],
                seconds=seconds.get(card.id),
                unavailable=found.unavailable or found.failure,
            )
            for card, found in pairs
        ),
    )


def _done(
    records: Iterable[Record], first: Sequence[str], judged: Container[tuple[str, str]]
) -> dict[tuple[str, str, str], str]:
    """As ``RunFolder.done``: a first item whose stream nobody has decoded again is not."""
    return {
        (record.codec, record.point, record.item): record.fingerprint
        for record in records
        if record.status == "done"
        and (
            record.item not in first
            or record.bitstream_sha256 is None
            or (record.codec, record.point) in judged
        )
    }


def _judged(out: Path, run: RunInfo | None) -> set[tuple[str, str]]:
    """Codecs and points that have a verdict."""
    found = judged_points(out / FILE)
    if found is None and run is not None:
        return {(one.codec, one.point) for one in run.verdicts}
    return found or set()


def _seconds(records: Iterable[Record]) -> Mapping[str, float]:
    """Mean seconds of a task, by codec."""
    taken: dict[str, list[float]] = {}
    for record in records:
        if record.encode_seconds is not None and record.decode_seconds is not None:
            both = record.encode_seconds + record.decode_seconds
            taken.setdefault(record.codec, []).append(both)
    return {codec: mean(each) for codec, each in taken.items()}
