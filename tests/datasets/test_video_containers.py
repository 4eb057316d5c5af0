"""Video files that are damaged where the harness itself looks; found by hostile bytes."""

from types import SimpleNamespace

import pytest

from bench.datasets.container import _announced_seconds, _samples
from bench.datasets.sources import Refusal


def test_a_stream_of_an_unknown_codec_is_refused() -> None:
    with pytest.raises(Refusal, match="cannot be decoded; convert it with ffmpeg"):
        _samples(SimpleNamespace(codec_context=None))


def test_a_damaged_duration_is_none() -> None:
    stream = SimpleNamespace(duration=None, metadata={"DURATION": "00:01:02.5"})
    assert _announced_seconds(stream) == 62.5
    stream.metadata["DURATION"] = "00:0+k=r:02"
    assert _announced_seconds(stream) == 0.0
