"""Bjøntegaard's mean differences of many pairs of curves at once: over the first axis of arrays, so
that the thousands of curves of a bootstrap take milliseconds. Knows no unit and no codec."""

from __future__ import annotations

from typing import Literal

import numpy as np

from bench.analysis.qualities import Floats

Method = Literal["pchip", "cubic", "akima"]
METHODS: tuple[Method, ...] = ("pchip", "cubic", "akima")


def average_differences(
    anchor: tuple[Floats, Floats], test: tuple[Floats, Floats], method: Method = "pchip"
) -> Floats:
    """Mean of test − anchor over the common range of x, for B pairs of curves.

    Each curve is ``(x, y)`` of shape (B, P), P may differ between the two. NaN where the ranges do
    not overlap, x has equal values or anything is not finite. With x quality and y log10 rate the
    result is the log10 BD-rate (Bjøntegaard, VCEG-M33).
    """
    low = np.maximum(np.min(anchor[0], axis=1), np.min(test[0], axis=1))
    high = np.minimum(np.max(anchor[0], axis=1), np.max(test[0], axis=1))
    with np.errstate(all="ignore"):
        area = _area(*test, low, high, method) - _area(*anchor, low, high, method)
        mean: Floats = np.where(high > low, area / (high - low), np.nan)
    return mean


def _area(x: Floats, y: Floats, low: Floats, high: Floats, method: Method) -> Floats:
    order = np.argsort(x, axis=1)
    x, y = np.take_along_axis(x, order, 1), np.take_along_axis(y, order, 1)
    usable = np.isfinite(x).all(1) & np.isfinite(y).all(1) & (np.diff(x, axis=1) > 0).all(1)
    area = np.full(len(x), np.nan)
    enough = x.shape[1] >= (4 if method == "cubic" else 2)
    if not enough or not usable.any():
        return area
    x, y, low, high = x[usable], y[usable], low[usable], high[usable]
    if method == "cubic":
        area[usable] = _cubic_area(x, y, low, high)
    else:
        slopes = _pchip_slopes(x, y) if method == "pchip" else _akima_slopes(x, y)
        area[usable] = _hermite(x, y, slopes, high) - _hermite(x, y, slopes, low)
    return area


def _hermite(x: Floats, y: Floats, slopes: Floats, end: Floats) -> Floats:
    """Integral of the piecewise cubic Hermite curve from its first point to ``end``."""
    step = np.diff(x, axis=1)
    s = np.clip((end[:, None] - x[:, :-1]) / step, 0.0, 1.0)
    s2, s3, s4 = s**2, s**3, s**4
    parts = (
        y[:, :-1] * (s - s3 + s4 / 2)
        + y[:, 1:] * (s3 - s4 / 2)
        + step * slopes[:, :-1] * (s2 / 2 - 2 * s3 / 3 + s4 / 4)
        + step * slopes[:, 1:] * (s4 / 4 - s3 / 3)
    )
    total: Floats = (step * parts).sum(axis=1)
    return total


def _pchip_slopes(x: Floats, y: Floats) -> Floats:
    """Fritsch and Butland (1984), as in SciPy's PchipInterpolator."""
    step = np.diff(x, axis=1)
    chord = np.diff(y, axis=1) / step
    if x.shape[1] == 2:
        return np.repeat(chord, 2, axis=1)
    before, after = chord[:, :-1], chord[:, 1:]
    w1 = 2 * step[:, 1:] + step[:, :-1]
    w2 = step[:, 1:] + 2 * step[:, :-1]
    inner = (w1 + w2) / (w1 / before + w2 / after)
    slopes = np.empty_like(y)
    slopes[:, 1:-1] = np.where(before * after > 0, inner, 0.0)
    slopes[:, 0] = _pchip_edge(step[:, 0], step[:, 1], chord[:, 0], chord[:, 1])
    slopes[:, -1] = _pchip_edge(step[:, -1], step[:, -2], chord[:, -1], chord[:, -2])
    return slopes


def _pchip_edge(h0: Floats, h1: Floats, m0: Floats, m1: Floats) -> Floats:
    slope = ((2 * h0 + h1) * m0 - h0 * m1) / (h0 + h1)
    steep = (np.sign(m0) != np.sign(m1)) & (np.abs(slope) > 3 * np.abs(m0))
    slope = np.where(steep, 3 * m0, slope)
    edge: Floats = np.where(np.sign(slope) != np.sign(m0), 0.0, slope)
    return edge


def _akima_slopes(x: Floats, y: Floats) -> Floats:
    """Akima (1970), as in SciPy's Akima1DInterpolator; two points are joined by a line."""
    chord = np.diff(y, axis=1) / np.diff(x, axis=1)
    if x.shape[1] == 2:
        return np.repeat(chord, 2, axis=1)
    m = np.pad(chord, ((0, 0), (2, 2)))
    m[:, 1] = 2 * m[:, 2] - m[:, 3]
    m[:, 0] = 2 * m[:, 1] - m[:, 2]
    m[:, -2] = 2 * m[:, -3] - m[:, -4]
    m[:, -1] = 2 * m[:, -2] - m[:, -3]
    change = np.abs(np.diff(m, axis=1))
    left, right = change[:, :-2], change[:, 2:]
    both = left + right
    weighted = m[:, 1:-2] + (left / both) * (m[:, 2:-1] - m[:, 1:-2])
    plain = 0.5 * (m[:, 3:] + m[:, :-3])
    return np.where(both > 1e-9 * both.max(axis=1, keepdims=True), weighted, plain)


def _cubic_area(x: Floats, y: Floats, low: Floats, high: Floats) -> Floats:
    """Integral of the least-squares cubic, the method of VCEG-M33."""
    centre, width = x.mean(axis=1), np.ptp(x, axis=1)
    scaled = (x - centre[:, None]) / width[:, None]
    q, r = np.linalg.qr(scaled[:, :, None] ** np.arange(4))
    coefficients = np.linalg.solve(r, (q * y[:, :, None]).sum(axis=1)[:, :, None])[:, :, 0]
    powers = np.arange(1, 5)

    def integral(end: Floats) -> Floats:
        u = ((end - centre) / width)[:, None]
        total: Floats = width * (coefficients * u**powers / powers).sum(axis=1)
        return total

    return integral(high) - integral(low)
