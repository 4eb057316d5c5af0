import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.entropy.context import StepDecoder, encode_steps, probabilities, shannon_bits
from bench.errors import BitstreamError


def test_probabilities_are_powers_of_two_of_the_rounded_logarithms() -> None:
    found = probabilities(np.array([[0.0, 1.0, 3.0], [5.0, 5.03, 5.04]]))
    assert found[0] == pytest.approx([1 / 11, 2 / 11, 8 / 11], rel=1e-6)
    # 0.03 rounds to nothing, 0.04 to 1/16
    assert found[1, 0] == found[1, 1]
    assert found[1, 2] / found[1, 0] == pytest.approx(2 ** (1 / 16), rel=1e-5)
    assert probabilities(np.array([[0.0, 99.0]]))[0, 0] == pytest.approx(2.0**-20, rel=1e-5)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 130), st.lists(st.integers(0, 40), max_size=5))
def test_steps_come_back(seed: int, codes: int, sizes: list[int]) -> None:
    rng = np.random.default_rng(seed)
    steps = []
    for size in sizes:
        shares = probabilities(rng.normal(0, 6, (size, codes + 1)))
        steps.append((shares, rng.integers(0, codes + 1, size)))
    stream = encode_steps(steps)
    bits = sum(shannon_bits(*step) for step in steps)
    assert len(stream) * 8 <= 1.001 * bits + 64
    decoder = StepDecoder(stream)
    for shares, symbols in steps:
        assert np.array_equal(decoder.decode(shares), symbols)
    decoder.finish()


def test_a_longer_stream_is_noticed() -> None:
    shares = probabilities(np.zeros((50, 4)))
    stream = encode_steps([(shares, np.arange(50) % 4)])
    decoder = StepDecoder(b"\1\2\3\4" * 8 + stream)
    decoder.decode(shares)
    with pytest.raises(BitstreamError, match="damaged"):
        decoder.finish()
