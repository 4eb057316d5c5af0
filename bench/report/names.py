"""Names of codecs that readers know: the labels of their cards, and shortly what a variation
changes. Ids stay where programs read."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping

from bench.cards import Registry
from bench.cards.codec_specs import parse_value
from bench.records import CodecName, is_number
from bench.results.rates import unmarked
from bench.results.reader import Results

_SLOT = re.compile(r"\s?\{([^{}]+)\}")


def names_of(
    results: Results, registry: Registry | None, labels: Mapping[str, str]
) -> dict[str, str]:
    """One name for each codec, no name twice, and for the cards of variations; ``labels`` come
    first, then the card at hand, then what the run stored."""
    found: dict[str, str] = {}
    for said in (_shortly, _fully):
        taken = Counter(found.values())
        for codec in results.codecs:
            if taken[found.get(codec, "")] != 1:
                found[codec] = _name(results, codec, registry, labels, said)
    taken = Counter(found.values())
    named = {codec: name if taken[name] == 1 else codec for codec, name in found.items()}
    cards = {CodecName.parse(codec).card for codec in results.codecs} - named.keys()
    return named | {card: _name(results, card, registry, labels, _shortly) for card in cards}


def _name(
    results: Results,
    codec: str,
    registry: Registry | None,
    labels: Mapping[str, str],
    said: Callable[[str], str],
) -> str:
    """The label with the settings of a variation, inside the brackets that the label ends with."""
    own = unmarked(codec)
    mark, info, name = codec.removeprefix(own), results.info(codec), CodecName.parse(own)
    versions = info.versions if info else {}
    if own in labels:
        return (_with_versions(labels[own], versions).strip() or own) + mark
    label = labels.get(name.card, "") or (info.label if info else "")
    if not label and registry is not None and name.card in registry.codecs:
        label = registry.codec(name.card).label
    label = _with_versions(label, versions)
    if not label.strip():
        return codec
    words = ", ".join(map(said, name.settings))
    if words:
        label = f"{label[:-1]}, {words})" if label.endswith(")") else f"{label} ({words})"
    return label + mark


def _with_versions(label: str, versions: Mapping[str, str]) -> str:
    """What the slots of a label name; of 1.0.0-4-g471fbd95b2 only the release."""
    known = {key: re.sub(r"-\d+-g[0-9a-f]{7,}$", "", value) for key, value in versions.items()}
    return _SLOT.sub(lambda slot: f" {known[slot[1]]}" if slot[1] in known else "", label)


def _shortly(word: str) -> str:
    """``preset=medium`` is medium, ``preset=0`` preset 0, ``context=none`` no context."""
    key, equals, value = word.partition("=")
    if not equals:
        return f"by {key}"
    if value.lower() in ("none", "off", "false"):
        return f"no {key}"
    if value.lower() in ("true", "on"):
        return key
    return _fully(word) if is_number(parse_value(value)) else value


def _fully(word: str) -> str:
    key, _, value = word.partition("=")
    return f"{key} {':'.join(value) if key == 'chroma' and value.isdecimal() else value}"


def family_name(card: str, count: str) -> str:
    """What single points of one card are called together: inside the brackets of its label."""
    opened = f"{card[:-1]}, " if card.endswith(")") else f"{card} ("
    return f"{opened}{count} variations)"
