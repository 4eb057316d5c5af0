"""A codec that codes pixels as they are and then makes one known mistake, for tests of doctor."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from bench.codecs.base import Allowed, Choice, CodecBase, Encoded
from bench.colour import RGB_TO_YUV, YUV_TO_RGB, halve_chroma
from bench.errors import CodecError
from bench.records import Point
from bench.signals import Signal, clip

MISTAKES = (
    "none", "truncate-rgb", "truncate-yuv", "truncate-both", "bt601", "bt709", "limited", "full",
    "bgr", "chroma", "float", "sei", "container", "shift", "swap", "drop", "padding", "crop",
    "odd-crash", "state",
)  # fmt: skip
_601 = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
_OFFSET = np.array([0.0, 128.0, 128.0])


class Mistaken(CodecBase):
    """Payload: layout and samples. ``mistake`` happens in decode except where encode makes it."""

    parameters: ClassVar[Mapping[str, Allowed]] = {"mistake": Choice(MISTAKES)}

    def encode(self, signal: Signal, point: Point) -> Encoded:
        mistake = self.settings.get("mistake", "none")
        pixels = signal.array()
        if mistake == "odd-crash" and pixels.shape[1] % 2:
            raise CodecError("odd height")
        if mistake == "state":
            self.pixels = pixels
        extra = {"sei": b"\x05x265 (build 215) - H.265/HEVC codec", "container": b"\x1aE\xdf\xa3"}
        shape = struct.pack("<4H", *pixels.shape)
        return Encoded(extra.get(mistake, b"") + shape + pixels.tobytes())

    def decode(self, payload: bytes) -> Signal:
        mistake = self.settings.get("mistake", "none")
        if mistake == "state":
            return clip(self.pixels, media="image")
        payload = payload[{"sei": 36, "container": 4}.get(mistake, 0) :]
        shape = struct.unpack("<4H", payload[:8])
        pixels = np.frombuffer(payload[8:], np.uint8).reshape(shape)
        media = "image" if len(pixels) == 1 else "video"
        return clip(_mistake(mistake, pixels), media=media)  # type: ignore[arg-type]


def _mistake(mistake: str, pixels: Any) -> Any:
    if mistake == "shift":
        return np.concatenate([pixels[:1], pixels[:-1]])
    if mistake == "swap":
        return pixels[np.arange(len(pixels)) ^ 1] if len(pixels) % 2 == 0 else pixels
    if mistake == "drop":
        return pixels[:-1] if len(pixels) > 1 else pixels
    if mistake == "padding":
        pad = [(0, -size % 16) for size in pixels.shape[1:3]]
        return np.pad(pixels, ((0, 0), *pad, (0, 0)), mode="edge")
    if mistake == "crop":
        return pixels[:, : pixels.shape[1] // 16 * 16, : pixels.shape[2] // 16 * 16]
    if mistake == "float":
        return pixels.astype(np.float32) / 255
    if mistake == "bgr":
        return pixels[..., ::-1]
    return _colour_mistake(mistake, pixels)


def _colour_mistake(mistake: str, pixels: Any) -> Any:
    forward, backward, scale, offset = RGB_TO_YUV, YUV_TO_RGB, 1.0, 0.0
    if mistake == "bt601":
        backward = np.linalg.inv(_601)
    elif mistake == "bt709":
        forward = _601
    yuv = pixels @ forward.T + _OFFSET
    yuv = np.floor(yuv) if mistake in ("truncate-yuv", "truncate-both") else np.rint(yuv)
    if mistake == "limited":
        scale, offset = 219 / 255, 16.0
    elif mistake == "full":
        scale, offset = 255 / 219, -16 * 255 / 219
    yuv[..., 0] = yuv[..., 0] * scale + offset
    yuv[..., 1:] = (yuv[..., 1:] - 128) * (
        224 / 255 if scale < 1 else 255 / 224 if scale > 1 else 1
    ) + 128
    if mistake == "chroma":
        for frame in yuv:
            for channel in (1, 2):
                small = halve_chroma(np.clip(np.rint(frame[..., channel]), 0, 255).astype(np.uint8))
                large = small.repeat(2, axis=0).repeat(2, axis=1)
                frame[..., channel] = large[: frame.shape[0], : frame.shape[1]]
    rgb = np.clip((yuv - _OFFSET) @ backward.T, 0, 255)
    if mistake not in ("truncate-rgb", "truncate-both"):
        rgb = np.rint(rgb)
    return rgb.astype(np.uint8)
