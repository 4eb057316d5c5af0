"""The byte ledger of Annex B streams: NAL units of H.264, H.265 and H.266.

Drops what decoding does not use: SEI messages, delimiters, filler data and exact repetitions of
the only parameter set of a kind. Never changes a NAL unit that stays. Of parameter sets it reads
whether there is chroma (H.264) and the size of pictures (H.265).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bench.bitstreams import Ledger, Stripped
from bench.errors import BitstreamError

_LONG_START = b"\0\0\0\1"


@dataclass(frozen=True, slots=True)
class Standard:
    """Where a standard's NAL unit header keeps its type and what the types mean."""

    name: str
    header_length: int
    unit_type: Callable[[bytes], int]
    coded_slices: frozenset[int]
    parameter_sets: frozenset[int]
    dispensable: frozenset[int]
    starts_picture: Callable[[bytes], bool]

    def units(self, stream: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Start code and NAL unit as ``split_units`` gives them. Raises BitstreamError for a broken
        one."""
        for prefix, unit in split_units(stream):
            if len(unit) <= self.header_length - 1 or unit[0] & 0x80:
                raise BitstreamError(
                    f"{self.name} stream holds a broken NAL unit: {unit[:4].hex()}"
                )
            yield prefix, unit

    def strip(self, stream: bytes) -> Stripped:
        """The stream without dispensable units. Start codes, parameter sets and the NAL unit
        headers of slices count as header."""
        ledger = Ledger()
        parameter_sets: dict[int, set[bytes]] = {}
        begins_access_unit = False
        for prefix, unit in self.units(stream):
            kind = self.unit_type(unit)
            known = parameter_sets.setdefault(kind, set())
            if kind in self.dispensable or known == {unit}:
                # what follows is the first unit of its access unit now, which needs the long code
                begins_access_unit |= prefix == _LONG_START
                continue
            if kind in self.parameter_sets:
                known.add(unit)
            ledger.header(_LONG_START if begins_access_unit else prefix)
            begins_access_unit = False
            if kind in self.parameter_sets:
                ledger.header(unit)
            else:
                ledger.header(unit[: self.header_length])
                ledger.content(unit[self.header_length :])
        stripped = ledger.close()
        return Stripped(
            stripped.payload, stripped.header_bytes, len(stream) - len(stripped.payload)
        )

    def count_pictures(self, stream: bytes) -> int:
        """Coded pictures in the stream, found by the first slice or picture header of each.
        Raises BitstreamError where there is none."""
        return len(self.picture_sizes(stream))

    def picture_sizes(self, stream: bytes) -> list[int]:
        """Bytes of each coded picture in the order of coding, with the start codes and parameter
        sets before it. Raises BitstreamError where there is no picture."""
        sizes: list[int] = []
        before = 0
        for prefix, unit in self.units(stream):
            length = len(prefix) + len(unit)
            if len(unit) > self.header_length and self.starts_picture(unit):
                sizes.append(before + length)
                before = 0
            elif self.unit_type(unit) in self.coded_slices and sizes and not before:
                sizes[-1] += length
            else:
                before += length
        if not sizes:
            raise BitstreamError(f"the {self.name} stream holds no coded picture")
        sizes[-1] += before
        return sizes


H264 = Standard(
    "H.264",
    header_length=1,
    unit_type=lambda unit: unit[0] & 0x1F,
    coded_slices=frozenset(range(1, 6)),
    parameter_sets=frozenset({7, 8, 13, 15}),
    # 6 SEI, 9 access unit delimiter, 12 filler (ITU-T H.264, table 7-1)
    dispensable=frozenset({6, 9, 12}),
    # first_mb_in_slice is ue(v): 0 is the single bit 1; only in slices and partition A
    starts_picture=lambda unit: unit[0] & 0x1F in (1, 2, 5) and unit[1] >= 0x80,
)
H265 = Standard(
    "H.265",
    header_length=2,
    unit_type=lambda unit: unit[0] >> 1 & 0x3F,
    coded_slices=frozenset(range(32)),
    parameter_sets=frozenset({32, 33, 34}),
    # 35 access unit delimiter, 38 filler, 39 and 40 SEI (ITU-T H.265, table 7-1)
    dispensable=frozenset({35, 38, 39, 40}),
    starts_picture=lambda unit: unit[0] >> 1 & 0x3F < 32 and unit[2] >= 0x80,
)
H266 = Standard(
    "H.266",
    header_length=2,
    unit_type=lambda unit: unit[1] >> 3,
    coded_slices=frozenset(range(12)),
    parameter_sets=frozenset({12, 13, 14, 15, 16, 19}),
    # 20 access unit delimiter, 23 and 24 SEI, 25 filler (ITU-T H.266, table 5)
    dispensable=frozenset({20, 23, 24, 25}),
    # a picture header of its own (19) or one inside the slice header
    starts_picture=lambda unit: unit[1] >> 3 == 19 or (unit[1] >> 3 < 12 and unit[2] >= 0x80),
)


def split_units(stream: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Start code and NAL unit, one after the other; trailing zero bytes of a unit are left out.

    Raises BitstreamError if the stream does not begin with a start code.
    """
    start = stream.find(b"\0\0\1")
    if start < 0 or stream[:start].strip(b"\0"):
        raise BitstreamError(f"no Annex B stream: it starts with {stream[:4].hex() or 'nothing'}")
    while start >= 0:
        prefix = b"\0\0\1"
        if start and stream[start - 1] == 0:
            prefix = _LONG_START
        following = stream.find(b"\0\0\1", start + 3)
        unit = stream[start + 3 : following if following >= 0 else len(stream)]
        yield prefix, unit.rstrip(b"\0")
        start = following


def is_monochrome_h264(stream: bytes) -> bool:
    """Whether the first sequence parameter set says chroma_format_idc 0 (ITU-T H.264, 7.3.2.1.1).

    ffmpeg decodes such streams to 4:2:0 with neutral chroma, so that the pixel format does not
    tell.
    """
    for _, unit in H264.units(stream):
        if H264.unit_type(unit) == 7:
            return _chroma_format(unit) == 0
    raise BitstreamError("the H.264 stream holds no sequence parameter set")


_PROFILES_WITH_CHROMA_FORMAT = {100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135}


def _chroma_format(sps: bytes) -> int:
    if len(sps) < 6:
        raise BitstreamError(f"H.264 sequence parameter set of {len(sps)} bytes")
    bits = _Bits(sps[1:], "H.264 sequence parameter set")
    if bits.fixed(8) not in _PROFILES_WITH_CHROMA_FORMAT:
        return 1
    bits.fixed(16)
    bits.exp_golomb()
    return bits.exp_golomb()


_SPS = 33
_CROP_UNITS = {0: (1, 1), 1: (2, 2), 2: (2, 1), 3: (1, 1)}
"""SubWidthC and SubHeightC of each chroma_format_idc (ITU-T H.265, table 6-1)."""


def picture_size_h265(stream: bytes) -> tuple[int, int]:
    """Width and height after the conformance window of the first sequence parameter set
    (ITU-T H.265, 7.3.2.2.1). Raises BitstreamError where there is none or it is cut off."""
    for _, unit in split_units(stream):
        if unit and H265.unit_type(unit) == _SPS:
            return _size(_Bits(unit[H265.header_length :], "H.265 sequence parameter set"))
    raise BitstreamError("the H.265 stream holds no sequence parameter set")


def _size(bits: _Bits) -> tuple[int, int]:
    bits.fixed(4)
    sub_layers = bits.fixed(3)
    bits.fixed(1)
    _skip_profile(bits, sub_layers)
    bits.exp_golomb()
    chroma = bits.exp_golomb()
    if chroma not in _CROP_UNITS:
        raise BitstreamError(f"the H.265 stream says chroma_format_idc {chroma}")
    if chroma == 3:
        bits.fixed(1)
    width, height = bits.exp_golomb(), bits.exp_golomb()
    if bits.fixed(1):
        left, right, top, bottom = (bits.exp_golomb() for _ in range(4))
        across, down = _CROP_UNITS[chroma]
        width -= across * (left + right)
        height -= down * (top + bottom)
    if width < 1 or height < 1:
        raise BitstreamError(f"the H.265 stream says pictures of {width}x{height}")
    return width, height


def _skip_profile(bits: _Bits, sub_layers: int) -> None:
    """profile_tier_level( 1, sub_layers ) (ITU-T H.265, 7.3.3)."""
    bits.fixed(96)
    present = [(bits.fixed(1), bits.fixed(1)) for _ in range(sub_layers)]
    if sub_layers:
        bits.fixed(2 * (8 - sub_layers))
    for profile, level in present:
        bits.fixed(88 * profile + 8 * level)


class _Bits:
    """The bits of a NAL unit after its header, its emulation prevention taken out; ``what`` it is
    stands in errors."""

    def __init__(self, unit: bytes, what: str) -> None:
        payload = unit.replace(b"\0\0\3", b"\0\0")
        self._value = int.from_bytes(payload, "big")
        self._left = 8 * len(payload)
        self._what = what

    def fixed(self, count: int) -> int:
        """u(n). Raises BitstreamError past the end."""
        if count > self._left:
            raise BitstreamError(f"the {self._what} ends inside a number")
        self._left -= count
        return self._value >> self._left & ((1 << count) - 1)

    def exp_golomb(self) -> int:
        """ue(v) (ITU-T H.264, 9.1; H.265, 9.2)."""
        zeros = 0
        while not self.fixed(1):
            zeros += 1
        return (1 << zeros) - 1 + self.fixed(zeros)
