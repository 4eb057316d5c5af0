"""Which metrics a run measures: those asked for and those that its folder holds already.

Says what cannot run here and what was measured with another version; measures nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from bench.datasets.base import Item
from bench.engine.plan import Key
from bench.errors import Unavailable
from bench.metrics.base import ALWAYS
from bench.metrics.info import info_table
from bench.metrics.registry import applicable, foreign_info, metrics, versions_of
from bench.records import Record, Stored
from bench.results.run_info import MeasuredWith
from bench.results.store import Store


@dataclass(frozen=True, slots=True)
class Chosen:
    """The metrics of a run, and those of them that can run here."""

    names: tuple[str, ...]
    able: tuple[str, ...]
    earlier: tuple[str, ...]
    """Those that the folder held before."""


def choose_metrics(
    asked: Sequence[str], store: Store, say: Callable[[str], None], *, only_asked: bool = False
) -> Chosen:
    """What was asked for joins what the folder holds, which keeps its metrics. Values of another
    version of a metric, or of one that nobody noted, are dropped, to be measured again; with
    ``only_asked`` all other metrics stay as they are."""
    held = store.metrics()
    wanted = tuple(dict.fromkeys((*held.names, *asked)))
    names = tuple(name for name in wanted if name in metrics())
    for name in wanted:
        if name not in names:
            say(f"metric {name} of this folder is unknown here; load it with --plugin to go on")
    usable = [name for name in names if name in asked or not only_asked]
    able = tuple(name for name in usable if _runs(name, say))
    versions = {name: versions_of(name) for name in able}
    for name in outdated(held, able):
        if dropped := store.forget(name):
            what = _difference(held.versions.get(name, {}), versions[name])
            say(f"{dropped} values of {name} come from {what}; they are measured again")
    info = {one["id"]: one for one in (*held.info, *map(info_table, foreign_info(names)))}
    known = {**held.versions, **{name: found for name, found in versions.items() if found}}
    store.set_metrics(MeasuredWith(wanted, tuple(info.values()), known))
    return Chosen(names, able, held.names)


def outdated(held: MeasuredWith, able: Iterable[str]) -> tuple[str, ...]:
    """Of metrics that can run here those whose values in a folder are of another version, or of
    one that was not recorded."""
    return tuple(
        name
        for name in able
        if name in held.names and held.versions.get(name, {}) != versions_of(name)
    )


def _difference(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    if not before:
        return "a version that was not recorded"
    parts = [
        f"{part} {before.get(part, '(none)')[:40]}, now {now.get(part, '(none)')[:40]}"
        for part in dict.fromkeys((*before, *now))
        if before.get(part) != now.get(part)
    ]
    return f"another version ({'; '.join(parts)})"


def _runs(name: str, say: Callable[[str], None]) -> bool:
    try:
        metrics()[name].check_available()
    except Unavailable as error:
        say(f"metric {name} skipped: {error}")
        return False
    return True


def applying(item: Item, names: tuple[str, ...]) -> tuple[str, ...]:
    """Those metrics that may have a value on an item."""
    return names if item.layout is None else applicable(item.layout, names)


def lacking(
    records: Iterable[Record], items: Sequence[Item], names: Sequence[str], held: MeasuredWith
) -> dict[Key, tuple[tuple[str, ...], Stored]]:
    """Of finished records those that lack a metric that can run here and applies to their item, or
    ``held`` it of another version: which they lack, and what they were measured on."""
    able = tuple(name for name in names if name in metrics() and _runs(name, lambda line: None))
    apply = {item.name: applying(item, able) for item in items}
    old = outdated(held, able)
    found = {}
    for record in records:
        known = record.scores.keys() - set(old)
        lacks = tuple(name for name in apply.get(record.item, ()) if name not in known)
        if lacks and record.status == "done":
            stored = Stored(
                record.bitstream_sha256 or "", record.scores.get(ALWAYS), record.reached
            )
            found[record.codec, record.point, record.item] = (lacks, stored)
    return found
