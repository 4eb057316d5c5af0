"""The byte ledger of still-image files: JPEG, JPEG 2000 codestreams, PNG, RIFF (WebP), AVIF.

Removes comments and metadata that no decoder needs; keeps what every file of the format carries,
such as JPEG's JFIF segment.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from bench.bitstreams import Ledger, Stripped
from bench.bitstreams.containers import png_chunks, riff_chunks
from bench.errors import BitstreamError

_JPEG_STANDALONE = {0x01, *range(0xD0, 0xD8)}
_JPEG_SCAN_END = re.compile(rb"\xff[^\x00\xd0-\xd7]")
_JPEG_COMMENT = 0xFE
_JPEG_APP1, _JPEG_APP13, _JPEG_APP15 = 0xE1, 0xED, 0xEF
_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_PNG_NEEDED = {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS"}
_RIFF_METADATA = {b"EXIF", b"XMP "}


def strip_jpeg(data: bytes) -> Stripped:
    """Comments and application segments removed, but for JFIF's APP0 and Adobe's APP14, which
    choose the colour transform (ITU-T T.81, annex B; T.871). Raises BitstreamError if ``data`` is
    not one whole JPEG file."""
    ledger = Ledger()
    if data[:2] != b"\xff\xd8":
        raise BitstreamError(f"not a JPEG file: it starts with {data[:2].hex() or 'nothing'}")
    ledger.header(data[:2])
    position = 2
    for marker, segment, scan in jpeg_segments(data):
        if _is_dispensable(marker):
            ledger.discard(segment)
        else:
            ledger.header(segment)
        ledger.content(scan)
        position += len(segment) + len(scan)
    ledger.discard(data[position:])
    return ledger.close()


def jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Marker, segment and the entropy-coded data after it, up to the end of the image. Raises
    BitstreamError where the file ends before."""
    position, marker = 2, 0
    while marker != 0xD9:
        marker, end = _jpeg_segment(data, position)
        after = _scan_end(data, end) if marker == 0xDA else end
        yield marker, data[position:end], data[end:after]
        position = after


def _is_dispensable(marker: int) -> bool:
    return marker in (_JPEG_COMMENT, _JPEG_APP15) or _JPEG_APP1 <= marker <= _JPEG_APP13


def _jpeg_segment(data: bytes, position: int) -> tuple[int, int]:
    """Marker code and end of the segment at ``position``."""
    if position + 2 > len(data) or data[position] != 0xFF:
        raise BitstreamError(f"JPEG file of {len(data)} bytes: no marker at byte {position}")
    marker = data[position + 1]
    if marker == 0xD9 or marker in _JPEG_STANDALONE:
        return marker, position + 2
    if position + 4 > len(data):
        raise BitstreamError(f"JPEG file of {len(data)} bytes ends inside a segment")
    end = position + 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    if end > len(data):
        raise BitstreamError(f"JPEG file of {len(data)} bytes ends inside a segment")
    return marker, end


def _scan_end(data: bytes, position: int) -> int:
    """Where the entropy-coded data ends: the next marker that is neither stuffing nor restart."""
    found = _JPEG_SCAN_END.search(data, position)
    if found is None:
        raise BitstreamError(f"JPEG file of {len(data)} bytes ends inside a scan")
    return found.start()


def strip_jpeg2000(data: bytes) -> Stripped:
    """A codestream (ISO/IEC 15444-1, annex A) without its COM segments; packet data of all
    tile-parts count as content. Raises BitstreamError unless it runs from SOC to EOC."""
    if data[:2] != b"\xff\x4f":
        raise BitstreamError(f"not a JPEG 2000 codestream: it starts with {data[:2].hex()}")
    if data[-2:] != b"\xff\xd9":
        raise BitstreamError(f"JPEG 2000 codestream of {len(data)} bytes has no end marker")
    ledger = Ledger()
    ledger.header(data[:2])
    position, tile_start, tile_length = 2, 0, 0
    while position + 4 <= len(data):
        marker = data[position + 1]
        size = 2 + int.from_bytes(data[position + 2 : position + 4], "big")
        if marker == 0x93:  # SOD: the tile-part's packets follow, to the length in its SOT
            ledger.header(data[position : position + 2])
            end = tile_start + tile_length if tile_length else len(data) - 2
            if not position + 2 <= end <= len(data) - 2:
                raise BitstreamError(f"JPEG 2000 tile-part at byte {tile_start} ends at {end}")
            ledger.content(data[position + 2 : end])
            position = end
            continue
        segment = data[position : position + size]
        if marker == 0x90:  # SOT: length of the tile-part in bytes 6 to 9
            tile_start, tile_length = position, int.from_bytes(segment[6:10], "big")
        if marker == 0x64:
            ledger.discard(segment)
        else:
            ledger.header(segment)
        position += size
    ledger.header(data[position:])
    return ledger.close()


def strip_png(data: bytes) -> Stripped:
    """Only critical chunks and tRNS stay; IDAT bodies are content."""
    if data[:8] != _PNG_MAGIC:
        raise BitstreamError(f"not a PNG file: it starts with {data[:8].hex() or 'nothing'}")
    ledger = Ledger()
    ledger.header(data[:8])
    for chunk in png_chunks(data):
        whole = data[chunk.start : chunk.end]
        if chunk.name not in _PNG_NEEDED:
            ledger.discard(whole)
        elif chunk.name == b"IDAT":
            ledger.header(data[chunk.start : chunk.body])
            ledger.content(data[chunk.body : chunk.body_end])
            ledger.header(data[chunk.body_end : chunk.end])
        else:
            ledger.header(whole)
        if chunk.name == b"IEND":
            ledger.discard(data[chunk.end :])
            return ledger.close()
    raise BitstreamError(f"PNG file of {len(data)} bytes has no IEND chunk")


def strip_webp(data: bytes) -> Stripped:
    """Exif and XMP chunks go; bodies of VP8, VP8L and ALPH chunks are content (RFC 9649). The
    RIFF length is rewritten if anything went."""
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        raise BitstreamError(f"not a WebP file: it starts with {data[:12].hex() or 'nothing'}")
    if int.from_bytes(data[4:8], "little") + 8 > len(data):
        raise BitstreamError(f"WebP file of {len(data)} bytes is shorter than its RIFF length")
    chunks = Ledger()
    for chunk in riff_chunks(data):
        if chunk.name in _RIFF_METADATA:
            chunks.discard(data[chunk.start : chunk.end])
        elif chunk.name in (b"VP8 ", b"VP8L", b"ALPH"):
            chunks.header(data[chunk.start : chunk.body])
            chunks.content(data[chunk.body : chunk.end])
        else:
            chunks.header(data[chunk.start : chunk.end])
    body = chunks.close()
    riff = b"RIFF" + struct.pack("<I", 4 + len(body.payload)) + b"WEBP"
    return Stripped(riff + body.payload, 12 + body.header_bytes, body.discarded_bytes)


def measure_avif(data: bytes) -> Stripped:
    """The file as it is: everything but the bodies of mdat boxes is header (ISO/IEC 14496-12)."""
    content = 0
    for name, start, end in _boxes(data):
        if name == b"mdat":
            content += end - start
    if not content:
        raise BitstreamError(f"AVIF file of {len(data)} bytes holds no media data box")
    return Stripped(data, len(data) - content, 0)


def _boxes(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Name, body start and end of the top-level ISO boxes."""
    position = 0
    while position + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, position)
        start = position + 8
        if size == 1 and start + 8 <= len(data):
            size = int.from_bytes(data[start : start + 8], "big")
            start += 8
        end = position + size if size else len(data)
        if end > len(data) or end < start:
            raise BitstreamError(f"AVIF file of {len(data)} bytes: box at byte {position} is cut")
        yield name, start, end
        position = end
