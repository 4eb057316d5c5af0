"""Which bitstreams are the baseline's, by hash. A missing hash equals no other hash."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Marks = NDArray[np.uint64]

HASH_DIGITS = 16
"""64 bits: two different streams of a baseline do not collide by chance."""
_NAMED = 3


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


def compare_streams(new: Marks, old: Marks, names: Sequence[str]) -> Streams:
    """What the hashes of both sides say of these items."""
    known = (new != 0) & (old != 0)
    changed = np.flatnonzero(known & (new != old))
    return Streams(len(names), int((known & (new == old)).sum()), tuple(names[i] for i in changed))
