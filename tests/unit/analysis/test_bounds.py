"""Rate–distortion bounds against closed forms, and points below them."""

from __future__ import annotations

import numpy as np
import pytest

from bench.analysis.bounds import (
    bound_of,
    dataset_bound,
    gauss_markov_rd,
    shannon_lower_bound,
)
from bench.errors import UsageError


def test_the_gaussian_bound_is_six_decibels_a_bit():
    bound = bound_of("gaussian")
    assert [bound.mse_at(r) for r in (0, 1, 2.5, 12)] == pytest.approx([1, 1 / 4, 1 / 32, 4.0**-12])
    assert bound.gap_db(1.0, 0.5) == pytest.approx(3.0103)


def test_gauss_markov_without_correlation_is_the_gaussian_bound():
    bound = gauss_markov_rd(0.0, 20)
    assert bound.mse_at(1.5) == pytest.approx(0.125, rel=1e-3)


def test_gauss_markov_at_high_rate_gains_its_prediction_gain():
    # D = det(Σ)^(1/n) · 4^−R once no component is dropped; det Σ = (1 − ρ²)^(n−1)
    expected = (1 - 0.9**2) ** (99 / 100) * 4.0**-4
    assert gauss_markov_rd(0.9, 100).mse_at(4.0) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("source", ["laplace", "uniform"])
def test_blahut_arimoto_lies_between_the_shannon_bound_and_the_gaussian(source):
    bound = bound_of(source)
    for rate in (0.3, 1.0, 2.0, 3.0):
        assert shannon_lower_bound(source, rate) <= bound.mse_at(rate) * 1.002
        assert bound.mse_at(rate) < 4.0**-rate
    assert np.all(np.diff(bound.rates) > 0) and np.all(np.diff(bound.mses) < 0)


def test_the_laplace_bound_at_one_bit_is_half_a_decibel_below_the_gaussian():
    # Laplace, MSE: numerical R(D) of 1 bit at 6.62 dB (Jayant & Noll, table D.2: 6.62)
    assert 10 * np.log10(1 / bound_of("laplace").mse_at(1.0)) == pytest.approx(6.62, abs=0.03)


def test_a_point_below_the_floor_is_an_accounting_error_beyond_sampling_error():
    bound = bound_of("gaussian")
    assert not bound.refutes(1.0, 0.25 * 0.997, 500_000)
    assert bound.refutes(1.0, 0.25 * 0.98, 500_000)
    assert not bound.refutes(1.0, 0.25 * 0.98, 1_000)


def test_bounds_are_found_by_data_set_and_unknown_sources_refused():
    bound = dataset_bound("gauss-markov")
    assert bound is not None and bound.id == "gauss-markov-rd"
    assert dataset_bound("kodak") is None
    with pytest.raises(UsageError):
        bound_of("cauchy")
