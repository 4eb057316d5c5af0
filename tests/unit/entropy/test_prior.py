"""Probabilities of learned priors: those of the logits, and the same bits on every machine."""

import hashlib
from collections.abc import Sequence

import numpy as np
import pytest

from bench.entropy.prior import Group, Indices, MapDecoder, MapEncoder, _probabilities
from bench.errors import BitstreamError


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


class _OneGroup:
    """Logits of chance for a row of 64 positions."""

    order: Sequence[Group] = ((np.zeros(64, np.int64), np.arange(64)),)

    def logits(self, step: int) -> np.ndarray:
        return np.random.default_rng(step).normal(0, 6, (1, 64, 64))

    def write(self, step: int, indices: Indices) -> None: ...


def test_a_stream_that_no_encoder_wrote_is_refused() -> None:
    """constriction says it by an AssertionError, which is no answer to damage."""
    maps = np.random.default_rng(1).integers(0, 64, (1, 1, 64))
    encoder = MapEncoder()
    encoder.encode(_OneGroup(), maps)
    decoded = MapDecoder(encoder.finish()).decode(_OneGroup(), maps.shape)
    np.testing.assert_array_equal(decoded, maps)
    with pytest.raises(BitstreamError, match=r"prior-coded stream: .*; damaged"):
        MapDecoder(b"\xff" * 8).decode(_OneGroup(), maps.shape)
    with pytest.raises(BitstreamError, match="not whole 32-bit words"):
        MapDecoder(b"\xff" * 7)
