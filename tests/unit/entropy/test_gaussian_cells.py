"""Integers under Gaussians from fixed tables."""

import hashlib
import math

import numpy as np
import pytest

from bench.entropy.coding import decode_with
from bench.entropy.gaussian_cells import CellDecoder, CellEncoder, CellTable, cumulative_table
from bench.errors import BitstreamError

SCALES = np.array([0.11, 0.5, 3.0, 20.0])


@pytest.fixture(scope="module")
def table() -> CellTable:
    return CellTable(*cumulative_table(SCALES))


def _normal(x: float) -> float:
    return 0.5 * math.erfc(-x / 2**0.5)


@pytest.mark.parametrize("level", range(4))
@pytest.mark.parametrize("fraction", range(-4, 4))
def test_cells_hold_the_mass_of_the_gaussian(table: CellTable, level: int, fraction: int) -> None:
    found = table.probabilities(level, fraction)
    radius = (len(found) - 1) // 2
    mean, scale = fraction / 8, SCALES[level]
    for place in (-radius, -2, -1, 0, 1, 2, radius):
        expected = _normal((place + 0.5 - mean) / scale) - _normal((place - 0.5 - mean) / scale)
        assert found[radius + place] == pytest.approx(expected, abs=2.0**-20)
    assert (found * 2**20 == np.rint(found * 2**20)).all()


def test_the_stored_numbers_are_these() -> None:
    """Golden: other numbers decode no stream of today."""
    radius, cumulative = cumulative_table(SCALES)
    assert radius.tolist() == [8, 8, 18, 120]
    # Φ(0) and Φ(1/8 / 0.11), Φ(1/8 / 0.5), in units of 2⁻²⁰
    assert cumulative[:2].tolist() == [524288, 914461]
    assert cumulative[73:75].tolist() == [524288, 627789]


def test_what_is_put_comes_back_at_its_cost(table: CellTable) -> None:
    rng = np.random.default_rng(1)
    levels = rng.integers(0, 4, (50, 7))
    means = rng.integers(-40, 40, (50, 7))
    values = np.rint(means / 8 + rng.normal(size=levels.shape) * SCALES[levels]).astype(np.int64)
    encoder = CellEncoder(table)
    for row in range(50):
        kept = encoder.put(values[row], means[row], levels[row])
        assert (kept == values[row]).all()
    stream = encoder.finish()
    # three bytes are the price of a known state at the end, which stands for a checksum
    assert encoder.bits / 8 < len(stream) < encoder.bits / 8 + 5

    def read(coder: object) -> np.ndarray:
        decoder = CellDecoder(table, coder)
        rows = [decoder.get(means[row], levels[row]) for row in range(50)]
        assert (np.stack(rows) == values).all()
        return np.empty(0, np.int64)

    decode_with(stream, read)


def test_stream_hash() -> None:
    """Golden bitstream: a change of the coded output is a breaking change."""
    encoder = CellEncoder(CellTable(*cumulative_table(SCALES)))
    places = np.arange(200)
    encoder.put(places % 5 - 2, places % 23 - 11, places % 4)
    assert hashlib.sha256(encoder.finish()).hexdigest()[:16] == "a563ecb74ee424bf"


def test_values_out_of_reach_become_the_last_cell(table: CellTable) -> None:
    kept = CellEncoder(table).put(np.array([100, -3]), np.array([12, 12]), np.array([0, 0]))
    # the rounded mean of 12 eighths is 2, and 8 the reach of the narrowest scale
    assert kept.tolist() == [10, -3]


def test_an_exhausted_stream_is_an_error(table: CellTable) -> None:
    encoder = CellEncoder(table)
    encoder.put(np.arange(3), np.zeros(3, np.int64), np.full(3, 3))
    zeros = np.zeros(300_000, np.int64)
    with pytest.raises(BitstreamError, match="ends before all latents are read"):
        decode_with(encoder.finish(), lambda coder: CellDecoder(table, coder).get(zeros, zeros))
