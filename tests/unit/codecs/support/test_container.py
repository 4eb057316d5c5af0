import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.codecs.support.container import Container
from bench.errors import BitstreamError

CODEC = Container("toy", 0x42, b"abcd")


@given(st.lists(st.integers(0, 2**40), max_size=6), st.lists(st.binary(max_size=300), min_size=1))
def test_round_trip(numbers: list[int], sections: list[bytes]) -> None:
    contents = CODEC.unpack(CODEC.pack(numbers, sections), len(numbers), len(sections))
    assert contents.numbers == tuple(numbers)
    assert contents.sections == tuple(sections)


def test_layout_is_what_the_docstring_says() -> None:
    payload = CODEC.pack([7, 300], [b"xy", b"z"])
    # kind, 4 bytes of checksum, 7, 300 as LEB128, length of the first section, sections
    assert payload[0] == 0x42
    assert payload[5:] == bytes([7, 0xAC, 0x02, 2]) + b"xyz"
    assert len(payload) == 5 + 4 + 3


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_changed_byte_is_refused(place: int, change: int) -> None:
    payload = bytearray(CODEC.pack([5, 1000], [b"section one", b"section two"]))
    payload[place % len(payload)] ^= change
    with pytest.raises(BitstreamError):
        CODEC.unpack(bytes(payload), 2, 2)


@pytest.mark.parametrize("length", range(23))
def test_truncation_is_refused(length: int) -> None:
    payload = CODEC.pack([5, 1000], [b"section one", b"two"])
    assert len(payload) > length
    with pytest.raises(BitstreamError):
        CODEC.unpack(payload[:length], 2, 2)


def test_other_weights_and_other_codecs_are_named() -> None:
    payload = CODEC.pack([1], [b"x"])
    with pytest.raises(BitstreamError, match="other weights"):
        Container("toy", 0x42, b"other").unpack(payload, 1)
    with pytest.raises(BitstreamError, match="another codec"):
        Container("toy", 0x43, b"abcd").unpack(payload, 1)


def test_negative_numbers_cannot_be_packed() -> None:
    with pytest.raises(ValueError, match="-1"):
        CODEC.pack([-1], [b""])
