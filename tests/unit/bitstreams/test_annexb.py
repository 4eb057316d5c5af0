import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.bitstreams import Stripped, annexb
from bench.errors import BitstreamError

LONG, SHORT = b"\0\0\0\1", b"\0\0\1"

# NAL units by hand: header bytes of each standard, then a body
SPS, PPS, IDR, NEXT = b"\x67\x42sps", b"\x68pps", b"\x65\x88slice", b"\x41\x9aslice"
SEI, AUD, FILLER = b"\x06\x05signature", b"\x09\xf0", b"\x0c\xff\xff\x80"


def test_h264_ledger_and_planted_faults() -> None:
    clean = LONG + SPS + LONG + PPS + SHORT + IDR + LONG + NEXT
    dirty = (LONG + AUD + LONG + SPS + LONG + PPS + SHORT + SEI + SHORT + IDR + SHORT + FILLER) + (
        LONG + NEXT
    )
    stripped = annexb.H264.strip(dirty)
    assert stripped.payload == clean
    assert stripped.discarded_bytes == len(dirty) - len(clean)
    # start codes, both parameter sets and the one-byte headers of the two slices
    assert stripped.header_bytes == 4 + 5 + 4 + 4 + 3 + 1 + 4 + 1
    assert annexb.H264.strip(clean) == Stripped(clean, stripped.header_bytes, 0)


def test_repeated_parameter_sets_go_and_the_next_unit_begins_the_access_unit() -> None:
    stream = LONG + SPS + LONG + PPS + SHORT + IDR + LONG + SPS + LONG + PPS + SHORT + IDR
    stripped = annexb.H264.strip(stream)
    assert stripped.payload == LONG + SPS + LONG + PPS + SHORT + IDR + LONG + IDR


def test_changed_parameter_sets_stay_with_all_their_repetitions() -> None:
    other = b"\x68qqq"
    stream = b"".join(LONG + unit for unit in [SPS, PPS, other, IDR, PPS, NEXT])
    assert annexb.H264.strip(stream).payload == stream


@pytest.mark.parametrize(
    ("standard", "needed", "dropped"),
    [
        # two-byte headers: type << 1 in H.265 (table 7-1), type << 3 in byte 2 in H.266 (table 5)
        (annexb.H265, [32, 33, 34, 19, 1], [35, 38, 39, 40]),
        (annexb.H266, [14, 15, 16, 17, 8, 0], [20, 23, 24, 25]),
    ],
)
def test_h265_and_h266_unit_types(
    standard: annexb.Standard, needed: list[int], dropped: list[int]
) -> None:
    def unit(kind: int) -> bytes:
        header = bytes([kind << 1, 1]) if standard is annexb.H265 else bytes([0, kind << 3 | 1])
        return LONG + header + b"\x80body"

    clean = b"".join(map(unit, needed))
    dirty = b"".join(map(unit, [dropped[0], *needed[:-1], *dropped[1:], needed[-1]]))
    stripped = standard.strip(dirty)
    assert stripped.payload == clean
    assert stripped.discarded_bytes == len(dirty) - len(clean)
    assert standard.count_pictures(clean) == 2


def test_pictures_of_several_slices_are_counted_once() -> None:
    # first_mb_in_slice = 0 is the bit 1, first_mb_in_slice = 1 the bits 010
    second_slice = b"\x65\x48slice"
    stream = LONG + SPS + LONG + IDR + SHORT + second_slice + LONG + NEXT
    assert annexb.H264.count_pictures(stream) == 2


@pytest.mark.parametrize("stream", [b"", b"RIFF....", b"\0\0", b"x" + LONG + SPS])
def test_foreign_data_are_refused(stream: bytes) -> None:
    with pytest.raises(BitstreamError):
        annexb.H264.strip(stream)


def test_a_stream_without_pictures_is_refused() -> None:
    with pytest.raises(BitstreamError, match="no coded picture"):
        annexb.H264.count_pictures(LONG + SPS + LONG + PPS)


def test_the_forbidden_bit_is_refused() -> None:
    with pytest.raises(BitstreamError, match="broken"):
        annexb.H264.strip(LONG + b"\xe7abc")


@given(st.lists(st.tuples(st.sampled_from([SHORT, LONG]), st.integers(1, 12)), min_size=1))
def test_every_byte_is_kept_or_counted(units: list[tuple[bytes, int]]) -> None:
    stream = b"".join(code + bytes([kind, 0x91]) + b"body" for code, kind in units)
    stripped = annexb.H264.strip(stream)
    assert len(stripped.payload) + stripped.discarded_bytes == len(stream)
    assert 0 <= stripped.header_bytes <= len(stripped.payload)


@pytest.mark.parametrize(
    ("sps", "monochrome"),
    [
        # High profile 100: id ue(0) = 1, chroma_format_idc ue: 0 = 1, 1 = 010, 3 = 00100
        (b"\x67\x64\x00\x0a" + bytes([0b11000000, 0, 0]), True),
        (b"\x67\x64\x00\x0a" + bytes([0b10100000, 0, 0]), False),
        (b"\x67\xf4\x00\x0a" + bytes([0b10010000, 0, 0]), False),
        # Baseline has no such field
        (b"\x67\x42\x00\x0a" + bytes([0b11000000, 0, 0]), False),
    ],
)
def test_monochrome_h264(sps: bytes, monochrome: bool) -> None:
    assert annexb.is_monochrome_h264(LONG + sps + b"\x80") is monochrome
