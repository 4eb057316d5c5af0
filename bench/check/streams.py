"""Which bitstreams are the baseline's, by hash. A missing hash equals no other hash."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.records import Record

HASH_DIGITS = 16
"""64 bits: two different streams of a baseline do not collide by chance."""
_NAMED = 3

Pair = tuple[Record, Record]
"""The records of one item: the new one and the baseline's."""


@dataclass(frozen=True, slots=True)
class Streams:
    """The streams of one point's items; items without a hash on either side are in neither."""

    items: int
    identical: int
    changed: tuple[str, ...]

    @property
    def unknown(self) -> int:
        """Items that have no hash on one side or on both."""
        return self.items - self.identical - len(self.changed)

    @property
    def named(self) -> str:
        """The first items whose streams changed."""
        return first_few(self.changed)

    def __str__(self) -> str:
        return f"the streams of {len(self.changed)} of {self.items} items"


def first_few(names: Sequence[str]) -> str:
    """Names for a line of text, which has no room for all of a large data set's."""
    return ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "")


def compare_streams(pairs: Sequence[Pair]) -> Streams:
    """What the hashes of both sides say."""
    verdicts = [_same(new, old) for new, old in pairs]
    changed = (new.item for (new, _), same in zip(pairs, verdicts, strict=True) if same is False)
    return Streams(len(pairs), verdicts.count(True), tuple(changed))


def has_hash(record: Record) -> bool:
    """Whether the stream's hash is there, or as much of it as a baseline keeps."""
    return len(record.bitstream_sha256 or "") >= HASH_DIGITS


def _same(new: Record, old: Record) -> bool | None:
    """Whether two streams are the same; None where a hash is missing."""
    if not (has_hash(new) and has_hash(old)):
        return None
    one, other = new.bitstream_sha256 or "", old.bitstream_sha256 or ""
    length = min(len(one), len(other))
    return one[:length] == other[:length]
