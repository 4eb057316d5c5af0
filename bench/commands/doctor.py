"""`bench doctor`: prints the inventory and what the checks found; exit status 1 with a mistake."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.commands.options import add_cards, add_data
from bench.commands.terminal import make_console, say
from bench.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from bench.cards import CodecCard, Registry
    from bench.doctor.examine import Examination
    from bench.doctor.signatures import Fault

SUMMARY = "is this machine measuring correctly?"
EXAMPLES = ("--codec mine --cards cards",)
_EXAMINED = (
    "none", "jpeg", "webp", "avif", "jxl", "png", "x264-medium", "x265-medium", "svtav1", "ffv1",
)  # fmt: skip
"""Codecs examined without ``--codec``: each colour path of the harness once, quick ones first."""


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--codec",
        action="append",
        default=[],
        metavar="NAME",
        help="examine this codec, such as one of your --cards (repeatable), instead of ours",
    )
    parser.add_argument(
        "--determinism", nargs="+", metavar="CODEC",
        help="decode these codecs' streams under other instruction sets, threads and devices",
    )  # fmt: skip
    parser.add_argument(
        "--python", action="append", default=[], type=Path, metavar="FILE",
        help="of --determinism: an interpreter with another torch (repeatable)",
    )  # fmt: skip
    parser.add_argument(
        "--random", action="store_true",
        help="of --determinism: random weights for CompressAI's picture codecs",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="of --determinism: the page, as Markdown"
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    add_data(parser)
    add_cards(parser)


def call(options: argparse.Namespace) -> int:
    """Prints everything, of named codecs only what concerns them; returns 1 if a check failed. What
    is merely missing is no failure: tasks that need it are skipped with the same cure."""
    if options.determinism:
        return _determinism(options)
    for name in ("python", "random", "out"):
        if getattr(options, name):
            raise UsageError(f"--{name} goes with --determinism CODEC; give both or neither")
    from bench.cards import load_registry
    from bench.codecs.build import select

    registry, console = load_registry(options.cards), make_console()
    chosen = [select(registry, name) for name in options.codec]
    if chosen:
        wrong, missing = sum(_examine(console, card, options.device) for card in chosen), ""
    else:
        wrong, missing = _examine_all(console, registry, options)
    console.print((f"{wrong} mistakes found" if wrong else "no mistake found") + missing)
    return 1 if wrong else 0


def _examine_all(
    console: Console, registry: Registry, options: argparse.Namespace
) -> tuple[int, str]:
    """The inventory, the harness's arithmetic and the usual codecs; how many mistakes these have,
    and what is missing."""
    from bench.doctor.arithmetic import arithmetic_faults
    from bench.doctor.examine import examine

    missing = _print_inventory(console, registry, options.data)
    console.print("checks", style="bold")
    wrong = 0
    for name, fault in arithmetic_faults():
        wrong += _print_line(console, name, [fault] if fault else [])
    for card in (registry.codec(name) for name in _EXAMINED if name in registry.codecs):
        wrong += _print_examination(console, examine(card, device=options.device))
    return wrong, f"; {missing} things missing, each with its cure above"


def _determinism(options: argparse.Namespace) -> int:
    """Prints the matrix; returns 1 if some stream became another picture without an error."""
    for python in options.python:
        if shutil.which(python) is None:
            raise UsageError(
                f"--python {python}: No such file that can be run; give an interpreter"
            )
    import torch

    from bench.cards import load_registry
    from bench.doctor.determinism import examine_determinism, lines, places

    registry = load_registry(options.cards)
    where = places(options.python, cuda=torch.cuda.is_available())
    found = examine_determinism(
        registry, options.determinism, options.cards, where, random=options.random
    )
    page = "\n".join(lines(found)) + "\n"
    if options.out:
        options.out.write_text(page, encoding="utf-8")
    make_console().print(page, markup=False, highlight=False, soft_wrap=True)
    return 1 if found.garbage else 0


def _examine(console: Console, card: CodecCard, device: str) -> int:
    """Patterns at the best point, then a photograph at all points."""
    from bench.doctor.examine import examine
    from bench.doctor.ladder import ladder_faults

    result = examine(card, device=device)
    wrong = _print_examination(console, result)
    if result.skipped is not None and not result.point:
        return wrong
    points = "1 point" if len(card.ladder) == 1 else f"{len(card.ladder)} points"
    return wrong + _print_line(
        console, f"codec {card.id}, {points} on a photograph", ladder_faults(card, device=device)
    )


def _print_inventory(console: Console, registry: Registry, data: Path | None) -> int:
    from bench.doctor.inventory import take_inventory

    section, missing = "", 0
    for entry in take_inventory(registry, data):
        if entry.section != section:
            section = entry.section
            console.print(section, style="bold")
        missing += entry.cure is not None
        mark, cure = ("✗", f" → {entry.cure}") if entry.cure else ("✓", "")
        say(console, f"  {mark} {entry.name}: {entry.found}{cure}")
    return missing


def _print_examination(console: Console, result: Examination) -> int:
    name = f"codec {result.codec}" + (f" at {result.point}" if result.point else "")
    if result.skipped is not None:
        say(console, f"  – {name}: not examined: {result.skipped}")
        return 0
    return _print_line(console, name, result.faults)


def _print_line(console: Console, name: str, faults: Sequence[Fault]) -> int:
    if not faults:
        say(console, f"  ✓ {name}")
    for fault in faults:
        say(console, f"  ✗ {name}: {fault.name}: {fault.evidence} → {fault.cure}", "red")
    return len(faults)
