"""`bench fetch`: downloads a data set or the weights of a metric, checksums verified."""

from __future__ import annotations

import argparse

from bench.commands.options import add_cards, add_data

SUMMARY = "download a data set, checksums verified"
EXAMPLES = ("kodak",)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="a data set or the weights of a metric; see `bench list`")
    add_data(parser)
    add_cards(parser)


def call(options: argparse.Namespace) -> int:
    from bench.cards import load_registry
    from bench.datasets.fetch import fetch
    from bench.metrics.packages import BACKBONES, fetch_backbone

    if options.name in BACKBONES:
        print(fetch_backbone(options.name))
        return 0
    folder = fetch(load_registry(options.cards).dataset(options.name), options.data)
    print(folder)
    return 0
