"""Reads one still picture file, 8-bit gray or RGB, and refuses every other kind by name.

The only place that opens still pictures; knows no folders and no data sets.
"""

from __future__ import annotations

import io
import warnings
from hashlib import sha256
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from bench.bitstreams.still_header import (
    CORRUPT,
    colour_refusal,
    deep_png,
    depth_refusal,
    is_lossy,
    orientation_refusal,
)
from bench.datasets.base import Item
from bench.datasets.sources import Refusal
from bench.errors import DataError
from bench.signals import Frame, Layout, PixelFormat

_FORMATS: dict[str, tuple[str, ...]] = {
    "PNG": (".png",),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
    "PPM": (".ppm", ".pgm", ".pnm", ".pbm"),
    "BMP": (".bmp",),
}
SUFFIXES: tuple[str, ...] = tuple(suffix for group in _FORMATS.values() for suffix in group)
REFUSED_SUFFIXES: tuple[str, ...] = (
    ".jpg", ".jpeg", ".jfif", ".gif", ".heic", ".heif", ".avif", ".jxl", ".jp2", ".j2k", ".jpx",
    ".jxr", ".bpg", ".dng", ".cr2", ".nef", ".arw", ".exr", ".hdr", ".pfm", ".pam", ".qoi", ".psd",
    ".tga", ".pcx", ".ico", ".svg",
)  # fmt: skip
"""Picture files that a folder may hold and that are named as problems rather than passed over."""

_LOSSY_FORMATS = ("JPEG", "MPO", "JPEG2000", "AVIF", "HEIF", "JXL")
_MOST_PIXELS = 2 * int(Image.MAX_IMAGE_PIXELS or 0)
"""What Pillow opens."""
_LOSSY = "already lossily coded, so its own artefacts would be measured; convert it to PNG"
_KINDS = {
    "1": "bilevel (1-bit); convert it to 8-bit gray",
    "P": "a palette image; convert it to RGB",
    "PA": "a palette image with alpha; convert it to RGB",
    "LA": "gray with an alpha channel; flatten it first",
    "La": "gray with an alpha channel; flatten it first",
    "RGBA": "RGB with an alpha channel; flatten it first",
    "RGBa": "RGB with an alpha channel; flatten it first",
    "CMYK": "CMYK; convert it to RGB",
    "YCbCr": "stored as YCbCr; convert it to RGB",
    "LAB": "CIE Lab; convert it to RGB",
    "HSV": "HSV; convert it to RGB",
    "F": "floating-point; convert it to 8 bits",
}


def picture_item(path: Path, name: str) -> Item:
    """The item of a picture file: its digest, and its layout from the header or its problem."""
    try:
        content = path.read_bytes()
    except OSError as error:
        return Item(name, "unreadable", None, f"{path}: cannot be read: {error.strerror}")
    digest = sha256(content).hexdigest()
    try:
        return Item(name, digest, header_layout(content, path.suffix))
    except Refusal as refusal:
        return Item(name, digest, None, f"{path.name}: {refusal}")


def header_layout(content: bytes, suffix: str, *, deep: bool = False) -> Layout:
    """The layout of a picture file's content, from its header. Raises Refusal with the reason and
    the cure for anything but one 8-bit gray or RGB picture whose format matches ``suffix``, with
    ``deep`` also a PNG of 16 bits, of which its chunk sBIT may call 10 or 12 significant."""
    with _opened(content, suffix) as picture:
        kind = _format(picture, content, deep)
        return Layout("image", kind, picture.width, picture.height)


def decode_picture(content: bytes, suffix: str, *, deep: bool = False) -> Frame:
    """The samples: ``(H, W)`` gray or ``(H, W, 3)`` RGB. Raises Refusal as header_layout does, and
    if the content is truncated or corrupt."""
    with _opened(content, suffix) as picture:
        kind = _format(picture, content, deep)
        if kind.depth > 8:
            return _decode_deep(content, kind.depth)
        try:
            frame = np.asarray(picture)
        except CORRUPT as error:
            raise Refusal(f"truncated or corrupt ({error}); get it again") from error
        if picture.format == "PNG" and not frame[-1].any():
            _by_libpng(content)  # of too few rows Pillow leaves the others black
        return frame


def load_picture(path: Path, item: Item) -> Frame:
    """The samples of an item's file. Raises DataError if it is gone, changed or corrupt."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}; put it back") from error
    if sha256(content).hexdigest() != item.digest:
        raise DataError(f"{path}: changed since this run was planned; run again")
    try:
        return decode_picture(content, path.suffix)
    except Refusal as refusal:
        raise DataError(f"{path.name}: {refusal}") from refusal


def _opened(content: bytes, suffix: str) -> Image.Image:
    if not content:
        raise Refusal("empty (0 bytes); get it again")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # large pictures; damage that is no obstacle
            picture = Image.open(io.BytesIO(content))
    except UnidentifiedImageError as error:
        if suffix.lower() in REFUSED_SUFFIXES:
            raise Refusal(f"{suffix} is no kind that is read; convert it to PNG") from error
        raise Refusal("no picture, or a corrupt one; get it again") from error
    except Image.DecompressionBombError as error:
        raise Refusal(
            f"of more than {_MOST_PIXELS // 10**6} megapixels, the most that are read; crop it or "
            "cut it into tiles"
        ) from error
    except CORRUPT as error:
        raise Refusal(f"cannot be read as a picture: {error}; save it anew as PNG") from error
    kind = str(picture.format)
    if kind == "GIF":
        raise Refusal(_KINDS["P"])
    if kind in _LOSSY_FORMATS:
        raise Refusal(f"{kind} inside, {_LOSSY}")
    if kind not in _FORMATS:
        raise Refusal(f"{kind} inside, no kind that is read; convert it to PNG")
    if suffix.lower() not in _FORMATS[kind]:
        raise Refusal(f"{kind} inside, whatever its name says; rename it to {_FORMATS[kind][0]}")
    return picture


def _by_libpng(content: bytes) -> Frame:
    import cv2

    found: Frame | None = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if found is None:
        raise Refusal("truncated or corrupt; get it again")
    return found


def _decode_deep(content: bytes, depth: int) -> Frame:
    found = _by_libpng(content)
    if found.dtype != np.uint16:
        raise Refusal("truncated or corrupt; get it again")
    ordered = found if found.ndim == 2 else found[..., ::-1]
    return np.ascontiguousarray(ordered >> (16 - depth))


def _format(picture: Image.Image, content: bytes, deep: bool) -> PixelFormat:
    """Raises Refusal for what has a problem or is corrupt."""
    depth = deep_png(picture, content) if deep else None
    try:
        problem = _problem(picture, content, depth)
    except CORRUPT as error:
        raise Refusal(f"truncated or corrupt ({error}); get it again") from error
    if problem is not None:
        raise Refusal(problem)
    return PixelFormat("rgb" if picture.mode == "RGB" else "gray", depth or 8)


def _problem(picture: Image.Image, content: bytes, depth: int | None) -> str | None:
    """Says what is wrong with animation, alpha, more than 8 bits, colour spaces other than gray
    and sRGB, and samples that a viewer would turn or convert before they are seen."""
    frames = getattr(picture, "n_frames", 1)
    if frames != 1:
        return f"animated or of {frames} pages; save the one picture that is meant"
    if depth is None and (odd := depth_refusal(picture)):
        return odd
    if depth is None and picture.mode not in ("L", "RGB"):
        return _KINDS.get(picture.mode, f"of Pillow mode {picture.mode}; convert it to RGB")
    if "transparency" in picture.info:
        return "transparent (a tRNS chunk); flatten it first"
    if is_lossy(picture, content):
        return _LOSSY
    return colour_refusal(picture, content) or orientation_refusal(picture, content)
