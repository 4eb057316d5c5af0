"""`bench list`: suites, codecs, data sets, metrics, columns; reads cards and imports no codec."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from bench.commands.options import add_cards
from bench.errors import Unavailable, plain

if TYPE_CHECKING:
    from bench.cards import Registry

SUMMARY = "suites, codecs, data sets and metrics"
EXAMPLES = ("codecs", "metrics")


def add_options(parser: argparse.ArgumentParser) -> None:
    kinds = ("suites", "protocols", "codecs", "datasets", "metrics", "columns")
    parser.add_argument("kind", nargs="?", choices=kinds, help="default: all but columns")
    add_cards(parser)


def call(options: argparse.Namespace) -> int:
    from bench.cards import load_registry

    if options.kind == "columns":
        print_columns()
    else:
        print_lists(load_registry(options.cards), options.kind)
    return 0


def print_columns() -> None:
    """Prints, as Markdown, what every column of the tables of a run means."""
    from bench.metrics.registry import metrics
    from bench.report.columns import tables

    definitions = {name: one.info.definition for name, one in metrics().items()}
    print("# The columns of every table\n\nWritten by `python -m bench list columns`.")
    for file, columns in tables(definitions):
        print(f"\n## {file}\n\n| column | meaning |\n| --- | --- |")
        for column, words in columns:
            print(f"| `{column}` | {words} |")
    print(
        "\nFurther metrics are further columns of records.csv and, with their axis, of curves.csv. "
        "What does not\napply is empty, never 0; `inf` is infinite.\n\n"
        "Of clips records.csv has, beside the mean over frames of a metric `X`, the worst frame and"
        "\nthe value that 5 % of the frames are worse than: `X_min` and `X_p5`, or `X_max` and "
        "`X_p95` where\nless is better, as for `mse`. In curves.csv `X_min` and `X_max` are those "
        "of all clips. Frames that\nare infinite count as in the mean (100 dB).\n\n"
        "frames.csv is there of clips alone: of the first 16 items of a run, fewer where it would "
        "have more\nthan 100,000 rows. The store holds the frames of all items, a few bytes a "
        "value; `bench report DIR\n--all-frames` writes them."
    )


def print_lists(registry: Registry, kind: str | None) -> None:
    """Prints one kind of entries, or all of them under headings."""
    sections = {
        "suites": [
            (suite.id, f"{suite.title}; {len(suite.codecs)} codecs, anchor {suite.anchor}")
            for suite in sorted(registry.suites().values(), key=lambda suite: suite.id)
        ],
        "protocols": [
            (card.id, f"{card.title}; {len(card.codecs)} codecs")
            for card in map(registry.protocol, sorted(registry.protocols))
        ],
        "codecs": _codecs(registry),
        "datasets": [
            (card.id, f"{card.title}; {card.licence}".rstrip("; "))
            for card in map(registry.dataset, sorted(registry.datasets))
        ],
        "metrics": _metrics(purpose=kind == "metrics"),
    }
    for name in [kind] if kind else sections:
        if kind is None:
            print(f"{name}:")
        width = max((len(id_) for id_, _ in sections[name]), default=0)
        for id_, text in sections[name]:
            print(plain(f"{'' if kind else '  '}{id_:<{width}}  {text}"))
        if kind is None:
            print()


def _metrics(*, purpose: bool) -> list[tuple[str, str]]:
    """What each metric computes, on what, with what; under a heading of its own what for, too."""
    from bench.metrics.registry import metrics

    rows = []
    for name, one in metrics().items():
        info = one.info
        words = [info.definition, f"on {info.admits}"]
        words += [f"needs {info.needs}"] if info.needs else []
        try:
            one.check_available()
        except Unavailable as error:
            words.append(f"not here: {error}")
        rows.append((name, f"{info.title}: {'; '.join(words)}"))
        rows += [("", info.purpose)] if purpose else []
    return rows


def _codecs(registry: Registry) -> list[tuple[str, str]]:
    rows = []
    for name in sorted(registry.codecs):
        card = registry.codec(name)
        points = [str(point) for point in card.ladder]
        span = ", ".join(points)
        if len(points) > 1:
            span = f"{points[0]} … {points[-1].partition('=')[2]} ({len(points)} points)"
        span = "lossless" if card.lossless else span
        rows.append((name, f"{card.title}; {', '.join(card.media)}; {span}"))
    return rows
