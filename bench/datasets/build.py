"""From a card to the loader of its data set."""

from __future__ import annotations

from bench.cards import DatasetCard, Settings
from bench.cards.plugins import import_class
from bench.cards.toml import label
from bench.datasets.base import DataOptions, Loader

LOADER_NEEDS = ("items", "load", "notes")


def loader_class(card: DatasetCard) -> type[Loader]:
    """The loader class of a data set card, imported now. Raises CardError as ``adapter_class``."""
    loader: type[Loader] = import_class(
        label(card.path), "loader", card.loader, LOADER_NEEDS, "bench.datasets.base:Loader"
    )
    return loader


def build_loader(card: DatasetCard, settings: Settings, options: DataOptions) -> Loader:
    """The loader of a card. Raises DataError where its data are missing."""
    return loader_class(card)(card, settings, options)
