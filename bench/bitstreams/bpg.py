"""The byte ledger of BPG files: header, HEVC header and picture data told apart.

Drops metadata that no decoder needs; never parses picture data.
"""

from __future__ import annotations

from bench.bitstreams import Stripped
from bench.errors import BitstreamError

_MAGIC = b"BPG\xfb"
_EXTENSION, _ANIMATION = 0x08, 0x01
_PIXEL_FORMAT_SHIFT = 5


def strip(file: bytes) -> Stripped:
    """The file without its extension data (EXIF, ICC, XMP); everything before the slices counts as
    header (BPG specification, 3.1). Raises BitstreamError for a foreign or an animated file and
    for one that ends before the length that it states; bpgenc states none."""
    if file[:4] != _MAGIC or len(file) < 6:
        raise BitstreamError(f"no BPG file: it starts with {file[:4].hex() or 'nothing'}")
    flags = file[5]
    if flags & _ANIMATION:
        raise BitstreamError("an animated BPG file; code each frame as a file of its own")
    position = 6
    for _ in range(2):
        _, position = _ue7(file, position)
    head_end = position
    length = len(file)
    data_length, position = _ue7(file, position)
    extension = 0
    if flags & _EXTENSION:
        extension, position = _ue7(file, position)
        position += extension
    if len(file) < position + data_length:
        raise BitstreamError(
            f"the BPG file ends after {max(0, len(file) - position)} of {data_length} bytes of "
            "picture data"
        )
    if data_length:
        file = file[: position + data_length]
    data = file[position:]
    kept = file[:5] + bytes([flags & ~_EXTENSION]) + file[6:head_end] + b"\0" + data
    header = head_end + 1 + _hevc_header(data)
    return Stripped(kept, header, length - len(kept))


def is_gray(file: bytes) -> bool:
    """Whether a file that ``strip`` took holds luma alone (pixel_format 0)."""
    return file[4] >> _PIXEL_FORMAT_SHIFT == 0


def _hevc_header(data: bytes) -> int:
    """Bytes of the HEVC header at the start of picture data, its length included."""
    length, position = _ue7(data, 0)
    if position + length > len(data):
        raise BitstreamError("the BPG file ends inside its HEVC header")
    return position + length


def _ue7(data: bytes, position: int) -> tuple[int, int]:
    """ue7(n): seven bits a byte, highest first, and the position after it."""
    value = 0
    for _ in range(5):
        if position >= len(data):
            break
        byte = data[position]
        position += 1
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, position
    raise BitstreamError("the BPG file ends inside a number")
