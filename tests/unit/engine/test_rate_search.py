import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.codecs.base import AnyValue, Choice, Range
from bench.engine.rate_search import find_rate
from bench.errors import Unsupported


class Counted:
    """Rate 2^(−crf/6), as a quantiser's: 6 steps halve it."""

    def __init__(self, factor: float = 8.0) -> None:
        self.calls: list[int] = []
        self.factor = factor

    def __call__(self, crf: object) -> float:
        assert isinstance(crf, int | float)
        self.calls.append(int(crf))
        return self.factor * 2 ** (-crf / 6)


@given(st.floats(0.03, 7.5), st.none() | st.integers(0, 51))
def test_the_closest_value_is_found_from_any_start(target: float, start: int | None) -> None:
    rate = Counted()
    found = find_rate(target, Range(0, 51), rate, start)
    best = min(range(52), key=lambda crf: abs(math.log(8 * 2 ** (-crf / 6) / target)))
    assert abs(found.bpp / target - 1) <= abs(8 * 2 ** (-best / 6) / target - 1) + 0.01
    assert len(rate.calls) == len(set(rate.calls)) <= 14


def test_a_rising_parameter_is_searched_as_well() -> None:
    found = find_rate(0.5, Range(1, 100), lambda q: 0.01 * float(q), None)
    assert found.value == 50


def test_the_last_items_value_saves_evaluations() -> None:
    cold, warm = Counted(), Counted()
    found = find_rate(0.3, Range(0, 51), cold, None)
    find_rate(0.3, Range(0, 51), warm, found.value)
    assert len(warm.calls) < len(cold.calls)


@pytest.mark.parametrize(
    ("target", "says"),
    [
        (0.001, "cannot reach 0.001 bpp: its lowest rate here is 0.0221 bpp at 51"),
        (40.0, "cannot reach 40 bpp: its highest rate here is 8 bpp at 0"),
    ],
)
def test_a_rate_out_of_reach_is_said_with_the_end_of_the_range(target: float, says: str) -> None:
    for start in (None, 30):
        with pytest.raises(Unsupported, match=says):
            find_rate(target, Range(0, 51), Counted(), start)


def test_continuous_ranges_and_choices() -> None:
    found = find_rate(0.5, Range(0.0, 15.0, integer=False), lambda d: 4 / (1 + float(d)), None)
    assert abs(found.bpp - 0.5) < 0.01
    assert find_rate(0.3, Choice((1, 2, 3)), lambda k: 0.1 * float(k), None).value == 3


def test_values_without_a_range_cannot_be_searched() -> None:
    with pytest.raises(Unsupported, match="does not say between which values a rate could be"):
        find_rate(0.3, AnyValue(), Counted(), None)


def test_one_operating_point_cannot_be_set() -> None:
    with pytest.raises(Unsupported, match="one operating point"):
        find_rate(0.3, None, Counted(), None)
