"""Rate–distortion functions of the synthetic sources: the floor that no codec can go below.

Closed forms where they are known, Blahut–Arimoto else; a measured point below the floor by more
than sampling error is an accounting error. Reads no results and draws nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from bench.errors import UsageError

Floats = NDArray[np.float64]
_SIGMAS = 4.0
"""How many standard deviations of the sample mean of the squared error count as sampling error."""


@dataclass(frozen=True, slots=True, eq=False)
class Bound:
    """R(D) of a source as points: rates in bits per symbol, increasing, and least MSE there."""

    id: str
    title: str
    rates: Floats
    mses: Floats

    def mse_at(self, rate: float) -> float:
        """The least MSE at a rate: exponential between points, 6.02 dB a bit beyond the last."""
        if rate <= self.rates[0]:
            return float(self.mses[0])
        if rate >= self.rates[-1]:
            return float(self.mses[-1] * 4.0 ** (self.rates[-1] - rate))
        return float(np.exp(np.interp(rate, self.rates, np.log(self.mses))))

    def gap_db(self, rate: float, mse: float) -> float:
        """How far above the floor a measured point is, in dB of MSE."""
        return float(10 * np.log10(mse / self.mse_at(rate)))

    def refutes(self, rate: float, mse: float, symbols: int) -> bool:
        """Whether an MSE over so many symbols is below the floor by more than sampling error: the
        relative standard deviation of the mean square of n Gaussian samples is √(2/n)."""
        return bool(mse < self.mse_at(rate) * (1 - _SIGMAS * np.sqrt(2 / symbols)))


def bound_of(source: str, *, correlation: float = 0.0, length: int = 100) -> Bound:
    """The bound of a synthetic source of variance 1 (as in bench.datasets.synthetic).

    ``correlation`` and ``length`` are of the Gauss–Markov source, whose vectors are coded one by
    one. Raises UsageError for a source that has none.
    """
    if source == "gaussian":
        return gaussian_rd()
    if source == "gauss-markov":
        return gauss_markov_rd(correlation, length)
    if source in ("laplace", "uniform"):
        return blahut_arimoto_rd(source)
    raise UsageError(f"no rate–distortion bound of source {source!r}")


def dataset_bound(dataset: str) -> Bound | None:
    """The bound of a data set's source by the card's settings; None where none is known."""
    from bench.cards import load_registry

    card = load_registry().dataset(dataset)
    if card.media != "vector" or "source" not in card.settings:
        return None
    settings = card.settings
    return bound_of(
        str(settings["source"]),
        correlation=float(settings.get("correlation", 0.0)),
        length=int(settings.get("length", 100)),
    )


def gaussian_rd() -> Bound:
    """R(D) = ½·log2(1/D) (Cover & Thomas, theorem 10.3.2)."""
    rates = np.linspace(0, 10, 401)
    return Bound("gaussian-rd", "Gaussian R(D)", rates, 4.0**-rates)


def gauss_markov_rd(correlation: float, length: int) -> Bound:
    """Reverse water-filling over the eigenvalues of the covariance of one vector (Cover & Thomas,
    section 10.3.3)."""
    lags = np.abs(np.subtract.outer(np.arange(length), np.arange(length)))
    variances = np.linalg.eigvalsh(correlation**lags)
    levels = np.geomspace(variances.max(), variances.min() * 1e-6, 2000)
    kept = np.minimum(levels[:, None], variances)
    rates = 0.5 * np.log2(variances / kept).mean(axis=1)
    return Bound("gauss-markov-rd", "Gauss–Markov R(D)", rates, kept.mean(axis=1))


_ENTROPIES = {"laplace": float(np.log2(np.sqrt(2) * np.e)), "uniform": float(np.log2(np.sqrt(12)))}
"""Differential entropies in bits at variance 1."""


def shannon_lower_bound(source: str, rate: float) -> float:
    """MSE of h(X) − ½·log2(2πeD) = R, below R(D) and met by it at high rate."""
    return float(4.0 ** (_ENTROPIES[source] - rate) / (2 * np.pi * np.e))


@cache
def blahut_arimoto_rd(source: str) -> Bound:
    """R(D) of a density by Blahut–Arimoto on a grid, and its Shannon lower bound at high rate.

    A grid's source is a little easier than the density: where the algorithm goes below the
    Shannon lower bound, the latter counts. The Laplace bound is met within 1e-4 from 2.3 bits on,
    the uniform one only slowly.
    """
    highest = {"laplace": 2.3, "uniform": 4.5}[source]
    points, mass = _grid(source)
    curve = [(0.0, 1.0)]
    for slope in np.geomspace(0.5, 400.0, 28):
        rate, mse = _blahut_arimoto(points, mass, float(slope))
        if 0.005 < rate < highest:
            curve.append((rate, max(mse, shannon_lower_bound(source, rate))))
    further = [rate for rate in (2.4, 5.0, 8.0, 10.0) if rate > highest]
    curve += [(rate, shannon_lower_bound(source, rate)) for rate in further]
    rates, mses = np.array(sorted(curve)).T
    return Bound(f"{source}-rd", f"{source.capitalize()} R(D)", rates, mses)


def _grid(source: str) -> tuple[Floats, Floats]:
    """Centroids and masses of 300 cells; of the Laplace density, up to 9 standard deviations."""
    from bench.entropy.quantise import density_named

    density = density_named(source)
    reach = np.sqrt(3.0) if source == "uniform" else 9.0
    edges = np.linspace(-reach, reach, 301)
    mass = np.diff(density.cumulative(edges))
    return np.diff(density.first(edges)) / mass, mass / mass.sum()


def _blahut_arimoto(points: Floats, mass: Floats, slope: float) -> tuple[float, float]:
    """(rate in bits, MSE) at the slope −dR/dD = ``slope`` nats; the rate is the algorithm’s lower
    bound on R at that MSE, whatever its convergence (Blahut 1972, theorems 6 and 7)."""
    distance = (points[:, None] - points[None, :]) ** 2
    kernel = np.exp(-slope * distance)
    output = mass.copy()
    for _ in range(1500):
        factor = (mass / (kernel @ output)) @ kernel
        if float(factor.max()) - 1 < 1e-4:
            break
        output = output * factor
    normaliser = kernel @ output
    mse = float(mass @ ((kernel * distance) @ output / normaliser))
    nats = -slope * mse - float(mass @ np.log(normaliser)) - float(np.log(factor.max()))
    return max(nats, 0.0) / float(np.log(2)), mse
