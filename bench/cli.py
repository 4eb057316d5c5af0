"""The command line: parses, calls one function per subcommand, prints. No work is done here."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench import __version__
from bench.errors import BenchError, UsageError

if TYPE_CHECKING:
    from bench.engine.campaign import Campaign

FAILED, BAD_USAGE = 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command line; returns the exit status: 0 done, 1 failed tasks or checks, 2 usage."""
    parser = make_parser()
    options = parser.parse_args(arguments)
    try:
        status: int = options.call(options)
        return status
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return BAD_USAGE
    except KeyboardInterrupt:
        print("bench: stopped", file=sys.stderr)
        return FAILED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def make_parser() -> argparse.ArgumentParser:
    """The parser of all subcommands."""
    parser = argparse.ArgumentParser(
        prog="bench",
        description="Rate-distortion benchmarks of learned and classical image and video codecs.",
        epilog="Start with: python -m bench run --suite starter",
    )
    parser.add_argument("--version", action="version", version=f"bench {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_run(commands.add_parser("run", help="measure codecs on a suite or on your own files"))
    _add_try(commands.add_parser("try", help="one codec on one picture, at one point"))
    _add_new(commands.add_parser("new", help="a card and an adapter of your own, to start from"))
    _add_list(commands.add_parser("list", help="suites, codecs, data sets and metrics"))
    _add_fetch(commands.add_parser("fetch", help="download a data set, checksums verified"))
    _add_report(commands.add_parser("report", help="rebuild tables, plots and the page of a run"))
    _add_bd(commands.add_parser("bd", help="BD-rates of a run"))
    _add_check(commands.add_parser("check", help="compare a run with a baseline; 1: it got worse"))
    _add_doctor(commands.add_parser("doctor", help="is this machine measuring correctly?"))
    _add_train(commands.add_parser("train", help="train a learned codec from its card"))
    return parser


def _add_cards(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--cards", type=Path, action="append", default=[], metavar="FOLDER",
        help="a folder of further codec or data set cards (repeatable)",
    )  # fmt: skip


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="where data sets lie (else $BENCH_DATA, the cache)"
    )


def _add_run(parser: argparse.ArgumentParser) -> None:
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--suite", metavar="NAME", help="a suite; see `bench list suites`")
    source.add_argument(
        "--input", type=Path, metavar="PATH", help="your own pictures or clips: a folder or a file"
    )
    parser.add_argument(
        "--codecs", metavar="A,B:key=v+v", help="codecs, with settings and operating points"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: results/<suite>")
    parser.add_argument("--jobs", type=_positive, metavar="N", help="workers; default: all cores")
    parser.add_argument("--limit", type=_positive, metavar="N", help="only the first N items")
    parser.add_argument(
        "--timeout", type=_seconds, default=600.0, metavar="S", help="seconds a task (default 600)"
    )
    _add_data(parser)
    parser.add_argument("--list", type=Path, metavar="FILE", help="the clips to use, one a line")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument(
        "--no-report",
        dest="report",
        action="store_false",
        help="leave records.csv and run.json only; `bench report` makes the rest",
    )
    parser.add_argument(
        "--cluster", metavar="ADDRESS", help="a Dask scheduler, tcp://host:port, to use its workers"
    )
    parser.add_argument("--fresh", action="store_true", help="discard what --out holds")
    parser.add_argument(
        "--keep",
        type=_positive,
        metavar="N",
        help="keep streams and reconstructions of the first N items for the report's comparison "
        "(default: as many as the suite says)",
    )
    parser.add_argument(
        "--target-bpp",
        type=_rates,
        metavar="R+R",
        help="search each codec's parameter per item for these rates, e.g. 0.1+0.25+0.5",
    )
    parser.add_argument(
        "--timing",
        type=_repeats,
        nargs="?",
        const=5,
        default=0,
        metavar="N",
        help="times that can be quoted: one task at a time on a pinned core, N repeats (default 5)",
    )
    parser.add_argument("--size", metavar="WxH", help="frame size of raw YUV input")
    parser.add_argument("--format", metavar="FMT", help="format of raw YUV: yuv420p, gray, rgb24")
    parser.add_argument("--fps", metavar="N", help="frame rate of inputs that do not say")
    parser.add_argument(
        "--as-video", action="store_true", help="take a folder of pictures as one clip"
    )
    _add_cards(parser)
    parser.set_defaults(call=_run)


def _add_try(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("codec", help="a codec, such as x265:preset=medium,crf=30")
    parser.add_argument("picture", type=Path, help="a picture or clip")
    parser.add_argument(
        "--save", type=Path, default=Path(), metavar="PATH",
        help="where the reconstruction goes (default: the current folder)",
    )  # fmt: skip
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--timeout", type=_seconds, default=600.0, metavar="S")
    _add_cards(parser)
    parser.set_defaults(call=_try)


def _add_new(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", choices=("codec",))
    parser.add_argument("name", help="its id: letters, digits and hyphens")
    parser.add_argument(
        "--from", dest="template", default="python", choices=("python", "command", "model"),
        help="a Python class (default), two command lines, or a PyTorch model",
    )  # fmt: skip
    parser.add_argument("--folder", type=Path, default=Path(), metavar="DIR", help="where to")
    parser.set_defaults(call=_new)


def _positive(word: str) -> int:
    number = int(word) if word.isdigit() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{word!r} is not a whole number above 0")
    return number


def _repeats(word: str) -> int:
    number = int(word) if word.isdigit() else 0
    if number < 3:
        raise argparse.ArgumentTypeError(f"{word!r} is not a number of repeats from 3 up")
    return number


def _seconds(word: str) -> float:
    try:
        number = float(word)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{word!r} is not a number of seconds above 0")
    return number


def _rates(word: str) -> list[float]:
    try:
        rates = [float(part) for part in word.split("+")]
    except ValueError:
        rates = []
    if not rates or not all(0 < rate < float("inf") for rate in rates):
        raise argparse.ArgumentTypeError(f"{word!r} is not rates above 0 joined by +")
    return rates


def _add_list(parser: argparse.ArgumentParser) -> None:
    kinds = ("suites", "codecs", "datasets", "metrics")
    parser.add_argument("kind", nargs="?", choices=kinds, help="default: all")
    _add_cards(parser)
    parser.set_defaults(call=_list)


def _add_fetch(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="a data set; see `bench list datasets`")
    _add_data(parser)
    _add_cards(parser)
    parser.set_defaults(call=_fetch)


def _add_report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folders", type=Path, nargs="+", metavar="DIR", help="results folders")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where to; needed for several")
    parser.add_argument("--overlay", metavar="WHAT", help="`published`, or a CSV or JSON of curves")
    parser.add_argument(
        "--common", action="store_true",
        help="of several folders: compare on the items that all of them hold",
    )  # fmt: skip
    parser.add_argument("--style", default="paper", help="plot style: paper or ieee")
    _add_cards(parser)
    parser.set_defaults(call=_report)


def _add_bd(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="DIR", help="a results folder")
    parser.add_argument("--anchor", metavar="NAME", help="default: the suite's anchor")
    parser.add_argument("--metric", metavar="NAME", help="default: all that the suite reports")
    parser.add_argument("--hull", action="store_true", help="use the convex hull of each curve")
    parser.add_argument("--matrix", action="store_true", help="every codec against every other")
    parser.set_defaults(call=_bd)


def _add_check(parser: argparse.ArgumentParser) -> None:
    from bench.check.command import add_arguments

    add_arguments(parser)
    _add_cards(parser)
    parser.set_defaults(call=_check)


def _add_doctor(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--codec",
        action="append",
        default=[],
        metavar="NAME",
        help="examine this codec, such as one of your --cards (repeatable), instead of ours",
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument(
        "--scaling", action="store_true",
        help="print instead, as Markdown, what a task costs besides its codec (minutes)",
    )  # fmt: skip
    _add_data(parser)
    _add_cards(parser)
    parser.set_defaults(call=_doctor)


def _add_train(parser: argparse.ArgumentParser) -> None:
    from bench.training.command import add_arguments

    add_arguments(parser)
    _add_cards(parser)
    parser.set_defaults(call=_train)


def _campaign(options: argparse.Namespace) -> Campaign:
    from bench.cards import load_registry
    from bench.datasets.base import DataOptions
    from bench.engine.campaign import at_target_rates, input_campaign, suite_campaign
    from bench.words import split_codecs

    registry = load_registry(options.cards)
    codecs = split_codecs(options.codecs) if options.codecs else []
    data = DataOptions(options.data, options.list, options.limit)
    if options.suite:
        campaign = suite_campaign(registry, options.suite, codecs, data)
    else:
        from bench.datasets.inputs import input_loader

        media, loader = input_loader(
            options.input, size=options.size, pixel_format=options.format, fps=options.fps,
            as_video=options.as_video, options=data,
        )  # fmt: skip
        campaign = input_campaign(registry, options.input, codecs, media, loader)
    if options.target_bpp:
        campaign = at_target_rates(campaign, options.target_bpp)
    return campaign


def _run(options: argparse.Namespace) -> int:
    from bench.engine.workers import available_cores, prestart

    prestart()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # batch systems stop jobs so
    from bench.cards import load_registry
    from bench.console import make_progress, print_missing, print_outcome
    from bench.engine.run import RunOptions, run
    from bench.terminal import make_console

    if options.cluster and options.timing:
        raise UsageError("--timing needs this machine to itself; leave out --cluster")
    campaign = _campaign(options)
    name = options.suite or options.input.resolve().stem
    out = options.out or Path("results") / name
    console = make_console()
    progress = make_progress(console)
    try:
        outcome = run(
            campaign,
            RunOptions(
                out=out,
                jobs=1 if options.timing else options.jobs or available_cores(),
                timeout=options.timeout,
                device=options.device,
                fresh=options.fresh,
                keep=options.keep or campaign.suite.keep,
                repeats=options.timing,
                cluster=options.cluster,
                command=("python", "-m", "bench", *sys.argv[1:]),
            ),
            progress,
        )
    finally:
        progress.close()
    files: tuple[Path, ...] = ()
    if options.report and not outcome.interrupted:
        from bench.report import build
        from bench.report.console import print_summary

        built = build(out, registry=load_registry(options.cards))
        files = built.files
        print_summary(out, content=built.content, console=console)
        print_missing(console, built.missing)
    print_outcome(console, out, outcome, files)
    return outcome.exit_status


def _try(options: argparse.Namespace) -> int:
    from bench.cards import load_registry
    from bench.console import print_attempt
    from bench.datasets.base import DataOptions
    from bench.datasets.inputs import input_loader
    from bench.engine.attempt import attempt
    from bench.engine.campaign import input_campaign
    from bench.words import split_codecs

    registry = load_registry(options.cards)
    media, loader = input_loader(options.picture, options=DataOptions(limit=1))
    codecs = split_codecs(options.codec)
    campaign = input_campaign(registry, options.picture, codecs, media, loader)
    found = attempt(campaign, options.save, device=options.device, timeout=options.timeout)
    print_attempt(found)
    return found.exit_status


def _new(options: argparse.Namespace) -> int:
    from bench.scaffold import new_codec

    made = new_codec(options.name, options.template, options.folder)
    for path in made.files:
        print(path)
    print(f"next: {made.next_command}")
    return 0


def _list(options: argparse.Namespace) -> int:
    from bench.cards import load_registry
    from bench.listing import print_lists

    print_lists(load_registry(options.cards), options.kind)
    return 0


def _fetch(options: argparse.Namespace) -> int:
    from bench.cards import load_registry
    from bench.datasets.fetch import fetch

    folder = fetch(load_registry(options.cards).dataset(options.name), options.data)
    print(folder)
    return 0


def _report(options: argparse.Namespace) -> int:
    from bench.cards import load_registry
    from bench.console import print_missing
    from bench.report import build
    from bench.report.console import print_summary
    from bench.terminal import make_console

    if len(options.folders) > 1 and options.out is None:
        raise UsageError("several folders: say with --out where their report goes")
    built = build(
        options.folders, style=options.style, overlay=options.overlay, out=options.out,
        registry=load_registry(options.cards), common=options.common,
    )  # fmt: skip
    console = make_console()
    print_summary(built.folder, content=built.content, console=console)
    print_missing(console, built.missing)
    return 0


def _bd(options: argparse.Namespace) -> int:
    from bench.analysis import bd_table
    from bench.report.console import print_bd

    table = bd_table(
        options.folder, options.anchor, options.metric, hull=options.hull, matrix=options.matrix
    )
    print_bd(table)
    return 0


def _check(options: argparse.Namespace) -> int:
    from bench.check.command import check

    return check(options, options.cards)


def _doctor(options: argparse.Namespace) -> int:
    from bench.doctor.command import doctor

    if options.scaling:
        from bench.engine.scaling import scaling_report

        print(scaling_report(), end="")
        return 0
    return doctor(options.codec, options.cards, data=options.data, device=options.device)


def _train(options: argparse.Namespace) -> int:
    from bench.cards import load_registry
    from bench.training.command import request_of, train

    print(train(load_registry(options.cards).codec(options.name), request_of(options)))
    return 0
