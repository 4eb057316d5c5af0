"""`bench report`: tables, plots and the page of finished runs."""

from __future__ import annotations

import argparse
from pathlib import Path

from bench.commands.options import add_cards, add_overlay
from bench.errors import UsageError

SUMMARY = "rebuild tables, plots and the page of a run"


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folders", type=Path, nargs="+", metavar="DIR", help="results folders")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where to; needed for several")
    add_overlay(parser)
    parser.add_argument(
        "--common", action="store_true",
        help="of several folders: compare on the items that all of them hold",
    )  # fmt: skip
    parser.add_argument("--style", default="paper", help="plot style: paper or ieee")
    parser.add_argument(
        "--rate", choices=("log", "linear"), help="rate axis of the plots; default: log"
    )
    add_cards(parser)


def call(options: argparse.Namespace) -> int:
    from bench.figures.drawing_process import DrawingProcess
    from bench.processes.pool import available_cores

    if len(options.folders) > 1 and options.out is None:
        raise UsageError("several folders: say with --out where their report goes")
    with DrawingProcess(available_cores()) as drawing:
        drawing.start()
        from bench.cards import load_registry
        from bench.commands.progress import print_missing
        from bench.commands.summary import print_summary
        from bench.commands.terminal import make_console
        from bench.report import build

        built = build(
            options.folders, style=options.style, overlays=options.overlay, out=options.out,
            registry=load_registry(options.cards), common=options.common, rate_axis=options.rate,
            drawing=drawing,
        )  # fmt: skip
    console = make_console()
    print_summary(built.folder, content=built.content, console=console)
    print_missing(console, built.missing)
    return 0
