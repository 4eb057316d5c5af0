"""A data set whose loader is not ours, as a run sees it: a process of its own reads the items.

Nothing of the loader is imported here; items and frames come over as plain data.
"""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from bench.cards import DatasetCard, Settings, plugins
from bench.cards.toml import label
from bench.codecs.foreign.host import Answer, Host, Program
from bench.codecs.foreign.messages import frames_of, layout_of
from bench.codecs.foreign.places import is_ours
from bench.datasets.base import DataOptions, Item, Loader, build_loader
from bench.datasets.locate import VARIABLE
from bench.datasets.sources import remembered
from bench.errors import CodecError, DataError
from bench.processes.isolation import launch_folder
from bench.signals import Frame, Signal

_BACKEND = "bench.codecs.foreign.loader_backend"


def open_dataset(card: DatasetCard, settings: Settings, options: DataOptions) -> Loader:
    """The loader of a card, in a process of its own where it is not ours. Raises DataError where
    its data are missing, CardError where the loader does not exist."""
    kind = build_loader if is_ours(card.loader) else ForeignLoader
    return kind(card, settings, options)


class ForeignLoader:
    """The protocol of loaders over a process, which is started in every process that asks."""

    def __init__(self, card: DatasetCard, settings: Settings, options: DataOptions) -> None:
        context = (card, dict(settings), options, plugins.loaded(), os.environ.get(VARIABLE))
        here = str(launch_folder())
        opening = {
            "backend": _BACKEND,
            "path": [here],
            "last": [*plugins.path(), str(card.path.parent)],
            "folder": here,
            "context": pickle.dumps(context).hex(),
        }
        self._program = Program(label(card.path), json.dumps(opening))
        told = self._ask("describe").result
        try:
            self._items = tuple(_item(table) for table in told["items"])
            self._notes = tuple(map(str, told["notes"]))
            self._places = tuple(map(Path, told["places"]))
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"{self._program.codec}: its loader describes no items: {error}"
            ) from error

    def _ask(self, call: str, **named: object) -> Answer:
        try:
            return _host(self._program).call(call, named)
        except CodecError as error:
            raise DataError(str(error)) from error

    def items(self) -> Sequence[Item]:
        return self._items

    def notes(self) -> tuple[str, ...]:
        return self._notes

    def places(self) -> tuple[Path, ...]:
        return self._places

    def holds(self, item: Item) -> bool:
        return bool(self._ask("holds", item=item.name).result["holds"])

    def load(self, item: Item) -> Signal:
        try:
            layout = layout_of(self._ask("load", item=item.name).result["layout"])
        except (KeyError, ValueError) as error:
            raise DataError(f"{item.name}: the loader gives no signal: {error}") from error

        def frames() -> Iterator[Frame]:
            for index in range(layout.frames):
                answer = self._ask("frame", item=item.name, index=index)
                try:
                    found = frames_of(answer.result["frames"], answer.blobs)
                except (KeyError, TypeError, ValueError) as error:
                    raise DataError(f"{item.name}: frame {index}: {error}") from error
                if not found:
                    raise DataError(f"{item.name}: ends before frame {index}")
                yield from found

        return remembered(Signal(layout, frames))


@lru_cache(maxsize=2)
def _host(program: Program) -> Host:
    return Host(program, sees_originals=True)


def _item(table: Mapping[str, Any]) -> Item:
    layout = table["layout"]
    found = Item(**{**table, "layout": None if layout is None else layout_of(layout)})
    if not all(isinstance(one, str) for one in (found.name, found.digest, found.group)):
        raise TypeError(f"an item of {found.name!r}, {found.digest!r}, {found.group!r}")
    return found
