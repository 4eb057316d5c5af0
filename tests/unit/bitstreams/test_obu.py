import pytest

from bench.bitstreams import Stripped, obu
from bench.errors import BitstreamError


def unit(kind: int, body: bytes) -> bytes:
    """An OBU with a size field: type << 3 | has_size (AV1 specification, 5.3.2)."""
    return bytes([kind << 3 | 2, len(body)]) + body


DELIMITER, SEQUENCE, FRAME = unit(2, b""), unit(1, b"sequence"), unit(6, b"frame")
METADATA, PADDING = unit(5, b"\x01metadata"), unit(15, b"\0" * 9)


def test_ledger_and_planted_faults() -> None:
    clean = DELIMITER + SEQUENCE + FRAME + DELIMITER + FRAME
    dirty = DELIMITER + SEQUENCE + METADATA + FRAME + PADDING + DELIMITER + SEQUENCE + FRAME
    stripped = obu.AV1.strip(dirty)
    assert stripped.payload == clean
    assert stripped.discarded_bytes == len(METADATA) + len(PADDING) + len(SEQUENCE)
    # everything but the two bodies of five bytes
    assert stripped.header_bytes == len(clean) - 2 * 5
    assert obu.AV1.strip(clean) == Stripped(clean, stripped.header_bytes, 0)
    assert obu.AV1.count_pictures(clean) == 2


def test_a_changed_sequence_header_stays() -> None:
    stream = DELIMITER + SEQUENCE + FRAME + DELIMITER + unit(1, b"other") + FRAME
    assert obu.AV1.strip(stream).payload == stream


def test_sizes_of_two_bytes_and_extensions_are_read() -> None:
    body = bytes(200)
    long = bytes([6 << 3 | 4 | 2, 0x40, 200 & 0x7F | 0x80, 1]) + body
    assert list(obu.split_units(long)) == [(6, long[:4], body)]


@pytest.mark.parametrize(
    "stream",
    [b"", b"\0\0\0\1\x67", b"\x80\0", bytes([6 << 3]) + b"x", FRAME[:-1], b"\x12\x80", b"\x12"],
)
def test_foreign_and_cut_streams_are_refused(stream: bytes) -> None:
    with pytest.raises(BitstreamError):
        obu.AV1.strip(stream)


def test_a_stream_without_frames_is_refused() -> None:
    with pytest.raises(BitstreamError, match="no temporal unit"):
        obu.AV1.count_pictures(SEQUENCE)


def unit_of_av2(kind: int, body: bytes) -> bytes:
    """Its length first, then type << 2 (AV2 specification 1.0.0, OBU header syntax)."""
    return bytes([len(body) + 1, kind << 2]) + body


def test_ledger_of_av2() -> None:
    delimiter, sequence = unit_of_av2(2, b""), unit_of_av2(1, b"sequence")
    key, group = unit_of_av2(4, b"frame"), unit_of_av2(7, b"frame")
    # metadata short and as a group, content interpretation, padding
    others = [unit_of_av2(kind, b"other") for kind in (8, 9, 24, 25)]
    clean = delimiter + sequence + key + delimiter + group
    stream = delimiter + sequence + others[2] + key + others[0] + others[1]
    stripped = obu.AV2.strip(stream + delimiter + sequence + group + others[3])
    assert stripped.payload == clean
    assert stripped.header_bytes == len(clean) - 2 * 5
    assert stripped.discarded_bytes == 4 * 7 + len(sequence)
    assert obu.AV2.count_pictures(clean) == 2


def test_an_extended_header_of_av2_has_two_bytes() -> None:
    assert list(obu.split_units_of_av2(b"\x04\x9c\x01ab")) == [(7, b"\x04\x9c\x01", b"ab")]


@pytest.mark.parametrize("stream", [b"", b"\0", b"\x05\x10abc", b"\x01\x90", b"\x80"])
def test_foreign_and_cut_streams_of_av2_are_refused(stream: bytes) -> None:
    with pytest.raises(BitstreamError):
        obu.AV2.strip(stream)
