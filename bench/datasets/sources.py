"""What every kind of clip file offers to the loaders, and how files are told apart.

Owns the protocol, the digest of large files and the order of frame names; opens no media.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import ClassVar, Protocol

from bench.datasets.base import Item
from bench.datasets.zipped import File, files_of
from bench.errors import FORMULA, DataError, plain
from bench.signals import Frame, Layout, Signal

WHOLE_BYTES = 64 * 2**20
"""Files up to this size are hashed whole."""
REMEMBERED_BYTES = 256 * 2**20
"""As much as metrics keep of a reference, whose frames are then these."""
UNSAID_RATE = "taken at 25 frames a second, which nothing says"
NO_RATE = f"{UNSAID_RATE}; --fps does"
_NAMED = 6


class Refusal(Exception):
    """Why a file cannot be used and what to do, without its name."""


def pixel_shape(shape: Fraction) -> str:
    """What is said of pixels that are no squares, which are measured as they are stored."""
    return "" if shape in (0, 1) else f"pixels of {shape.numerator}:{shape.denominator}"


class Source(Protocol):
    """One clip on disk; picklable. All methods raise Refusal for what cannot be used."""

    def layout(self) -> Layout:
        """Kind, size, number of frames and frame rate, without decoding them."""

    def facts(self) -> tuple[str, ...]:
        """What a reader of its results must know: what is measured as stored though players show
        it otherwise, or taken for granted."""

    def digest(self) -> str:
        """Changes when the content does."""

    def frames(self) -> Iterator[Frame]:
        """The frames in order, read one at a time."""

    def places(self) -> tuple[Path, ...]:
        """The files that hold it."""


@dataclass(frozen=True, slots=True)
class OneFile:
    """What of a source is the same wherever it is one file."""

    path: File

    def digest(self) -> str:
        return file_digest(self.path)

    def places(self) -> tuple[Path, ...]:
        return files_of([self.path])


class Files:
    """Items of files, of which some may have a problem; all of them is a DataError. ``kind`` is
    what they are, in words."""

    kind: ClassVar[str]

    def __init__(self, items: Sequence[Item], where: Path, notes: Iterable[str] = ()) -> None:
        self._items, self._notes = tuple(items), tuple(notes)
        problems = [item.problem for item in items if item.problem is not None]
        if len(problems) == len(items):
            if len(problems) == 1:
                raise DataError(problems[0])
            first = f": {problems[0]}" if problems else ""
            raise DataError(f"{where}: none of {len(problems)} {self.kind} can be used{first}")

    def note(self, *sentences: str) -> None:
        """Adds what a reader of the results must know."""
        self._notes += sentences

    def items(self) -> Sequence[Item]:
        return self._items

    def notes(self) -> tuple[str, ...]:
        problems = sum(item.problem is not None for item in self._items)
        if not problems:
            return self._notes
        found = f"{problems} of {len(self._items)} {self.kind} cannot be used; each record says why"
        return (*self._notes, found)


class Clips(Files):
    """Items of clip sources by name; frames are read when they are asked for, one at a time."""

    kind = "clips"

    def __init__(
        self,
        sources: dict[str, Source],
        where: Path,
        notes: Iterable[str] = (),
        check: Callable[[Item], Item] = lambda item: item,
    ) -> None:
        """``check`` may add to an item what is known of it, or a problem."""
        self._sources = sources
        items = [check(_item(name, source)) for name, source in sources.items()]
        super().__init__(items, where, (*notes, *_facts(sources, items)))

    def load(self, item: Item) -> Signal:
        source, layout, name = self._sources[item.name], item.usable_layout(), item.name
        return remembered(Signal(layout, lambda: _checked(source, layout, name)))

    def places(self) -> tuple[Path, ...]:
        return tuple(path for source in self._sources.values() for path in source.places())


def _facts(sources: Mapping[str, Source], items: Sequence[Item]) -> Iterator[str]:
    """Each fact once, with the clips that it is said of."""
    said: dict[str, list[str]] = {}
    usable = [item.name for item in items if item.problem is None]
    for name in usable:
        for fact in sources[name].facts():
            said.setdefault(fact, []).append(name)
    for fact, names in said.items():
        whose = "all clips" if len(names) == len(usable) > 1 else ", ".join(names[:_NAMED])
        more = f" and {len(names) - _NAMED} more" if whose != "all clips" and names[_NAMED:] else ""
        yield f"{fact}: {whose}{more}"


def _item(name: str, source: Source) -> Item:
    try:
        return Item(name, source.digest(), source.layout())
    except Refusal as refusal:
        return Item(name, "refused", None, f"{name}: {refusal}")
    except OSError as error:
        return Item(name, "unreadable", None, f"{name}: cannot be read: {error.strerror}")


def _checked(source: Source, layout: Layout, name: str) -> Iterator[Frame]:
    """The frames, with what went wrong as DataError that names the clip; never fewer or more than
    the layout says."""
    count = 0
    try:
        for frame in source.frames():
            if frame.shape != layout.frame_shape:
                raise Refusal(f"frame {count + 1} has another size than its header says")
            count += 1
            yield frame
    except Refusal as refusal:
        raise DataError(f"{name}: {refusal}") from refusal
    except OSError as error:
        raise DataError(f"{name}: cannot be read: {error.strerror}; put it back") from error
    if count != layout.frames:
        raise DataError(
            f"{name}: {count} frames could be read of {layout.frames}; the file is truncated or "
            "changed since this run was planned"
        )


def remembered(signal: Signal) -> Signal:
    """The same signal, which decodes its files once if its frames take at most 256 MB, so that the
    points of a ladder do not decode them again and again; larger ones are streamed each time."""
    if signal.layout.frame_bytes * signal.layout.frames > REMEMBERED_BYTES:
        return signal
    kept: list[Frame] = []

    def opened() -> Iterator[Frame]:
        if not kept:
            kept.extend(list(signal.frames()))
        return iter(kept)

    return Signal(signal.layout, opened)


def file_digest(path: File) -> str:
    """sha256 of a file up to 64 MB; of a larger one that of its size, modification time and first
    and last megabyte, since hashing hours of video would take longer than coding a little of it."""
    facts = path.stat()
    with path.open("rb") as file:
        if facts.st_size <= WHOLE_BYTES:
            return sha256(file.read()).hexdigest()
        digest = sha256(f"{facts.st_size} {facts.st_mtime_ns} ".encode())
        digest.update(file.read(2**20))
        file.seek(-(2**20), 2)
        digest.update(file.read())
    return digest.hexdigest()


def item_names(paths: Sequence[Path], base: Path) -> list[str]:
    """The item of each file below ``base``, all different: without suffix, else with it."""
    for suffix in (False, True):
        names = [path.relative_to(base) for path in paths]
        words = [safe_name((one if suffix else one.with_suffix("")).as_posix()) for one in names]
        if len(set(words)) == len(words):
            return words
    return [f"{word} ({number})" for number, word in enumerate(words, start=1)]


def safe_name(name: str) -> str:
    """A file's name as tables and terminals can show it, whatever the locale: what is no UTF-8 and
    what acts on a terminal written out, ``./`` before what a spreadsheet would compute."""
    word = plain(os.fsencode(name).decode("utf-8", "surrogateescape")).replace("\n", "\\x0a")
    return f"./{word}" if word.startswith(FORMULA) else word


def natural_key(path: File) -> tuple[tuple[int, str], ...]:
    """Sorts ``f2`` before ``f10``."""
    parts = re.findall(r"\d+|\D+", path.name)
    return tuple((int(part), "") if part.isdecimal() else (-1, part) for part in parts)


def frame_gap(paths: Sequence[File]) -> str | None:
    """What is wrong with the numbering of a clip's frames, or None: numbered names must follow
    each other, since a missing file would be a jump in the motion."""
    found = [re.fullmatch(r"(.*?)(\d+)", path.stem) for path in paths]
    matches = [match for match in found if match is not None]
    if len(matches) != len(paths) or len({match.group(1) for match in matches}) != 1:
        return None
    numbers = [int(match.group(2)) for match in matches]
    for before, after in pairwise(numbers):
        if after == before:
            return f"two frames have number {after}"
        if after != before + 1:
            return f"frame {before + 1} is missing between {before} and {after}"
    return None
