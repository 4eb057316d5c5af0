"""Suites: the table of a data set's card that names a measurement, read and validated; and
protocols, the cards of named test conditions, which any suite can be measured under.

Knows which codecs a suite names, but builds none and reads no media.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from bench.cards.choice import Choice, read_choice
from bench.cards.toml import Table, read_table
from bench.errors import CardError, near_matches
from bench.records import CodecName

TASK_SECONDS = 600.0
"""What a task may take where neither user nor suite says it."""

CLIP_FRAMES = 32
"""The frames of a clip that ``timeout`` is for where a suite does not say how many it takes."""

_KEYS = frozenset(
    "title codecs metrics anchor items limits settings tolerances keep timeout papers examples "
    "notes report frames start to".split()
)
_PROTOCOL_KEYS = frozenset("title codecs metrics anchor frames to source timeout".split())


@dataclass(frozen=True, slots=True)
class Suite:
    """A named measurement: a data set, the codecs on it, the metrics and the BD anchor.

    ``limits`` are the codecs that are measured on the first so many of its ``items`` only.
    ``settings`` override those of the data set's loader; ``tolerances`` are those of ``check``.
    ``papers`` are the writers of further pages, ``package.module:function``; ``keep`` is the number
    of items whose reconstructions stay, ``examples`` the rows of their sheet, ``codec@key=value``.
    ``timeout`` are the seconds after which a task is given up, unless the user says it. ``notes``
    are sentences that a reader of its tables must know, ``report`` what its report shows.
    """

    id: str
    dataset: str
    title: str
    codecs: tuple[str, ...]
    metrics: tuple[str, ...]
    anchor: str | None = None
    items: int | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    tolerances: Mapping[str, float] = field(default_factory=dict)
    keep: int = 0
    timeout: float = TASK_SECONDS
    papers: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    limits: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    frames: int | None = None
    """Frames of each clip, from ``start`` on; None: all."""
    start: int = 0
    to: str | None = None
    """The format that clips are converted to first; None: none."""
    report: Choice = field(default_factory=Choice)

    @property
    def timeout_frames(self) -> int:
        """The frames of a clip that ``timeout`` is for; longer ones have as much more time."""
        return self.frames or CLIP_FRAMES

    def limit(self, codec: str) -> int | None:
        """How many items a codec is measured on, the first ones; None: on all. What is said of a
        card holds for those of its variations that are not named."""
        return self.limits.get(codec, self.limits.get(CodecName.parse(codec).card))


def read_suite(table: Table, dataset: str, name: str) -> Suite:
    """The suite of a card's table. Raises CardError naming file, key and value."""
    table.refuse_unknown(_KEYS)
    return Suite(
        id=name,
        dataset=dataset,
        title=table.get("title", str, name),
        codecs=table.words("codecs"),
        metrics=table.words("metrics"),
        anchor=table.get("anchor", str, None),
        items=table.get("items", int, None),
        settings=table.get("settings", dict, {}),
        tolerances=table.numbers("tolerances"),
        keep=table.get("keep", int, 0),
        papers=table.attribute_paths("papers"),
        examples=table.words("examples"),
        limits=_limits(table),
        timeout=_timeout(table),
        notes=table.words("notes"),
        frames=frame_count(table, "frames", 1),
        start=frame_count(table, "start", 0) or 0,
        to=table.get("to", str, None),
        report=read_choice(Table(f"{table.where} report", table.get("report", dict, {}))),
    )


def frame_count(table: Table, key: str, least: int) -> int | None:
    """A number of frames of a card, or None. Raises CardError for one below ``least``."""
    count = table.get(key, int, None)
    if count is not None and count < least:
        raise CardError(f"{table.where}: {key} is {count}; give a number of frames")
    return count


def _timeout(table: Table) -> float:
    seconds = table.get("timeout", int, None)
    if seconds is None:
        return TASK_SECONDS
    if seconds < 1:
        raise CardError(f"{table.where}: timeout is {seconds}; give seconds, such as 3600")
    return seconds


def _limits(table: Table) -> Mapping[str, int]:
    """A limit that names no codec of the suite would leave one without, unnoticed."""
    names = {CodecName.parse(word).card for word in table.words("codecs")}
    found = {}
    for codec, count in table.numbers("limits").items():
        if CodecName.parse(codec).card not in names:
            raise CardError(
                f"{table.where}: limits.{codec}: no such codec in this suite; "
                f"{near_matches(codec, names)}"
            )
        if not isinstance(count, int) or count < 1:
            raise CardError(f"{table.where}: limits.{codec} is {count}; give a number of items")
        found[codec] = count
    return found


@dataclass(frozen=True, slots=True)
class Protocol:
    """Test conditions that others published; ``title`` is the sentence below tables, ``source``
    where they are stated. ``to`` is the format that clips are converted to first."""

    id: str
    title: str
    source: str
    codecs: tuple[str, ...]
    metrics: tuple[str, ...]
    anchor: str | None = None
    frames: int | None = None
    to: str | None = None
    timeout: int | None = None

    def of(self, suite: Suite) -> Suite:
        """The suite under these conditions; its own codecs, metrics and frames do not count."""
        note = f"protocol {self.id}: {self.title} ({self.source})"
        return replace(
            suite,
            codecs=self.codecs,
            metrics=self.metrics,
            anchor=self.anchor,
            frames=self.frames,
            start=0,
            to=self.to,
            limits={},
            examples=(),
            papers=(),
            timeout=self.timeout or suite.timeout,
            notes=(*suite.notes, note),
        )


@cache
def read_protocol(path: Path) -> Protocol:
    """Reads and validates one card; raises CardError naming file, key and value."""
    table = read_table(path, _PROTOCOL_KEYS, ("title", "source", "codecs", "metrics"))
    codecs, metrics = table.words("codecs"), table.words("metrics")
    if not codecs or not metrics:
        raise CardError(f"{table.where}: codecs and metrics are lists of at least one; add it")
    return Protocol(
        id=path.stem,
        title=table.get("title", str, "").rstrip("."),
        source=table.get("source", str, ""),
        codecs=codecs,
        metrics=metrics,
        anchor=table.get("anchor", str, None),
        frames=frame_count(table, "frames", 1),
        to=table.get("to", str, None),
        timeout=table.get("timeout", int, None),
    )
