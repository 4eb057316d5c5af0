"""The command line: parses, calls one function per subcommand, prints. No work is done here."""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from bench import __version__
from bench.commands.terminal import print_plainly
from bench.errors import BenchError, UsageError
from bench.processes.interrupts import StopSignals

if TYPE_CHECKING:
    from bench.engine.campaign import Campaign
    from bench.figures.drawing_process import DrawingProcess

FAILED, BAD_USAGE = 1, 2
_ROOM = "make room, then give the same command again"
_ACCESS = "give another folder, one that can be written"
_CURES = {
    errno.ENOSPC: _ROOM, errno.EDQUOT: _ROOM, errno.EFBIG: _ROOM,
    errno.EACCES: _ACCESS, errno.EPERM: _ACCESS, errno.EROFS: _ACCESS,
}  # fmt: skip
"""What to do about errors of the machine that no command expects where they come up."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command line; returns the exit status: 0 done, 1 failed tasks or checks, 2 usage."""
    print_plainly(sys.stdout, sys.stderr)
    words = sys.argv[1:] if arguments is None else arguments
    completing = "_ARGCOMPLETE" in os.environ
    parser = make_parser(None if completing else words)
    if completing:
        from bench.commands.completion import complete

        complete(parser)
    options = parser.parse_args(arguments)
    with StopSignals(last=True) as stop:
        return _carry_out(options, stop)


def _carry_out(options: argparse.Namespace, stop: StopSignals) -> int:
    try:
        with stop.interrupting():
            _load_plugins(getattr(options, "plugin", ()))
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
    except OSError as error:
        if error.errno not in _CURES:  # a mistake of ours
            raise
        where = f"{error.filename}: " if error.filename else ""
        print(f"bench: {where}{error.strerror}; {_CURES[error.errno]}", file=sys.stderr)
        return BAD_USAGE


def _load_plugins(paths: Iterable[Path]) -> None:
    if paths:
        from bench.cards import plugins

        for path in paths:
            plugins.load(path)


def make_parser(words: Sequence[str] | None = None) -> argparse.ArgumentParser:
    """The parser of all subcommands; for a command line of these ``words`` without the options of
    those that it does not name, some of which take a while to gather."""
    from bench import arguments

    parser = argparse.ArgumentParser(
        prog="bench",
        description="Rate-distortion benchmarks of learned and classical image and video codecs.",
        epilog="Start with: python -m bench run --suite starter",
    )
    parser.add_argument("--version", action="version", version=f"bench {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, summary, call in _COMMANDS:
        command = commands.add_parser(name, help=summary)
        if words is None or name in words:
            arguments.OPTIONS[name](command)
        command.set_defaults(call=call, refuse=command.error)
    return parser


def _campaign(options: argparse.Namespace) -> Campaign:
    from bench.cards import load_registry
    from bench.cards.codec_specs import split_codecs
    from bench.datasets.base import DataOptions
    from bench.engine.campaign import (
        at_target_rates,
        input_campaign,
        suite_campaign,
        with_metrics,
    )

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
    if options.metrics:
        campaign = with_metrics(campaign, _metrics(options))
    if options.target_bpp:
        campaign = at_target_rates(campaign, options.target_bpp)
    return campaign


def _metrics(options: argparse.Namespace) -> tuple[str, ...]:
    """The words of ``--metrics``; what is no metric ends in the usage of `run`."""
    from bench.metrics.registry import check_metrics

    words = [word.strip() for word in options.metrics.split(",") if word.strip()]
    if not words:
        options.refuse("argument --metrics: names no metric; see `bench list metrics`")
    try:
        return check_metrics(dict.fromkeys(words), "argument --metrics")
    except UsageError as error:
        options.refuse(str(error))
        raise


def _run(options: argparse.Namespace) -> int:
    from bench.processes.fork_server import start_fork_server

    start_fork_server(__name__)  # workers import the main module
    from bench.cards import load_registry
    from bench.commands.progress import make_progress, print_missing, print_outcome
    from bench.commands.terminal import make_console
    from bench.engine.run import RunOptions, run
    from bench.figures.drawing_process import DrawingProcess
    from bench.processes.pool import available_cores

    if options.cluster and options.timing:
        raise UsageError("--timing needs this machine to itself; leave out --cluster")
    campaign = _campaign(options)
    name = options.suite or options.input.resolve().stem
    out = options.out or Path("results") / name
    jobs = 1 if options.timing else options.jobs or available_cores()
    if options.plan:
        return _plan(campaign, options, out, jobs)
    console = make_console(quiet=options.quiet)
    with DrawingProcess(jobs) as drawing:
        ahead = partial(_load_report, drawing) if options.report and not options.timing else None
        progress = make_progress(console, ahead)
        try:
            outcome = run(
                campaign,
                RunOptions(
                    out=out,
                    jobs=jobs,
                    timeout=options.timeout or campaign.suite.timeout,
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
            from bench.commands.summary import print_summary
            from bench.report import build

            built = build(out, registry=load_registry(options.cards), drawing=drawing)
            files = built.files
            print_summary(out, content=built.content, console=console)
            print_missing(console, built.missing)
    print_outcome(console, out, outcome, files)
    return outcome.exit_status


def _load_report(drawing: DrawingProcess) -> None:
    """Loads what a report needs while others compute."""
    from threading import Thread

    drawing.start()

    def load() -> None:
        for name in ("pandas", "bench.commands.summary"):
            import_module(name)

    Thread(target=load, daemon=True).start()


def _plan(campaign: Campaign, options: argparse.Namespace, out: Path, jobs: int) -> int:
    from bench.commands.progress import print_preview
    from bench.engine.preview import preview

    print_preview(
        out,
        preview(
            campaign, out, jobs=jobs, device=options.device, fresh=options.fresh,
            keep=options.keep or campaign.suite.keep,
        ),
    )  # fmt: skip
    return 0


def _try(options: argparse.Namespace) -> int:
    from bench.cards import load_registry
    from bench.cards.codec_specs import split_codecs
    from bench.commands.progress import print_attempt
    from bench.datasets.base import DataOptions
    from bench.datasets.inputs import input_loader
    from bench.engine.attempt import attempt
    from bench.engine.campaign import input_campaign

    registry = load_registry(options.cards)
    media, loader = input_loader(options.picture, options=DataOptions(limit=1))
    codecs = split_codecs(options.codec)
    campaign = input_campaign(registry, options.picture, codecs, media, loader)
    found = attempt(campaign, options.save, device=options.device, timeout=options.timeout)
    print_attempt(found)
    return found.exit_status


def _new(options: argparse.Namespace) -> int:
    from bench.commands.scaffold import new_codec

    made = new_codec(options.name, options.template, options.folder)
    for path in made.files:
        print(path)
    print(f"next: {made.next_command}")
    return 0


def _list(options: argparse.Namespace) -> int:
    from bench.cards import load_registry
    from bench.commands.listing import print_columns, print_lists

    if options.kind == "columns":
        print_columns()
    else:
        print_lists(load_registry(options.cards), options.kind)
    return 0


def _fetch(options: argparse.Namespace) -> int:
    from bench.cards import load_registry
    from bench.datasets.fetch import fetch
    from bench.metrics.packages import BACKBONES, fetch_backbone

    if options.name in BACKBONES:
        print(fetch_backbone(options.name))
        return 0
    folder = fetch(load_registry(options.cards).dataset(options.name), options.data)
    print(folder)
    return 0


def _report(options: argparse.Namespace) -> int:
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


def _bd(options: argparse.Namespace) -> int:
    from bench.analysis import bd_table
    from bench.commands.summary import print_bd

    table = bd_table(
        options.folder, options.anchor, options.metric, hull=options.hull, matrix=options.matrix,
        overlays=options.overlay,
    )  # fmt: skip
    print_bd(table)
    return 0


def _check(options: argparse.Namespace) -> int:
    from bench.cards.codec_specs import split_codecs
    from bench.commands.check import CheckOptions, check

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


def _doctor(options: argparse.Namespace) -> int:
    from bench.commands.doctor import doctor

    return doctor(options.codec, options.cards, data=options.data, device=options.device)


def _train(options: argparse.Namespace) -> int:
    from bench.cards import load_registry
    from bench.learned.training.request import run_command

    print(run_command(options, load_registry(options.cards)))
    return 0


_COMMANDS: tuple[tuple[str, str, Callable[[argparse.Namespace], int]], ...] = (
    ("run", "measure codecs on a suite or on your own files", _run),
    ("try", "one codec on one picture, at one point", _try),
    ("new", "a card and an adapter of your own, to start from", _new),
    ("list", "suites, codecs, data sets and metrics", _list),
    ("fetch", "download a data set, checksums verified", _fetch),
    ("report", "rebuild tables, plots and the page of a run", _report),
    ("bd", "BD-rates of a run", _bd),
    ("check", "compare a run with a baseline; 1: it got worse", _check),
    ("doctor", "is this machine measuring correctly?", _doctor),
    ("train", "train a learned codec from its card", _train),
)
