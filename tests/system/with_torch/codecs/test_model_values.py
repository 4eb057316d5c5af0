"""Values of networks as they travel and are packed: types come back, likelihoods become bits."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bench.codecs.foreign.model_backend import bits_of
from bench.codecs.foreign.plain import Fault, flatten, unflatten
from bench.codecs.support.nested_bytes import holds_content, pack_tree, unpack_tree
from bench.errors import BitstreamError

leaves = (
    st.binary(max_size=9)
    | st.integers(-(1 << 40), 1 << 40)
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.booleans()
    | st.none()
)
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(max_size=5), inner)
    ),
    max_leaves=12,
)


@given(values)
def test_whatever_a_network_returns_comes_back_in_its_own_types(value):
    blobs: list[bytes] = []
    tree = flatten(value, blobs)
    found, strings = unpack_tree("c", pack_tree("c", tree, blobs))
    back = unflatten(found, iter(strings), "cpu")
    assert repr(back) == repr(value)


def test_tensors_come_back_as_tensors_and_rows_of_whole_numbers_as_shapes():
    given_ = {"mean": torch.tensor(0.25), "map": torch.arange(12.0).half().reshape(3, 4)}
    blobs: list[bytes] = []
    tree = flatten({**given_, "shape": torch.tensor([4, 6])}, blobs)
    found, strings = unpack_tree("c", pack_tree("c", tree, blobs))
    back = unflatten(found, iter(strings), "cpu")
    assert back.pop("shape") == (4, 6)
    for name, tensor in given_.items():
        assert back[name].dtype == tensor.dtype and torch.equal(back[name], tensor)


@pytest.mark.parametrize(
    ("value", "content"),
    [
        ({"strings": [[b"a"] * 9], "shape": (4, 6), "mean": torch.rand(9), "on": True}, False),
        ([*range(8)], False),
        ([*range(9)], True),
        ([0.5] * 9, True),
        ({"strings": ["a" * 40], "mean": "b"}, False),
        ({"strings": ["a" * 41]}, True),
        ({"a" * 41: 1}, True),
    ],
)
def test_what_may_be_the_picture_itself_is_no_header(value: Any, content: bool) -> None:
    assert holds_content(flatten(value, [])) == content


@pytest.mark.parametrize("value", [{0: 1}, 1 << 60])
def test_what_no_stream_holds_is_a_fault(value: Any) -> None:
    with pytest.raises(Fault, match="compress returned"):
        flatten(value, [])


@given(st.binary(max_size=60))
def test_random_bytes_are_a_tree_or_refused(data):
    try:
        tree, blobs = unpack_tree("c", data)
    except BitstreamError:
        return
    assert unpack_tree("c", pack_tree("c", tree, blobs))[1] == blobs


@pytest.mark.parametrize(
    ("likelihoods", "bits", "at_bound"),
    [
        ({"y": torch.tensor([0.5, 0.25]), "z": [torch.tensor([0.125])]}, 6.0, 0.0),
        # CompressAI's bound 1e-9 is 29.897 bits
        ([torch.tensor([0.5, 1e-9, 1e-9])], 1 + 2 * 29.897, 2 * 29.897),
        ({"y": torch.tensor([0.0, 0.5])}, math.inf, 0.0),
        (None, None, None),
    ],
)
def test_bits_of_likelihoods(likelihoods: Any, bits: Any, at_bound: Any) -> None:
    assert bits_of(likelihoods) == {
        "bits": bits if bits is None else pytest.approx(bits, abs=1e-3),
        "at_bound": at_bound if at_bound is None else pytest.approx(at_bound, abs=1e-3),
    }
