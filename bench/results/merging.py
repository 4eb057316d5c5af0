"""Describes several runs as one, and refuses what was not made alike. Reads no file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bench.errors import UsageError
from bench.results.run_info import CodecInfo, RunInfo

Items = tuple[str, ...]


def on_common_items(
    paths: Sequence[Path], runs: Sequence[RunInfo], items: Sequence[Items]
) -> tuple[list[RunInfo], Items]:
    """The runs as if only the items that all of them hold had been measured, and these items.

    Raises UsageError if there are none, or if one of them has another content in another run.
    """
    shared = tuple(name for name in items[0] if all(name in each for each in items[1:]))
    if not shared:
        raise UsageError(f"{names_of(paths)}: no item that all of them hold; report them apart")
    for path, run in zip(paths[1:], runs[1:], strict=True):
        for name in shared:
            pair = f"{paths[0]} and {path}"
            digests = [each.item_digests.get(name) for each in (runs[0], run)]
            if None not in digests:
                _agree(pair, f"the content of {name}", *digests)
    note = f"compared on the {len(shared)} items that {names_of(paths)} hold"
    digest = hashlib.sha256("\n".join(shared).encode()).hexdigest()
    changed = [
        replace(
            run, items=len(shared), dataset_digest=digest,
            dataset_notes=(*run.dataset_notes, note),
            codecs=tuple(_within(info, run, shared) for info in run.codecs),
            item_digests={k: v for k, v in run.item_digests.items() if k in set(shared)},
        )
        for run in runs
    ]  # fmt: skip
    return changed, shared


def _within(info: CodecInfo, run: RunInfo, shared: Items) -> CodecInfo:
    """A codec with as many of its first items as are left."""
    if info.items is None:
        return info
    return replace(info, items=len(set(run.first_items(info.items)) & set(shared)))


def _agree_items(one: tuple[Path, RunInfo, Items], other: tuple[Path, RunInfo, Items]) -> None:
    (first, run, items), (second, another, others) = one, other
    if (run.items, run.dataset_digest) == (another.items, another.dataset_digest):
        return
    word = {"image": "images", "video": "clips", "vector": "blocks"}.get(run.media, "items")
    held = f"{run.items} {word} against {another.items}"
    shared = len(set(items) & set(others))
    if run.items == another.items and shared == len(items):
        raise UsageError(
            f"{first} and {second}: {held} of the same names but another content; report them apart"
        )
    cure = "give --common to compare on these" if shared else "report them apart"
    raise UsageError(f"{first} and {second}: {held}, {shared} of them in both; {cure}")


def merge_runs(paths: Sequence[Path], runs: Sequence[RunInfo], items: Sequence[Items]) -> RunInfo:
    """One description of several runs. Raises UsageError naming the first field that disagrees;
    ``items`` are those of each run's records."""
    first = runs[0]
    held = list(zip(paths, runs, items, strict=True))
    for other in held[1:]:
        path, run, _ = other
        pair = f"{paths[0]} and {path}"
        for field in ("bench", "dataset", "media"):
            _agree(pair, field, getattr(first, field), getattr(run, field))
        _agree_items(held[0], other)
        _agree_mapping(pair, "libraries", first.libraries, run.libraries)
    codecs: dict[str, CodecInfo] = {}
    for path, run in zip(paths, runs, strict=True):
        for info in run.codecs:
            known = codecs.setdefault(info.id, info)
            where = f"{names_of(paths[: paths.index(path)])} and {path}"
            pair = f"{where}: codec {info.id}"
            _agree_mapping(pair, "settings", known.settings, info.settings, strict=True)
            _agree_mapping(pair, "versions", known.versions, info.versions, strict=True)
            _agree(pair, "device", known.device, info.device)
            info.refuse_other_ladder(where, known)
            ladder = tuple(dict.fromkeys((*known.ladder, *info.ladder)))
            counts = (known.items, info.items)  # None is all there are
            more = None if None in counts else max(filter(None, counts))
            codecs[info.id] = replace(known, ladder=ladder, items=more)
    return replace(
        first,
        suite="+".join(_unique(run.suite for run in runs)),
        suite_title=" + ".join(_unique(run.suite_title for run in runs)),
        metrics=tuple(_unique(metric for run in runs for metric in run.metrics)),
        metric_versions=_metric_versions(paths, runs),
        dataset_notes=tuple(_unique(note for run in runs for note in run.dataset_notes)),
        notes=tuple(_unique(note for run in runs for note in run.notes)),
        anchor=next((run.anchor for run in runs if run.anchor), None),
        metric_info=tuple({one["id"]: one for run in runs for one in run.metric_info}.values()),
        codecs=tuple(codecs.values()),
        jobs=max(run.jobs for run in runs),
        timing=" ".join(_unique(run.timing for run in runs)),
        started=min(run.started for run in runs),
        finished=max(run.finished for run in runs),
        verdicts=tuple(verdict for run in runs for verdict in run.verdicts),
    )


def _metric_versions(
    paths: Sequence[Path], runs: Sequence[RunInfo]
) -> Mapping[str, Mapping[str, str]]:
    """Those that all runs with the metric recorded. Raises UsageError where two differ: their
    values never stand in one table."""
    found: dict[str, Mapping[str, str]] = {}
    unknown = set()
    for path, run in zip(paths, runs, strict=True):
        for name in dict.fromkeys((*run.metrics, *run.metric_versions)):
            if name in run.metric_versions:
                known = found.setdefault(name, run.metric_versions[name])
                pair = f"{names_of(paths[: paths.index(path)])} and {path}: metric {name}"
                _agree_mapping(pair, "versions", known, run.metric_versions[name], strict=True)
            else:
                unknown.add(name)
    return {name: versions for name, versions in found.items() if name not in unknown}


def _agree(pair: str, field: str, one: object, other: object) -> None:
    if one != other:
        raise UsageError(
            f"{pair}: {field} disagrees: {one!r} and {other!r}; "
            "runs are merged only if made alike, report them apart"
        )


def _agree_mapping(
    pair: str,
    field: str,
    one: Mapping[str, object],
    other: Mapping[str, object],
    *,
    strict: bool = False,
) -> None:
    """Equal where both have a key; ``strict``: the same keys too."""
    shared = sorted(set(one) & set(other))
    for key in sorted(set(one) | set(other)) if strict else shared:
        _agree(pair, f"{field}.{key}", one.get(key), other.get(key))


def _unique(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))


def names_of(paths: Iterable[Path]) -> str:
    """Folders as a reader is told of them."""
    return ", ".join(str(path) for path in paths)
