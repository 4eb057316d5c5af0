"""`bench report`: tables, plots and the page of finished runs."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

from bench.commands.options import add_cards, add_overlay
from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.cards.choice import Choice, Limits

SUMMARY = "rebuild tables, plots and the page of a run"
EXAMPLES = (
    "results/kodak --overlay published:vtm,cheng2020-anchor --style ieee",
    "results/kodak --codecs hyperprior,jpeg --anchor x265 --label hyperprior=Ours",
)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folders", type=Path, nargs="+", metavar="DIR", help="results folders, vaults"
    )
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="where to; needed for several and of a vault"
    )
    add_overlay(parser)
    parser.add_argument(
        "--common", action="store_true",
        help="of several folders: compare on the items that all of them hold",
    )  # fmt: skip
    parser.add_argument("--style", default="paper", help="plot style: paper or ieee")
    parser.add_argument(
        "--rate", choices=("log", "linear"), help="rate axis of the plots; default: log"
    )
    parser.add_argument(
        "--all-frames",
        action="store_true",
        help="frames.csv of all clips, not of the first ones alone",
    )
    _add_choice(parser)
    add_cards(parser)


def _add_choice(parser: argparse.ArgumentParser) -> None:
    """What to show of what is stored; `[suites.NAME.report]` of a card has the same keys."""
    group = parser.add_argument_group("what to show; nothing is measured")
    group.add_argument("--codecs", metavar="A,B", help="these codecs in this order")
    group.add_argument("--anchor", metavar="ID", help="the codec that BD-rates are against")
    group.add_argument("--metrics", metavar="A,B", help="these metrics in this order")
    group.add_argument(
        "--label",
        action="append",
        default=[],
        metavar="ID=TEXT",
        help='what to call a codec, such as x265="HEVC (x265)" (repeatable)',
    )
    group.add_argument("--xlim", metavar="LOW,HIGH", help="limits of the rate axis")
    group.add_argument(
        "--ylim",
        action="append",
        default=[],
        metavar="[METRIC=]LOW,HIGH",
        help="limits of the quality axis, of one metric or of all (repeatable)",
    )
    group.add_argument("--caption", default="", metavar="TEXT", help="caption of table.tex")
    group.add_argument(
        "--points", action="store_true", help="also table_points.tex, with all points"
    )
    group.add_argument(
        "--bold", choices=("best", "none"), default="", help="what table.tex sets in bold: best"
    )


def _choice(options: argparse.Namespace) -> Choice:
    from bench.cards.choice import ALL, Choice
    from bench.cards.codec_specs import split_codecs

    for option in ("codecs", "anchor", "metrics"):
        if getattr(options, option) == "":
            raise UsageError(f"--{option} is empty; name what to show or leave it out")
    labels = dict(map(_label, options.label))
    ylim = {}
    for word in options.ylim:
        metric, _, limits = word.rpartition("=")
        ylim[metric or ALL] = _limits("--ylim", limits)
    return Choice(
        codecs=tuple(split_codecs(options.codecs)) if options.codecs else (),
        anchor=options.anchor,
        metrics=tuple(filter(None, (options.metrics or "").split(","))),
        labels=labels,
        xlim=_limits("--xlim", options.xlim) if options.xlim else None,
        ylim=ylim,
        caption=options.caption,
        points=options.points,
        bold=options.bold,
    )


def _label(word: str) -> tuple[str, str]:
    """The id of a codec, with ``key=value`` settings after a colon, and its text."""
    found = re.fullmatch(r"([^:=]+(?::[^=,]+(?:=[^=,]*)?(?:,[^=,]+=[^=,]*)*)?)=(.+)", word)
    if found is None:
        raise UsageError(f"--label {word!r} is not ID=TEXT; give one such as x265=HEVC")
    return found[1], found[2]


def _limits(option: str, words: str) -> Limits:
    from bench.cards.choice import limits_of
    from bench.cards.codec_specs import parse_value

    return limits_of(option, [parse_value(word.strip()) for word in words.split(",")], UsageError)


def call(options: argparse.Namespace) -> int:
    from bench.figures.drawing_process import DrawingProcess
    from bench.processes.pool import available_cores

    if len(options.folders) > 1 and options.out is None:
        raise UsageError("several folders: say with --out where their report goes")
    with DrawingProcess(available_cores()) as drawing:
        drawing.start()
        from bench.cards import load_registry
        from bench.commands.summary import print_summary
        from bench.commands.terminal import make_console
        from bench.report import build

        built = build(
            options.folders, style=options.style, overlays=options.overlay, out=options.out,
            registry=load_registry(options.cards), common=options.common, rate_axis=options.rate,
            drawing=drawing, choice=_choice(options),
            every_frame=options.all_frames,
        )  # fmt: skip
    print_summary(built.content, make_console(), built.missing)
    return 0
