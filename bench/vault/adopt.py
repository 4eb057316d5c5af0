"""Lays records and streams of a vault into a results folder, from where a run continues them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bench.errors import UsageError
from bench.records import Record
from bench.results.kept_streams import KeptStream
from bench.results.run_folder import RunFolder
from bench.results.run_info import MeasuredWith
from bench.results.vault_file import Key, Vault, key_of


def adopt(vault: Vault, out: Path, suite: str) -> str:
    """Adds what the folder of a run of ``suite`` does not hold yet; a sentence of what that was and
    who measured it.

    Values of a metric that the folder has of another version stay behind: they are measured again,
    from the streams; so does a codec that it has of other versions. Raises UsageError for a damaged
    vault or one of another suite, StoreError for a folder of another suite.
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
        done, mine = store.done(), {info.id: info for info in store.codecs()}
        apart = [
            info.id for info in run.codecs
            if info.id in mine and dict(mine[info.id].versions) != dict(info.versions)
        ]  # fmt: skip
        new = [
            _without(one, other) for one in vault.records
            if key_of(one) not in done and one.codec not in apart
        ]  # fmt: skip
        store.add(new)
        for record in new:
            payload = vault.stream(record) or b""
            folder.kept.add(KeptStream(record.item, record.codec, record.point, payload))
        merged = [
            replace(mine.get(info.id, info), ladder=info.ladder)
            for info in run.codecs if info.id not in apart
        ]  # fmt: skip
        store.set_codecs(merged, add_points=True)
        laid = {key_of(record) for record in new}
        store.add((), [v for v in run.verdicts if (v.codec, v.point, v.item) in laid])
        store.set_metrics(
            MeasuredWith(
                tuple(dict.fromkeys((*held.names, *run.metrics))),
                tuple({one["id"]: one for one in (*run.metric_info, *held.info)}.values()),
                {**run.metric_versions, **held.versions},
            )
        )
        said = _said(vault, len(new))
        before = store.meta("continued")
        if new:
            store.set_meta("continued", f"{before} {said}" if before else said)
        return said + _left(vault, out, done, apart)


def _said(vault: Vault, count: int) -> str:
    processor = vault.run.machine.get("processor", "an unknown processor")
    return (
        f"{count} records come from {vault.path.name}, measured by {vault.by} on {processor} "
        f"until {vault.run.finished}."
    )


def _left(vault: Vault, out: Path, done: Mapping[Key, str], apart: Sequence[str]) -> str:
    """Sentences of what stays as the folder has it: codecs ``apart``, and records of ``done``."""
    said = f" Left: {', '.join(apart)}, of other versions than in {out}." if apart else ""
    others = [
        one
        for one in vault.records
        if one.codec not in apart and done.get(key_of(one), one.fingerprint) != one.fingerprint
    ]
    if others:
        said += f" {len(others)} stay as {out} has them, such as {' '.join(key_of(others[0]))}."
    return said


def _without(record: Record, metrics: Sequence[str]) -> Record:
    kept = {name: value for name, value in record.scores.items() if name not in metrics}
    return replace(record, scores=kept)
