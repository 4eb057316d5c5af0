"""What the cards of measured codecs say of them: the training behind their weights, whose settings
they are, what a break in their curve means, and what the codec knows of its data.

Only model cards whose weights are those that were measured are quoted.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from bench.cards import load_registry
from bench.cards.files import read_json
from bench.errors import BenchError
from bench.records import CodecName

if TYPE_CHECKING:
    from bench.results.run_info import CodecInfo


def training_budgets(codecs: Sequence[CodecInfo]) -> list[str]:
    """One line for each weight file that these codecs were measured with."""
    wanted: dict[str, str] = {}
    for info in codecs:
        for key, digest in info.versions.items():
            if key.startswith("weights"):
                wanted.setdefault(digest, f"{info.id.partition(':')[0]} {key}")
    cards = _model_cards()
    return [
        _sentence(cards[digest]) if digest in cards else f"{name}: no model card of these weights"
        for digest, name in wanted.items()
    ]


_NOTES = ("settings", "curve", "caution")
"""What a card's ``[source]`` may say that a reader of a table must know: whose settings these are,
why the curve has its shape, what not to conclude."""


def card_notes(codecs: Sequence[str]) -> list[str]:
    """What ``source.settings``, ``source.curve`` and ``source.caution`` of their cards say of these
    codecs; whose settings they are is not said of variations, which have others."""
    names = dict.fromkeys(CodecName.parse(codec).card for codec in codecs)
    cards = []
    with suppress(BenchError):  # the cards may live on another machine
        registry = load_registry()
        cards = [registry.codec(name) for name in names if name in registry.codecs]
    return [f"{card.id}: {card.source[key]}." for key in _NOTES for card in cards
            if key in card.source and (key != "settings" or card.id in codecs)]  # fmt: skip


def _model_cards() -> dict[str, dict[str, object]]:
    """The model cards of this installation by the hash of their weights."""
    folders, found = set(), {}
    with suppress(BenchError):  # the cards may live on another machine
        folders = {path.parent for path in load_registry().codecs.values()}
    for folder in sorted(folders):
        for path in sorted(folder.glob("weights/*/*.json")):
            with suppress(OSError, ValueError, AttributeError):  # others' weights
                card = read_json(path)
                found[str(card.get("sha256"))] = card
    return found


def _sentence(card: dict[str, object]) -> str:
    seconds = card.get("seconds")
    minutes = f"{float(seconds) / 60:.0f} minutes" if isinstance(seconds, int | float) else "?"
    figures = card.get("validation")
    shown = ", ".join(f"{k} {v}" for k, v in figures.items()) if isinstance(figures, dict) else ""
    began = card.get("started_from")
    start = f", started from {began}{_earlier(card)}" if began else ""
    return (
        f"{card.get('codec')}/{card.get('name')}: {minutes} on {card.get('device')} with "
        f"{card.get('threads')} thread(s), {card.get('steps')} steps, "
        f"{card.get('parameters')} parameters{start}; held out: {shown or 'nothing'}"
    )


def _earlier(card: dict[str, object]) -> str:
    """The trainings before: how many that are known, how long, and whether there were others."""
    earlier = card.get("earlier_trainings")
    known = [one for one in earlier if isinstance(one, dict)] if isinstance(earlier, list) else []
    minutes = sum(float(one.get("seconds") or 0) for one in known) / 60
    told = f" after {len(known)} earlier trainings of {minutes:.0f} minutes" if known else ""
    return told if card.get("earlier_known") else f"{told}; further earlier ones unknown"
