"""Whether a video file ends before its end: what containers announce, gaps that a cut leaves and
last pictures that depend on what would follow. Raises Refusal."""

from __future__ import annotations

import collections
import struct
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import IO

import numpy as np

from bench.bitstreams import annexb, obu
from bench.datasets.sources import Refusal
from bench.errors import BitstreamError

RATE_TOLERANCE = 0.02
_REORDERED = 16
"""As many pictures as H.264 and H.265 let wait for one that is shown before them."""
_CONVERT = "convert it to a constant one (ffmpeg -i IN -fps_mode cfr OUT)"
_ANNEX_B = {"h264": annexb.H264, "hevc": annexb.H265}
_SEGMENT = 0x18538067
"""ID of the element that holds a whole Matroska file (RFC 8794, RFC 9559)."""
_OGG_PAGE = struct.Struct("<4sBBqIIIB")
_OGG_FIRST, _OGG_LAST = 2, 4
_PACKETS = (188, 192, 204)
"""Bytes of a packet of MPEG-2 transport (ISO/IEC 13818-1), with M2TS's time stamp, with DVB's
parity."""
_LONGER = b"\xff\xff" + bytes(37 * place % 251 | 1 for place in range(200))


def steady_rate(stamps: Sequence[int], time_base: Fraction) -> Fraction | None:
    """Frames a second by the time stamps of frames; None of fewer than two. Steps may differ by the
    rounding of the time base, no more."""
    steps = np.diff(np.sort(np.array(stamps, np.int64)))
    if not len(steps):
        return None
    step = int(np.median(steps))
    uneven = np.abs(steps - steps.min()) > max(1, RATE_TOLERANCE * step)
    if uneven.any():
        # of frames that wait for others, a cut leaves those without what is shown before each
        after = len(steps) - int(uneven.argmax())
        if after <= min(_REORDERED, int(steps.sum()) // max(1, int(steps.min())) - len(steps)):
            raise Refusal(
                "frames are missing near its end: truncated, get it again; "
                f"or of variable frame rate: {_CONVERT}"
            )
        raise Refusal(f"variable frame rate, or frames lost amid it; {_CONVERT}")
    return 1 / (step * time_base) if step > 0 else None


def refuse_fewer(count: int, announced: int, seconds: float, missing: float) -> None:
    """Raises Refusal where fewer frames follow than the header announces, in number or seconds of
    which each frame takes ``seconds``."""
    if announced and count < announced:
        raise Refusal(f"truncated: {count} of {announced} frames; get it again")
    if missing > 2 * seconds:
        raise Refusal(f"truncated: its last {missing:.1f} s are missing; get it again")


def refuse_cut_file(path: Path, container: str) -> None:
    """Raises Refusal where a file's own structure says that more must follow, which demuxers pass
    over."""
    if container == "obu":
        _refuse_cut_units(path)
    elif container.startswith("matroska"):
        _refuse_cut_segment(path)
    elif container == "ogg":
        _refuse_cut_pages(path)
    elif container == "mpegts" and all(path.stat().st_size % each for each in _PACKETS):
        raise Refusal("truncated: its last packet is not whole; get it again")


def _refuse_cut_units(path: Path) -> None:
    stream = path.read_bytes()
    if not stream.startswith(b"\x12\0"):  # of the other form, with lengths of temporal units
        return
    try:
        collections.deque(obu.split_units(stream), maxlen=0)
    except BitstreamError as error:
        raise Refusal(f"truncated or corrupt: {error}; get it again") from error


def _refuse_cut_segment(path: Path) -> None:
    """The segment says its length, unless it was written where nobody could go back."""
    size = path.stat().st_size
    with path.open("rb") as file:
        while file.tell() < size:
            identity = _vint(file, keep_marker=True)
            length = _vint(file, keep_marker=False)
            if identity is None or length is None:
                return
            if identity == _SEGMENT:
                if missing := max(0, file.tell() + length - size):
                    raise Refusal(f"truncated: its last {missing} bytes are missing; get it again")
                return
            file.seek(length, 1)


def _vint(file: IO[bytes], *, keep_marker: bool) -> int | None:
    """A number of EBML; None where it is unknown (all ones) or none."""
    first = file.read(1)
    if not first or not first[0]:
        return None
    length = 9 - first[0].bit_length()
    number = int.from_bytes(first + file.read(length - 1), "big")
    if keep_marker:
        return number
    number &= (1 << 7 * length) - 1
    return None if number == (1 << 7 * length) - 1 else number


def _refuse_cut_pages(path: Path) -> None:
    """The last page of a stream is marked as such (RFC 3533, section 6)."""
    open_streams: set[int] = set()
    for kind, serial, body in _ogg_pages(path):
        if kind & _OGG_FIRST and body.startswith(b"\x80theora"):
            open_streams.add(serial)
        if kind & _OGG_LAST:
            open_streams.discard(serial)
    if open_streams:
        raise Refusal(
            "truncated: its video has no last page; get it again, or make it whole without the "
            "missing frames (ffmpeg -i IN -c copy OUT)"
        )


def _ogg_pages(path: Path) -> Iterator[tuple[int, int, bytes]]:
    """Flags, stream and first bytes of each whole page."""
    size = path.stat().st_size
    with path.open("rb") as file:
        while len(header := file.read(_OGG_PAGE.size)) == _OGG_PAGE.size:
            mark, _, kind, _, serial, _, _, segments = _OGG_PAGE.unpack(header)
            length = sum(file.read(segments))
            end = file.tell() + length
            if mark != b"OggS" or end > size:
                return
            yield kind, serial, file.read(min(length, 7))
            file.seek(end)


def refuse_cut_picture(
    codec: str, last: bytes, decoded: Callable[[bytes], list[bytes] | None]
) -> None:
    """Raises Refusal where the last picture of an Annex B stream changes with what is put behind
    its last slice. A whole slice says itself where it ends; a cut one is decoded on beyond its end
    by decoders that say nothing.

    ``last`` is the last picture's units, ``decoded`` decodes the stream's end with others in their
    place; None where it fails.
    """
    standard = _ANNEX_B.get(codec)
    if standard is None:
        return
    units = list(annexb.split_units(last))
    slices = [place for place, (_, unit) in enumerate(units)
              if unit and standard.unit_type(unit) in standard.coded_slices]  # fmt: skip
    as_it_is = decoded(last)
    if not slices or not as_it_is:
        return
    pieces = [start + unit + _LONGER * (place == slices[-1])
              for place, (start, unit) in enumerate(units)]  # fmt: skip
    if decoded(b"".join(pieces)) != as_it_is:
        raise Refusal("truncated in its last picture; get it again")
