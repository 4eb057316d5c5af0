"""`bench audit`: under which conventions a published number comes out of streams at hand."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING

from bench.commands.options import positive, seconds
from bench.commands.stored import add_originals, campaign_of_run
from bench.commands.terminal import make_console, say
from bench.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from bench.audit.search import Finding, Fit

_OF_A_BUILD, _OF_A_VERSION, _EXPLAINS = 0.01, 0.5, 3
"""Of a fit's error, about as many dB: what another build of the same codec makes and what another
version may make; and how often as near a way must come to explain it."""
SUMMARY = "which conventions give a published number, from streams and originals"
EXAMPLES = ("theirs.csv results/mine --codec jpeg",)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "claim", metavar="CLAIM", help="means or items of some points, as --overlay reads them"
    )
    parser.add_argument(
        "source", type=Path, metavar="DIR", help="a folder of `run --keep all`, or a vault"
    )
    parser.add_argument("--codec", required=True, metavar="NAME", help="the codec of DIR")
    parser.add_argument("--curve", metavar="NAME", help="of a claim of several: which")
    parser.add_argument(
        "--bd", metavar="ANCHOR=PERCENT", help="also: a claimed BD-rate against a codec of DIR"
    )
    parser.add_argument("--jobs", type=positive, metavar="N", help="workers; default: all cores")
    parser.add_argument("--timeout", type=seconds, default=600.0, metavar="S", help="a record, 600")
    add_originals(parser)


def call(options: argparse.Namespace) -> int:
    from bench.processes.fork_server import start_fork_server

    start_fork_server("bench.cli")
    from bench.audit import claims
    from bench.audit.search import search
    from bench.processes.pool import available_cores

    source = claims.read_source(options.source, options.codec)
    curve = claims.read_claim(options.claim, source.run.dataset, options.curve, options.codec)
    places, lost = claims.matched(curve, source)
    if not places:
        raise UsageError(
            f"{options.claim}: none of its points is a point of {options.codec} in "
            f"{options.source}: {', '.join(lost)}; there are {', '.join(source.points)}"
        )
    points = list(places.values())
    items = list(claims.items_of(curve, source, points))
    if not items:
        raise UsageError(f"{options.claim}: no item of {options.source} has all of its points")
    claim = claims.claim_of(curve, list(places), items)
    campaign = campaign_of_run(
        source.run, options, [options.codec], elsewhere=source.vault is not None
    )
    jobs = options.jobs or available_cores()
    measured, again = claims.measure(
        source, campaign, points, items, claim, jobs=jobs, seconds=options.timeout
    )
    found = search(claim, measured)
    kind = "each of" if claim.per_item else "means over"
    lines = [
        f"{curve.name}: {len(points)} points, {kind} {len(items)} items, against {options.codec} "
        f"in {options.source}; {found.tried} combinations tried"
    ]
    lines += [f"not at hand and left out: {', '.join(lost)}"] if lost else []
    lines += [f"{again} streams were not kept: coded again, to the same bytes"] if again else []
    if curve.count not in (None, len(items)) and not claim.per_item:
        lines.append(f"the claim is of {curve.count} items, {len(items)} are here")
    lines += _findings(found)
    if options.bd:
        lines += _bd(options, claim.values)
    console = make_console()
    for line in lines:
        say(console, line)
    return 0 if found.fits else 1


def _findings(found: Finding) -> Iterator[str]:
    if not found.fits:
        yield "none of them reproduces the claim; the usual one, then the nearest:"
        for one in found.nearest:
            yield f"  {str(one.way) or 'as measured here'}"
            yield f"    left: {_left(one)}"
        if found.overhead is not None:
            yield (
                f"  its rate is {found.overhead:+.0f} bytes an item from the payload's at every "
                "point: a header or container of its own"
            )
        first, least = found.nearest[0], min(one.error for one in found.nearest)
        if found.same_rate:
            yield (
                "  its rates are those of these streams: quality was computed in a way that is not "
                "tried here, or from another decoder"
            )
        elif least < _OF_A_BUILD and least < first.error:
            yield (
                "  what is left of the nearest is no more than another version or build of the "
                "same encoder makes"
            )
        elif first.error < min(_OF_A_VERSION, _EXPLAINS * least):
            yield (
                "  no other way explains what is left of the usual one: it looks like another "
                "version or build of encoder or decoder, or other settings"
            )
        return
    several = "1 reproduces it" if found.count == 1 else f"{found.count} reproduce it"
    yield f"{several} within its printed digits{', the most common first' * (found.count > 1)}:"
    for place, one in enumerate(found.fits, 1):
        yield f"  {place}. {str(one.way) or 'as measured here'}"
    if found.count > len(found.fits):
        yield f"  and {found.count - len(found.fits)} more: more digits would tell them apart"


def _left(fit: Fit) -> str:
    words = []
    for column, (low, high) in fit.left.items():
        unit, digits = (" %", 2) if column == "bpp" else ("", 4 if abs(high) < 0.01 else 3)
        words.append(f"{column} {low:+.{digits}f} … {high:+.{digits}f}{unit}")
    return ", ".join(words)


def _bd(options: argparse.Namespace, metrics: Collection[str]) -> Sequence[str]:
    """The ways of averaging and interpolating under which a BD-rate is the claimed one."""
    from bench.analysis.table import bd_table
    from bench.records import read_number

    anchor, _, word = options.bd.rpartition("=")
    try:
        claimed = read_number(word.removesuffix("%"))
    except ValueError:
        raise UsageError(f"--bd {options.bd}: not ANCHOR=PERCENT, such as x265=-12.3") from None
    digits = len(word.removesuffix("%").partition(".")[2])
    ways = [
        (
            abs(one.rate_percent - claimed), one.rate_percent,
            f"{one.method} of {axis.metric}, curves: {one.averaging}",
        )
        for axis in bd_table(options.source, anchor).comparisons
        if axis.codec == options.codec and axis.metric.removesuffix("_db") in metrics
        for one in axis.conventions
        if math.isfinite(one.rate_percent)
    ]  # fmt: skip
    limit = 0.5 * 10.0**-digits + 1e-9
    lines = [f"BD-rate {word} against {anchor}: {how}" for off, _, how in ways if off <= limit]
    nearest = min(ways, default=None)
    if lines or nearest is None:
        return lines or [f"BD-rate {word} against {anchor}: none can be computed"]
    _, value, how = nearest
    return [f"BD-rate {word} against {anchor}: none; the nearest is {value:.{digits + 1}f}, {how}"]
