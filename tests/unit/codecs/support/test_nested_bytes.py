"""Structures of streams: anything nested comes back, damage is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.codecs.support.nested_bytes import pack_nest, unpack_nest
from bench.errors import BitstreamError, CodecError

nests = st.recursive(
    st.binary(max_size=9) | st.integers(0, 1 << 30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=12,
)


@given(nests)
def test_any_nest_of_strings_and_numbers_comes_back(nested):
    packed, content = pack_nest("c", nested)
    assert unpack_nest("c", packed) == nested
    assert content <= len(packed) - 2


def _overhead(nested):
    packed, content = pack_nest("c", nested)
    return len(packed) - content


def test_a_hyperprior_costs_eleven_bytes_and_frames_that_repeat_their_lengths():
    assert _overhead([[[b"y"], [b"z"]], (8, 12)]) == 11
    frame = {"motion": [[b"a"], [b"b"]], "residual": [[b"c"], [b"d"]]}
    assert (_overhead([frame]), _overhead([frame] * 50)) == (30, 240)


def test_what_a_stream_cannot_hold_is_named():
    with pytest.raises(CodecError, match=r"mynet: compress returned a float \(0\.5\)"):
        pack_nest("mynet", [[b"y"], 0.5])
    with pytest.raises(CodecError, match=r"returned a int \(-1\)"):
        pack_nest("mynet", [-1])


@given(st.binary(max_size=60))
def test_random_bytes_are_a_nest_or_refused(data):
    try:
        nested = unpack_nest("c", data)
    except BitstreamError:
        return
    assert unpack_nest("c", pack_nest("c", nested)[0]) == nested


def test_a_nest_cut_short_in_its_structure_or_lengths_is_refused():
    packed, content = pack_nest("c", [[b"abc", b"def"], {"shape": [3, 4]}])
    for end in range(len(packed) - content + 3):
        with pytest.raises(BitstreamError):
            unpack_nest("c", packed[:end])
