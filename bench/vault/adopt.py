"""Lays records and streams of a vault into a results folder, from where a run continues them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench.errors import UsageError
from bench.records import Record
from bench.results.kept_streams import KeptStream
from bench.results.run_folder import RunFolder
from bench.results.run_info import MeasuredWith
from bench.results.vault_file import Vault, key_of


def adopt(vault: Vault, out: Path, suite: str) -> str:
    """Adds what the folder of a run of ``suite`` does not hold yet; a sentence of what that was and
    who measured it.

    Values of a metric that the folder has of another version stay behind: they are measured again,
    from the streams. Raises UsageError for a damaged vault, StoreError for a folder of another
    suite.
    """
    if damage := next(vault.damage(), None):
        raise UsageError(f"{vault.path}: {damage}; `bench vault verify` says all")
    run = vault.run
    if run.suite != suite:
        raise UsageError(f"--vault {vault.path}: is of suite {run.suite}, not {suite}")
    with RunFolder(out) as folder:
        store = folder.store
        store.claim(suite=run.suite, dataset=run.dataset)
        held = store.metrics()
        other = [
            name for name, versions in run.metric_versions.items()
            if dict(held.versions.get(name, versions)) != dict(versions)
        ]  # fmt: skip
        done = store.done()
        new = [_without(one, other) for one in vault.records if key_of(one) not in done]
        store.add(new)
        for record in new:
            payload = vault.stream(record) or b""
            folder.kept.add(KeptStream(record.item, record.codec, record.point, payload))
        known = {info.id for info in store.codecs()}
        store.set_codecs([info for info in run.codecs if info.id not in known], add_points=True)
        store.add((), [one for one in run.verdicts if one.codec not in known])
        store.set_metrics(
            MeasuredWith(
                tuple(dict.fromkeys((*held.names, *run.metrics))),
                tuple({one["id"]: one for one in (*run.metric_info, *held.info)}.values()),
                {**run.metric_versions, **held.versions},
            )
        )
        processor = run.machine.get("processor", "an unknown processor")
        said = (
            f"{len(new)} records come from {vault.path.name}, measured by {vault.by} on "
            f"{processor} until {run.finished}."
        )
        before = store.meta("continued")
        if new:
            store.set_meta("continued", f"{before} {said}" if before else said)
        return said


def _without(record: Record, metrics: Sequence[str]) -> Record:
    kept = {name: value for name, value in record.scores.items() if name not in metrics}
    return replace(record, scores=kept)
