"""Trellises, the Viterbi search and the distance of the designed codes from the bound."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from bench.entropy.trellis import STATES, TrellisCode, transitions
from tests.design_trellis import design

FREE_DISTANCES = {4: 9, 8: 10, 16: 11, 32: 13, 64: 14, 128: 16, 256: 17}
"""d²_free / Δ² of Ungerboeck (1982), table I, amplitude modulation."""


# more states take this search too long
@pytest.mark.parametrize("states", [4, 8, 16, 32, 64])
def test_trellises_have_ungerboecks_free_distance(states):
    assert _free_distance(states) == FREE_DISTANCES[states]


def _free_distance(states: int) -> int:
    """Least squared distance of two paths that part and meet again, over subset differences:
    subsets k and k' are min |k − k'| mod 4 steps apart, 4 where they are the same."""
    following = transitions(states)
    start = {}
    for s in range(states):
        start[tuple(sorted((int(following[s, 0]), int(following[s, 1]))))] = 4
    best, merged = dict(start), 10**9
    for _ in range(60):
        updated: dict[tuple[int, int], int] = {}
        for (a, b), cost in best.items():
            for za, zb in itertools.product((0, 1), repeat=2):
                step = ((2 * za + (a & 1)) - (2 * zb + (b & 1))) % 4
                total = cost + min(step, 4 - step) ** 2
                pair = tuple(sorted((int(following[a, za]), int(following[b, zb]))))
                if pair[0] == pair[1]:
                    merged = min(merged, total)
                elif total < min(updated.get(pair, 10**9), merged):
                    updated[pair] = total
        best = updated
        if not best or min(best.values()) >= merged:
            break
    return merged


def test_every_state_is_reached_by_two_branches():
    for states in STATES:
        assert np.bincount(transitions(states).ravel(), minlength=states).tolist() == [2] * states


def _code(states: int = 8) -> TrellisCode:
    even = np.arange(-2, 3) * 1.0
    return TrellisCode(states, np.stack([even, even + 0.5]), np.full((2, 5), 0.2))


def test_the_search_finds_the_best_of_all_index_sequences():
    code = _code()
    samples = np.array([0.4, -0.8, 1.1, 0.2])
    found = code.search(samples, 0.0)
    errors = [
        float(np.sum((samples - code.reproduce(np.array(each))) ** 2))
        for each in itertools.product(range(5), repeat=4)
    ]
    assert np.sum((samples - code.reproduce(found)) ** 2) == pytest.approx(min(errors))


def test_a_larger_weight_costs_fewer_bits():
    rng = np.random.default_rng(0)
    samples = rng.standard_normal(5000)
    code, _, _ = design(samples, 8, 0.6, 0.05, rounds=5)
    bits = []
    for weight in (0.0, 0.1, 0.5):
        indices = code.search(samples, weight)
        bits.append(-np.log2(code.probabilities[code.supersets(indices), indices]).mean())
    assert bits[0] > bits[1] > bits[2]


@pytest.mark.parametrize(("states", "limit_db"), [(8, 0.6), (256, 0.35)])
def test_a_designed_code_is_near_the_bound(states, limit_db):
    rng = np.random.default_rng(5)
    size = 40_000 if states == 8 else 12_000
    code, _, _ = design(rng.standard_normal(size), states, 1.0, 0.2, rounds=8)
    samples = rng.standard_normal(size)
    indices = code.search(samples, 0.2)
    bits = -np.log2(code.probabilities[code.supersets(indices), indices]).mean()
    mse = np.mean((samples - code.reproduce(indices)) ** 2) / np.mean(samples**2)
    assert bits > 1 and 10 * np.log10(mse) + 6.0206 * bits < limit_db


def test_unknown_numbers_of_states_are_refused():
    with pytest.raises(ValueError, match="known: 4, 8"):
        _code(7)
