"""`bench bd`: BD-rates of a run."""

from __future__ import annotations

import argparse
from pathlib import Path

from bench.commands.options import add_cards, add_overlay

SUMMARY = "BD-rates of a run"
EXAMPLES = (
    "results/kodak --anchor x265 --metric psnr_rgb",
    "results/kodak --overlay published --matrix",
)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="DIR", help="a results folder or a vault")
    parser.add_argument("--anchor", metavar="NAME", help="default: the suite's anchor")
    parser.add_argument("--metric", metavar="NAME", help="default: all that the suite reports")
    add_overlay(parser)
    parser.add_argument("--hull", action="store_true", help="use the convex hull of each curve")
    parser.add_argument("--matrix", action="store_true", help="every codec against every other")
    add_cards(parser)


def call(options: argparse.Namespace) -> int:
    from bench.analysis import bd_table
    from bench.cards import load_registry
    from bench.commands.summary import print_bd
    from bench.commands.terminal import make_console
    from bench.report.names import names_of
    from bench.results.reader import read_results

    results = read_results(options.folder)
    table = bd_table(
        results, options.anchor, options.metric, hull=options.hull, matrix=options.matrix,
        overlays=options.overlay,
    )  # fmt: skip
    print_bd(table, names_of(results, load_registry(options.cards), {}), make_console())
    return 0
