"""The byte ledger of BPG files, on files put together by hand after the specification's 3.1."""

from __future__ import annotations

import pytest

from bench.bitstreams import bpg
from bench.errors import BitstreamError

# 4:4:4 without alpha, 8 bits; YCbCr, flags; 768×512 as ue7; data to the end of the file
_HEAD = b"BPG\xfb" + bytes([3 << 5])
_SIZE = bytes([0x86, 0x00, 0x84, 0x00])
_HEVC = bytes([5]) + b"hevc!"
_SLICES = b"\x26\x01" + b"slice data"


def _file(flags: int, after: bytes) -> bytes:
    return _HEAD + bytes([flags]) + _SIZE + after


def test_header_reaches_to_the_slices() -> None:
    file = _file(0, b"\0" + _HEVC + _SLICES)
    stripped = bpg.strip(file)
    assert stripped.payload == file
    assert stripped.header_bytes == len(file) - len(_SLICES) == 17
    assert stripped.discarded_bytes == 0


def test_extension_data_is_dropped() -> None:
    extension = b"\x01\x04EXIF"
    file = _file(0x08, b"\0" + bytes([len(extension)]) + extension + _HEVC + _SLICES)
    stripped = bpg.strip(file)
    assert stripped.payload == _file(0, b"\0" + _HEVC + _SLICES)
    assert stripped.discarded_bytes == len(extension) + 1


def test_bytes_after_the_picture_are_dropped() -> None:
    data = _HEVC + _SLICES
    stripped = bpg.strip(_file(0, bytes([len(data)]) + data + b"more"))
    assert stripped.payload == _file(0, b"\0" + data)
    assert stripped.discarded_bytes == 4


@pytest.mark.parametrize(("pixel_format", "gray"), [(0, True), (1, False), (3, False)])
def test_pixel_format_tells_gray(pixel_format: int, gray: bool) -> None:
    assert bpg.is_gray(b"BPG\xfb" + bytes([pixel_format << 5 | 2, 0, 8, 8, 0])) == gray


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (b"", "starts with nothing"),
        (b"\x89PNG\r\n\x1a\n", "starts with 89504e47"),
        (_file(0x01, b"\0" + _HEVC), "animated"),
        (_HEAD + b"\0\x86", "inside a number"),
        (_file(0, b"\0\x20hevc"), "inside its HEVC header"),
        (_file(0, bytes([len(_HEVC + _SLICES)]) + _HEVC + _SLICES[:-1]), "after 17 of 18 bytes"),
        (_file(0x08, b"\x05\x7fEXIF"), "after 0 of 5 bytes"),
        (_file(0, b"\xff\xff\xff\xff\xff\xff"), "inside a number"),
    ],
)
def test_foreign_and_cut_files_are_refused(file: bytes, reason: str) -> None:
    with pytest.raises(BitstreamError, match=reason):
        bpg.strip(file)
