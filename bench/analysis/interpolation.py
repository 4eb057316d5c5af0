"""Bjøntegaard's mean differences of many pairs of curves at once: over the first axis of arrays, so
that the thousands of curves of a bootstrap take milliseconds. Knows no unit and no codec."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bench.analysis.qualities import Floats

Method = Literal["pchip", "cubic", "akima"]
METHODS: tuple[Method, ...] = ("pchip", "cubic", "akima")

MAX_OVERSHOOT = 0.05
"""How far a cubic may leave the range of its points, in parts of that range. Of 618 curves of the
reference results all but one stay below 0.025, which is the fit's own error; that one reaches
0.19."""


@dataclass(frozen=True, eq=False)
class Curves:
    """x and y of B curves, both (B, points), in any order. What is fitted to them is computed once,
    for all that they are compared with."""

    x: Floats
    y: Floats

    @cached_property
    def ends(self) -> tuple[Floats, Floats]:
        """The range of x of each, (B,)."""
        return self.x.min(axis=1), self.x.max(axis=1)

    @cached_property
    def rising(self) -> tuple[Floats, Floats]:
        """x and y by rising x."""
        order = np.argsort(self.x, axis=1)
        return np.take_along_axis(self.x, order, 1), np.take_along_axis(self.y, order, 1)

    @cached_property
    def usable(self) -> NDArray[np.bool_]:
        """Which are finite and have no x twice."""
        x, y = self.rising
        usable: NDArray[np.bool_] = (
            np.isfinite(x).all(1) & np.isfinite(y).all(1) & (np.diff(x, axis=1) > 0).all(1)
        )
        return usable

    @cached_property
    def turned(self) -> Curves:
        """y as x and x as y."""
        return Curves(self.y, self.x)

    def integral(self, low: Floats, high: Floats, method: Method) -> Floats:
        """The area under each curve between two x, (B,); NaN where it has none by this method."""
        if self.x.shape[1] < (4 if method == "cubic" else 2):
            return np.full(len(self.x), np.nan)
        fit: _Hermite | _Cubic = getattr(self, method)
        return np.where(self.usable, fit.integral(high) - fit.integral(low), np.nan)

    def value(self, place: Floats) -> Floats:
        """y of each curve by PCHIP at one x, (B,), which lies in its range or, by rounding, beside
        it."""
        if self.x.shape[1] == 1:
            return self.y[:, 0]
        return np.where(self.usable, self.pchip.value(place), np.nan)

    @cached_property
    def pchip(self) -> _Hermite:
        return _Hermite(*self.rising, _pchip_slopes(*self.rising))

    @cached_property
    def akima(self) -> _Hermite:
        return _Hermite(*self.rising, _akima_slopes(*self.rising))

    @cached_property
    def cubic(self) -> _Cubic:
        return _Cubic.of(*self.rising)


def average_differences(anchor: Curves, test: Curves, method: Method = "pchip") -> Floats:
    """Mean of test − anchor over the common range of x, for B pairs of curves.

    The number of points may differ between the two. NaN where the ranges do not overlap, x has
    equal values or anything is not finite. With x quality and y log10 rate the result is the log10
    BD-rate (Bjøntegaard, VCEG-M33).
    """
    low, high = _common(anchor, test)
    with np.errstate(all="ignore"):
        area = test.integral(low, high, method) - anchor.integral(low, high, method)
        mean: Floats = np.where(high > low, area / (high - low), np.nan)
    return mean


def _common(anchor: Curves, test: Curves) -> tuple[Floats, Floats]:
    """Ends of the range of x that both curves cover, (B,)."""
    (low, high), (other_low, other_high) = anchor.ends, test.ends
    return np.maximum(low, other_low), np.minimum(high, other_high)


def differences_at_one_place(anchor: Curves, test: Curves) -> Floats:
    """test − anchor where the ranges of x have a single value in common, by PCHIP; NaN elsewhere.

    So it is of a single point against a curve whose range holds it, of two points at one x, and of
    curves that touch. Never extrapolates.
    """
    low, high = _common(anchor, test)
    # means over other arrays differ in their last digits
    touching = np.abs(high - low) <= _ROUNDING * np.maximum(1.0, np.abs(low))
    with np.errstate(all="ignore"):
        difference: Floats = test.value(high) - anchor.value(high)
    return np.where(touching, difference, np.nan)


_ROUNDING = 1e-9


def cubic_leaves_points(curve: Curves, other: Curves) -> NDArray[np.bool_]:
    """Whether the cubic of a curve, on the range of x that it shares with the other's, goes beyond
    the range of its own y by more than ``MAX_OVERSHOOT``: (B,), False where it has no cubic."""
    if curve.x.shape[1] < 4:
        return np.zeros(len(curve.x), dtype=np.bool_)
    low, high = _common(curve, other)
    with np.errstate(all="ignore"):
        least, most = curve.cubic.extremes(low, high)
        beyond = np.maximum(most - curve.y.max(axis=1), curve.y.min(axis=1) - least)
        leaves: NDArray[np.bool_] = beyond > MAX_OVERSHOOT * np.ptp(curve.y, axis=1)
    return leaves & curve.usable & (high > low)


@dataclass(frozen=True, eq=False)
class _Hermite:
    """Piecewise cubic curves through points of rising x, with these slopes."""

    x: Floats
    y: Floats
    slopes: Floats

    def integral(self, end: Floats) -> Floats:
        """From the first point of each curve to ``end``, (B,)."""
        at, step, s = self._places(end)
        rows = np.arange(len(self.x))
        s2, s3 = s * s, s * s * s
        s4 = s2 * s2
        part = (
            self.y[rows, at] * (s - s3 + s4 / 2)
            + self.y[rows, at + 1] * (s3 - s4 / 2)
            + step * self.slopes[rows, at] * (s2 / 2 - 2 * s3 / 3 + s4 / 4)
            + step * self.slopes[rows, at + 1] * (s4 / 4 - s3 / 3)
        )
        total: Floats = self._before[rows, at] + step * part
        return total

    def value(self, place: Floats) -> Floats:
        at, step, s = self._places(place)
        rows = np.arange(len(self.x))
        found: Floats = (
            self.y[rows, at] * (1 + 2 * s) * (1 - s) ** 2
            + self.y[rows, at + 1] * s**2 * (3 - 2 * s)
            + step * self.slopes[rows, at] * s * (1 - s) ** 2
            + step * self.slopes[rows, at + 1] * s**2 * (s - 1)
        )
        return found

    def _places(self, place: Floats) -> tuple[NDArray[np.int_], Floats, Floats]:
        """The piece that each x lies in, its length, and where in it, from 0 to 1."""
        at = np.clip((self.x <= place[:, None]).sum(axis=1) - 1, 0, self.x.shape[1] - 2)
        rows = np.arange(len(self.x))
        step = self.x[rows, at + 1] - self.x[rows, at]
        return at, step, np.clip((place - self.x[rows, at]) / step, 0.0, 1.0)

    @cached_property
    def _before(self) -> Floats:
        """The areas of all pieces before each, (B, points)."""
        step, slopes = np.diff(self.x, axis=1), self.slopes
        whole = step * (
            (self.y[:, :-1] + self.y[:, 1:]) / 2 + step * (slopes[:, :-1] - slopes[:, 1:]) / 12
        )
        return np.pad(np.cumsum(whole, axis=1), ((0, 0), (1, 0)))


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


@dataclass(frozen=True, eq=False)
class _Cubic:
    """Least-squares cubics, the method of VCEG-M33: centre and width (B,) of the variable, and
    coefficients (B, 4) of its rising powers."""

    centre: Floats
    width: Floats
    coefficients: Floats

    @classmethod
    def of(cls, x: Floats, y: Floats) -> _Cubic:
        centre, width = x.mean(axis=1), np.ptp(x, axis=1)
        scaled = (x - centre[:, None]) / width[:, None]
        # polynomials that are orthogonal on the points, by their recurrence (Forsythe 1957): as
        # exact as a QR factorisation, without one for every curve
        before, own = np.zeros_like(x), np.ones_like(x)
        powers = np.zeros((2, len(x), 4))
        powers[1, :, 0] = 1.0
        found, rest, norm_before = np.zeros((len(x), 4)), y, np.ones(len(x))
        for degree in range(4):
            norm = (own * own).sum(axis=1)
            share = (own * rest).sum(axis=1) / norm
            found += share[:, None] * powers[1]
            if degree == 3:
                break
            rest = rest - share[:, None] * own
            a = (scaled * own * own).sum(axis=1) / norm
            b = norm / norm_before if degree else np.zeros(len(x))
            before, own = own, (scaled - a[:, None]) * own - b[:, None] * before
            risen = np.pad(powers[1, :, :3], ((0, 0), (1, 0)))
            powers = np.stack([powers[1], risen - a[:, None] * powers[1] - b[:, None] * powers[0]])
            norm_before = norm
        return cls(centre, width, found)

    def integral(self, end: Floats) -> Floats:
        u = ((end - self.centre) / self.width)[:, None]
        powers = np.arange(1, 5)
        total: Floats = self.width * (self.coefficients * u**powers / powers).sum(axis=1)
        return total

    def extremes(self, low: Floats, high: Floats) -> tuple[Floats, Floats]:
        """The least and the largest y between two x, (B,): at an end or where the slope is 0."""
        low, high = ((end - self.centre) / self.width for end in (low, high))
        c0, c1, c2, c3 = self.coefficients.T
        a, b = 3 * c3, 2 * c2
        q = -(b + np.copysign(np.sqrt(b * b - 4 * a * c1), b)) / 2
        flat = [np.clip(np.where(np.isnan(root), low, root), low, high) for root in (q / a, c1 / q)]
        places = np.stack([low, high, *flat])
        values = c0 + places * (c1 + places * (c2 + places * c3))
        return values.min(axis=0), values.max(axis=0)
