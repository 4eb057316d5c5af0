"""Streams of whole planes are those of CompressAI's coder, far values and damage included."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.entropy.rans import Reader, Tables, decode, encode, quantised_cdf
from bench.errors import BitstreamError
from tests.system.with_torch.codecs.golden import NO_COMPRESSAI

# symbols −1, 0, 1 and "another" in sixteenths; one that nearly always is 5
TABLES = Tables(
    np.array([[0, 1, 12, 15, 16], [0, 15, 16, 16, 16]], np.int32) << 12,
    np.array([5, 3], np.int32),
    np.array([-1, 5], np.int32),
)
FARTHEST = 2**27 - 10
"""CompressAI's encoder never ends where a distance needs eight half bytes."""
planes = st.lists(
    st.tuples(st.integers(0, 1), st.integers(-4, 8) | st.integers(-FARTHEST, FARTHEST)), max_size=90
)


def _theirs(symbols: np.ndarray, rows: np.ndarray) -> bytes:
    ans = pytest.importorskip("compressai.ans", reason=NO_COMPRESSAI)
    lists = [symbols.tolist(), rows.tolist(), *_lists(TABLES)]
    stream = ans.RansEncoder().encode_with_indexes(*lists)
    assert ans.RansDecoder().decode_with_indexes(stream, *lists[1:]) == symbols.tolist()
    return stream


def _lists(tables: Tables) -> list[list]:
    return [tables.cumulative.tolist(), tables.lengths.tolist(), tables.offsets.tolist()]


@settings(max_examples=200, deadline=None)
@given(planes)
def test_any_symbols_come_back(plane: list[tuple[int, int]]) -> None:
    rows, symbols = np.array(plane, np.int32).reshape(-1, 2).T.copy()
    np.testing.assert_array_equal(decode(encode(symbols, rows, TABLES), rows, TABLES), symbols)


@settings(max_examples=200, deadline=None)
@given(planes)
def test_the_bytes_are_compressai_s(plane: list[tuple[int, int]]) -> None:
    rows, symbols = np.array(plane, np.int32).reshape(-1, 2).T.copy()
    if len(plane) >= 8:  # of fewer CompressAI writes over memory that is not its own
        assert encode(symbols, rows, TABLES) == _theirs(symbols, rows)


shares = st.lists(st.floats(0, 1, width=32) | st.just(0.0), min_size=2, max_size=300)


@settings(max_examples=200, deadline=None)
@given(shares)
def test_the_frequencies_are_compressai_s(numbers: list[float]) -> None:
    theirs = pytest.importorskip("compressai._CXX", reason=NO_COMPRESSAI).pmf_to_quantized_cdf
    found = np.array(numbers) / (sum(numbers) or 1)
    if (np.round(found * 2**16) > 0).any():
        assert quantised_cdf(found).tolist() == theirs(found.tolist(), 16)


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ([0.25, 0.5, 0.25], [16384, 32768, 16384]),
        # 65534.7 and 0.65 twice are rounded to 65535, 1 and 1; of 65537, 2¹⁶ are left
        ([1 - 2e-5, 1e-5, 1e-5], [65534, 1, 1]),
        # two of nothing take one each from the rarest that has more than one
        ([0.0, 0.75, 0.0, 0.25], [1, 49152, 1, 16382]),
        # rounded down to 21845 each; the last has what is left
        ([1 / 3, 1 / 3, 1 / 3], [21845, 21845, 21846]),
    ],
)
def test_frequencies_by_hand(numbers: list[float], expected: list[int]) -> None:
    assert np.diff(quantised_cdf(np.array(numbers))).tolist() == expected


@settings(max_examples=100, deadline=None)
@given(planes, st.integers(0, 90))
def test_a_stream_is_read_in_parts(plane: list[tuple[int, int]], first: int) -> None:
    rows, symbols = np.array(plane, np.int32).reshape(-1, 2).T.copy()
    reader = Reader(encode(symbols, rows, TABLES), TABLES)
    found = [reader.take(part) for part in (rows[:first], rows[first:])]
    reader.finish()
    np.testing.assert_array_equal(np.concatenate(found), symbols)


def test_a_stream_of_which_something_is_left_is_an_error() -> None:
    symbols = np.array([0, 1, 5, 300] * 9, np.int32)
    rows = np.array([0, 0, 1, 1] * 9, np.int32)
    reader = Reader(encode(symbols, rows, TABLES), TABLES)
    reader.take(rows[:-1])
    with pytest.raises(BitstreamError, match="no stream of 35 symbols"):
        reader.finish()


def test_any_int32_comes_back() -> None:
    ends = np.iinfo(np.int32)
    symbols = np.array([ends.min, ends.max, 0, ends.min + 1], np.int32)
    rows = np.array([0, 0, 1, 1], np.int32)
    np.testing.assert_array_equal(decode(encode(symbols, rows, TABLES), rows, TABLES), symbols)


def test_a_written_stream() -> None:
    """Golden: a change of the coded output is a breaking change."""
    symbols = np.array([0, 0, 1, -1, 5, 7, -300, 2**20, 5, 0] * 20, np.int32)
    rows = np.array([0, 0, 0, 0, 1, 1, 0, 1, 1, 0] * 20, np.int32)
    stream = encode(symbols, rows, TABLES)
    assert (len(stream), hashlib.sha256(stream).hexdigest()[:16]) == (188, "4b90f7913572adab")


@pytest.mark.parametrize("stream", [b"", b"\0" * 7, b"\0" * 8, b"\xff" * 8, b"\xff" * 4000])
def test_what_is_no_stream_is_an_error(stream: bytes) -> None:
    with pytest.raises(BitstreamError, match=r"no stream of 5000 symbols; corrupt payload"):
        decode(stream, np.zeros(5000, np.int32), TABLES)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60), st.booleans())
def test_cut_and_continued_streams_are_errors(more: bytes, cut: bool) -> None:
    symbols = np.arange(-40, 40, dtype=np.int32)
    rows = np.arange(80, dtype=np.int32) % 2
    stream = encode(symbols, rows, TABLES)
    damaged = stream[: len(stream) - 1 - len(more)] if cut else stream + more + b"\0"
    with pytest.raises(BitstreamError):
        decode(damaged, rows, TABLES)
