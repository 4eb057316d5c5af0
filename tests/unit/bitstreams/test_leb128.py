import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.bitstreams.leb128 import read_varint, read_varints, write_varint
from bench.errors import BitstreamError


@pytest.mark.parametrize(
    ("value", "written"),
    # by hand; 300 = 0b10_0101100
    [(0, b"\x00"), (127, b"\x7f"), (128, b"\x80\x01"), (300, b"\xac\x02")],
)
def test_bytes(value: int, written: bytes) -> None:
    assert write_varint(value) == written


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1), st.binary(max_size=3))
def test_round_trip(values: list[int], following: bytes) -> None:
    written = b"".join(map(write_varint, values))
    assert read_varints(written + following, 0, len(values)) == (tuple(values), len(written))


@pytest.mark.parametrize("data", [b"", b"\x80", b"\xff" * 11])
def test_cut_and_endless_numbers_are_refused_with_what_they_are_of(data: bytes) -> None:
    with pytest.raises(BitstreamError, match=r"^AV1 stream: "):
        read_varint(data, 0, "AV1 stream")


def test_a_negative_number_has_no_form() -> None:
    with pytest.raises(ValueError, match="-1"):
        write_varint(-1)
