"""A user's own network in the words of a card: what builds it, its checkpoints, what its operating
points are.

Owns names, files and their mistakes; imports and codes nothing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.codecs.base import Choice
from bench.errors import CardError, Unavailable, near_matches
from bench.machine import file_digest
from bench.processes.isolation import launch_folder

if TYPE_CHECKING:
    from bench.cards import CodecCard
    from bench.records import Point

_FIELD = re.compile(r"\{(\w+)\}")
_HASHED_NAME = re.compile(r"-([0-9a-f]{8})\.pth")
_CALLS = ("compress", "decompress", "forward", "encode", "decode", "set", "point")
_OF_DECODER = ("decompress", "decode", "set", "point")
"""Entries of ``call`` through which a decoder depends on the operating point."""
PADDING = Choice(("replicate", "zero", "centre-zero"))


@dataclass(frozen=True, slots=True)
class ModelSource:
    """The settings of a card that say which network it is.

    ``folder`` is the card's: relative checkpoints are looked for in the current folder, then there;
    bare file names also in $BENCH_WEIGHTS and torch's cache. ``*`` stands for any part of a name.
    """

    codec: str
    model: str
    weights: str
    call: Mapping[str, object]
    built: Mapping[str, object]
    """``arguments`` and ``update``, in which a point's value may stand, too."""
    folder: Path
    cure: str = ""
    """How to get a checkpoint, as a message ends that misses it; the card's ``source.weights``."""

    @classmethod
    def of(cls, card: CodecCard) -> ModelSource:
        """Raises CardError for a card without ``model`` or ``weights``, or with an unknown call."""
        settings = card.settings
        for key in ("model", "weights"):
            if not settings.get(key):
                raise CardError(f"codec {card.id}: settings.{key} is missing; add it")
        if not re.fullmatch(r"[\w.]+:\w+", str(settings["model"])):
            raise CardError(
                f"codec {card.id}: model is {settings['model']!r}; write package.module:Class"
            )
        call = dict(settings.get("call", {}))
        for key, value in call.items():
            if key not in _CALLS:
                raise CardError(
                    f"codec {card.id}: unknown call {key!r}; {near_matches(key, _CALLS)}"
                )
            if not isinstance(value, str if key == "point" else Mapping):
                example = '"module:function"' if key == "point" else '{ q = "{q}" }'
                raise CardError(f"codec {card.id}: call.{key} is {value!r}; write {example}")
        built = {key: settings[key] for key in ("arguments", "update") if key in settings}
        model, weights = str(settings["model"]), str(settings["weights"])
        cure = str(card.source.get("weights", ""))
        return cls(card.id, model, weights, call, built, card.folder, cure)

    @property
    def tells_decoder(self) -> bool:
        """Whether a decoder must be told the value of the operating point."""
        return "point" in self.call or any(
            True for key in _OF_DECODER if key in self.call for _ in _fields(self.call[key])
        )

    @property
    def one_network(self) -> bool:
        """Whether all points are of one network, with one set of weights."""
        return not {*_fields(self.weights), *_fields(self.built)}

    def check_ladder(self, points: Sequence[Point], only: str) -> None:
        """Raises CardError where nothing reads the ladder's key, where another name stands in
        braces, or where two points would be one measurement. ``only`` is the key of no ladder."""
        key = points[0].key
        named = {"weights": self.weights, "call": self.call, **self.built}
        read = "point" in self.call
        for place, words in named.items():
            for name in _fields(words):
                read = read or name == key
                if name != key:
                    raise CardError(
                        f"codec {self.codec}: {place} has the placeholder {{{name}}}, but the "
                        f"ladder's key is {key!r}"
                    )
        if not read and key != only:
            raise CardError(
                f"codec {self.codec}: neither weights nor call reads {key}: all its values would "
                f"be one measurement; put {{{key}}} into weights, or pass it on: [call] compress = "
                f'{{ {key} = "{{{key}}}" }}'
            )
        if {*_fields(self.call), *_fields(self.built)} or "point" in self.call:
            return
        seen: dict[str, Point] = {}
        for point in points:
            path = self._candidates(point)[0]
            mark = file_digest(found) if (found := self.found(point)) else str(path)
            if mark in seen:
                raise CardError(
                    f"codec {self.codec}: {seen[mark]} and {point} are one checkpoint, {path}: it "
                    f"would be measured twice; put {{{point.key}}} into weights or pass it in "
                    "[call], or leave one point"
                )
            seen[mark] = point

    def check_present(self, points: Sequence[Point]) -> None:
        """Raises Unavailable at the first point without a checkpoint, naming the points that have
        one, and CardError for a checkpoint whose name holds another hash."""
        there = "+".join(str(point.value) for point in points if self.found(point))
        for point in points:
            if there and self.found(point) is None:
                raise Unavailable(
                    f"{self._absent(point, 'get it')}, or measure what is there: "
                    f"{self.codec}{',' if ':' in self.codec else ':'}{point.key}={there}"
                )
            self.checkpoint(point)

    def _absent(self, point: Point, cure: str = "") -> str:
        places = " or ".join(str(path) for path in self._candidates(point))
        cure = _filled(self.cure, point) or cure
        said = f"codec {self.codec}: no checkpoint for {point}: {places} is missing"
        return f"{said}; {cure}" if cure else said

    def _candidates(self, point: Point) -> tuple[Path, ...]:
        """Where a point's checkpoint may lie."""
        path, here = Path(_filled(self.weights, point)).expanduser(), launch_folder()
        if path.is_absolute():
            return (path,)
        more = _download_folders() if path.name == str(path) else ()
        return tuple(folder / path for folder in (here, here / self.folder, *more))

    def checkpoint(self, point: Point) -> Path:
        """The checkpoint of a point. Raises Unavailable naming where it was looked for, CardError
        where there are two or its name holds a hash that its content has not."""
        files = self._all(point)
        if not files:
            raise Unavailable(self._absent(point))
        found, *more = files
        if more:
            raise CardError(
                f"codec {self.codec}: the checkpoint of {point} is {found} or {more[0]}; remove "
                "one, or name the other in weights"
            )
        named = _HASHED_NAME.search(found.name)
        if named and not file_digest(found).startswith(named[1]):
            raise CardError(f"{found}: content does not have the hash {named[1]}; get it again")
        return found

    def digest(self, point: Point) -> str:
        """First half of the sha256 of a point's checkpoint."""
        return file_digest(self.checkpoint(point))[:32]

    def found(self, point: Point) -> Path | None:
        """The checkpoint of a point, if it is on this machine."""
        return next(iter(self._all(point)), None)

    def _all(self, point: Point) -> list[Path]:
        """The checkpoints of a point in the first folder that has one: two only by a ``*``."""
        for path in self._candidates(point):
            like = path.parent.glob(path.name) if "*" in path.name else (path,)
            if files := sorted(filter(Path.is_file, like)):
                return files
        return []


def _download_folders() -> Iterator[Path]:
    """Where checkpoints lie that were downloaded once for all."""
    import torch

    if folder := os.environ.get("BENCH_WEIGHTS"):
        yield Path(folder)
    yield Path(torch.hub.get_dir(), "checkpoints")


def _filled(words: str, point: Point) -> str:
    return _FIELD.sub(lambda _: str(point.value), words)


def _fields(words: object) -> Iterator[str]:
    """The placeholders in text, tables and lists."""
    if isinstance(words, str):
        yield from _FIELD.findall(words)
    elif isinstance(words, Mapping | list):
        for one in words.values() if isinstance(words, Mapping) else words:
            yield from _fields(one)
