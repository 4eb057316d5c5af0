"""JPEG as an abbreviated stream: quantisation and Huffman tables are known to both sides.

ITU-T T.81, B.4 allows an image without its tables; at 32×32 they are most of the file. Whatever
else the file format asks for (frame and scan headers, JFIF) stays or is dropped as said below.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from functools import lru_cache
from typing import ClassVar

import numpy as np
from PIL import Image

from bench.bitstreams import Stripped
from bench.bitstreams.stills import jpeg_segments, strip_jpeg
from bench.codecs.base import Allowed
from bench.codecs.pillow import Jpeg
from bench.errors import BitstreamError
from bench.records import Point
from bench.signals import Frame

_SOI = b"\xff\xd8"
_APP0, _DQT, _DHT = 0xE0, 0xDB, 0xC4
_KNOWN = (_APP0, _DQT, _DHT)
"""Segments that both sides know: the tables, and JFIF's marker that says nothing else here."""


class JpegAbbreviated(Jpeg):
    """Frame header, scan header and scan, after one byte that names the quality.

    The decoder rebuilds the tables by coding an 8×8 picture at that quality. Settings that make
    tables depend on the picture (``optimize``, ``progressive``) are not offered.
    """

    parameters: ClassVar[Mapping[str, Allowed]] = {
        key: value for key, value in Jpeg.parameters.items() if key in ("quality", "subsampling")
    }

    def encode_picture(self, pixels: Frame, point: Point) -> Stripped:
        full = super().encode_picture(pixels, point)
        *segments, (_, end, _) = jpeg_segments(full.payload)
        kept = b"".join(segment for marker, segment, _ in segments if marker not in _KNOWN)
        head = bytes([int(point.value)]) + _SOI + kept
        payload = head + segments[-1][2] + end
        return Stripped(payload, len(head) + len(end), full.discarded_bytes)

    def decode_picture(self, file: bytes) -> Frame:
        if len(file) < 5 or file[1:3] != _SOI:
            raise BitstreamError("abbreviated JPEG: no start of image; truncated or damaged")
        quality = file[0]
        if quality not in self.parameters["quality"]:
            raise BitstreamError(f"abbreviated JPEG: quality {quality}; the stream is damaged")
        gray = self._components(file) == 1
        return super().decode_picture(_SOI + self._tables(quality, gray) + file[3:])

    def _components(self, file: bytes) -> int:
        for marker, segment, _ in jpeg_segments(file[1:]):
            if marker == 0xC0 and len(segment) > 9:
                return segment[9]
        raise BitstreamError("abbreviated JPEG: no baseline frame header; the stream is damaged")

    @lru_cache(maxsize=200)  # noqa: B019 - adapters live as long as their process
    def _tables(self, quality: int, gray: bool) -> bytes:
        shape = (8, 8) if gray else (8, 8, 3)
        buffer = io.BytesIO()
        options = self.options(Point("quality", quality), gray)
        Image.fromarray(np.zeros(shape, np.uint8)).save(buffer, format="JPEG", **options)
        full = strip_jpeg(buffer.getvalue()).payload
        return b"".join(segment for marker, segment, _ in jpeg_segments(full) if marker in _KNOWN)
