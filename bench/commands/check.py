"""`bench check`: reads both sides, compares, prints, and writes a baseline only when told to."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from bench.commands.options import Joined, add_cards
from bench.errors import StoreError

if TYPE_CHECKING:
    from bench.check.verdicts import CheckReport

SUMMARY = "compare a run with a baseline; 1: it got worse"
EXAMPLES = ("results/starter --against results/baselines/starter",)


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


def _limit(word: str) -> tuple[str, float]:
    from bench.records import read_number

    name, _, number = word.partition("=")
    try:
        return name, read_number(number)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{word!r} is not METRIC=VALUE") from None


def call(options: argparse.Namespace) -> int:
    """``--update`` returns 0 once the baseline is written."""
    from bench.cards import load_registry
    from bench.cards.codec_specs import split_codecs
    from bench.check.axes import Tolerances
    from bench.check.baseline import read_measurements, write_baseline
    from bench.check.compare import compare

    folder, against = options.folder, options.against
    measured = read_measurements(folder)
    # a folder of a suite that has no card here has no tolerances of its own
    suite = load_registry(options.cards).suites().get(measured.suite)
    chosen = {
        "bd_rate_percent": options.tolerance_bd,
        "quality_db": options.tolerance_db,
        "bits_percent": options.tolerance_bits,
        **dict(options.tolerance),
    }
    tolerances = Tolerances.of(suite.tolerances if suite else {}, chosen)
    if options.update and not (against.is_file() or (against / "records.csv").is_file()):
        write_baseline(folder, against)
        print(f"{against}: baseline of {len(measured.items)} items written")
        return 0
    codecs = split_codecs(options.codecs) if options.codecs else ()
    report = compare(measured, read_measurements(against), tolerances, codecs)
    _print(report)
    _write(report, options.markdown, options.junit, github=options.github)
    if options.update:
        write_baseline(folder, against)
        print(f"{against}: baseline replaced; commit it with the reason of the change")
        return 0
    return report.exit_status


def _print(report: CheckReport) -> None:
    from bench.check.output import terminal_table, verdict_line
    from bench.commands.terminal import make_console, say

    console = make_console()
    if report.codecs:
        console.print(terminal_table(report))
    for line in (*report.notes, verdict_line(report)):
        say(console, line)


def _write(report: CheckReport, page: Path | None, xml: Path | None, *, github: bool) -> None:
    from bench.check.output import github_annotations, junit, markdown

    for path, text in ((page, markdown(report)), (xml, junit(report))):
        try:
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise StoreError(f"{path}: cannot be written: {error.strerror}") from error
    if github or os.environ.get("GITHUB_ACTIONS") == "true":
        print(github_annotations(report), end="")
