"""`bench check`: reads both sides, compares, prints, and writes a baseline only when told to."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bench.commands.options import Joined, add_cards
from bench.errors import StoreError

if TYPE_CHECKING:
    from bench.check.verdicts import CheckReport

SUMMARY = "compare a run with a baseline; 1: it got worse"
EXAMPLES = ("results/starter --against results/baselines/starter",)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOptions:
    """What to compare with what, and where the outcome goes besides the terminal."""

    folder: Path
    against: Path
    codecs: tuple[str, ...] = ()
    """Only these; all without."""
    tolerances: Mapping[str, float | None] = field(default_factory=dict)
    """Those that take the place of the suite's, as in its card; None: as there."""
    cards: tuple[Path, ...] = ()
    """Folders of further cards, one of which may be the suite's."""
    markdown: Path | None = None
    junit: Path | None = None
    github: bool = False
    update: bool = False
    """Write the baseline after comparing."""


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="DIR", help="a results folder or a vault")
    parser.add_argument(
        "--against", type=Path, required=True, metavar="BASELINE",
        help="a baseline or results folder, or a CSV with the columns of records.csv",
    )  # fmt: skip
    parser.add_argument(
        "--codecs", metavar="A,B", action=Joined, help="compare only these (repeatable)"
    )
    parser.add_argument("--tolerance-bd", type=float, metavar="PERCENT", help="BD-rate, 0.5")
    parser.add_argument(
        "--tolerance-db", type=float, metavar="DB", help="quality in dB, 0.05 for most metrics"
    )
    parser.add_argument(
        "--tolerance", action="append", default=[], metavar="METRIC=VALUE", type=_limit,
        help="of one metric, on the axis of its curves (repeatable)",
    )  # fmt: skip
    parser.add_argument("--tolerance-bits", type=float, metavar="PERCENT", help="bits, 0.1")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="also for a pull request")
    parser.add_argument("--junit", type=Path, metavar="FILE", help="also as JUnit XML")
    parser.add_argument(
        "--github", action="store_true",
        help="print GitHub annotations; on by itself in GitHub Actions",
    )  # fmt: skip
    parser.add_argument(
        "--update", action="store_true", help="write DIR as the new BASELINE after comparing"
    )
    add_cards(parser)


def call(options: argparse.Namespace) -> int:
    from bench.cards.codec_specs import split_codecs

    tolerances = {
        "bd_rate_percent": options.tolerance_bd,
        "quality_db": options.tolerance_db,
        "bits_percent": options.tolerance_bits,
        **dict(options.tolerance),
    }
    return check(
        CheckOptions(
            folder=options.folder,
            against=options.against,
            codecs=tuple(split_codecs(options.codecs)) if options.codecs else (),
            tolerances=tolerances,
            cards=tuple(options.cards),
            markdown=options.markdown,
            junit=options.junit,
            github=options.github,
            update=options.update,
        )
    )


def _limit(word: str) -> tuple[str, float]:
    from bench.records import read_number

    name, _, number = word.partition("=")
    try:
        return name, read_number(number)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{word!r} is not METRIC=VALUE") from None


def check(options: CheckOptions) -> int:
    """Runs the comparison; returns the exit status 0, 1 or 2.

    ``update`` returns 0 once the baseline is written. Raises StoreError where a side cannot be
    read, UsageError for an unknown codec or tolerance.
    """
    from bench.check.axes import Tolerances
    from bench.check.baseline import read_measurements, write_baseline
    from bench.check.compare import compare

    measured = read_measurements(options.folder)
    suite = _suite_tolerances(measured.suite, options.cards)
    tolerances = Tolerances.of(suite, options.tolerances)
    if options.update and not _exists(options.against):
        write_baseline(options.folder, options.against)
        print(f"{options.against}: baseline of {len(measured.items)} items written")
        return 0
    report = compare(measured, read_measurements(options.against), tolerances, options.codecs)
    _print(report)
    _write(options, report)
    if options.update:
        write_baseline(options.folder, options.against)
        print(f"{options.against}: baseline replaced; commit it with the reason of the change")
        return 0
    return report.exit_status


def _exists(baseline: Path) -> bool:
    return baseline.is_file() or (baseline / "records.csv").is_file()


def _suite_tolerances(suite: str, cards: Iterable[Path]) -> Mapping[str, float]:
    """What the suite's card says; a folder of a suite that has no card here has none."""
    from bench.cards import load_registry

    found = load_registry(cards).suites().get(suite)
    return {} if found is None else found.tolerances


def _print(report: CheckReport) -> None:
    from bench.check.output import terminal_table, verdict_line
    from bench.commands.terminal import make_console

    console = make_console()
    if report.codecs:
        console.print(terminal_table(report))
    for line in (*report.notes, verdict_line(report)):
        console.print(line, markup=False, soft_wrap=True)


def _write(options: CheckOptions, report: CheckReport) -> None:
    from bench.check.output import github_annotations, junit, markdown

    for path, text in ((options.markdown, markdown(report)), (options.junit, junit(report))):
        if path is not None:
            _write_text(path, text)
    if options.github or os.environ.get("GITHUB_ACTIONS") == "true":
        print(github_annotations(report), end="")


def _write_text(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror}") from error
