"""Options that several subcommands have, and how the words of options become numbers."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
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


def _whole(least: int, what: str) -> Callable[[str], int]:
    def read(word: str) -> int:
        if not word.isdecimal() or int(word) < least:
            raise argparse.ArgumentTypeError(f"{word!r} is not {what}")
        return int(word)

    return read


positive = _whole(1, "a whole number above 0")
whole = _whole(0, "a whole number from 0 up")
repeats = _whole(3, "a number of repeats from 3 up")


def seconds(word: str) -> float:
    (number,) = _above_0(word, [word], "a number of seconds above 0")
    return number


def rates(word: str) -> list[float]:
    return _above_0(word, word.split("+"), "rates above 0 joined by +")


def _above_0(word: str, parts: Sequence[str], what: str) -> list[float]:
    from bench.records import read_number

    try:
        found = [read_number(part) for part in parts]
    except ValueError:
        found = [0.0]
    if not all(0 < number < float("inf") for number in found):
        raise argparse.ArgumentTypeError(f"{word!r} is not {what}")
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
