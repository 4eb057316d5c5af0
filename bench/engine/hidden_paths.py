"""Collects from cards and data set which paths a run hides from codecs and which decoders may read.

Names paths only; processes/isolation.py enforces them.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from bench.cards import CodecCard
from bench.codecs.foreign.places import files_of, modules_of
from bench.datasets.base import Loader, places_of
from bench.datasets.locate import cache_folder
from bench.processes.isolation import HiddenPaths, installed_places, source_places


def hidden_paths_of(
    loader: Loader, cards: Iterable[CodecCard], private: Iterable[Path]
) -> HiddenPaths:
    """The hidden paths of a run; ``private`` are its results folder and its scratch folder."""
    cards = list(cards)
    files = (path for card in cards for path in files_of(card))
    code = source_places([name for card in cards for name in modules_of(card)])
    return HiddenPaths(
        originals=places_of(loader),
        private=(*private, cache_folder()),
        code=(*installed_places(), *code, *files),
    )


def decoder_places(card: CodecCard) -> tuple[Path, ...]:
    """The paths that the decoder of an adapter of ours may read besides installed packages: its
    modules, its weights, files that its settings name, and the card's ``reads``."""
    return (*source_places(modules_of(card)), *files_of(card))
