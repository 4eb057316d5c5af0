"""Video files that are damaged where the harness itself looks; found by hostile bytes."""

from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest

from bench.datasets.container import ContainerFile, _announced_seconds, _format
from bench.datasets.sources import Refusal


def test_a_stream_of_an_unknown_codec_is_refused() -> None:
    with pytest.raises(Refusal, match="cannot be decoded; convert it with ffmpeg"):
        _format(SimpleNamespace(codec_context=None))


def test_a_damaged_duration_is_none() -> None:
    stream = SimpleNamespace(duration=None, metadata={"DURATION": "00:01:02.5"})
    assert _announced_seconds(stream) == 62.5
    stream.metadata["DURATION"] = "00:0+k=r:02"
    assert _announced_seconds(stream) == 0.0


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
def test_words_in_a_container_may_be_in_any_encoding(suffix: str, tmp_path: Path) -> None:
    """A title that is no UTF-8 ended a run with UnicodeDecodeError."""
    path = tmp_path / f"clip{suffix}"
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "TTTTTTTT"
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for level in (40, 90, 140):
            pixels = np.full((64, 96, 3), level, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    written = path.read_bytes()
    assert b"TTTTTTTT" in written
    path.write_bytes(written.replace(b"TTTTTTTT", b"\xff\xfe\x80\xb5\xe9\xc3\xff\xff"))
    if int(av.__version__.split(".")[0]) < 19:  # later releases read such words themselves
        with pytest.raises(UnicodeDecodeError), av.open(str(path)):
            pass
    source = ContainerFile(path)
    assert source.layout().frames == 3
    assert len(list(source.frames())) == 3
