"""`bench vault`: packs a run with its streams into one file, and decodes such a file again."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from bench.commands.options import Joined, add_cards, positive, seconds
from bench.commands.stored import add_originals, campaign_of_run
from bench.commands.terminal import make_console, say
from bench.errors import BenchError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

SUMMARY = "a run with its streams in one file: pack it, or verify one by decoding"
EXAMPLES = ("pack results/mine", "verify results/mine.zip")


def add_options(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(required=True, metavar="ACTION", dest="action")
    pack = actions.add_parser("pack", help="streams, records, run.json and cards in one zip")
    pack.add_argument("folder", type=Path, metavar="DIR", help="a folder of `run --keep all`")
    pack.add_argument("--out", type=Path, metavar="FILE", help="default: DIR.zip")
    pack.add_argument(
        "--codecs",
        metavar="A,B",
        action=Joined,
        help="only these, also at some points: hm:qp=32+37 (repeatable)",
    )
    pack.add_argument("--by", default="", metavar="WHO", help="who measured, as readers see it")
    add_cards(pack)
    verify = actions.add_parser("verify", help="decode all streams and compare what is recorded")
    verify.add_argument("file", type=Path, metavar="FILE", help="a vault")
    verify.add_argument(
        "--strict", action="store_true", help="exit status 1 also where not all can be examined"
    )
    verify.add_argument("--jobs", type=positive, metavar="N", help="workers; default: all cores")
    add_originals(verify)
    for each in (pack, verify):
        each.add_argument("--timeout", type=seconds, default=600.0, metavar="S", help="a stream")


def call(options: argparse.Namespace) -> int:
    from bench.processes.fork_server import start_fork_server

    start_fork_server("bench.cli")
    console = make_console()
    return _pack(options, console) if options.action == "pack" else _verify(options, console)


def _pack(options: argparse.Namespace, console: Console) -> int:
    from bench.cards import load_registry
    from bench.cards.codec_specs import split_codecs
    from bench.vault.pack import pack

    codecs = split_codecs(options.codecs) if options.codecs else ()
    if options.out is not None and options.out.is_dir():
        raise UsageError(f"--out {options.out} is a folder; name a file, such as mine.zip")
    path = options.out or options.folder.with_name(f"{options.folder.resolve().name}.zip")
    registry = load_registry(options.cards)
    packed = pack(
        options.folder, path, codecs, registry, by=options.by or "unnamed", seconds=options.timeout
    )
    for note in packed.notes:
        say(console, note)
    size = path.stat().st_size / 1e6
    say(console, f"{path}: {packed.records} records, {packed.streams} streams, {size:.1f} MB")
    return 0


def _verify(options: argparse.Namespace, console: Console) -> int:
    from bench.cards import load_registry
    from bench.processes.pool import available_cores
    from bench.results.vault_file import read_vault
    from bench.vault.verify import verify_metrics, verify_streams

    vault = read_vault(options.file, changed=True)
    registry = load_registry(options.cards)
    found = verify_streams(vault, registry, seconds=options.timeout)
    try:
        if found.able:
            campaign = campaign_of_run(vault.run, options, found.able, elsewhere=True)
            jobs = options.jobs or available_cores()
            verify_metrics(vault, campaign, found, jobs=jobs, seconds=options.timeout)
    except BenchError as error:
        found.skipped.append(f"metrics: not compared: {error}")
    for line in (*found.notes, *found.skipped, *found.problems):
        say(console, line)
    state = ", ".join(found.isolation) or "nothing decoded"
    decoded = f"{found.decoded} of {len(vault.records)} streams decoded ({state})"
    what = f"{found.verdict}; {decoded}, {found.compared} values compared"
    say(console, f"{options.file}, measured by {vault.by}: {what}")
    return 1 if found.problems or (options.strict and found.skipped) else 0
