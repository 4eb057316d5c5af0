"""What the networks of all learned codecs run in: memory that does not suffice has our error."""

from __future__ import annotations

import pytest

from bench.errors import CodecError

torch = pytest.importorskip("torch")


def test_a_picture_beyond_memory_is_refused_by_name() -> None:
    from bench.codecs.support.tensors import inference

    with pytest.raises(CodecError, match="more memory than there is"), inference("cpu"):
        torch.empty(1 << 50)


def test_other_errors_of_a_network_stay_what_they_are() -> None:
    from bench.codecs.support.tensors import inference

    with pytest.raises(RuntimeError, match="mat"), inference("cpu"):
        torch.zeros(2, 3) @ torch.zeros(2, 3)
