"""What a report shows of a run: ``[report]`` of a suite's card and the options of ``report``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bench.cards.toml import Table
from bench.errors import BenchError, CardError
from bench.records import is_number

Limits = tuple[float, float]
BOLD = ("best", "none")
ALL = ""
"""What limits are of that name no metric."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Codecs and metrics in the order of the reader's wish, all where none is named; ``labels``
    by codec; ``ylim`` by metric, under ``ALL`` of every other; ``points`` adds a table of all
    points; ``bold`` is one of ``BOLD``."""

    codecs: tuple[str, ...] = ()
    anchor: str | None = None
    metrics: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    xlim: Limits | None = None
    ylim: Mapping[str, Limits] = field(default_factory=dict)
    caption: str = ""
    points: bool = False
    bold: str = ""

    def over(self, other: Choice) -> Choice:
        """This choice, and where it says nothing the other."""
        return Choice(
            self.codecs or other.codecs, self.anchor or other.anchor,
            self.metrics or other.metrics, {**other.labels, **self.labels},
            self.xlim or other.xlim, {**other.ylim, **self.ylim},
            self.caption or other.caption, self.points or other.points, self.bold or other.bold,
        )  # fmt: skip

    def quality_limits(self, *names: str) -> Limits | None:
        """The limits of the first name that has some, else those of all."""
        return next((self.ylim[name] for name in (*names, ALL) if name in self.ylim), None)


def read_choice(table: Table) -> Choice:
    """The ``report`` table of a suite. Raises CardError naming file, key and value."""
    table.refuse_unknown("codecs anchor metrics label xlim ylim caption points bold".split())
    labels, ylim = table.get("label", dict, {}), table.values.get("ylim", {})
    if wrong := next((key for key, text in labels.items() if not isinstance(text, str)), None):
        raise CardError(f"{table.where}: label.{wrong} is {labels[wrong]!r}; give a text")
    bold = table.get("bold", str, "")
    if bold not in ("", *BOLD):
        raise CardError(f"{table.where}: bold is {bold!r}; give one of {', '.join(BOLD)}")
    limits = ylim if isinstance(ylim, dict) else {ALL: ylim}
    xlim = table.values.get("xlim")
    return Choice(
        table.words("codecs"), table.get("anchor", str, None), table.words("metrics"), labels,
        None if xlim is None else limits_of(f"{table.where}: xlim", xlim, CardError),
        {key: limits_of(f"{table.where}: ylim", two, CardError) for key, two in limits.items()},
        table.get("caption", str, ""), table.get("points", bool, False), bold,
    )  # fmt: skip


def limits_of(where: str, two: object, error: type[BenchError]) -> Limits:
    """Two rising numbers. Raises ``error`` saying where and what."""
    values = two if isinstance(two, Sequence) and not isinstance(two, str) else ()
    if len(values) == 2 and all(map(is_number, values)) and values[0] < values[1]:
        return float(values[0]), float(values[1])
    raise error(f"{where} is {two!r}; give two rising numbers, such as 0.1 and 2")
