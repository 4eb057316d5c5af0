"""Probabilities of learned priors: those of the logits, and the same bits on every machine."""

import hashlib

import numpy as np

from bench.entropy.prior import _probabilities


def test_probabilities_are_the_softmax_of_rounded_logits() -> None:
    logits = np.random.default_rng(0).normal(0, 9, (2, 3, 40))
    logits[1, 2, 5] = 2000  # all others are below the smallest float64
    rounded = np.round(logits.reshape(6, 40) * 256) / 256
    shares = np.exp(rounded - rounded.max(1, keepdims=True))
    expected = shares / shares.sum(1, keepdims=True)
    np.testing.assert_allclose(_probabilities(logits), expected, rtol=1e-15, atol=0)


def test_golden_probabilities() -> None:
    """A decoder elsewhere must have every bit of them."""
    logits = (np.arange(20 * 64) * 2654435761 % 4096 / 128).reshape(1, 20, 64)
    found = _probabilities(logits).astype("<f8").tobytes()
    assert hashlib.sha256(found).hexdigest()[:16] == "768afe3e69353039"
