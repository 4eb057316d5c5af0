"""The trainings behind the weights that a training starts from, read from their model card.

Says that earlier ones are unknown where there is no card of these very weights. Trains nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.cards.files import read_json

_TOLD = ("sha256", "started_from", "steps", "seconds")


@dataclass(frozen=True, slots=True)
class Lineage:
    """``start`` is the name of the weights' file, empty for random ones, and ``sha256`` its hash;
    ``earlier`` are the trainings that led to them, oldest first, ``known`` whether those are all.
    """

    start: str = ""
    sha256: str = ""
    earlier: tuple[Mapping[str, object], ...] = ()
    known: bool = True

    def facts(self) -> dict[str, object]:
        """As a model card has it."""
        return {
            "started_from": self.start or None,
            "started_from_sha256": self.sha256 or None,
            "earlier_trainings": [dict(one) for one in self.earlier],
            "earlier_known": self.known,
        }


def lineage_of(weights: Path) -> Lineage:
    """Of a file of weights, by the model card beside it."""
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    card = _card_beside(weights)
    if card.get("sha256") != digest:
        return Lineage(weights.name, digest, known=False)
    last = {"weights": f"{card.get('codec')}/{card.get('name')}"} | {k: card.get(k) for k in _TOLD}
    earlier = card.get("earlier_trainings")
    return Lineage(
        weights.name,
        digest,
        (*(earlier if isinstance(earlier, list) else ()), last),
        # cards of before said only the last start
        bool(card.get("earlier_known", card.get("started_from") is None)),
    )


def _card_beside(weights: Path) -> dict[str, object]:
    try:
        card = read_json(weights.with_suffix(".json"))
    except (OSError, ValueError):
        # weights of others come without a card, or with another file of this name
        return {}
    return card if isinstance(card, dict) else {}
