"""Collects from cards and data set which paths a run hides from codecs and which decoders may read.

Names paths only; processes/isolation.py enforces them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from bench.cards import CodecCard
from bench.datasets.base import Loader, places_of
from bench.datasets.locate import cache_folder
from bench.processes.isolation import HiddenPaths, installed_places, source_places

_FIELD = re.compile(r"\{\w+\}")
_ATTRIBUTE = re.compile(r"([A-Za-z_]\w*)(\.\w+)*:[A-Za-z_][\w.]*")


def hidden_paths_of(
    loader: Loader, cards: Iterable[CodecCard], private: Iterable[Path]
) -> HiddenPaths:
    """The hidden paths of a run; ``private`` are its results folder and its scratch folder."""
    cards = list(cards)
    files = (path for card in cards for path in _files_of(card))
    code = source_places([name for card in cards for name in _modules_of(card)])
    return HiddenPaths(
        originals=places_of(loader),
        private=(*private, cache_folder()),
        code=(*installed_places(), *code, *files),
    )


def decoder_places(card: CodecCard) -> tuple[Path, ...]:
    """The paths that a codec's decoder may read besides installed packages: its modules, its
    weights, files that its settings name, and the card's ``reads``."""
    return (*source_places(_modules_of(card)), *_files_of(card))


def _modules_of(card: CodecCard) -> tuple[str, ...]:
    return (card.adapter, *(word for word in _named_by(card) if _ATTRIBUTE.fullmatch(word)))


def _files_of(card: CodecCard) -> tuple[Path, ...]:
    named = (path for word in _named_by(card) for path in _files_like(word, card.folder))
    return (card.path, card.folder / "weights", *card.reads, *named)


def _named_by(card: CodecCard) -> Iterator[str]:
    return (value for value in card.settings.values() if isinstance(value, str) and value)


def _files_like(word: str, folder: Path) -> Iterator[Path]:
    """Files and folders of this name below the current folder or the card's folder; a placeholder
    such as ``{quality}`` matches anything."""
    pattern = Path(_FIELD.sub("*", word)).expanduser()
    for base in {pattern.parent.absolute(), folder.absolute() / pattern.parent}:
        if pattern.name and base.is_dir():
            yield from base.glob(pattern.name)
