"""The worker's side of a data set's loader that is not ours: builds it and reads its items.

Runs in a process of its own, and is the only module that imports what a data set's card names.
"""

from __future__ import annotations

import hashlib
import os
import pickle
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from bench.cards import plugins
from bench.codecs.foreign.messages import layout_table, sent_frames
from bench.codecs.foreign.worker import loaded_code
from bench.datasets.base import Item, Loader, build_loader, holds, places_of
from bench.datasets.locate import VARIABLE
from bench.errors import DataError
from bench.signals import Frame, Signal

Reply = tuple[dict[str, Any], list[bytes]]


class Backend:
    """One loader, and the item that it reads."""

    def open(self, args: Mapping[str, Any], blobs: list[bytes]) -> Reply:
        """Takes what the loader is built from; it is built, and may fail, when it is asked."""
        *self._given, plugged, data = pickle.loads(bytes.fromhex(args["context"]))
        plugins.note(plugged)
        if data is not None:
            os.environ[VARIABLE] = data
        self._made: tuple[Loader, dict[str, Item]] | None = None
        self._reading: tuple[str, int, Iterator[Frame]] | None = None
        self._signal: tuple[str, Signal] | None = None
        return {}, []

    @property
    def _loader(self) -> tuple[Loader, dict[str, Item]]:
        if self._made is None:
            loader = build_loader(*self._given)
            self._made = loader, {item.name: item for item in loader.items()}
        return self._made

    def describe(self, args: Mapping[str, Any], blobs: list[bytes]) -> Reply:
        """All items, whose digests tell the code of the loader, too; notes and places."""
        loader, items = self._loader
        code = hashlib.sha256(repr(sorted(loaded_code()[1].values())).encode()).hexdigest()[:16]
        told = [
            asdict(item)
            | {"digest": f"{item.digest}, loader {code}"}
            | {"layout": None if item.layout is None else layout_table(item.layout)}
            for item in items.values()
        ]
        notes, places = [*map(str, loader.notes())], [*map(str, places_of(loader))]
        return {"items": told, "notes": notes, "places": places}, []

    def holds(self, args: Mapping[str, Any], blobs: list[bytes]) -> Reply:
        loader, items = self._loader
        return {"holds": args["item"] in items and holds(loader, items[args["item"]])}, []

    def load(self, args: Mapping[str, Any], blobs: list[bytes]) -> Reply:
        """The layout of an item; its frames are read by ``frame``."""
        return {"layout": layout_table(self._opened(args["item"]).layout)}, []

    def _opened(self, name: str) -> Signal:
        if self._signal is None or self._signal[0] != name:
            loader, items = self._loader
            if name not in items:
                raise DataError(f"{name}: the loader has no such item here")
            self._signal = name, loader.load(items[name])
        return self._signal[1]

    def frame(self, args: Mapping[str, Any], blobs: list[bytes]) -> Reply:
        """One frame; those in order are read once."""
        name, index = args["item"], args["index"]
        signal = self._opened(name)
        if self._reading is None or self._reading[:2] != (name, index):
            self._reading = name, 0, signal.frames()
        _, at, frames = self._reading
        found = [frame for _, frame in zip(range(at, index + 1), frames, strict=False)][-1:]
        self._reading = name, index + 1, frames
        kinds, samples = sent_frames(found)
        return {"frames": kinds}, samples
