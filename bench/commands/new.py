"""`bench new`: a card and an adapter to start from."""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = "a card and an adapter of your own, to start from"
EXAMPLES = ("codec mine --from model",)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", choices=("codec",))
    parser.add_argument("name", help="its id: letters, digits and hyphens")
    parser.add_argument(
        "--from", dest="template", default="python", choices=("python", "command", "model"),
        help="a Python class (default), two command lines, or a PyTorch model",
    )  # fmt: skip
    parser.add_argument("--folder", type=Path, default=Path(), metavar="DIR", help="where to")


def call(options: argparse.Namespace) -> int:
    from bench.commands.scaffold import new_codec

    made = new_codec(options.name, options.template, options.folder)
    for path in made.files:
        print(path)
    print(f"next: {made.next_command}")
    return 0
