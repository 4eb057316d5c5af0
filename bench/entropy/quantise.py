"""Scalar quantisers: Lloyd–Max for a density, uniform on an interval or a lattice; no coding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import special

from bench.errors import UsageError, near_matches

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Function = Callable[[Floats], Floats]


@dataclass(frozen=True, slots=True, eq=False)
class Density:
    """A zero-mean, unit-variance source density: ``cumulative`` and ``first`` are ∫ tᵏ p(t) dt from
    −∞ to x for k = 0, 1; ``inverse`` is that of ``cumulative``."""

    cumulative: Function
    first: Function
    inverse: Function


NORMAL = Density(
    lambda x: np.asarray(special.ndtr(x)),
    lambda x: np.asarray(-(np.exp(-0.5 * x * x) / np.sqrt(2 * np.pi))),
    lambda p: np.asarray(special.ndtri(p)),
)

_LAPLACE_SCALE = 1 / np.sqrt(2)


def _laplace(power: int) -> Function:
    """∫ tᵏ p(t) dt of the Laplace density with variance 1, by parts on either side of zero."""

    def integral(x: Floats) -> Floats:
        s = _LAPLACE_SCALE
        u = np.where(np.isinf(x), 0.0, np.abs(x))
        tail = np.where(np.isinf(x), 0.0, 0.5 * np.exp(-u / s))
        return np.asarray(-(u + s) * tail) if power else np.where(x < 0, tail, 1 - tail)

    return integral


def _laplace_inverse(p: Floats) -> Floats:
    side = np.minimum(p, 1 - p)
    return np.asarray(np.sign(0.5 - p) * _LAPLACE_SCALE * np.log(2 * side))


LAPLACE = Density(_laplace(0), _laplace(1), _laplace_inverse)

_HALF = np.sqrt(3.0)


def _uniform(power: int) -> Function:
    """∫ tᵏ / 2√3 dt on [−√3, √3]."""

    def integral(x: Floats) -> Floats:
        c = np.clip(x, -_HALF, _HALF)
        k = power + 1
        return np.asarray((c**k - (-_HALF) ** k) / (2 * _HALF * k))

    return integral


UNIFORM = Density(_uniform(0), _uniform(1), lambda p: np.asarray((2 * p - 1) * _HALF))

DENSITIES = {"gaussian": NORMAL, "laplace": LAPLACE, "uniform": UNIFORM}


def density_named(name: str) -> Density:
    """The density of a source name. Raises UsageError for others."""
    if name not in DENSITIES:
        raise UsageError(f"no density of source {name!r}; {near_matches(name, DENSITIES)}")
    return DENSITIES[name]


@dataclass(frozen=True, slots=True, eq=False)
class Quantiser:
    """Increasing reproduction levels, the thresholds between them and each cell's probability."""

    levels: Floats
    thresholds: Floats
    probabilities: Floats

    def indices(self, samples: Floats) -> Indices:
        """The cell of every sample, same shape."""
        return np.searchsorted(self.thresholds, samples).astype(np.int64)


def lloyd_max(density: Density, levels: int) -> Quantiser:
    """The quantiser of least MSE with this many levels (Lloyd 1982, Max 1960).

    Alternates midpoints and centroids until the levels move less than 10⁻¹²; the optimum
    is unique for log-concave densities such as these.
    """
    points = density.inverse((np.arange(levels) + 0.5) / levels)
    while True:
        quantiser = from_thresholds((points[1:] + points[:-1]) / 2, density)
        if float(np.max(np.abs(quantiser.levels - points))) < 1e-12:
            return quantiser
        points = quantiser.levels


@cache
def lloyd_max_for(source: str, bits: int) -> Quantiser:
    """Lloyd–Max with 2^bits levels for a named source of variance 1."""
    return lloyd_max(density_named(source), 2**bits)


def uniform_interval(bits: int, low: float, high: float, density: Density = NORMAL) -> Quantiser:
    """2^bits levels equally spaced from ``low`` to ``high``, both included, rounded to the
    nearest; samples beyond are clipped."""
    levels = np.linspace(low, high, 2**bits)
    thresholds = (levels[1:] + levels[:-1]) / 2
    return Quantiser(levels, thresholds, np.diff(density.cumulative(_edges(thresholds))))


def uniform_lattice(density: Density, step: float, *, reach: float = 12.0) -> Quantiser:
    """The uniform-threshold quantiser with cells of width ``step`` around its multiples up to
    ``reach`` and centroids as levels; the outermost cells are open."""
    most = max(1, int(np.ceil(reach / step)))
    thresholds = (np.arange(-most, most) + 0.5) * step
    quantiser = from_thresholds(thresholds, density)
    # far in the tail a cell has no mass to take a centroid of
    middle = np.arange(-most, most + 1) * step
    levels = np.where(quantiser.probabilities > 1e-9, quantiser.levels, middle)
    return Quantiser(levels, thresholds, quantiser.probabilities)


def from_thresholds(thresholds: Floats, density: Density) -> Quantiser:
    """The quantiser with these cells and their centroids as levels."""
    edges = _edges(thresholds)
    mass = np.diff(density.cumulative(edges))
    levels = np.diff(density.first(edges)) / np.maximum(mass, 1e-300)
    return Quantiser(levels, thresholds, mass)


def _edges(thresholds: Floats) -> Floats:
    return np.concatenate([[-np.inf], thresholds, [np.inf]])
