"""The curves of a codec's items and which operating points make them: points that say nothing or
stand twice are left out by name, and where quality falls as the rate grows is told."""

from __future__ import annotations

import numpy as np

from bench.analysis.curves import Grid, Mask
from bench.analysis.deltas import Curve
from bench.analysis.qualities import Floats, Quality, axis_of, psnr

_SAME = 0.002
"""Of a metric's tolerance: qualities nearer than this are one number, rounded otherwise."""
_SAME_RATE = 1e-9
_FLAT_RATIO = 1.25
"""A point of this much more rate for less than the metric's tolerance lies on a flat end: how a
curve is interpolated beside it says nothing of the codec."""
_SHOWN = 3


def mean_curve(grid: Grid, quality: Quality) -> Curve:
    """Mean rate and quality of the mean, over the items of a complete grid."""
    if not len(grid.items):
        return Curve.of([], [])
    return Curve(grid.bpp.mean(axis=0), quality.of(grid.values[quality.column].mean(axis=0)))


def pooled_curve(grid: Grid) -> Curve:
    """All bits over all pixels, and the PSNR of the mean squared error of the set."""
    mse = (grid.values["mse"] * grid.pixels[:, None]).sum(axis=0) / grid.pixels.sum()
    return Curve(grid.bits.sum(axis=0) / grid.pixels.sum(), psnr(mse))


def tells_headers(grid: Grid) -> bool:
    """Whether some of its bytes are known to be headers, or to be none."""
    return grid.header_bits is not None and bool(np.isfinite(grid.header_bits).any())


def header_rate(grid: Grid) -> Floats:
    """Bits per pixel of headers at each point, mean over items; 0 where they cannot be told."""
    if grid.header_bits is None:
        return np.zeros(len(grid.points))
    rate: Floats = (np.nan_to_num(grid.header_bits) / grid.pixels[:, None]).mean(axis=0)
    return rate


def label(point: str) -> str:
    """``crf=27`` as it is; a published point has only a number: ``point 2``."""
    return point if "=" in point else f"point {point}"


def complete(grid: Grid, quality: Quality) -> Mask:
    """The items on which all points are done."""
    done = np.isfinite(grid.values[quality.column]) & np.isfinite(grid.bpp)
    whole: Mask = done.all(axis=1) & (done.shape[1] > 0)
    return whole


def usable_points(grid: Grid, quality: Quality, notes: list[str]) -> Grid:
    """Without the points that are lossless, of zero rate, saturated, or done on less than half of
    the items that the suite wants."""
    done = np.isfinite(grid.values[quality.column]) & np.isfinite(grid.bpp)
    lossless = grid.lossless
    if lossless.any():
        notes.append(f"{grid.codec}: lossless points have no distortion and are left out")
    sparse = done.sum(axis=0) < 0.5 * grid.wanted
    for index in np.flatnonzero(sparse & ~lossless):
        notes.append(
            f"{grid.codec}: {grid.points[index]} left out, "
            f"done on {int(done[:, index].sum())} of {grid.wanted} items"
        )
    free = (np.nan_to_num(grid.bpp) <= 0).all(axis=0) & ~sparse
    if free.any():
        notes.append(f"{grid.codec}: points of rate 0 are left out")
    left_out = lossless | sparse | free
    # nearer to the end of its axis than what counts as no change a metric tells no points apart
    limit = min(quality.info.cap, quality.info.saturation)
    axis, most = axis_of(quality.info), limit - quality.info.tolerance
    values = np.where(done, grid.values[quality.column], 0.0)
    mean = axis.of(values.sum(axis=0) / np.maximum(done.sum(axis=0), 1))
    full = done.any(axis=0) & (mean > most) & ~left_out
    if full.any():
        names = ", ".join(label(grid.points[index]) for index in np.flatnonzero(full))
        notes.append(
            f"{grid.codec}: {names} left out: saturated, {axis.title} above {most:g} of at most "
            f"{limit:g}"
        )
    return grid.take(None, ~(left_out | full))


def distinct_points(grid: Grid, quality: Quality, notes: list[str]) -> Grid:
    """A complete grid with each place of its mean curve once: of points of one rate or of one
    quality the better stays."""
    # the tolerance is on the metric's own axis
    curve = mean_curve(grid, axis_of(quality.info))
    rate, place = curve.rate, curve.quality
    same = _SAME * quality.info.tolerance
    kept: list[int] = []
    twice: dict[int, list[int]] = {}
    names = [label(point) for point in grid.points]
    for index in np.lexsort((-place, _rounded(rate))):
        equal = [k for k in kept if abs(place[index] - place[k]) <= same]
        beside = [k for k in kept if abs(rate[index] - rate[k]) <= _SAME_RATE * rate[k]]
        if both := [k for k in equal if k in beside]:
            twice.setdefault(both[0], []).append(int(index))
            continue
        if beside:
            why = f"less quality at the rate of {names[beside[0]]}"
        elif equal:
            why = f"no more quality than {names[equal[0]]} at more rate"
        elif flat := [k for k in kept if _is_flat(curve, k, int(index), quality.info.tolerance)]:
            gain, ratio = place[index] - place[flat[0]], rate[index] / rate[flat[0]]
            why = f"{gain:.2g} more than {names[flat[0]]} for {ratio:.3g} times its rate"
        else:
            kept.append(int(index))
            continue
        notes.append(f"{grid.codec}: {names[index]} left out: {why}")
    notes += [_twice(grid, first, others) for first, others in twice.items()]
    return grid.take(None, sorted(kept))


def _is_flat(curve: Curve, before: int, index: int, tolerance: float) -> bool:
    """Whether a point has hardly more quality than another for much more rate."""
    gain = curve.quality[index] - curve.quality[before]
    ratio = curve.rate[index] / curve.rate[before]
    return bool(0 < gain < tolerance and ratio >= _FLAT_RATIO)


def _rounded(rate: Floats) -> Floats:
    """Rates in which equal ones are equal to the last digit."""
    with np.errstate(divide="ignore"):
        rounded: Floats = np.round(np.log(rate), 9)
    return rounded


def _twice(grid: Grid, first: int, others: list[int]) -> str:
    times = "twice" if len(others) == 1 else f"{len(others) + 1} times"
    said = f"{grid.codec}: {label(grid.points[first])} {times}"
    named = [grid.points[index] for index in others if "=" in grid.points[index]]
    return f"{said} (as {', '.join(named)})" if named else said


def falls(grid: Grid, quality: Quality) -> str:
    """Where the mean curve of distinct points is not monotonic: every point that has more rate and
    less quality than another, else nothing."""
    curve = mean_curve(grid, quality)
    rate, place = curve.rate, curve.quality
    found: list[str] = []
    best = -1
    for index in np.argsort(rate):
        if best >= 0 and place[index] < place[best]:
            found.append(
                f"{label(grid.points[index])} has less quality than {label(grid.points[best])} "
                "at more rate"
            )
        else:
            best = int(index)
    if not found:
        return ""
    more = [f"and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
    return f"{grid.codec}: not monotonic: {', '.join([*found[:_SHOWN], *more])}; no BD-rate"
