"""Options that several subcommands have, and how the words of options become numbers."""

from __future__ import annotations

import argparse
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


def add_cards(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--cards", type=Path, action="append", default=[], metavar="FOLDER",
        help="a folder of further codec or data set cards (repeatable)",
    )  # fmt: skip
    parser.add_argument(
        "--plugin", type=Path, action="append", default=[], metavar="FILE.py",
        help="a file with metrics, codec adapters or loaders of your own (repeatable)",
    )  # fmt: skip


def add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="where data sets lie (else $BENCH_DATA, the cache)"
    )


def add_overlay(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--overlay", action="append", default=[], metavar="WHAT",
        help="curves of others: `published`, `published:NAME,NAME`, a vault, CompressAI's JSON, "
        "or a CSV, TSV or TOML of them, columns as in FILE:bpp=rate,psnr_rgb=PSNR (repeatable)",
    )  # fmt: skip


def add_raw_input(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--size", metavar="WxH", help="frame size of raw YUV input")
    parser.add_argument(
        "--format", metavar="FMT",
        help="format of raw YUV as ffmpeg names it: yuv420p, yuv420p10le, yuvj420p (full range), …",
    )  # fmt: skip
    parser.add_argument("--fps", metavar="N", help="frame rate of inputs that do not say")
    parser.add_argument(
        "--as-video", action="store_true", help="take a folder of pictures as one clip"
    )


def positive(word: str) -> int:
    number = int(word) if word.isdigit() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{word!r} is not a whole number above 0")
    return number


def whole(word: str) -> int:
    if not word.isdigit():
        raise argparse.ArgumentTypeError(f"{word!r} is not a whole number from 0 up")
    return int(word)


def repeats(word: str) -> int:
    number = int(word) if word.isdigit() else 0
    if number < 3:
        raise argparse.ArgumentTypeError(f"{word!r} is not a number of repeats from 3 up")
    return number


def seconds(word: str) -> float:
    from bench.records import read_number

    try:
        number = read_number(word)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{word!r} is not a number of seconds above 0")
    return number


def rates(word: str) -> list[float]:
    from bench.records import read_number

    try:
        found = [read_number(part) for part in word.split("+")]
    except ValueError:
        found = []
    if not found or not all(0 < rate < float("inf") for rate in found):
        raise argparse.ArgumentTypeError(f"{word!r} is not rates above 0 joined by +")
    return found


def add_excerpt(parser: argparse.ArgumentParser) -> None:
    """Which frames of clips, and in which format."""
    parser.add_argument("--frames", type=positive, metavar="N", help="only N frames of each clip")
    parser.add_argument(
        "--start", type=whole, default=0, metavar="N", help="from frame N on, counted from 0"
    )
    parser.add_argument(
        "--to", metavar="FMT", help="convert the source first, such as yuv420p; the tables say so"
    )
