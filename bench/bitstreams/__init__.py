"""Parsers that tell picture content, headers and dispensable bytes of a coded stream apart.

They never decode samples; every byte of the input is either kept or counted as discarded.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stripped:
    """A stream without what no decoder needs.

    ``header_bytes`` is the part of ``payload`` that is not entropy-coded picture content;
    ``discarded_bytes`` plus the length of ``payload`` is the length of the input.
    """

    payload: bytes
    header_bytes: int
    discarded_bytes: int


class Ledger:
    """Collects the pieces of a stream as header, content or dispensable."""

    def __init__(self) -> None:
        self._kept: list[bytes] = []
        self._header = 0
        self._discarded = 0

    def header(self, piece: bytes) -> None:
        self._kept.append(piece)
        self._header += len(piece)

    def content(self, piece: bytes) -> None:
        self._kept.append(piece)

    def discard(self, piece: bytes) -> None:
        self._discarded += len(piece)

    def close(self) -> Stripped:
        return Stripped(b"".join(self._kept), self._header, self._discarded)
