"""Quantisers against published tables and against numerical optimality."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from bench.entropy.quantise import (
    DENSITIES,
    NORMAL,
    Quantiser,
    from_thresholds,
    lloyd_max,
    lloyd_max_for,
    uniform_interval,
    uniform_lattice,
)
from bench.errors import UsageError

SCIPY = {
    "gaussian": stats.norm(),
    "laplace": stats.laplace(scale=0.5**0.5),
    "uniform": stats.uniform(-(3**0.5), 2 * 3**0.5),
}


def distortion(quantiser: Quantiser, source: str = "gaussian") -> float:
    """MSE by numerical integration of scipy's density."""
    density = SCIPY[source]
    ends = np.clip([-25.0, *quantiser.thresholds, 25.0], *density.support())
    cells = zip(ends, ends[1:], quantiser.levels, strict=False)
    return sum(
        integrate.quad(lambda x, y=y: (x - y) ** 2 * density.pdf(x), low, high)[0]
        for low, high, y in cells
    )


def entropy(quantiser: Quantiser) -> float:
    return float(stats.entropy(quantiser.probabilities, base=2))


@pytest.mark.parametrize(
    ("bits", "expected"), [(1, 0.3634), (2, 0.1175), (3, 0.03454), (4, 0.009497)]
)
def test_lloyd_max_distortions_are_those_of_max_1960_table_1(bits, expected):
    assert distortion(lloyd_max_for("gaussian", bits)) == pytest.approx(expected, rel=5e-4)


def test_two_bit_levels_are_those_of_max_1960_table_1():
    quantiser = lloyd_max_for("gaussian", 2)
    assert quantiser.levels == pytest.approx([-1.510, -0.4528, 0.4528, 1.510], abs=5e-4)
    assert quantiser.thresholds == pytest.approx([-0.9816, 0, 0.9816], abs=5e-4)


def test_entropies_are_those_of_max_1960_table_1():
    assert [entropy(lloyd_max_for("gaussian", b)) for b in (2, 3, 4)] == pytest.approx(
        [1.911, 2.825, 3.765], abs=1e-3
    )


@pytest.mark.parametrize(("levels", "expected"), [(2, 1 / 4), (4, 1 / 16), (8, 1 / 64)])
def test_lloyd_max_of_the_uniform_density_is_uniform(levels, expected):
    assert distortion(lloyd_max(DENSITIES["uniform"], levels), "uniform") == (
        pytest.approx(expected, rel=1e-6)
    )


def test_one_bit_laplace_distortion_is_one_half():
    # levels ±E|X| = ±1/√2, so D = 1 − ½
    assert distortion(lloyd_max_for("laplace", 1), "laplace") == pytest.approx(0.5)


@pytest.mark.parametrize("source", sorted(DENSITIES))
def test_densities_are_scipys_of_unit_variance(source):
    density = DENSITIES[source]
    ends = np.array([-np.inf, np.inf])
    figures = [np.diff(f(ends))[0] for f in (density.cumulative, density.first)]
    assert figures == pytest.approx([1, 0], abs=1e-12)
    p = np.array([0.01, 0.3, 0.5, 0.77, 0.999])
    assert density.cumulative(density.inverse(p)) == pytest.approx(p)
    assert density.inverse(p) == pytest.approx(SCIPY[source].ppf(p))
    assert SCIPY[source].var() == pytest.approx(1)


@pytest.mark.parametrize("source", sorted(DENSITIES))
def test_theory_agrees_with_a_sample(source):
    density = DENSITIES[source]
    x = density.inverse(np.random.default_rng(1).random(200_000))
    quantiser = lloyd_max_for(source, 3)
    cells = quantiser.indices(x)
    mse = np.mean((x - quantiser.levels[cells]) ** 2)
    assert mse == pytest.approx(distortion(quantiser, source), rel=0.03)
    counts = np.bincount(cells, minlength=8) / x.size
    assert counts == pytest.approx(quantiser.probabilities, abs=0.005)


def test_no_small_move_of_a_threshold_improves_lloyd_max():
    best = lloyd_max_for("gaussian", 3)
    for index in range(7):
        for move in (-1e-3, 1e-3):
            thresholds = best.thresholds.copy()
            thresholds[index] += move
            assert distortion(from_thresholds(thresholds, NORMAL)) > distortion(best)


def test_uniform_rounding_has_its_levels_on_the_interval_and_clips():
    quantiser = uniform_interval(3, -3, 3)
    assert quantiser.levels == pytest.approx(np.linspace(-3, 3, 8))
    assert quantiser.indices(np.array([-99.0, -0.1, 0.1, 99.0])).tolist() == [0, 3, 4, 7]


@pytest.mark.parametrize("source", sorted(DENSITIES))
def test_fine_uniform_lattice_is_a_quarter_bit_from_the_shannon_bound(source):
    # Gish & Pierce 1968: ½ log2(2πe/12) = 0.2546 bit above h(X) − ½ log2(2πeD)
    own = {"gaussian": 2.0471, "laplace": 1.9427, "uniform": 1.7925}[source]
    quantiser = uniform_lattice(DENSITIES[source], 1 / 32)
    bound = own - 0.5 * np.log2(2 * np.pi * np.e * distortion(quantiser, source))
    assert entropy(quantiser) - bound == pytest.approx(0.2546, abs=0.004)


def test_unknown_sources_are_named():
    with pytest.raises(UsageError, match="laplace"):
        lloyd_max_for("laplac", 2)
