"""A run's folder as one object: its store, its kept streams and the tables that a run leaves.

Decides nothing about what is measured.
"""

from __future__ import annotations

from pathlib import Path

from bench.records import Stored
from bench.results.kept_streams import KeptStreams
from bench.results.run_info import RunInfo
from bench.results.store import TABLE, Store


class RunFolder:
    """An open folder; a context manager that holds its lock. Raises what ``Store`` raises."""

    def __init__(self, path: Path, *, fresh: bool = False) -> None:
        self.table = path / TABLE
        self._path = path
        self.store = Store(path, fresh=fresh)
        self.kept = KeptStreams(path)

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(self, *exception: object) -> None:
        self.store.__exit__(*exception)

    def done(
        self, keep: frozenset[str], *, judged: frozenset[str], repeats: int
    ) -> dict[tuple[str, str, str], str]:
        """Fingerprints of the finished records by codec, point and item; of items to ``keep``, only
        where the stream was kept, of those to be ``judged`` only at points that have a verdict.
        ``repeats`` is that of ``Store.done``."""
        done = self.kept.complete(self.store.done(repeats=repeats), keep)
        unjudged = set(self.store.unjudged(judged))
        return {key: mark for key, mark in done.items() if key not in unjudged}

    def without_stream(self) -> dict[tuple[str, str, str], tuple[tuple[str, ...], Stored]]:
        """The finished records without a kept stream, which lack nothing else."""
        return {key: ((), one) for key, one in self.kept.lacking(self.store.measured()).items()}

    def write_table(self) -> int:
        """Writes records.csv; returns how many damaged records were dropped."""
        return self.store.export_csv(self.table)

    def finish(self, info: RunInfo) -> None:
        """Writes run.json and the list of kept streams."""
        self.kept.write_index(self.store.records())
        info.write(self._path)
