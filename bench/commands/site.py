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
    from bench.commands.terminal import make_console
    from bench.report.site import build_site

    built = build_site(options.paths, options.out, load_registry(options.cards))
    console = make_console()
    for line in built.left_out:
        console.print(f"left out: {line}", style="yellow", markup=False, highlight=False)
    console.print(
        f"{built.folder / 'index.html'}: {built.suites} suites, {built.codecs} codecs, "
        f"{built.size / 1e6:.1f} MB", markup=False, highlight=False,
    )  # fmt: skip
    return 0
