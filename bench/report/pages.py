"""Pages that set a paper's tables beside ours: found by what a suite's card names, and by no other
way. Writes no page itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from bench.cards import Registry
from bench.cards.plugins import import_attribute
from bench.cards.suites import Suite
from bench.codecs.foreign.places import is_ours
from bench.errors import CardError

if TYPE_CHECKING:
    from bench.report.content import Content


@dataclass(frozen=True, slots=True)
class Page:
    """What a writer left: a file, or what it missed in a sentence; neither where its codecs were
    not measured."""

    path: Path | None = None
    missing: str = ""


class Writer(Protocol):
    """What ``papers`` of a suite names."""

    def __call__(self, content: Content, folder: Path, suite: Suite) -> Page: ...


def write_papers(content: Content, folder: Path, registry: Registry) -> tuple[Page, ...]:
    """The pages of the suites that were run; none of suites whose card is not at hand.

    Cards name what is imported, never a results folder, which may come from a stranger. Raises
    CardError for a writer that does not exist.
    """
    known = registry.suites()
    run = [known[name] for name in content.results.run.suite.split("+") if name in known]
    return tuple(writer(content, folder, suite) for suite in run for writer in writers_of(suite))


def writers_of(suite: Suite) -> list[Writer]:
    """What ``papers`` of a suite names. Raises CardError if one does not exist or is not ours: a
    report runs no code of others."""
    for path in suite.papers:
        if not is_ours(path):
            raise CardError(
                f"suite {suite.id}: papers names {path!r}, no page of bench; take it out"
            )
    return [import_attribute(f"suite {suite.id}", path) for path in suite.papers]
