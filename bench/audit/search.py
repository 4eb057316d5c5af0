"""Searches the conventions under which measured records give the numbers of a claim. Pure: from
what was measured to a finding."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, product

import numpy as np

from bench.analysis.qualities import Floats, psnr
from bench.audit.conventions import (
    BYTES,
    CHANNELS,
    DEPTHS,
    REFERENCES,
    ROUNDINGS,
    TURNS,
    USUAL,
    WEIGHTS,
    Way,
    areas,
    subsets,
    way,
)
from bench.audit.samples import ERRORS, PLAIN, SIMILARITIES, Audited

_SHOWN, _MOST = 5, 10_000
_COMPARED = frozenset(
    word for table in (REFERENCES, ROUNDINGS, DEPTHS) for said in table.values()
    for word in said.words
)  # fmt: skip
_OF_RGB = ("psnr_rgb", *SIMILARITIES)
_RARE = 0.001
"""What a unit of a convention's cost has to explain, about dB, to be called nearer."""
_FLOOR = 5e-5
"""Nothing is compared closer than four decimals: single precision adds up no closer."""
_TELLING, _EXACT = 5e-4, 1e-6
"""Of the rate, half a printed unit at most, since two encoders seldom come as near at all points;
and what single precision adds up to."""
_SAMPLES = way(3, "bits divided by samples (width × height × 3)")
_POOLED_RATE = way(1, "all bits divided by all pixels")
_POOLED = way(2, "decibels of the mean squared error of all items")
_OF_CLIP = way(1, "decibels of each clip's mean squared error")
_DB_OF_MEAN, _MEAN_OF_DB = way(0, "decibels of the mean"), way(1, "mean of decibels")


@dataclass(frozen=True, slots=True)
class Claim:
    """What is claimed, by points: means, or (items, points) where it is claimed of single items;
    ``limits`` are half a unit of the last printed digit."""

    rate: Floats
    values: Mapping[str, Floats]
    rate_limit: float
    limits: Mapping[str, float]

    @property
    def per_item(self) -> bool:
        return self.rate.ndim == 2


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """The records of a claim's points: (items, points), each under all conventions."""

    sizes: Mapping[str, tuple[int, int]]
    frames: Sequence[int]
    records: Sequence[Sequence[Audited]]


@dataclass(frozen=True, slots=True)
class Fit:
    """One combination. ``left`` is, by column, what the claim is above it, lowest and highest: of
    the rate in percent, of all else in its unit; ``fits`` where that is within the digits."""

    way: Way
    left: Mapping[str, tuple[float, float]]
    fits: bool
    error: float


@dataclass(frozen=True, slots=True)
class Finding:
    """The combinations that fit, the most common first; ``nearest``: the usual one and those that
    come nearest on all items; how many were tried. ``overhead``: bytes an item that the claim's
    rate has beyond the payload, where they are the same at all points. ``same_rate``: its rates
    are those of the streams, to digits that would tell other streams apart."""

    fits: tuple[Fit, ...]
    nearest: tuple[Fit, ...]
    count: int
    tried: int
    overhead: float | None = None
    same_rate: bool = False


_Option = tuple[Way, Floats]


def search(claim: Claim, measured: Measured) -> Finding:
    """Every frame (items, area, turning) with every way to count bits and to score."""
    fits: list[Fit] = []
    nearest: list[Fit] = []
    tried = count = 0
    same_rate = False
    for place, (shared, chosen, area, step) in enumerate(_frames(claim, measured)):
        rates = [_judged(claim, "bpp", one) for one in _rates(claim, measured, chosen, area, step)]
        columns = [rates]
        for metric in claim.values:
            options = _qualities(claim, measured, metric, chosen, area)
            columns.append([_judged(claim, metric, one) for one in options])
        tried += int(np.prod([len(column) for column in columns], dtype=np.int64))
        exact = [sorted((one for one in c if one.fits), key=lambda one: one.way) for c in columns]
        agreeing = [parts for parts in islice(product(*exact), _MOST) if _agree(parts)]
        count += len(agreeing)
        fits += [_joined(shared, parts) for parts in agreeing]
        if place == 0 and all(columns):
            same_rate = any(_tells(claim, one) for one in rates)
            nearest = [_joined(shared, parts) for parts in _nearest(columns)]
            usual = _joined(shared, [min(column, key=lambda one: one.way) for column in columns])
    fits.sort(key=lambda one: one.way)
    nearest = sorted({one.way: one for one in nearest}.values(), key=lambda one: one.error)
    shown = (usual, *(one for one in nearest[:2] if one.way != usual.way)) if nearest else ()
    overhead = _overhead(claim, measured)
    return Finding(tuple(fits[:_SHOWN]), shown, count, tried, overhead, same_rate)


def _tells(claim: Claim, rate: _Judged) -> bool:
    """Whether these rates are the claim's, to so many digits that other streams would differ."""
    limit = max(claim.rate_limit / float(claim.rate.min()), _EXACT)
    return limit < _TELLING and max(map(abs, rate.left)) <= 100 * limit


def _overhead(claim: Claim, measured: Measured) -> float | None:
    """Bytes an item at every point, within the claim's digits; None where there are none."""
    usual = next(_rates(claim, measured, list(range(len(measured.sizes))), PLAIN, 0))[1]
    pairs = zip(measured.sizes.values(), measured.frames, strict=True)
    one = np.array([8 / (w * h * frames) for (w, h), frames in pairs])[:, None]
    byte = one if claim.per_item else one.mean(axis=0)
    found, unsure = (claim.rate - usual) / byte, claim.rate_limit / float(byte.min())
    same = found.size > 1 and float(np.ptp(found)) <= 2 * unsure
    return float(found.mean()) if same and abs(found.mean()) > 2 * unsure else None


def _compared(part: _Judged) -> frozenset[str]:
    """Which pixels an option compares: words on source and reconstruction of RGB."""
    return _COMPARED.intersection(part.way.words)


def _agree(parts: Sequence[_Judged]) -> bool:
    """Whether all metrics of RGB are of one source and one reconstruction."""
    return len({_compared(part) for part in parts if part.column in _OF_RGB}) < 2


def _nearest(columns: Sequence[Sequence[_Judged]]) -> Iterator[list[_Judged]]:
    """The nearest option of each column, once for each source and reconstruction of RGB."""
    pixels = [_compared(one) for column in columns for one in column if one.column in _OF_RGB]
    for these in dict.fromkeys(pixels or [frozenset()]):
        some = [
            [one for one in column if one.column not in _OF_RGB or _compared(one) == these]
            for column in columns
        ]
        if all(some):
            yield [min(column, key=lambda one: one.error + _RARE * one.way.cost) for column in some]


def _frames(claim: Claim, measured: Measured) -> Iterator[tuple[Way, list[int], str, int]]:
    """What rate and quality share: items, area of the picture, and the area's multiple."""
    everything = list(range(len(measured.sizes)))
    chosen = [(USUAL, everything)] if claim.per_item else list(subsets(measured.sizes))
    for shared, some in chosen:
        yield shared, some, PLAIN, 0
    portrait = any(height > width for width, height in measured.sizes.values())
    for area, (_, said) in TURNS.items() if portrait else ():
        if all((area, "payload") in one.bits for row in measured.records for one in row):
            yield said, everything, area, 0
    boxes = dict(box for size in measured.sizes.values() for box in areas(*size))
    for area, said in boxes.items():
        yield said, everything, area, int(area.split()[1])


def _rates(
    claim: Claim, measured: Measured, chosen: list[int], area: str, step: int
) -> Iterator[_Option]:
    pixels = np.array([
        _pixels(size, area, step) * frames
        for size, frames in zip(measured.sizes.values(), measured.frames, strict=True)
    ], np.float64)[chosen, None]  # fmt: skip
    place, payload = area if area in TURNS else PLAIN, np.empty(0)
    for what, said in BYTES.items():
        table = [[one.bits.get((place, what)) for one in measured.records[at]] for at in chosen]
        if any(bits is None for row in table for bits in row):
            continue
        bits = np.array(table, np.float64)
        if what == "payload":
            payload = bits
        elif np.array_equal(bits, payload):
            continue
        for divided, more in ((1, USUAL), (3, _SAMPLES)):
            bpp = bits / pixels / divided
            if claim.per_item:
                yield said + more, bpp
                continue
            yield said + more, bpp.mean(axis=0)
            pooled = bits.sum(axis=0) / pixels.sum() / divided
            if not np.allclose(pooled, bpp.mean(axis=0), rtol=1e-9):
                yield said + more + _POOLED_RATE, pooled


def _pixels(size: tuple[int, int], area: str, step: int) -> int:
    width, height = size
    if not step:
        return width * height
    if area.startswith("pad"):
        return -(-width // step) * -(-height // step) * step * step
    return (width // step or 1) * (height // step or 1) * step * step


def _qualities(
    claim: Claim, measured: Measured, metric: str, chosen: list[int], area: str
) -> Iterator[_Option]:
    first = measured.records[chosen[0]][0].values.get(metric, {})
    picked = [measured.records[at] for at in chosen]
    for key in [key for key in first if key[0] == area]:
        if not all(key in one.values.get(metric, {}) for row in picked for one in row):
            continue
        said, rows = key[1], [[one.values[metric][key] for one in row] for row in picked]
        for more, values in _averaged(claim, metric, rows):
            yield said + more, values


def _averaged(
    claim: Claim, metric: str, rows: Sequence[Sequence[Floats]]
) -> Iterator[tuple[Way, Floats]]:
    """Means over planes, frames and items of values (items, points)(planes, frames)."""

    def mean(values: Floats) -> Floats:
        return values if claim.per_item else np.asarray(values.mean(axis=0))

    if metric not in ERRORS:
        table = np.array([[float(values.mean()) for values in row] for row in rows])
        if metric in SIMILARITIES and bool((claim.values[metric] > 1).any()):
            with np.errstate(divide="ignore"):
                yield _MEAN_OF_DB, mean(-10 * np.log10(1 - table))
                if not claim.per_item:
                    yield _DB_OF_MEAN, -10 * np.log10(1 - table.mean(axis=0))
        else:
            yield USUAL, mean(table)
        return
    whole_plane: tuple[tuple[Way, tuple[float, ...], bool], ...] = ((USUAL, (1.0,), True),)
    planes = CHANNELS if metric == "psnr_rgb" else WEIGHTS
    for said, weights, squared in planes if rows[0][0].shape[0] == 3 else whole_plane:
        weight = np.array(weights)[:, None]

        def of_frames(errors: Floats, weight: Floats = weight, squared: bool = squared) -> Floats:
            if squared:
                return psnr((errors * weight).sum(axis=0))
            found: Floats = (psnr(errors) * weight).sum(axis=0)
            return found

        yield said, mean(np.array([[of_frames(e).mean() for e in row] for row in rows]))
        whole = [[e.mean(axis=1, keepdims=True) for e in row] for row in rows]
        if any(e.shape[1] > 1 for row in rows for e in row):
            of_clips = np.array([[of_frames(e)[0] for e in row] for row in whole])
            yield said + _OF_CLIP, mean(of_clips)
        if not claim.per_item and len(rows) > 1:
            pooled = np.array(whole).mean(axis=0)  # (points, planes, 1)
            yield said + _POOLED, np.array([of_frames(e)[0] for e in pooled])


@dataclass(frozen=True, slots=True)
class _Judged:
    way: Way
    column: str
    left: tuple[float, float]
    fits: bool
    error: float


def _judged(claim: Claim, column: str, option: _Option) -> _Judged:
    """How far the claim is from an option; ``error`` counts a percent of rate as 0.05 dB."""
    is_rate = column == "bpp"
    wanted = claim.rate if is_rate else claim.values[column]
    limit = claim.rate_limit if is_rate else claim.limits[column]
    said, values = option
    difference = wanted - values
    fits = bool((np.abs(difference) <= max(limit, _FLOOR) * (1 + 1e-9)).all())
    shown = 100 * difference / values if is_rate else difference
    scale = 20.0 if is_rate else 1.0 if np.abs(wanted).max() > 1 else 0.02
    error = float(np.abs(shown).max() / scale)
    return _Judged(said, column, (float(shown.min()), float(shown.max())), fits, error)


def _joined(shared: Way, parts: Sequence[_Judged]) -> Fit:
    said = shared
    for part in parts:
        said = said + part.way
    return Fit(
        Way(said.cost, tuple(dict.fromkeys(said.words))),
        {part.column: part.left for part in parts},
        all(part.fits for part in parts),
        sum(part.error for part in parts),
    )
