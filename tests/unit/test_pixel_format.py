"""Names and shapes of pixel formats, as ffmpeg and ITU-T H.264, table 6-1, have them."""

import av
import numpy as np
import pytest

from bench.signals import FORMATS, Layout, PixelFormat, split_planes


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_names_are_those_of_ffmpeg(name: str) -> None:
    known = av.VideoFormat(name, 10, 6)
    kind = FORMATS[name]
    assert {component.bits for component in known.components} == {kind.depth}
    assert (len(known.components) > 1) == (Layout("video", kind, 10, 6).channels == 3)
    if kind.is_yuv:
        chroma = (known.chroma_height(6), known.chroma_width(10))
        assert kind.plane_shapes(10, 6) == ((6, 10), chroma, chroma)


def test_what_a_format_says_of_itself() -> None:
    assert str(PixelFormat("yuv420", 10, "bt709", "limited")) == "yuv420p10le bt709 limited"
    assert str(PixelFormat("gray", range="full")) == "gray full"
    assert (PixelFormat("yuv444", 12).peak, PixelFormat("real").name) == (4095, "float64")
    assert PixelFormat("yuv422").full_range is False and PixelFormat("rgb").full_range


def test_planes_of_odd_sizes() -> None:
    layout = Layout("video", PixelFormat("yuv422", 10), 5, 3)
    assert layout.frame_shape == (15 + 2 * 9,) and layout.frame_bytes == 66
    planes = split_planes(np.arange(33, dtype=np.uint16), layout)
    assert [plane.shape for plane in planes] == [(3, 5), (3, 3), (3, 3)]
    assert planes[2][0, 0] == 24


def test_the_samples_alone_name_a_format_of_8_bits() -> None:
    """As codecs of one's own, written before there were formats, make layouts."""
    layout = Layout("video", "yuv420", 5, 3)  # type: ignore[arg-type]
    assert layout == Layout("video", PixelFormat("yuv420"), 5, 3)
