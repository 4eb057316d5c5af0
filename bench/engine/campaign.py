"""Turns what the user asked for (a suite or their own files, and codecs) into a campaign.

Resolves names and checks values; measures nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.cards import CodecCard, Registry
from bench.cards.suites import Protocol, Suite
from bench.codecs.build import select
from bench.codecs.foreign.loader import open_dataset
from bench.datasets.base import DataOptions, Loader
from bench.datasets.excerpt import Taken
from bench.errors import UsageError
from bench.metrics.registry import check_metrics, default_metrics
from bench.records import TARGET, Point


@dataclass(frozen=True, slots=True)
class Campaign:
    """A suite on its data, ready to be measured."""

    suite: Suite
    codecs: tuple[CodecCard, ...]
    loader: Loader
    media: str
    dataset_title: str
    licence: str = ""
    citation: str = ""
    extends: bool = False
    """The user named the codecs: their points join those that the folder holds already."""


def suite_campaign(
    registry: Registry,
    name: str,
    codecs: Sequence[str],
    options: DataOptions,
    taken: Taken | None = None,
    protocol: Protocol | None = None,
) -> Campaign:
    """The campaign of a named suite, under a protocol if one is named; ``codecs`` replace the list
    of either if there are any.

    Raises UsageError for unknown names, CardError for values out of range, DataError where the
    data are missing.
    """
    suite, taken = registry.suite(name), taken or Taken()
    where = f"datasets/{suite.dataset}.toml [suites.{name}]"
    if protocol is not None:
        suite, where = _under(registry, protocol, suite), f"protocol {protocol.id}"
    card = registry.dataset(suite.dataset)
    chosen = select_codecs(registry, codecs or suite.codecs)
    check_metrics(suite.metrics, where)
    limit = options.limit
    if limit is None:  # else each codec is measured on as many items as the user wants
        limit = suite.items
        chosen = tuple(replace(card, items=suite.limit(card.id)) for card in chosen)
    loader = open_dataset(card, {**card.settings, **suite.settings}, replace(options, limit=limit))
    if taken.frames is None:
        taken = replace(taken, frames=suite.frames)
    taken = replace(taken, start=taken.start or suite.start, to=taken.to or suite.to)
    loader = taken.of(loader, card.media)
    return Campaign(
        suite=suite,
        codecs=chosen,
        loader=loader,
        media=card.media,
        dataset_title=card.title,
        licence=card.licence,
        citation=card.citation,
        extends=bool(codecs),
    )


def input_campaign(
    registry: Registry,
    path: Path,
    codecs: Sequence[str],
    media: str,
    loader: Loader,
    protocol: Protocol | None = None,
) -> Campaign:
    """The campaign of the user's own pictures or clips, which ``loader`` reads from ``path``; under
    a protocol with its codecs where the user names none."""
    codecs = codecs or (protocol.codecs if protocol else ())
    if not codecs:
        raise UsageError("--input needs --codecs A,B; see `bench list codecs`")
    chosen = select_codecs(registry, codecs)
    suite = Suite(
        id="input",
        dataset=path.resolve().name,
        title=path.resolve().name,
        codecs=tuple(card.id for card in chosen),
        metrics=default_metrics(media, [one.layout for one in loader.items() if one.layout]),
        anchor=registry.anchor(),
    )
    if protocol is not None:
        suite = _under(registry, protocol, suite)
    title = f"{path.resolve().name} (your files)"
    return Campaign(suite, chosen, loader, media, title, extends=True)


def _under(registry: Registry, protocol: Protocol, suite: Suite) -> Suite:
    """A suite under a protocol, whose anchor is named as records name it."""
    check_metrics(protocol.metrics, f"protocol {protocol.id}")
    anchor = protocol.anchor and select(registry, protocol.anchor).id
    return replace(protocol.of(suite), anchor=anchor)


def select_codecs(registry: Registry, specs: Sequence[str]) -> tuple[CodecCard, ...]:
    """The cards of codec words, values checked against what their adapters accept."""
    chosen: dict[str, CodecCard] = {}
    for spec in specs:
        card = select(registry, spec)
        if card.id in chosen:
            ladder = dict.fromkeys((*chosen[card.id].ladder, *card.ladder))
            card = replace(card, ladder=tuple(ladder))
        chosen[card.id] = card
    return tuple(chosen.values())


def with_metrics(campaign: Campaign, metrics: Sequence[str]) -> Campaign:
    """The campaign with other metrics than its suite's."""
    return replace(campaign, suite=replace(campaign.suite, metrics=tuple(metrics)))


def at_target_rates(campaign: Campaign, targets: Sequence[float]) -> Campaign:
    """The campaign with every codec's ladder replaced by target rates in bits per pixel."""
    ladder = tuple(Point(TARGET, target) for target in targets)
    codecs = [replace(card, ladder=ladder, searched=card.ladder[0].key) for card in campaign.codecs]
    return replace(campaign, codecs=tuple(codecs))
