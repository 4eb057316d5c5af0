"""Which metrics a run measures: those asked for and those that its folder holds already.

Says what cannot run here and what was measured with another version; measures nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from bench.datasets.base import Item
from bench.engine.plan import Key
from bench.errors import Unavailable
from bench.metrics.base import ALWAYS
from bench.metrics.registry import applicable, foreign_facts, metrics, versions_of
from bench.records import Record, Stored
from bench.results.store import MeasuredWith, Store


@dataclass(frozen=True, slots=True)
class Chosen:
    """The metrics of a run, and those of them that can run here."""

    names: tuple[str, ...]
    able: tuple[str, ...]
    earlier: tuple[str, ...]
    """Those that the folder held before."""


def choose_metrics(asked: Iterable[str], store: Store, say: Callable[[str], None]) -> Chosen:
    """What was asked for joins what the folder holds, which keeps its metrics. Values of another
    version of a metric are dropped, to be measured again."""
    held = store.metrics()
    wanted = tuple(dict.fromkeys((*held.names, *asked)))
    names = tuple(name for name in wanted if name in metrics())
    for name in wanted:
        if name not in names:
            say(f"metric {name} of this folder is unknown here; load it with --plugin to go on")
    able = tuple(name for name in names if _runs(name, say))
    versions = {name: versions_of(name) for name in able}
    for name in able:
        if name in held.versions and held.versions[name] != versions[name]:
            dropped = store.forget(name)
            say(f"{dropped} values of {name} come from another version; they are measured again")
    facts = {one.id: one for one in (*held.facts, *foreign_facts(names))}
    known = {**held.versions, **{name: found for name, found in versions.items() if found}}
    store.set_metrics(MeasuredWith(wanted, tuple(facts.values()), known))
    return Chosen(names, able, held.names)


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
    records: Iterable[Record], items: Sequence[Item], names: Sequence[str]
) -> dict[Key, tuple[tuple[str, ...], Stored]]:
    """Of finished records those that lack a metric that can run here and applies to their item:
    which they lack, and what they were measured on."""
    able = tuple(name for name in names if name in metrics() and _runs(name, lambda line: None))
    apply = {item.name: applying(item, able) for item in items}
    found = {}
    for record in records:
        lacks = tuple(n for n in apply.get(record.item, ()) if n not in record.scores)
        if lacks and record.status == "done":
            stored = Stored(
                record.bitstream_sha256 or "", record.scores.get(ALWAYS), record.reached
            )
            found[record.codec, record.point, record.item] = (lacks, stored)
    return found
