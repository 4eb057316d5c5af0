"""`bench site`: a static site of several results folders."""

from __future__ import annotations

import argparse
from pathlib import Path

from bench.commands.options import add_cards

SUMMARY = "a static site of several results folders"
EXAMPLES = ("results/kodak results/starter --out site",)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "paths", type=Path, nargs="+", metavar="DIR",
        help="results folders, and vaults or folders of them",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="the folder of the site"
    )
    add_cards(parser)


def call(options: argparse.Namespace) -> int:
    from bench.cards import load_registry
    from bench.commands.terminal import make_console, say
    from bench.report.site import build_site

    built = build_site(options.paths, options.out, load_registry(options.cards))
    console = make_console()
    for line in built.left_out:
        say(console, f"left out: {line}", "yellow")
    what = f"{built.suites} suites, {built.codecs} codecs, {built.size / 1e6:.1f} MB"
    say(console, f"{built.folder / 'index.html'}: {what}")
    return 0
