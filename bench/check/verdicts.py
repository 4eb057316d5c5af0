"""What a check found: the outcome of each point, of each codec and of the whole. Decides nothing
but the exit status."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from bench.check.axes import Judged
from bench.check.paired import Shift


class Outcome(StrEnum):
    """From what matters most to what matters least: the worst point names its codec's outcome."""

    REGRESSION = "regression"
    INCOMPARABLE = "not comparable"
    MISSING = "missing"
    IMPROVEMENT = "improvement"
    NEW = "new"
    CHANGED = "changed"
    OTHER_STREAMS = "same numbers, other streams"
    NO_CHANGE = "no change"

    @staticmethod
    def worst(outcomes: Iterator[Outcome]) -> Outcome:
        return min(outcomes, key=list(Outcome).index)


@dataclass(frozen=True, slots=True)
class PointVerdict:
    """One operating point: the outcome, what moved, and in words why."""

    codec: str
    point: str
    outcome: Outcome
    items: int = 0
    identical: int = 0
    """Items whose bitstream is the baseline's, by hash."""
    changed: tuple[str, ...] = ()
    """Of a codec that is compared by hash: the items whose bitstream is not the baseline's."""
    shifts: tuple[Shift, ...] = ()
    losing: tuple[str, ...] = ()
    """Of a codec that is compared by hash: the items that lose more than a metric's tolerance."""
    detail: str = ""

    def shift(self, quantity: str) -> Shift | None:
        return next((shift for shift in self.shifts if shift.quantity == quantity), None)


@dataclass(frozen=True, slots=True)
class CodecVerdict:
    """One codec: its worst point's outcome or that of its curve, and what changed around it."""

    codec: str
    outcome: Outcome
    points: tuple[PointVerdict, ...]
    bd_rate: Shift | None = None
    """New curve against the baseline's; None where it is not defined or cannot be trusted."""
    causes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckReport:
    """The whole comparison; ``problems`` say what could not be compared and why."""

    suite: str
    items: int
    codecs: tuple[CodecVerdict, ...]
    judged: Judged
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def points(self) -> Iterator[PointVerdict]:
        """The points of all codecs."""
        return (point for codec in self.codecs for point in codec.points)

    @property
    def exit_status(self) -> int:
        """1 with a regression, else 2 where something could not be compared, else 0."""
        outcomes = {point.outcome for point in self.points}
        outcomes |= {codec.outcome for codec in self.codecs}
        if Outcome.REGRESSION in outcomes:
            return 1
        lacking = outcomes & {Outcome.MISSING, Outcome.INCOMPARABLE}
        return 2 if self.problems or self.judged.lost or lacking else 0
