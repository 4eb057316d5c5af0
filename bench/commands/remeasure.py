"""`bench remeasure`: adds metrics to a finished run from its kept streams alone."""

from __future__ import annotations

import argparse
from pathlib import Path

from bench.commands.options import Joined, positive, seconds
from bench.commands.stored import add_originals, campaign_of_run

SUMMARY = "add metrics to a run from its kept streams, without any encoder"
EXAMPLES = ("results/mine --metrics ssim,ms_ssim",)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="DIR", help="a folder of `run --keep all`")
    parser.add_argument(
        "--metrics", required=True, metavar="A,B", action=Joined, help="see `bench list metrics`"
    )
    parser.add_argument("--jobs", type=positive, metavar="N", help="workers; default: all cores")
    parser.add_argument("--timeout", type=seconds, metavar="S", help="a record, as of `bench run`")
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")
    add_originals(parser)


def call(options: argparse.Namespace) -> int:
    from bench.processes.fork_server import start_fork_server

    start_fork_server("bench.cli")
    from bench.commands.progress import make_progress, print_outcome
    from bench.commands.terminal import make_console
    from bench.engine.run import RunOptions, run
    from bench.metrics.registry import check_metrics
    from bench.processes.pool import available_cores
    from bench.results.run_info import read_run

    names = check_metrics(dict.fromkeys(options.metrics.split(",")), "--metrics")
    stored = read_run(options.folder)
    campaign = campaign_of_run(stored, options, [info.id for info in stored.codecs], names)
    console = make_console(quiet=options.quiet)
    progress = make_progress(console)
    try:
        outcome = run(
            campaign,
            RunOptions(
                out=options.folder,
                jobs=options.jobs or available_cores(),
                timeout=options.timeout or campaign.suite.timeout,
                timeout_frames=None if options.timeout else campaign.suite.timeout_frames,
                streams_only=True,
            ),
            progress,
        )
    finally:
        progress.close()
    print_outcome(console, options.folder, outcome)
    return outcome.exit_status
