"""Collects what run.json says of a run and of its codecs. Measures nothing and decides nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime

import bench
from bench.cards import CodecCard
from bench.datasets.base import Item
from bench.engine import energy
from bench.engine.campaign import Campaign
from bench.engine.plan import Probe
from bench.machine import describe_machine, library_versions, timing_protocol
from bench.results.run_info import CodecInfo, RunInfo
from bench.results.store import Store


def describe_codec(card: CodecCard, found: Probe) -> CodecInfo:
    """A codec as its card and its probe say it is."""
    return CodecInfo(
        id=card.id,
        title=card.title,
        settings=dict(card.settings),
        ladder=tuple(str(point) for point in card.ladder),
        deterministic=card.deterministic,
        lossless=card.lossless,
        versions=dict(found.versions),
        source=dict(card.source),
        complexity={} if found.complexity is None else asdict(found.complexity),
        device=found.device,
        items=card.items,
        code=dict(found.code),
        command=found.command,
        label=card.label,
    )


def describe_run(
    campaign: Campaign,
    items: Sequence[Item],
    store: Store,
    command: tuple[str, ...],
    started: datetime,
    *,
    workers: int,
    repeats: int,
    cluster: bool,
) -> RunInfo:
    """The run that ends now; ``repeats`` are those of ``--timing``."""
    metrics = store.metrics()
    machine, codecs = describe_machine(), tuple(store.codecs())
    devices = sorted({info.device for info in codecs if info.device})
    timing = timing_protocol(
        machine["processor"], workers, devices=devices, repeats=repeats, cluster=cluster
    )
    if repeats:
        timing += energy.sentence(cuda=any(name.startswith("cuda") for name in devices))
    if continued := store.meta("continued"):
        timing = f"{timing} {continued}"
    return RunInfo(
        bench=bench.__version__,
        suite=campaign.suite.id,
        suite_title=campaign.suite.title,
        dataset=campaign.suite.dataset,
        dataset_title=campaign.dataset_title,
        media=campaign.media,
        dataset_notes=campaign.loader.notes(),
        notes=campaign.suite.notes,
        dataset_digest=hashlib.sha256("\n".join(i.digest for i in items).encode()).hexdigest(),
        items=len(items),
        metrics=metrics.names,
        metric_info=metrics.info,
        metric_versions=metrics.versions,
        anchor=campaign.suite.anchor,
        codecs=codecs,
        command=command,
        machine=machine,
        libraries=library_versions(),
        jobs=workers,
        timing=timing,
        started=started.isoformat(timespec="seconds"),
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        verdicts=store.verdicts(),
        licence=campaign.licence,
        citation=campaign.citation,
        item_digests={item.name: item.digest[:16] for item in items},
    )
