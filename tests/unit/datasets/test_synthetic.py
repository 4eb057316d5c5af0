"""Synthetic sources: statistics, seeds, items."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from bench.cards import load_registry
from bench.datasets.base import DataOptions
from bench.datasets.synthetic import SOURCES, TEST_SEED, TRAINING_SEED, SyntheticVectors, draw
from bench.errors import CardError

FIRST = 1.7838095423014904


@pytest.mark.parametrize("source", SOURCES)
def test_sources_have_zero_mean_and_unit_variance(source):
    x = draw(source, 2000, 100, seed=3, correlation=0.9)
    assert abs(x.mean()) < 0.02 and x.var() == pytest.approx(1, abs=0.03)


def test_gauss_markov_neighbours_correlate_and_vectors_do_not():
    x = draw("gauss-markov", 4000, 50, seed=3, correlation=0.9)
    assert np.mean(x[:, 1:] * x[:, :-1]) == pytest.approx(0.9, abs=0.02)
    assert abs(np.mean(x[1:] * x[:-1])) < 0.03


def _loader(**settings) -> SyntheticVectors:
    card = load_registry().dataset("gaussian")
    return SyntheticVectors(card, {**card.settings, **settings}, DataOptions())


def test_items_are_blocks_of_the_fixed_test_set():
    loader = pickle.loads(pickle.dumps(_loader()))
    items = loader.items()
    assert len(items) == 20 and len({item.digest for item in items}) == 20
    signal = loader.load(items[3])
    expected = draw("gaussian", 5000, 100, seed=TEST_SEED)[750:1000]
    assert signal.layout == items[3].layout and np.array_equal(signal.array()[0], expected)


def test_test_and_training_vectors_differ():
    test, training = (draw("gaussian", 10, 10, seed=s) for s in (TEST_SEED, TRAINING_SEED))
    assert not np.isin(test, training).any()


def test_the_first_test_sample_is_what_it_always_was():
    # numpy's PCG64 stream is stable: other numbers would make stored results another data set's
    assert draw("gaussian", 1, 1, seed=TEST_SEED)[0, 0] == pytest.approx(FIRST, rel=1e-12)


@pytest.mark.parametrize("settings", [{"source": "cauchy"}, {"length": 0}, {"vectors": "many"}])
def test_bad_settings_are_card_errors(settings):
    with pytest.raises(CardError, match=r"gaussian\.toml"):
        _loader(**settings)
