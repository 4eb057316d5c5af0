import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.codecs.support import framing
from bench.errors import BitstreamError
from bench.signals import GRAY, RGB, YUV420, PixelFormat


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=5))
def test_frames_round_trip_and_framing_is_counted(frames: list[bytes]) -> None:
    payload, overhead = framing.join_frames(frames)
    assert framing.split_frames(payload) == frames
    assert len(payload) == overhead + sum(map(len, frames))


@given(st.lists(st.binary(min_size=1, max_size=20), min_size=1, max_size=4), st.data())
def test_any_truncation_of_a_clip_is_refused(frames: list[bytes], data: st.DataObject) -> None:
    payload, _ = framing.join_frames(frames)
    cut = data.draw(st.integers(0, len(payload) - 1))
    with pytest.raises(BitstreamError):
        framing.split_frames(payload[:cut])


def test_left_over_bytes_are_refused() -> None:
    payload, _ = framing.join_frames([b"abc"])
    with pytest.raises(BitstreamError, match="follow the last"):
        framing.split_frames(payload + b"x")


@pytest.mark.parametrize(
    ("side", "written"),
    [
        (framing.SideInfo(GRAY), b"\xe0"),
        (framing.SideInfo(YUV420), b"\xe2"),
        (framing.SideInfo(RGB, 7, 300), b"\xe5\x07\xac\x02"),
        # what is not 8-bit gray, RGB, 4:2:0 or real has a byte more: samples and depth - 8
        (framing.SideInfo(PixelFormat("yuv422")), b"\xe8\x04"),
        (framing.SideInfo(PixelFormat("yuv420", 10), 7, 3), b"\xec\x12\x07\x03"),
    ],
)
def test_side_info_bytes(side: framing.SideInfo, written: bytes) -> None:
    assert side.write() == written
    assert framing.read_side_info(written + b"rest") == (side, b"rest")


@pytest.mark.parametrize("stream", [b"\x00\x00\x01\x67", b"\x0a\x0b", b"\xff\xd8", b"RIFF"])
def test_streams_without_side_info_are_left_alone(stream: bytes) -> None:
    assert framing.read_side_info(stream) == (None, stream)


def test_side_info_of_size_zero_is_refused() -> None:
    with pytest.raises(BitstreamError, match="0x4"):
        framing.read_side_info(b"\xe4\x00\x04")


@pytest.mark.parametrize("code", [b"", b"\x06", b"\x48"])
def test_side_info_of_an_unknown_format_is_refused(code: bytes) -> None:
    with pytest.raises(BitstreamError, match="no pixel format"):
        framing.read_side_info(b"\xe8" + code)
