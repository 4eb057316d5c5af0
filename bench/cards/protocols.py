"""Protocols: the cards of named test conditions, which any suite can be measured under.

Says which codecs with which settings, frames and metrics; builds nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from bench.cards.suites import Suite, frame_count
from bench.cards.toml import read_table
from bench.errors import CardError

_KEYS = frozenset("title codecs metrics anchor frames to source timeout".split())


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
    table = read_table(path, _KEYS, ("title", "source", "codecs", "metrics"))
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
