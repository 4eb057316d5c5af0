"""Whether two sides can be compared at all, and what is left out. Judges no number."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bench.check.baseline import Measurements
from bench.check.points import first_few

_NOT_DETERMINISTIC = "not deterministic"
_NO_DEVICE = "a device of no record"


def problems(measured: Measurements, baseline: Measurements) -> Iterator[str]:
    """Why the two sides are not measurements of the same thing."""
    if measured.dataset and baseline.dataset and measured.dataset != baseline.dataset:
        yield f"data set {measured.dataset!r}, the baseline's is {baseline.dataset!r}"
    if absent := _absent(measured, baseline):
        yield (
            f"{len(absent)} of the baseline's {len(baseline.items)} items were not measured "
            f"({first_few(absent)}); run without --limit"
        )
    if other := _other_content(measured, baseline):
        yield other
    yield from _other_sizes(measured, baseline)


def _other_sizes(measured: Measurements, baseline: Measurements) -> Iterator[str]:
    """The first item whose size is not the baseline's."""
    sizes = np.full(len({*measured.items, *baseline.items}), np.nan)
    for rows in baseline.rows():
        sized = rows.pixels > 0
        sizes[rows.items.codes[sized]] = rows.pixels[sized]
    for rows in measured.rows():
        theirs = sizes[rows.items.codes]
        other = np.flatnonzero((rows.pixels > 0) & (theirs > 0) & (theirs != rows.pixels))
        if len(other):
            row = int(other[0])
            size = f"{rows.pixels[row]:.0f} pixels, the baseline has {theirs[row]:.0f}"
            yield f"item {rows.items.at(row)}: {size}"
            return


def _absent(measured: Measurements, baseline: Measurements) -> list[str]:
    """The baseline's items that were to be measured with some codec and were with none."""
    limits = [measured.first_items(codec) for codec in measured.codecs]
    wanted = None if None in limits else {item for found in limits if found for item in found}
    there = set(measured.items)
    return [
        item for item in baseline.items if item not in there and (wanted is None or item in wanted)
    ]


def _other_content(measured: Measurements, baseline: Measurements) -> str:
    """The items that hold something else than the baseline's; by the digest of the whole data set
    where a run of an older version kept no digest of each."""
    if measured.run is None or baseline.run is None:
        return ""
    new, old = measured.run.item_digests, baseline.run.item_digests
    both = [item for item in baseline.items if item in new and item in old]
    if other := [item for item in both if new[item] != old[item]]:
        return (
            f"the content of {len(other)} of {len(both)} items of data set {measured.dataset!r} "
            f"differs from the baseline's ({first_few(other)})"
        )
    digests = (measured.run.dataset_digest, baseline.run.dataset_digest)
    whole = set(measured.items) == set(baseline.items) and measured.run.items == baseline.run.items
    if whole and all(digests) and digests[0] != digests[1]:
        return (
            f"the content of data set {measured.dataset!r} differs from the baseline's: "
            f"digest {digests[0][:12]}, baseline {digests[1][:12]}"
        )
    return ""


def notes(codec: str, measured: Measurements, baseline: Measurements) -> Iterator[str]:
    """What a reader must know of one codec's comparison besides its numbers."""
    if codec not in measured.codecs or codec not in baseline.codecs:
        return
    why = why_by_numbers(codec, measured, baseline)
    if why and why != _NOT_DETERMINISTIC:
        yield f"compared by numbers, not by hash: {why}"
    yield from _fewer_items(codec, measured, baseline)
    yield from _without_streams(codec, measured, baseline)
    if further := _further(codec, measured, baseline):
        yield f"{further} records that the baseline lacks were left out"


def why_by_numbers(codec: str, measured: Measurements, baseline: Measurements) -> str:
    """Why other streams of a codec are no finding; empty for one that is compared by hash."""
    infos = [side.info(codec) for side in (measured, baseline)]
    claims = [info.deterministic for info in infos if info is not None]
    if not claims:
        return "no run.json says whether the codec is deterministic"
    if not any(claims):
        return _NOT_DETERMINISTIC
    if not all(claims):
        return f"deterministic {'here' if claims[0] else 'in the baseline'} only, says run.json"
    here, there = (info.device if info is not None else "" for info in infos)
    if here == there:
        return ""
    return (
        f"computed on {here or _NO_DEVICE}, the baseline's on {there or _NO_DEVICE}, where "
        "floating-point sums may round otherwise"
    )


def _fewer_items(codec: str, measured: Measurements, baseline: Measurements) -> Iterator[str]:
    """Where a suite no longer measures a codec on all of its baseline."""
    left = measured.first_items(codec)
    held = {name for rows in baseline.codecs[codec].values() for name in rows.names()}
    if left is not None and (dropped := len(held - left)):
        yield (
            f"{dropped} of the baseline's {len(held)} items were left out: its suite "
            f"measures it on the first {len(left)} only"
        )


def _without_streams(codec: str, measured: Measurements, baseline: Measurements) -> Iterator[str]:
    """Where there is no stream to compare, or no hash of it."""
    for side, name in ((measured, "these results"), (baseline, "the baseline")):
        done = [rows.take(rows.done) for rows in side.codecs[codec].values()]
        count = sum(map(len, done))
        estimated = sum(int(rows.estimated.sum()) for rows in done)
        bare = sum(int((~rows.estimated & (rows.streams == 0)).sum()) for rows in done)
        if estimated:
            yield f"{estimated} of {count} records in {name} are estimates, no streams"
        if bare:
            yield (
                f"{bare} of {count} records in {name} have no hash of their stream: "
                "compared by numbers"
            )


def _further(codec: str, measured: Measurements, baseline: Measurements) -> int:
    """Finished records of the baseline's points and items that have no counterpart there."""
    there = set(baseline.items)
    count = 0
    for point, old in baseline.codecs[codec].items():
        new = measured.codecs[codec].get(point)
        if new is None or not old.done.any():
            continue
        new = new.take(new.done)
        places = old.find(new.items.codes)
        lacking = new.take((places < 0) | ~old.done[places])
        count += sum(name in there for name in lacking.names())
    return count
