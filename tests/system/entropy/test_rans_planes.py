"""Streams of whole planes are those of CompressAI's coder, far values and damage included."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("compressai")

from compressai.ans import RansDecoder, RansEncoder
from compressai.entropy_models import EntropyBottleneck, GaussianConditional

from bench.codecs.support.plane_coder import PlaneCoder
from bench.entropy.rans import Reader, Tables, decode, encode
from bench.errors import BitstreamError

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
    lists = [symbols.tolist(), rows.tolist(), *_lists(TABLES)]
    return RansEncoder().encode_with_indexes(*lists)


def _lists(tables: Tables) -> list[list]:
    return [tables.cumulative.tolist(), tables.lengths.tolist(), tables.offsets.tolist()]


@settings(max_examples=200, deadline=None)
@given(planes)
def test_the_bytes_are_compressai_s_and_decode(plane: list[tuple[int, int]]) -> None:
    rows, symbols = np.array(plane, np.int32).reshape(-1, 2).T.copy()
    stream = encode(symbols, rows, TABLES)
    if len(plane) >= 8:  # of fewer CompressAI writes over memory that is not its own
        assert stream == _theirs(symbols, rows)
    np.testing.assert_array_equal(decode(stream, rows, TABLES), symbols)


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


@pytest.mark.parametrize("wide", [False, True])
def test_models_of_compressai(wide: bool) -> None:
    """Long tables too, in which the search starts at many places."""
    torch.manual_seed(0)
    if wide:
        model = GaussianConditional([0.11, 1.0, 60.0, 256.0])
        model.update()
        rows = torch.randint(0, 4, (1, 4, 30, 20), dtype=torch.int32)
        spread = torch.tensor([0.2, 2.0, 60.0, 400.0])[rows.long()]
        values = torch.randn(rows.shape) * spread
        expected = model.compress(values, rows)[0]
    else:
        model = EntropyBottleneck(4)
        model.update()
        values = 20 * torch.randn(1, 4, 30, 20)
        rows = torch.arange(4, dtype=torch.int32)[None, :, None, None].expand(values.shape)
        expected = model.compress(values)[0]
    coder = PlaneCoder.of(model)
    medians = None if wide else model.quantiles[None, :, 0, 1, None, None].detach()
    symbols = model.quantize(values, "symbols", medians)
    stream = coder.encode(symbols, rows)
    assert stream == expected
    assert torch.equal(coder.decode(stream, rows), symbols)
    theirs = RansDecoder().decode_with_indexes(
        stream, rows.flatten().tolist(), *_lists(coder.tables)
    )
    assert theirs == symbols.flatten().tolist()


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
