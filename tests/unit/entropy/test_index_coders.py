import contextlib
import hashlib
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.errors import BitstreamError
from bench.learned.vqvae2.indices import Adaptive, Deflate, DeflateBytes, FixedLength, IndexCoder

CODERS = [FixedLength, Deflate, DeflateBytes, Adaptive]


@settings(max_examples=40, deadline=None)
@given(
    coder_class=st.sampled_from(CODERS),
    codes=st.integers(2, 3000),
    count=st.integers(0, 400),
    seed=st.integers(0, 99),
)
def test_round_trip(coder_class: type, codes: int, count: int, seed: int) -> None:
    coder: IndexCoder = coder_class(codes)
    indices = np.random.default_rng(seed).integers(0, codes, count)
    stream, _ = coder.encode(indices)
    np.testing.assert_array_equal(coder.decode(stream, count), indices)


def _skewed(count: int = 4000, codes: int = 512) -> np.ndarray:
    values = np.random.default_rng(1).geometric(0.05, count) - 1
    return np.minimum(values, codes - 1)


def test_zlib_is_that_of_the_report() -> None:
    indices = _skewed()
    expected = zlib.compress(indices.astype(np.uint16).tobytes(), level=9)
    assert Deflate(512).encode(indices)[0] == expected


def test_zlib_of_bytes_follows_how_often_codes_are_used() -> None:
    indices = _skewed(20000, 2048)
    fixed, plain, laid_out = (
        len(coder(2048).encode(indices)[0]) for coder in (FixedLength, Deflate, DeflateBytes)
    )
    assert laid_out < 0.85 * plain and laid_out < 0.6 * fixed


def test_adaptive_approaches_the_entropy_of_the_source() -> None:
    indices = _skewed()
    stream, bits = Adaptive(512).encode(indices)
    shares = np.bincount(indices) / indices.size
    entropy = -(shares[shares > 0] * np.log2(shares[shares > 0])).sum() * indices.size
    assert bits is not None
    assert 8 * len(stream) == pytest.approx(bits, rel=0.01)
    # learning some 100 frequencies costs about half of log2(4000) bits each
    assert entropy < bits < entropy + 100 * 12
    assert 8 * len(stream) < 0.75 * 9 * indices.size


def test_golden_stream() -> None:
    stream, _ = Adaptive(512).encode(_skewed())
    assert hashlib.sha256(stream).hexdigest()[:16] == "6ab0bfb72392757e"


def test_an_index_beyond_the_codebook_is_damage() -> None:
    indices = np.array([5, 900])
    with pytest.raises(BitstreamError, match="900"):
        Deflate(512).decode(Deflate(1024).encode(indices)[0], 2)
    with pytest.raises(BitstreamError, match="1000"):
        FixedLength(1000).decode(FixedLength(1024).encode(np.array([1000]))[0], 1)


@pytest.mark.parametrize("coder_class", CODERS)
def test_a_stream_of_other_length_is_damage(coder_class: type) -> None:
    coder: IndexCoder = coder_class(512)
    stream, _ = coder.encode(_skewed(400))
    with pytest.raises(BitstreamError):
        coder.decode(stream, 100)


def test_words_that_are_no_range_coded_message_are_damage() -> None:
    """Found with streams whose checksum an attacker had computed anew."""
    chance = np.random.default_rng(3)
    for _ in range(50):
        with contextlib.suppress(BitstreamError):
            Adaptive(5).decode(chance.bytes(40), 300)
    with pytest.raises(BitstreamError, match=r"arithmetic-coded stream: .*damaged"):
        Adaptive(5).decode(b"\xff" * 40, 300)
