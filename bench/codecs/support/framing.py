"""The harness's own side information: what a decoder must be told that a stream cannot say.

Every byte written here is counted in the payload. Nothing here touches samples.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bench.bitstreams.leb128 import read_varint, read_varints, write_varint
from bench.errors import BitstreamError
from bench.signals import PixelFormat, Samples

_CLIP_MARK = 0xBC
"""First byte of a list of coded frames; no still-image format begins with it."""
_SIDE_MARK = 0xE0
"""First byte of side information, its low bits are flags. Never the first byte of an Annex B
stream (0x00), of an AV1 stream (forbidden bit set) or of a still-image file."""
_SAMPLES: tuple[Samples, ...] = ("gray", "rgb", "yuv420", "real", "yuv422", "yuv444")
_PLAIN = 4
"""So many of them, where they are of 8 bits, need no byte of their own."""
_SIZED, _FORMAT = 4, 8


def join_frames(frames: Iterable[bytes]) -> tuple[bytes, int]:
    """A clip of separately coded frames: mark, frame count, then each frame after its length.
    Returns the payload and how many of its bytes are framing."""
    pieces, framing = [], 1
    for frame in frames:
        length = write_varint(len(frame))
        framing += len(length)
        pieces += [length, frame]
    count = write_varint(len(pieces) // 2)
    return b"".join([bytes([_CLIP_MARK]), count, *pieces]), framing + len(count)


def is_clip(payload: bytes) -> bool:
    return payload[:1] == bytes([_CLIP_MARK])


def split_frames(payload: bytes) -> list[bytes]:
    """The frames that `join_frames` joined. Raises BitstreamError if any byte is missing or
    left over."""
    if not is_clip(payload):
        raise BitstreamError(f"no clip of frames: the payload starts with {payload[:4].hex()}")
    count, position = read_varint(payload, 1)
    frames: list[bytes] = []
    while len(frames) < count:
        length, position = read_varint(payload, position)
        if position + length > len(payload):
            raise BitstreamError(
                f"payload of {len(payload)} bytes ends inside frame {len(frames)} of {count}"
            )
        frames.append(payload[position : position + length])
        position += length
    if position != len(payload):
        raise BitstreamError(f"{len(payload) - position} bytes follow the last of {count} frames")
    if not frames:
        raise BitstreamError("the payload holds no frame")
    return frames


@dataclass(frozen=True, slots=True)
class SideInfo:
    """Kind of samples and, where the coded pictures were padded, the size to crop to."""

    format: PixelFormat
    width: int | None = None
    height: int | None = None

    def write(self) -> bytes:
        flag, more = write_format(self.format)
        flag = _FORMAT if flag is None else flag
        if self.width is None or self.height is None:
            return bytes([_SIDE_MARK | flag]) + more
        size = write_varint(self.width) + write_varint(self.height)
        return bytes([_SIDE_MARK | flag | _SIZED]) + more + size


def write_format(format_: PixelFormat) -> tuple[int | None, bytes]:
    """Samples and depth: two bits for what is usual, else a byte of its own."""
    index = _SAMPLES.index(format_.samples)
    if index < _PLAIN and format_.depth == 8:
        return index, b""
    return None, bytes([index | (format_.depth - 8) << 3])


def read_format(flag: int | None, payload: bytes, position: int) -> tuple[PixelFormat, int]:
    """What ``write_format`` wrote, and where it ends. Raises BitstreamError for anything else."""
    if flag is not None:
        return PixelFormat(_SAMPLES[flag]), position
    code = payload[position] if position < len(payload) else 0xFF
    if code & 7 >= len(_SAMPLES) or code >> 3 > 8:
        raise BitstreamError(f"no pixel format has the number {code}; the payload is damaged")
    return PixelFormat(_SAMPLES[code & 7], 8 + (code >> 3)), position + 1


def read_side_info(payload: bytes) -> tuple[SideInfo | None, bytes]:
    """The side information at the start of ``payload``, or None, and the stream after it."""
    if not payload:
        raise BitstreamError("the payload is empty")
    flags = payload[0]
    if flags & 0xF0 != _SIDE_MARK:
        return None, payload
    found, position = read_format(None if flags & _FORMAT else flags & 3, payload, 1)
    if not flags & _SIZED:
        return SideInfo(found), payload[position:]
    (width, height), position = read_varints(payload, position, 2)
    if not width or not height:
        raise BitstreamError(f"side information gives a size of {width}x{height}")
    return SideInfo(found, width, height), payload[position:]
