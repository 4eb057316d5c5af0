"""The campaign of a stored run, made again from what its run.json says; measures nothing."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bench.commands import run as run_command
from bench.commands.options import add_cards, add_data
from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.engine.campaign import Campaign
    from bench.results.run_info import RunInfo


def add_originals(parser: argparse.ArgumentParser) -> None:
    """The options of a command that needs the originals of a stored run."""
    add_data(parser)
    parser.add_argument(
        "--input", type=Path, metavar="PATH",
        help="where the originals lie, of a run over your own pictures or clips",
    )  # fmt: skip
    add_cards(parser)


def campaign_of_run(
    run: RunInfo, options: argparse.Namespace, codecs: Iterable[str], metrics: Iterable[str] = (),
    *, elsewhere: bool = False,
) -> Campaign:  # fmt: skip
    """The items of a run as its last command read them, with some of its codecs.

    ``options`` are those of ``add_originals``; the paths of a run that was made ``elsewhere`` mean
    nothing here. Raises UsageError where the command does not say what was read, and what
    `bench run` raises.
    """
    parser = argparse.ArgumentParser(prog="bench run", exit_on_error=False)
    run_command.add_options(parser)
    words = list(run.command)
    if "run" in words:
        words = words[words.index("run") + 1 :]
    else:
        words = ["--input", str(options.input)] if options.input else ["--suite", run.suite]
    try:
        again, _ = parser.parse_known_args(words)
    except argparse.ArgumentError as error:
        raise UsageError(
            f"run.json: its command cannot be read by this version: {error}; "
            "run the suite again with the version that measured it"
        ) from error
    specs = {info.id: info.spec for info in run.codecs}
    again.codecs, again.metrics = ",".join(specs[one] for one in codecs), ",".join(metrics) or None
    again.cards, again.data, again.target_bpp = options.cards, options.data, None
    if again.input is not None:
        again.input = options.input or again.input
    if elsewhere and again.input and not options.input:
        raise UsageError("measured on files of its own; give a folder of the same with --input")
    campaign = run_command.campaign_of(again)
    if run.suite != (again.suite or "input") or (
        again.suite and campaign.suite.dataset != run.dataset
    ):
        raise UsageError(
            f"run.json is of suite {run.suite} and data set {run.dataset}, but its command is of "
            f"others: {' '.join(run.command)}"
        )
    return replace(campaign, suite=replace(campaign.suite, id=run.suite, dataset=run.dataset))
