"""`bench run`: measures codecs on a suite or on a user's files, and reports."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from bench.commands.options import (
    Joined,
    add_cards,
    add_data,
    add_excerpt,
    add_raw_input,
    positive,
    rates,
    repeats,
    seconds,
)
from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.engine.campaign import Campaign
    from bench.engine.run import RunOptions
    from bench.figures.drawing_process import DrawingProcess


SUMMARY = "measure codecs on a suite or on your own files"
EXAMPLES = (
    "--suite starter",
    "--suite kodak --codecs jpeg,x265:crf=22+27+32+37 --jobs 4",
    "--input pictures --codecs jpeg,webp --out results/mine",
)
ALL = "all"
"""The value of --keep that keeps every stream."""


def add_options(parser: argparse.ArgumentParser) -> None:
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--suite", metavar="NAME", help="a suite; see `bench list suites`")
    source.add_argument(
        "--input", type=Path, metavar="PATH", help="your own pictures or clips: a folder or a file"
    )
    parser.add_argument(
        "--protocol", metavar="NAME",
        help="published test conditions instead of the suite's; see `bench list protocols`",
    )  # fmt: skip
    parser.add_argument(
        "--codecs", metavar="A,B:key=v+v", action=Joined,
        help="codecs, with settings and operating points (repeatable)",
    )  # fmt: skip
    parser.add_argument(
        "--metrics", metavar="A,B", action=Joined,
        help="default: the suite's; see `bench list metrics` (repeatable)",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="default: results/<suite>, or <suite>-<protocol>"
    )
    parser.add_argument("--jobs", type=positive, metavar="N", help="workers; default: all cores")
    parser.add_argument("--limit", type=positive, metavar="N", help="only the first N items")
    parser.add_argument(
        "--timeout",
        type=seconds,
        metavar="S",
        help="seconds a task (default: the suite's, or 600; of longer clips more)",
    )
    add_data(parser)
    parser.add_argument("--list", type=Path, metavar="FILE", help="the clips to use, one a line")
    add_excerpt(parser)
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
    parser.add_argument(
        "--vault", type=Path, action="append", default=[], metavar="FILE",
        help="continue from the records and streams of a vault (repeatable)",
    )  # fmt: skip
    parser.add_argument("--fresh", action="store_true", help="discard what --out holds")
    parser.add_argument(
        "--plan", action="store_true", help="say what would be measured and how long it may take"
    )
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")
    _how_measured(parser)
    add_raw_input(parser)
    add_cards(parser)
    parser.set_defaults(refuse=parser.error)


def _how_measured(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--keep",
        type=lambda word: word if word == ALL else positive(word),
        metavar="N",
        help="keep streams and reconstructions of the first N items for the report's comparison "
        "(default: as many as the suite says); `all` keeps every stream besides",
    )
    parser.add_argument(
        "--target-bpp",
        type=rates,
        metavar="R+R",
        help="search each codec's parameter per item for these rates, e.g. 0.1+0.25+0.5",
    )
    parser.add_argument(
        "--timing",
        type=repeats,
        nargs="?",
        const=5,
        default=0,
        metavar="N",
        help="times that can be quoted: one task at a time on a pinned core, N repeats (default 5)",
    )


def call(options: argparse.Namespace) -> int:
    from bench.processes.fork_server import start_fork_server

    start_fork_server("bench.cli")  # the main module imports it, and every worker the main module
    from bench.cards import load_registry
    from bench.commands.progress import make_progress, print_outcome
    from bench.commands.terminal import make_console
    from bench.engine.run import run
    from bench.figures.drawing_process import DrawingProcess
    from bench.processes.pool import available_cores
    from bench.results.vault_file import read_vault
    from bench.vault.adopt import adopt

    if options.vault and options.fresh:
        raise UsageError("--fresh would discard what --vault lays into --out; leave it out")
    if options.cluster and options.timing:
        raise UsageError("--timing needs this machine to itself; leave out --cluster")
    campaign = campaign_of(options)
    name = options.suite or options.input.resolve().stem
    name += f"-{options.protocol}" if options.protocol else ""
    out = options.out or Path("results") / name
    jobs = 1 if options.timing else options.jobs or available_cores()
    if options.plan:
        return _plan(campaign, options, out, jobs)
    console = make_console(quiet=options.quiet)
    with DrawingProcess(jobs) as drawing:
        curves = any(len(card.ladder) > 1 for card in campaign.codecs)
        load = partial(_load_report, drawing if curves else None)
        ahead = load if options.report and not options.timing else None
        progress = make_progress(console, ahead)
        said = options.input or campaign.media == "video"
        for note in campaign.loader.notes() if said else ():
            progress.say(note)
        for path in options.vault:
            progress.say(adopt(read_vault(path), out, campaign.suite.id))
        try:
            outcome = run(campaign, _run_options(options, campaign, out, jobs), progress)
        finally:
            progress.close()
        files: tuple[Path, ...] = ()
        if options.report and not outcome.interrupted:
            from bench.commands.summary import print_summary
            from bench.report import build

            built = build(out, registry=load_registry(options.cards), drawing=drawing)
            files = built.files
            print_summary(built.content, console, built.missing)
    print_outcome(console, out, outcome, files)
    return outcome.exit_status


def _run_options(
    options: argparse.Namespace, campaign: Campaign, out: Path, jobs: int
) -> RunOptions:
    from bench.engine.run import RunOptions

    return RunOptions(
        out=out,
        jobs=jobs,
        timeout=options.timeout or campaign.suite.timeout,
        timeout_frames=None if options.timeout else campaign.suite.timeout_frames,
        device=options.device,
        fresh=options.fresh,
        keep=_shown(options, campaign),
        keep_streams=options.keep == ALL,
        repeats=options.timing,
        cluster=options.cluster,
        command=("python", "-m", "bench", *sys.argv[1:]),
    )


def _load_report(drawing: DrawingProcess | None) -> None:
    """Loads what a report needs while others compute; without curves, nothing to draw with."""
    from threading import Thread

    if drawing is not None:
        drawing.start()

    def load() -> None:
        for name in ("pandas", "bench.commands.summary"):
            import_module(name)

    Thread(target=load, daemon=True).start()


def _plan(campaign: Campaign, options: argparse.Namespace, out: Path, jobs: int) -> int:
    from bench.commands.progress import print_preview
    from bench.engine.preview import preview

    plan = preview(
        campaign, out, jobs=jobs, device=options.device, fresh=options.fresh,
        keep=_shown(options, campaign), keep_streams=options.keep == ALL,
    )  # fmt: skip
    print_preview(out, plan)
    return 0


def _shown(options: argparse.Namespace, campaign: Campaign) -> int:
    """How many items the report's comparison shows."""
    return campaign.suite.keep if options.keep in (None, ALL) else options.keep


def campaign_of(options: argparse.Namespace) -> Campaign:
    """The suite or files that the command line names, with its codecs and metrics."""
    from bench.cards import load_registry
    from bench.cards.codec_specs import split_codecs
    from bench.datasets.base import DataOptions
    from bench.datasets.excerpt import Taken
    from bench.engine.campaign import (
        at_target_rates,
        input_campaign,
        suite_campaign,
        with_metrics,
    )

    registry = load_registry(options.cards)
    codecs = split_codecs(options.codecs) if options.codecs else []
    data = DataOptions(options.data, options.list, options.limit)
    taken = Taken(options.start, options.frames, options.to)
    protocol = registry.protocol(options.protocol) if options.protocol else None
    if options.suite:
        campaign = suite_campaign(registry, options.suite, codecs, data, taken, protocol)
    else:
        from bench.datasets.inputs import input_loader

        media, loader = input_loader(
            options.input, size=options.size, pixel_format=options.format, fps=options.fps,
            as_video=options.as_video, options=data,
        )  # fmt: skip
        if protocol:
            taken = Taken(taken.start, taken.frames or protocol.frames, taken.to or protocol.to)
        loader = taken.of(loader, media)
        campaign = input_campaign(registry, options.input, codecs, media, loader, protocol)
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
