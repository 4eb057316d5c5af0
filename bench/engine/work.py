"""What travels between a run and its workers: the description of the work, and its results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from bench.cards import CodecCard, plugins
from bench.datasets.base import Item, Loader
from bench.engine.fresh_decode import DecodedPayload
from bench.metrics import foreign
from bench.metrics.base import Scores
from bench.records import Record, Task
from bench.results.kept_streams import KeptStream
from bench.results.packed import Packed
from bench.results.run_info import Verdict


@dataclass(frozen=True, slots=True)
class WorkSpec:
    """Everything that a worker must know of a run.

    ``decode_again`` are the items whose payloads come back to be decoded in a fresh process, and
    ``keep`` those whose payloads and reconstructions are kept beside the results; with
    ``keep_streams`` the payloads of all are. ``repeats`` is how often each call is timed on one
    pinned core, after a call that is not timed; 0 means once, on any core. ``parallel`` is how many
    tasks of the run are measured at the same time.
    """

    suite: str
    dataset: str
    loader: Loader
    items: Mapping[str, Item]
    codecs: Mapping[str, CodecCard]
    metrics: tuple[str, ...]
    device: str = "cpu"
    parallel: int = 1
    decode_again: frozenset[str] = frozenset()
    keep: frozenset[str] = frozenset()
    keep_streams: bool = False
    streams_only: bool = False
    """Nothing is coded, so that no encoder need be there."""
    repeats: int = 0
    shared: Path | None = None
    """The folder of temporary files where all workers see it, which a cluster's do not."""

    def __reduce__(self) -> tuple[Callable[..., WorkSpec], tuple[object, ...]]:
        # files of plug-ins travel with the work: workers may not see them
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return _unpack, (plugins.loaded(), dict(foreign.described()), values)


def _unpack(
    files: Sequence[plugins.Plugin],
    told: Mapping[foreign.Source, list[dict[str, Any]]],
    values: Mapping[str, Any],
) -> WorkSpec:
    plugins.note(files)
    foreign.adopt(told)
    return WorkSpec(**values)


@dataclass(frozen=True, slots=True)
class Measured:
    """The record of a task and, of the items that the run names, its payload or verdict and what is
    kept."""

    record: Record
    payload: DecodedPayload | None = None
    kept: KeptStream | None = None
    verdict: Verdict | None = None


@dataclass(frozen=True, slots=True)
class Added:
    """Values of metrics that a stored record lacked, and its stream, where it is to be kept;
    ``problem`` is why it cannot be."""

    task: Task
    scores: Scores
    kept: KeptStream | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Portion:
    """What a worker sends back for several tasks, and the seconds that all of them took."""

    records: tuple[Packed, ...]
    seconds: float
    added: tuple[Added, ...] = ()
    payloads: tuple[DecodedPayload, ...] = ()
    kept: tuple[KeptStream, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    code: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By codec the files of code that it loaded, where they are more than were told before."""
