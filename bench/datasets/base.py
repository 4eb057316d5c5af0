"""What a data set loader is: a fixed list of items, each loaded as a signal on demand; and from a
card to the loader that it names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from bench.cards.plugins import import_class
from bench.cards.toml import label
from bench.errors import BenchError, CardError, DataError, near_matches

if TYPE_CHECKING:
    from bench.cards import DatasetCard, Settings
    from bench.signals import Layout, Signal

_LOADER_NEEDS = ("items", "load", "notes")


@dataclass(frozen=True, slots=True)
class Item:
    """One picture, clip or block of vectors.

    ``digest`` changes when the content does (a file's sha256, or that of a generator's inputs);
    ``layout`` is read from headers only, so that planning does not decode anything.
    ``problem`` is set where the item cannot be used (corrupt, animated, 16-bit …): every task on
    it then fails with this reason.
    ``group`` names what several items share and others do not, such as the production that clips
    were cut from: intervals are then over groups. Neither results nor digests depend on it.
    """

    name: str
    digest: str
    layout: Layout | None
    problem: str | None = None
    group: str = ""

    def usable_layout(self) -> Layout:
        """Raises DataError with the problem where there is one."""
        if self.problem is not None or self.layout is None:
            raise DataError(self.problem or f"{self.name}: has no layout")
        return self.layout


@dataclass(frozen=True, slots=True)
class DataOptions:
    """Where to look for data and what the command line says of it.

    ``root`` is ``--data``; ``listing`` is ``--list``; ``limit`` is ``--limit``: the first N items.
    """

    root: Path | None = None
    listing: Path | None = None
    limit: int | None = None


class Loader(Protocol):
    """One data set, found and ready. Picklable, so that workers open files by themselves.

    The constructor gets the card's settings already overridden by the suite's; it raises DataError,
    with the folder and command that cure it, when the data are missing.
    """

    def __init__(self, card: DatasetCard, settings: Settings, options: DataOptions) -> None: ...

    def items(self) -> Sequence[Item]:
        """All items in a fixed order, ``limit`` applied."""

    def load(self, item: Item) -> Signal:
        """The item's samples. Raises DataError if the file is missing or no longer what it was."""

    def notes(self) -> tuple[str, ...]:
        """What a reader of the results must know: generated or official, how many of how many."""


def whole_setting(
    card: DatasetCard, settings: Settings, key: str, default: int | None = None
) -> int:
    """A whole number above 0 of a loader's settings. Raises CardError for anything else."""
    value = settings.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise CardError(f"{label(card.path)}: settings.{key} is {value!r}; give a number")
    return value


def places_of(loader: Loader) -> tuple[Path, ...]:
    """The files and folders that a loader reads its items from, as far as it says: decoders are
    kept from them. A loader says it with a method ``places``."""
    # not in the protocol: loaders of plug-ins need not have it, and generators have no files
    places = getattr(loader, "places", None)
    return tuple(places()) if places is not None else ()


def holds(loader: Loader, item: Item) -> bool:
    """Whether a loader can read an item on this machine: what its method ``holds`` says, else by
    reading the first frame."""
    # not in the protocol, as above
    said = getattr(loader, "holds", None)
    if said is not None:
        return bool(said(item))
    try:
        for _ in loader.load(item).frames():
            break
    except (BenchError, OSError):
        return False
    return True


def loader_class(card: DatasetCard) -> type[Loader]:
    """The loader class of a data set card, imported now. Raises CardError as ``adapter_class``."""
    loader: type[Loader] = import_class(
        label(card.path), "loader", card.loader, _LOADER_NEEDS, "bench.datasets.base:Loader"
    )
    return loader


def build_loader(card: DatasetCard, settings: Settings, options: DataOptions) -> Loader:
    """The loader of a card. Raises DataError where its data are missing or an item comes twice."""
    kind = loader_class(card)
    known = getattr(kind, "settings_known", settings)  # a loader of others need not say
    if unknown := [key for key in settings if key not in known]:
        raise CardError(
            f"{label(card.path)}: unknown setting {unknown[0]!r}; {near_matches(unknown[0], known)}"
        )
    loader = kind(card, settings, options)
    counts = Counter(item.name for item in loader.items())
    if twice := [name for name, count in counts.items() if count > 1]:
        raise DataError(f"{label(card.path)}: item {twice[0]} is there twice; leave one, or rename")
    return loader
