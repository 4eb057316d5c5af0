"""Index coders: round trips, sizes, and streams that no encoder wrote."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.entropy import coding
from bench.entropy.quantise import lloyd_max_for
from bench.errors import BitstreamError

GOLDEN = "ce9227cff3660c5490e0f57ea356d0d66cab399c29a51402149f09d702"
PROBABILITIES = lloyd_max_for("gaussian", 3).probabilities
INDICES = st.lists(st.integers(0, 7), max_size=200).map(lambda each: np.array(each, np.int64))


@given(INDICES)
@settings(max_examples=60, deadline=None)
def test_every_coder_is_lossless(indices):
    n = len(indices)
    fixed = coding.unpack_fixed(coding.pack_fixed(indices, 3), 3, n)
    zlib = coding.inflate(coding.deflate(indices), 8, n)
    arithmetic = coding.decode_arithmetic(
        coding.encode_arithmetic(indices, PROBABILITIES), PROBABILITIES, n
    )
    for decoded in (fixed, zlib, arithmetic):
        assert decoded.tolist() == indices.tolist()


def test_fixed_length_bits_are_most_significant_first():
    assert coding.pack_fixed(np.array([5, 0, 7]), 3) == bytes([0b10100011, 0b10000000])


def test_arithmetic_coding_is_within_half_a_percent_of_the_cross_entropy():
    rng = np.random.default_rng(0)
    indices = lloyd_max_for("gaussian", 3).indices(rng.standard_normal(20_000))
    ideal = -np.log2(PROBABILITIES)[indices].sum()
    assert 8 * len(coding.encode_arithmetic(indices, PROBABILITIES)) == pytest.approx(
        ideal, rel=0.005
    )


def test_improbable_and_impossible_cells_can_still_be_coded():
    probabilities = np.array([1 - 1e-30, 1e-30, 0.0])
    indices = np.array([0, 2, 1, 0])
    payload = coding.encode_arithmetic(indices, probabilities)
    assert coding.decode_arithmetic(payload, probabilities, 4).tolist() == [0, 2, 1, 0]


def test_golden_arithmetic_coded_stream():
    # a change of these bytes is a breaking change of every coded result
    indices = np.arange(64) % 8
    assert coding.encode_arithmetic(indices, PROBABILITIES).hex() == GOLDEN


@given(INDICES.filter(len), st.data())
@settings(max_examples=100, deadline=None)
def test_truncated_streams_are_refused(indices, data):
    n = len(indices)
    for payload, decode in (
        (coding.pack_fixed(indices, 3), lambda p: coding.unpack_fixed(p, 3, n)),
        (coding.deflate(indices), lambda p: coding.inflate(p, 8, n)),
    ):
        cut = data.draw(st.integers(0, len(payload) - 1))
        with pytest.raises(BitstreamError):
            decode(payload[:cut])


@given(st.binary(max_size=60), st.integers(0, 300))
@settings(max_examples=150, deadline=None)
def test_arbitrary_bytes_decode_to_the_asked_number_or_are_refused(payload, count):
    for decode in (
        lambda: coding.unpack_fixed(payload, 3, count),
        lambda: coding.inflate(payload, 8, count),
        lambda: coding.decode_arithmetic(payload, PROBABILITIES, count),
    ):
        try:
            indices = decode()
        except BitstreamError:
            continue
        assert len(indices) == count and all(0 <= each < 8 for each in indices)


def test_a_cut_arithmetic_coded_stream_is_refused():
    indices = lloyd_max_for("gaussian", 3).indices(np.random.default_rng(2).standard_normal(512))
    payload = coding.encode_arithmetic(indices, PROBABILITIES)
    for cut in range(len(payload)):
        with pytest.raises(BitstreamError):
            coding.decode_arithmetic(payload[:cut], PROBABILITIES, 512)
    for more in (b"\0", b"\1", bytes(4), b"\1\2\3\4"):
        with pytest.raises(BitstreamError):
            coding.decode_arithmetic(payload + more, PROBABILITIES, 512)


def test_nearly_all_flipped_bits_are_noticed():
    indices = lloyd_max_for("gaussian", 3).indices(np.random.default_rng(2).standard_normal(512))
    payload = coding.encode_arithmetic(indices, PROBABILITIES)
    unnoticed = 0
    for bit in range(8 * len(payload)):
        damaged = bytearray(payload)
        damaged[bit // 8] ^= 1 << bit % 8
        try:
            coding.decode_arithmetic(bytes(damaged), PROBABILITIES, 512)
            unnoticed += 1
        except BitstreamError:
            continue
    assert unnoticed <= 0.01 * 8 * len(payload)


def test_a_zlib_bomb_is_refused_without_unpacking_it():
    import zlib

    with pytest.raises(BitstreamError, match="does not hold 10"):
        coding.inflate(zlib.compress(bytes(10**8)), 8, 10)


@pytest.mark.parametrize("probabilities", [[0.5, 0.5], [0.9, 0.1], [1 / 3, 1 / 3, 1 / 3]])
@pytest.mark.parametrize("index", [0, 1])
def test_cuts_of_a_run_of_one_index_are_noticed(probabilities, index):
    p = np.array(probabilities)
    payload = coding.encode_arithmetic(np.full(200, index), p)
    for cut in range(len(payload)):
        with pytest.raises(BitstreamError):
            coding.decode_arithmetic(payload[:cut], p, 200)
