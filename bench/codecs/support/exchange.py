"""Signals as the files that external programs read and write: PNG, PPM, Y4M and headerless YUV.

Only the harness's side of an exchange in a temporary folder, which is not timed; never a user's
files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from bench.bitstreams.still_header import CORRUPT, depth_refusal, orientation_refusal
from bench.codecs.support.planes import (
    PlaneFormat,
    decoded_signal,
    read_y4m_format,
    write_planes,
    y4m_places,
)
from bench.codecs.support.stopwatch import untimed
from bench.errors import CodecError
from bench.signals import Frame, Layout, Signal

PICTURES = ("png", "ppm")
VIDEOS = ("y4m", "yuv")
_Y4M_CHROMA = {"400": "mono", "420": "420jpeg", "422": "422", "444": "444"}


@untimed()
def write_picture(path: Path, pixels: Frame) -> None:
    """One frame as PNG or PPM (PGM for gray), by the suffix of ``path``."""
    kind = "PNG" if path.suffix == ".png" else "PPM"
    options = {"compress_level": 1} if kind == "PNG" else {}
    Image.fromarray(pixels).save(path, format=kind, **options)


@untimed()
def read_picture(path: Path) -> Frame:
    """The picture a program wrote: 8 bits, gray or RGB, opaque. Raises CodecError otherwise."""
    try:
        with Image.open(path, formats=["PNG", "PPM"]) as picture:
            if odd := depth_refusal(picture):
                found = odd.partition(";")[0]
                raise CodecError(f"the decoder wrote {found}; write 8-bit gray or RGB")
            if getattr(picture, "n_frames", 1) != 1:
                raise CodecError("the decoder wrote an animation; write one picture")
            if odd := orientation_refusal(picture, path.read_bytes()):
                raise CodecError(f"the decoder wrote a picture {odd}")
            if picture.mode in ("RGBA", "LA") and picture.getextrema()[-1] == (255, 255):
                return np.asarray(picture.convert(picture.mode[:-1]))
            if picture.mode not in ("L", "RGB"):
                raise CodecError(f"the decoder wrote a {picture.mode} picture; write 8-bit RGB")
            return np.asarray(picture)
    except CORRUPT as error:
        raise CodecError(f"the decoder's picture cannot be read: {error}") from error


@untimed()
def write_video(path: Path, signal: Signal, coded: PlaneFormat) -> None:
    """All frames as Y4M or headerless YUV, by the suffix of ``path``, in the planes of
    ``coded``."""
    layout = signal.layout
    is_y4m = path.suffix == ".y4m"
    with path.open("wb") as file:
        if is_y4m:
            file.write(_y4m_header(layout, coded))
        for frame in signal.frames():
            if is_y4m:
                file.write(b"FRAME\n")
            file.write(write_planes(frame, layout, coded))


def _y4m_header(layout: Layout, coded: PlaneFormat) -> bytes:
    chroma = _Y4M_CHROMA[coded.chroma]
    if coded.depth > 8:
        chroma = f"{chroma.removesuffix('jpeg')}p{coded.depth}"
    size = f"W{coded.width} H{coded.height} F{layout.fps.numerator}:{layout.fps.denominator}"
    # gray and RGB are written in full range; YUV as it is, of whichever range, untold
    full = "" if layout.is_yuv else " XCOLORRANGE=FULL"
    return f"YUV4MPEG2 {size} Ip A1:1 C{chroma}{full}\n".encode()


@untimed()
def read_video(path: Path, layout: Layout, coded: PlaneFormat) -> Signal:
    """The frames a program wrote, cropped to ``layout`` and in its samples; ``coded`` is the
    format of headerless YUV. Raises CodecError if size or length do not fit."""
    with path.open("rb") as file:
        if path.suffix == ".y4m":
            coded = replace(read_y4m_format(file).planes, shifted=coded.shifted)
            places: Sequence[int] = y4m_places(file, coded)
        else:
            places = _yuv_places(path.stat().st_size, coded)
        if coded.width < layout.width or coded.height < layout.height:
            raise CodecError(
                f"the decoder wrote {coded.width}x{coded.height} frames, "
                f"not {layout.width}x{layout.height}"
            )
        if not places:
            raise CodecError("the decoder wrote a file without frames")
        return decoded_signal(file, places, coded, layout)


def _yuv_places(size: int, coded: PlaneFormat) -> Sequence[int]:
    if left := size % coded.frame_bytes:
        raise CodecError(
            f"the decoder's file is no whole number of {coded.width}x{coded.height} frames: "
            f"{left} bytes are left over"
        )
    return range(0, size, coded.frame_bytes)
