"""`bench try`: one codec on one picture, at one point."""

from __future__ import annotations

import argparse
from pathlib import Path

from bench.commands.options import add_cards, add_excerpt, add_raw_input, seconds

SUMMARY = "one codec on one picture or clip, at one point"
EXAMPLES = ("jpeg:quality=50 picture.png", "x265:crf=27 clip.y4m --frames 32")


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("codec", help="a codec, such as x265:preset=medium,crf=30")
    parser.add_argument("picture", type=Path, help="a picture or clip")
    parser.add_argument(
        "--save", type=Path, default=Path(), metavar="PATH",
        help="where the reconstruction goes (default: the current folder)",
    )  # fmt: skip
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--timeout", type=seconds, metavar="S", help="600, of longer clips more")
    add_excerpt(parser)
    add_raw_input(parser)
    add_cards(parser)


def call(options: argparse.Namespace) -> int:
    from bench.cards import load_registry
    from bench.cards.codec_specs import split_codecs
    from bench.commands.progress import LineProgress, print_attempt
    from bench.commands.terminal import make_console
    from bench.datasets.base import DataOptions
    from bench.datasets.excerpt import Taken
    from bench.datasets.inputs import input_loader
    from bench.engine.attempt import attempt
    from bench.engine.campaign import input_campaign

    registry = load_registry(options.cards)
    media, loader = input_loader(
        options.picture, size=options.size, pixel_format=options.format, fps=options.fps,
        as_video=options.as_video, options=DataOptions(limit=1),
    )  # fmt: skip
    loader = Taken(options.start, options.frames, options.to).of(loader, media)
    codecs = split_codecs(options.codec)
    campaign = input_campaign(registry, options.picture, codecs, media, loader)
    found = attempt(
        campaign, options.save, device=options.device, timeout=options.timeout,
        working=LineProgress(make_console()).working,
    )  # fmt: skip
    print_attempt(found)
    return found.exit_status
