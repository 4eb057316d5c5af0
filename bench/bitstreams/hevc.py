"""The size that an H.265 stream says its pictures have; reads nothing else of its syntax."""

from __future__ import annotations

from bench.bitstreams.annexb import H265, split_units
from bench.bitstreams.bits import Bits
from bench.errors import BitstreamError

_SPS = 33
_CROP_UNITS = {0: (1, 1), 1: (2, 2), 2: (2, 1), 3: (1, 1)}
"""SubWidthC and SubHeightC of each chroma_format_idc (ITU-T H.265, table 6-1)."""


def picture_size(stream: bytes) -> tuple[int, int]:
    """Width and height after the conformance window of the first sequence parameter set
    (ITU-T H.265, 7.3.2.2.1). Raises BitstreamError where there is none or it is cut off."""
    for _, unit in split_units(stream):
        if unit and H265.unit_type(unit) == _SPS:
            return _size(Bits(unit[H265.header_length :], "H.265 sequence parameter set"))
    raise BitstreamError("the H.265 stream holds no sequence parameter set")


def _size(bits: Bits) -> tuple[int, int]:
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


def _skip_profile(bits: Bits, sub_layers: int) -> None:
    """profile_tier_level( 1, sub_layers ) (ITU-T H.265, 7.3.3)."""
    bits.fixed(96)
    present = [(bits.fixed(1), bits.fixed(1)) for _ in range(sub_layers)]
    if sub_layers:
        bits.fixed(2 * (8 - sub_layers))
    for profile, level in present:
        bits.fixed(88 * profile + 8 * level)
