"""Some frames of each clip of a data set, and samples in another format than the source's: what
``--frames``, ``--start`` and ``--to`` say. Opens no file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from bench.colour import converted, convertible
from bench.datasets.base import Item, Loader, holds, places_of
from bench.datasets.sources import remembered
from bench.errors import DataError, UsageError
from bench.signals import FORMATS, Frame, Layout, PixelFormat, Signal

_NAMED = 6


@dataclass(frozen=True, slots=True)
class Taken:
    """``frames`` frames from ``start`` on, all where it is None, in the format ``to``."""

    start: int = 0
    frames: int | None = None
    to: str | None = None

    def __post_init__(self) -> None:
        if self.to is not None and self.to not in FORMATS:
            raise UsageError(f"--to {self.to!r} is not one of {', '.join(FORMATS)}")

    def of(self, loader: Loader, media: str) -> Loader:
        """The loader of what is taken: itself where that is everything as it is."""
        if self == Taken():
            return loader
        if media != "video" and (self.start or self.frames is not None):
            raise UsageError(f"--frames and --start are for clips, not {media}s; leave them out")
        return Excerpt(loader, self)


class Excerpt:
    """A loader of parts, or conversions, of what another loader loads."""

    def __init__(self, loader: Loader, taken: Taken) -> None:
        self._loader, self._taken = loader, taken
        self._whole = {item.name: item for item in loader.items()}
        self._items = tuple(self._item(item) for item in self._whole.values())
        if all(item.problem for item in self._items):
            raise DataError(f"{self._items[0].problem}" if self._items else "there are no items")

    def _item(self, item: Item) -> Item:
        if item.layout is None or item.problem is not None:
            return item
        layout, taken = item.layout, self._taken
        left = layout.frames - taken.start
        if left < 1:
            problem = f"{item.name}: has {layout.frames} frames, none from --start {taken.start} on"
            return replace(item, layout=None, problem=problem)
        count = left if taken.frames is None else min(left, taken.frames)
        digest = item.digest
        if count < layout.frames:
            digest += f", frames {taken.start} to {taken.start + count - 1}"
        kind = self._format(layout)
        if kind is None:
            problem = f"{item.name}: {layout.format.name} cannot become {taken.to}"
            return replace(item, layout=None, problem=problem)
        if kind != layout.format:
            digest += f", as {kind}"
        return replace(item, digest=digest, layout=replace(layout, frames=count, format=kind))

    def _format(self, layout: Layout) -> PixelFormat | None:
        if self._taken.to is None:
            return layout.format
        return convertible(layout.format, FORMATS[self._taken.to])

    def items(self) -> Sequence[Item]:
        return self._items

    def load(self, item: Item) -> Signal:
        wanted, start = item.usable_layout(), self._taken.start
        signal = self._loader.load(self._whole[item.name])

        def frames() -> Iterator[Frame]:
            source = signal.layout
            for frame in islice(signal.frames(), start, start + wanted.frames):
                same = wanted.format == source.format
                yield frame if same else converted(frame, source, wanted.format)

        return remembered(replace(signal, layout=wanted, open=frames))

    def places(self) -> tuple[Path, ...]:
        return places_of(self._loader)

    def holds(self, item: Item) -> bool:
        return holds(self._loader, self._whole[item.name])

    def notes(self) -> tuple[str, ...]:
        return (*self._loader.notes(), *self._frames_note(), *self._format_note())

    def _frames_note(self) -> Iterator[str]:
        taken = self._taken
        if not taken.start and taken.frames is None:
            return
        last = "the last" if taken.frames is None else taken.start + taken.frames - 1
        usable = [item for item in self._items if item.layout is not None]
        short = [
            f"{item.name} ({item.layout.frames})" for item in usable
            if item.layout and taken.frames and item.layout.frames < taken.frames
        ]  # fmt: skip
        more = f" and {len(short) - _NAMED} more" if short[_NAMED:] else ""
        fewer = f"; fewer are there of {', '.join(short[:_NAMED])}{more}" if short else ""
        yield f"frames {taken.start} to {last} of each clip, counted from 0{fewer}"

    def _format_note(self) -> Iterator[str]:
        pairs = {
            (str(self._whole[item.name].layout.format), str(item.layout.format))  # type: ignore[union-attr]
            for item in self._items
            if item.layout is not None
        }
        for before, after in sorted(pairs):
            if before != after:
                yield f"converted from {before} to {after} before coding (--to); compared with that"
