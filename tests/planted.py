"""JPEG with a regression that the environment plants, for tests of the guard."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np

from bench.codecs.base import Encoded
from bench.codecs.pillow import Jpeg
from bench.colour import YUV_TO_RGB, rgb_to_yuv_float
from bench.records import Point
from bench.signals import Signal, image

VARIABLE = "PLANTED_REGRESSION"


class Planted(Jpeg):
    """``quantiser``: coarser by two steps of quality; ``colour``: a path that truncates;
    ``header``: one more byte."""

    def encode(self, signal: Signal, point: Point) -> Encoded:
        if os.environ.get(VARIABLE) == "quantiser":
            point = Point(point.key, int(point.value) - 2)
        encoded = super().encode(signal, point)
        if os.environ.get(VARIABLE) == "header":
            header = (encoded.header_bytes or 0) + 1
            return replace(encoded, payload=b"\0" + encoded.payload, header_bytes=header)
        return encoded

    def decode(self, payload: bytes) -> Signal:
        decoded = super().decode(payload[1:] if payload[:1] == b"\0" else payload)
        if os.environ.get(VARIABLE) != "colour":
            return decoded
        yuv = np.floor(rgb_to_yuv_float(decoded.array()[0]))
        rgb = (yuv - [0, 128, 128]) @ YUV_TO_RGB.T
        return image(np.clip(rgb, 0, 255).astype(np.uint8))
