"""The options of every subcommand, and how their words become numbers. Parses; does no work."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path


class Joined(argparse.Action):
    """An option whose value is a list with commas: given again, it adds to the list."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        before = getattr(namespace, self.dest)
        setattr(namespace, self.dest, values if before is None else f"{before},{values}")


def _cards(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--cards", type=Path, action="append", default=[], metavar="FOLDER",
        help="a folder of further codec or data set cards (repeatable)",
    )  # fmt: skip
    parser.add_argument(
        "--plugin", type=Path, action="append", default=[], metavar="FILE.py",
        help="a file with metrics, codec adapters or loaders of your own (repeatable)",
    )  # fmt: skip


def _data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="where data sets lie (else $BENCH_DATA, the cache)"
    )


def _raw_input(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--size", metavar="WxH", help="frame size of raw YUV input")
    parser.add_argument(
        "--format", metavar="FMT",
        help="format of raw YUV: yuv420p, yuvj420p (full range), gray, rgb24",
    )  # fmt: skip
    parser.add_argument("--fps", metavar="N", help="frame rate of inputs that do not say")
    parser.add_argument(
        "--as-video", action="store_true", help="take a folder of pictures as one clip"
    )


def add_run(parser: argparse.ArgumentParser) -> None:
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--suite", metavar="NAME", help="a suite; see `bench list suites`")
    source.add_argument(
        "--input", type=Path, metavar="PATH", help="your own pictures or clips: a folder or a file"
    )
    parser.add_argument(
        "--codecs", metavar="A,B:key=v+v", action=Joined,
        help="codecs, with settings and operating points (repeatable)",
    )  # fmt: skip
    parser.add_argument(
        "--metrics", metavar="A,B", action=Joined,
        help="default: the suite's; see `bench list metrics` (repeatable)",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: results/<suite>")
    parser.add_argument("--jobs", type=_positive, metavar="N", help="workers; default: all cores")
    parser.add_argument("--limit", type=_positive, metavar="N", help="only the first N items")
    parser.add_argument(
        "--timeout",
        type=_seconds,
        metavar="S",
        help="seconds a task (default: the suite's, or 600)",
    )
    _data(parser)
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
        "--plan", action="store_true", help="say what would be measured and how long it may take"
    )
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")
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
    _raw_input(parser)
    _cards(parser)


def add_try(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("codec", help="a codec, such as x265:preset=medium,crf=30")
    parser.add_argument("picture", type=Path, help="a picture or clip")
    parser.add_argument(
        "--save", type=Path, default=Path(), metavar="PATH",
        help="where the reconstruction goes (default: the current folder)",
    )  # fmt: skip
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--timeout", type=_seconds, default=600.0, metavar="S")
    _cards(parser)


def add_new(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", choices=("codec",))
    parser.add_argument("name", help="its id: letters, digits and hyphens")
    parser.add_argument(
        "--from", dest="template", default="python", choices=("python", "command", "model"),
        help="a Python class (default), two command lines, or a PyTorch model",
    )  # fmt: skip
    parser.add_argument("--folder", type=Path, default=Path(), metavar="DIR", help="where to")


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


def add_list(parser: argparse.ArgumentParser) -> None:
    kinds = ("suites", "codecs", "datasets", "metrics", "columns")
    parser.add_argument("kind", nargs="?", choices=kinds, help="default: all but columns")
    _cards(parser)


def add_fetch(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="a data set or the weights of a metric; see `bench list`")
    _data(parser)
    _cards(parser)


def add_report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folders", type=Path, nargs="+", metavar="DIR", help="results folders")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where to; needed for several")
    _overlay(parser)
    parser.add_argument(
        "--common", action="store_true",
        help="of several folders: compare on the items that all of them hold",
    )  # fmt: skip
    parser.add_argument("--style", default="paper", help="plot style: paper or ieee")
    parser.add_argument(
        "--rate", choices=("log", "linear"), help="rate axis of the plots; default: log"
    )
    _cards(parser)


def _overlay(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--overlay", action="append", default=[], metavar="WHAT",
        help="published curves: `published`, CompressAI's JSON, or a CSV, TSV or TOML of them, "
        "columns as in FILE:bpp=rate,psnr_rgb=PSNR (repeatable)",
    )  # fmt: skip


def add_bd(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="DIR", help="a results folder")
    parser.add_argument("--anchor", metavar="NAME", help="default: the suite's anchor")
    parser.add_argument("--metric", metavar="NAME", help="default: all that the suite reports")
    _overlay(parser)
    parser.add_argument("--hull", action="store_true", help="use the convex hull of each curve")
    parser.add_argument("--matrix", action="store_true", help="every codec against every other")


def add_check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="DIR", help="a results folder")
    parser.add_argument(
        "--against", type=Path, required=True, metavar="BASELINE",
        help="a baseline or results folder, or a CSV with the columns of records.csv",
    )  # fmt: skip
    parser.add_argument(
        "--codecs", metavar="A,B", action=Joined, help="compare only these (repeatable)"
    )
    parser.add_argument("--tolerance-bd", type=float, metavar="PERCENT", help="BD-rate, 0.5")
    parser.add_argument(
        "--tolerance-db", type=float, metavar="DB", help="quality in dB, 0.05 for most metrics"
    )
    parser.add_argument(
        "--tolerance", action="append", default=[], metavar="METRIC=VALUE", type=_limit,
        help="of one metric, on the axis of its curves (repeatable)",
    )  # fmt: skip
    parser.add_argument("--tolerance-bits", type=float, metavar="PERCENT", help="bits, 0.1")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="also for a pull request")
    parser.add_argument("--junit", type=Path, metavar="FILE", help="also as JUnit XML")
    parser.add_argument(
        "--github", action="store_true",
        help="print GitHub annotations; on by itself in GitHub Actions",
    )  # fmt: skip
    parser.add_argument(
        "--update", action="store_true", help="write DIR as the new BASELINE after comparing"
    )
    _cards(parser)


def _limit(word: str) -> tuple[str, float]:
    name, _, number = word.partition("=")
    try:
        return name, float(number)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{word!r} is not METRIC=VALUE") from None


def add_doctor(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--codec",
        action="append",
        default=[],
        metavar="NAME",
        help="examine this codec, such as one of your --cards (repeatable), instead of ours",
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    _data(parser)
    _cards(parser)


def add_train(parser: argparse.ArgumentParser) -> None:
    from bench.learned.training.request import add_arguments

    add_arguments(parser)
    _cards(parser)


OPTIONS: Mapping[str, Callable[[argparse.ArgumentParser], None]] = {
    "run": add_run,
    "try": add_try,
    "new": add_new,
    "list": add_list,
    "fetch": add_fetch,
    "report": add_report,
    "bd": add_bd,
    "check": add_check,
    "doctor": add_doctor,
    "train": add_train,
}
"""What fills the parser of a subcommand."""
