"""`bench train`: trains one network of a learned codec, from its card to its weights."""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path

from bench.commands.options import add_cards

SUMMARY = "train a learned codec from its card"
EXAMPLES = ("hyperprior --minutes 10",)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Each is named as the field of TrainRequest that it fills."""
    from bench.learned.training.settings import LAYOUTS, PRECISIONS

    which = parser.add_argument_group("which network")
    which.add_argument("name", help="codec id whose card has a [training] table")
    which.add_argument("--point", help="key=value of the ladder, where each point has a network")
    which.add_argument("--part", help="a separately trained part, such as a prior")
    when = parser.add_argument_group(
        "how long", "The same command continues what was stopped or killed."
    )
    when.add_argument(
        "--minutes", type=float, help="end this command after so long, at a checkpoint"
    )
    when.add_argument(
        "--budget", type=float, help="minutes of all its commands together: the learning rate "
        "falls with the clock, instead of with --steps, and is at its end then",
    )  # fmt: skip
    when.add_argument("--steps", type=int, help="of the schedule, instead of the card's")
    when.add_argument("--stop-after", type=int, help="end this command at this step")
    start = parser.add_argument_group("from what")
    start.add_argument("--start", type=Path, help="weights (.safetensors), with a new warm-up")
    start.add_argument("--fresh", action="store_true", help="ignore an existing checkpoint")
    start.add_argument("--seed", type=int, help="instead of the card's")
    start.add_argument("--data", type=Path, help="data folder, instead of $BENCH_DATA")
    how = parser.add_argument_group("how")
    how.add_argument("--device", default="cpu", help="cpu (default), cuda or cuda:N")
    how.add_argument("--threads", type=int, help="CPU threads of the network")
    how.add_argument(
        "--workers", type=int, help="processes that make batches ahead (default: 0 on a CPU, one "
        "a core for a GPU)",
    )  # fmt: skip
    how.add_argument("--precision", choices=PRECISIONS, help="instead of the card's")
    how.add_argument(
        "--layout", choices=LAYOUTS, help="of kernels in memory, instead of the card's"
    )
    how.add_argument("--batch", type=int, help="items of a step, instead of the card's")
    how.add_argument("--crop", type=int, help="side of training crops, where the card has one")
    out = parser.add_argument_group("to what")
    out.add_argument("--work", type=Path, help="folder of checkpoints, instead of the cache")
    out.add_argument("--weights", type=Path, help="folder of the results, instead of the card's")
    out.add_argument(
        "--export", action="store_true", help="train nothing: write the weights of the checkpoint "
        "as it stands, validated",
    )  # fmt: skip
    add_cards(parser)


def call(options: argparse.Namespace) -> int:
    from bench.cards import load_registry
    from bench.learned.training.request import TrainRequest, carry_out

    card = load_registry(options.cards).codec(options.name)
    request = {field.name: getattr(options, field.name) for field in fields(TrainRequest)}
    outcome = carry_out(card, TrainRequest(**request))
    print(outcome.sentence)
    return int(outcome.stopped)
