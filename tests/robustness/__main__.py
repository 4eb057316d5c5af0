"""`python -m tests.robustness`: prints the page of all trials, which `make robustness` keeps."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from bench.errors import UsageError
from tests.robustness.campaign import robustness


def main(words: list[str] | None = None) -> int:
    """Exit status 0: all held; 1: something did not; 2: bad usage."""
    parser = argparse.ArgumentParser(prog="python -m tests.robustness", description=__doc__)
    parser.add_argument(
        "seconds", nargs="?", type=float, default=60.0,
        help="for each parser and learned codec, and the measure of the rest (60)",
    )  # fmt: skip
    parser.add_argument("--trials", default="", metavar="WORDS", help="only what has these words")
    parser.add_argument(
        "--page", type=Path, metavar="FILE.md", help="keep what is found here, each trial as it "
        "ends; the same command goes on, another adds its trials",
    )  # fmt: skip
    options = parser.parse_args(words)
    say = partial(print, file=sys.stderr, flush=True)
    try:
        table, status = robustness(options.seconds, say, options.trials, options.page)
    except UsageError as error:
        print(error, file=sys.stderr)
        return 2
    print(table, end="")
    return status


if __name__ == "__main__":
    sys.exit(main())
