import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.bitstreams import containers
from bench.errors import BitstreamError


@given(st.lists(st.binary(max_size=40), max_size=4))
def test_ivf_round_trip(frames: list[bytes]) -> None:
    file = containers.write_ivf(frames, b"VP90", 64, 48)
    assert len(file) == 32 + sum(12 + len(frame) for frame in frames)
    assert containers.read_ivf(file) == frames


@pytest.mark.parametrize("cut", [1, 3, 8, 30])
def test_cut_ivf_is_refused(cut: int) -> None:
    file = containers.write_ivf([b"abc", b"defg"], b"VP90", 64, 48)
    with pytest.raises(BitstreamError):
        containers.read_ivf(file[: -cut if cut < 30 else cut])


def chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def test_avi_frames_of_a_file_written_to_a_pipe() -> None:
    # lengths of RIFF and movi are unknown when the muxer cannot seek back
    header = chunk(b"LIST", b"hdrl" + chunk(b"avih", bytes(56)))
    movi = chunk(b"00dc", b"odd") + chunk(b"00dc", b"even") + chunk(b"idx1", bytes(32))
    file = b"RIFF\0\0\0\0AVI " + header + b"LIST\0\0\0\0movi" + movi
    assert containers.read_avi(file) == [b"odd", b"even"]


def test_foreign_and_cut_avi_are_refused() -> None:
    with pytest.raises(BitstreamError, match="no AVI"):
        containers.read_avi(b"RIFF\0\0\0\0WAVE")
    with pytest.raises(BitstreamError, match="ends inside"):
        containers.read_avi(b"RIFF\0\0\0\0AVI " + chunk(b"00dc", bytes(20))[:-5])
