"""``python -m bench.training NAME``: `bench train` without the rest of the command line."""

from __future__ import annotations

import argparse
import sys

from bench.cards import load_registry
from bench.errors import BenchError
from bench.training.command import add_arguments, request_of, train


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.training")
    add_arguments(parser)
    args = parser.parse_args()
    try:
        print(train(load_registry().codec(args.name), request_of(args)))
    except BenchError as error:
        print(f"bench train: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
