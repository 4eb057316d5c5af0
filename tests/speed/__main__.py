"""`python -m tests.speed PAGE`: prints a page of results/ as Markdown, measured on this machine.
The targets `agreement`, `scaling` and `pace` of the Makefile keep what it prints."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from bench.cards import load_registry
from bench.errors import BenchError
from bench.learned.training.request import TrainRequest


def _agreement(options: argparse.Namespace) -> str:
    from tests.speed.metric_agreement import metrics_report

    return metrics_report(options.data, options.limit)


def _scaling(options: argparse.Namespace) -> str:
    from tests.speed.large import large_report
    from tests.speed.scaling import scaling_report

    none, sizes = load_registry().codec("none"), [options.records // part for part in (100, 10, 1)]
    report = scaling_report(none, options.tasks, records=options.records, tables=sizes)
    return report + large_report()


def _pace(options: argparse.Namespace) -> str:
    from tests.speed.training_pace import measure

    registry = load_registry()
    cards = [registry.codec(name) for name in options.names or registry.codecs]
    request = TrainRequest(device=options.device, threads=options.threads, data=options.data)
    return measure([card for card in cards if card.training], request)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.speed", description=__doc__)
    pages = parser.add_subparsers(required=True, metavar="PAGE")

    def add(
        name: str, page: Callable[[argparse.Namespace], str], what: str
    ) -> Callable[..., object]:
        one = pages.add_parser(name, help=what, description=what)
        one.set_defaults(page=page)
        return one.add_argument

    option = add("agreement", _agreement, "metrics beside their references, on Kodak")
    option("--data", type=Path, help="data folder, instead of $BENCH_DATA")
    option("--limit", type=int, help="of the first so many pictures only")
    option = add(
        "scaling", _scaling, "what a task costs besides its codec, and large inputs (minutes)"
    )
    option("--tasks", type=int, nargs="+", default=(100, 1_000, 10_000, 100_000))
    option(
        "--records",
        type=int,
        default=1_000_000,
        help="of the store that is resumed, and of the largest tables",
    )
    option = add("pace", _pace, "steps of trainings a second, by threads, batch and layout")
    option("names", nargs="*", help="codecs (default: all that have a [training] table)")
    option("--device", default="cpu", help="cpu (default), cuda or cuda:N")
    option("--threads", type=int, help="the fewer CPU threads of a network (1)")
    option("--data", type=Path, help="data folder, instead of $BENCH_DATA")
    return parser


def main(words: list[str] | None = None) -> int:
    options = _parser().parse_args(words)
    try:
        print(options.page(options), end="")
    except BenchError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
