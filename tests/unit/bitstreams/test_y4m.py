"""The one reader of YUV4MPEG2 headers."""

from fractions import Fraction
from io import BytesIO

import pytest

from bench.bitstreams.y4m import read_header, read_marker
from bench.errors import BitstreamError


@pytest.mark.parametrize(
    ("colour", "chroma", "depth"),
    # the words that ffmpeg's yuv4mpegenc.c and mjpegtools write
    [
        ("", "420", 8), ("C420", "420", 8), ("C420jpeg", "420", 8), ("C420mpeg2", "420", 8),
        ("C420paldv", "420", 8), ("C420p10", "420", 10), ("C422", "422", 8), ("C444", "444", 8),
        ("C444p16", "444", 16), ("C444alpha", "444alpha", 8), ("Cmono", "mono", 8),
        ("Cmono12", "mono", 12), ("C411", "411", 8),
    ],
)  # fmt: skip
def test_colour_words(colour: str, chroma: str, depth: int) -> None:
    header = read_header(BytesIO(f"YUV4MPEG2 W6 H4 F30000:1001 Ip {colour}\n".encode()))
    assert (header.width, header.height, header.chroma, header.depth) == (6, 4, chroma, depth)
    assert header.fps == Fraction(30000, 1001)
    assert header.progressive and header.range is None


def test_range_and_interlacing() -> None:
    header = read_header(BytesIO(b"YUV4MPEG2 W6 H4 It XYSCSS=420JPEG XCOLORRANGE=FULL\n"))
    assert header.range == "full" and not header.progressive
    assert header.fps == 25
    unknown = read_header(BytesIO(b"YUV4MPEG2 W6 H4 F0:0\n"))
    assert unknown.fps == 25


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"", "empty"),
        (b"RIFF1234", "no YUV4MPEG2 header"),
        (b"YUV4MPEG2 W6 H4", "no YUV4MPEG2 header"),
        (b"YUV4MPEG2 W6\n", "no width and height"),
        (b"YUV4MPEG2 W0 H4\n", "no width and height"),
        (b"YUV4MPEG2 W6 H4 F25:0\n", "its frame rate is F25:0, which is none; write one such as"),
        (b"YUV4MPEG2 W6 H4 F0:1\n", "F0:1"),
        (b"YUV4MPEG2 W6 H4 F25\n", "F25,"),
        (b"YUV4MPEG2 W6 H4 Ffast\n", "Ffast"),
    ],
)
def test_what_is_no_header_is_refused(line: bytes, says: str) -> None:
    with pytest.raises(BitstreamError, match=says):
        read_header(BytesIO(line))


def test_markers() -> None:
    file = BytesIO(b"FRAME Ip\nFRAME")
    assert read_marker(file)
    with pytest.raises(BitstreamError, match="no FRAME marker"):
        read_marker(file)
    assert not read_marker(file)
