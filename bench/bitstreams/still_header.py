"""What the header of a still picture says of its samples besides their values: depth, colour
space, orientation, earlier coding. One rule for sources: samples are measured as they are stored,
so a file that asks a viewer to change them is refused by name, never converted.

Decodes no samples and knows neither folders nor codecs.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image, ImageCms, TiffImagePlugin

from bench.bitstreams.containers import png_chunks, riff_chunks

CORRUPT = (
    OSError, SyntaxError, EOFError, struct.error, ValueError, TypeError, LookupError,
    AttributeError, ArithmeticError, RuntimeError, MemoryError, Image.DecompressionBombError,
)  # fmt: skip
"""What Pillow raises for files that are damaged or made to do harm."""
_ORIENTATION = 0x0112
_TURNS = {
    2: "mirrored",
    3: "turned by 180°",
    4: "mirrored upside down",
    5: "mirrored and turned by 270°",
    6: "turned by 90°",
    7: "mirrored and turned by 90°",
    8: "turned by 270°",
}
_MAY_TURN = (b"Raw profile type exif\0", b"XML:com.adobe.xmp\0")
"""Texts of a PNG in which Pillow looks for an orientation."""
_SRGB_LEVELS = 2
"""A profile that moves no colour by more than these levels when it is converted to sRGB is sRGB:
the profiles of that name differ by one."""
# ITU-T H.273: BT.709 primaries; transfer of sRGB, or of BT.709 and its twins, which name the same
# displays; table 2 and 3
_CICP_PRIMARIES = (1, 2)
_CICP_TRANSFERS = (1, 2, 6, 13)
_SRGB_GAMMA = 1 / 2.2
_SRGB_CHROMATICITIES = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
_LOSSY_TIFF = ("jpeg", "tiff_jpeg", "webp")


def depth_refusal(picture: Image.Image) -> str | None:
    """What samples have where they are not of 8 bits, which Pillow stretches or cuts to 8 silently
    in many files; with the cure. Palettes and bilevel pictures have modes of their own."""
    cure = "convert it to 8 bits"
    modes, numbers = _raw_modes(picture)
    if picture.format == "PPM" and any(0 < most < 255 for most in numbers):
        return f"samples up to {numbers[0]}, not 255; {cure}"
    found = 8 if picture.mode in ("1", "P", "PA") else _bits(picture, modes, numbers)
    if found < 8:
        return f"{found} bits per sample, not 8; {cure}"
    return f"more than 8 bits per sample; {cure}" if found > 8 else None


def _bits(picture: Image.Image, modes: Sequence[str], numbers: Sequence[int]) -> int:
    if picture.mode.startswith("I"):
        return 16
    if isinstance(picture, TiffImagePlugin.TiffImageFile):
        bits: Any = picture.tag_v2.get(TiffImagePlugin.BITSPERSAMPLE, (8,))
        return max((one for one in _listed(bits) if one != 8), default=8)
    if picture.format == "PPM":
        return 16 if any(most > 255 for most in numbers) else 8
    if any(mode.startswith("BGR;") for mode in modes):  # 15 or 16 bits a pixel
        return 5
    depths = [int(match[1]) for mode in modes if (match := re.search(r";(\d+)", mode))]
    return max(depths, default=8)


def _raw_modes(picture: Image.Image) -> tuple[list[str], list[int]]:
    """The words and whole numbers of what Pillow's decoders are told, such as ``L;4``."""
    tiles: list[Any] = getattr(picture, "tile", [])
    told = [one for tile in tiles for one in _listed(tile[3])]
    return [one for one in told if isinstance(one, str)], [one for one in told if type(one) is int]


def _listed(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def deep_png(picture: Image.Image, content: bytes) -> int | None:
    """Bits a sample of a PNG of 16-bit gray or RGB: as many as its chunk sBIT calls significant;
    None for any other picture."""
    if picture.format != "PNG" or len(content) < 26:
        return None
    depth, colour_type = content[24:26]
    if depth != 16 or colour_type not in (0, 2):
        return None
    significant = dict(_png_chunks(content)).get(b"sBIT", b"")
    return max(significant) if significant and max(significant) in (10, 12) else 16


def is_lossy(picture: Image.Image, content: bytes) -> bool:
    """Whether a TIFF or WebP file holds samples that went through a lossy codec."""
    if picture.format == "WEBP":
        return any(chunk.name == b"VP8 " for chunk in riff_chunks(content))
    return picture.format == "TIFF" and picture.info.get("compression") in _LOSSY_TIFF


def colour_refusal(picture: Image.Image, content: bytes) -> str | None:
    """What makes a gray or RGB picture's samples not sRGB, with the cure: an ICC profile, or
    PNG's cICP, gAMA or cHRM. The first of them that is there decides (PNG, third edition, 4.3);
    a file without any is sRGB."""
    chunks = dict(_png_chunks(content)) if picture.format == "PNG" else {}
    if b"cICP" in chunks:
        primaries, transfer = chunks[b"cICP"][:2]
        if primaries in _CICP_PRIMARIES and transfer in _CICP_TRANSFERS:
            return None
        return f"of primaries {primaries}, transfer {transfer} (cICP), not sRGB; convert it to sRGB"
    if profile := picture.info.get("icc_profile"):
        name, levels = _profile(bytes(profile), picture.mode)
        if levels is None:
            return f"its ICC profile {name}; convert it to sRGB or remove the profile"
        if levels > _SRGB_LEVELS:
            return (
                f"of the ICC profile {name!r}, up to {levels} levels from sRGB; convert it to sRGB"
            )
        return None
    if b"sRGB" in chunks:
        return None
    gamma = picture.info.get("gamma", _SRGB_GAMMA) if chunks else _SRGB_GAMMA
    if abs(gamma - _SRGB_GAMMA) > 0.02:
        return f"of gamma {gamma:g} (gAMA), where sRGB is 0.45455; convert it to sRGB"
    points = picture.info.get("chromaticity", _SRGB_CHROMATICITIES) if chunks else None
    if points and max(abs(a - b) for a, b in zip(points, _SRGB_CHROMATICITIES, strict=True)) > 0.01:
        return "of other primaries than sRGB's (cHRM); convert it to sRGB"
    return None


def orientation_refusal(picture: Image.Image, content: bytes) -> str | None:
    """Says how Exif or XMP want a viewer to turn the picture, if at all, with the cure. Raises
    what Pillow raises where the file is corrupt."""
    if picture.format == "PNG" and not any(
        name == b"eXIf" or body.startswith(_MAY_TURN) for name, body in _png_chunks(content)
    ):
        return None  # asking Pillow would decode the whole picture
    orientation = picture.getexif().get(_ORIENTATION, 1)
    if orientation not in _TURNS:
        return None
    return (
        f"to be {_TURNS[orientation]} (Exif orientation {orientation}); turn the samples and "
        "remove the mark"
    )


@lru_cache(maxsize=64)
def _profile(profile: bytes, mode: str) -> tuple[str, int | None]:
    """A profile's name, and by how many levels it is at most away from sRGB; for one that cannot
    be read the reason and None."""
    steps = np.linspace(0, 255, 18).round().astype(np.uint8)
    if mode == "L":
        source = np.arange(256, dtype=np.uint8)[np.newaxis]
    else:
        source = np.stack(np.meshgrid(steps, steps, steps), -1).reshape(-1, 18, 3)
    try:
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        transform = ImageCms.buildTransform(own, ImageCms.createProfile("sRGB"), mode, "RGB")
        seen = ImageCms.applyTransform(Image.fromarray(source), transform)
        name = ImageCms.getProfileDescription(own).strip()
    except (OSError, ValueError, TypeError, ImageCms.PyCMSError) as error:
        return f"cannot be read ({error})", None
    expected = source if mode == "RGB" else np.stack([source] * 3, -1)
    return name, int(np.abs(np.asarray(seen).astype(int) - expected).max())


def _png_chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and body of each chunk that is whole, pixels' bodies left out."""
    for chunk in png_chunks(content):
        if chunk.body_end <= len(content):
            image = chunk.name == b"IDAT"
            yield chunk.name, b"" if image else content[chunk.body : chunk.body_end]
