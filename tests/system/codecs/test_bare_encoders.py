"""The encoders as a user would call them: ffmpeg's own command line, written out here, gives the
same coded pictures as our default settings. A setting that is not the documented one shows."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest

from bench.cards import load_registry
from bench.codecs.base import Codec
from bench.codecs.build import build_codec, select
from bench.records import Point
from bench.signals import clip, image

SIZES = {
    "x264": (260, 32), "x265": (260, 32), "vvenc": (40, 32), "svtav1": (260, 64), "vp9": (260, 32),
}  # fmt: skip
"""Frames and side: a second intra picture is due at 250, which would take VVenC 20 seconds."""
ARGUMENTS = {
    "x264": (
        *("-c:v", "libx264", "-preset", "veryslow", "-tune", "psnr", "-g", "250", "-crf", "30"),
        *("-threads", "1", "-x264-params", "lookahead-threads=1", "-f", "h264"),
    ),
    "x265": (
        *("-c:v", "libx265", "-preset", "veryslow", "-tune", "psnr", "-g", "250", "-crf", "30"),
        *("-threads", "1", "-x265-params", "pools=none:frame-threads=1:log-level=error"),
        *("-f", "hevc"),
    ),
    "vvenc": (
        *("-c:v", "libvvenc", "-preset", "fast", "-qpa", "0", "-g", "256", "-qp", "32"),
        *("-threads", "1", "-vvenc-params", "Range=full:verbosity=1", "-f", "vvc"),
    ),
    "svtav1": (
        *("-c:v", "libsvtav1", "-preset", "2", "-g", "250", "-crf", "40"),
        *("-svtav1-params", "tune=1:lp=1", "-f", "obu"),
    ),
    "vp9": (
        *("-c:v", "libvpx-vp9", "-deadline", "good", "-cpu-used", "1", "-tune", "psnr"),
        *("-g", "250", "-crf", "40", "-b:v", "0", "-threads", "1", "-f", "ivf"),
    ),
}
POINTS = {
    "x264": Point("crf", 30),
    "x265": Point("crf", 30),
    "vvenc": Point("qp", 32),
    "svtav1": Point("crf", 40),
    "vp9": Point("crf", 40),
}


def build(spec: str) -> Codec:
    codec: Codec = build_codec(select(load_registry(), spec))
    return codec


def ffmpeg(*arguments: str, data: bytes) -> bytes:
    quiet = ("-hide_banner", "-loglevel", "error")
    command = [imageio_ffmpeg.get_ffmpeg_exe(), *quiet, *arguments, "pipe:1"]
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout


def waves(frames: int, side: int) -> np.ndarray:
    """Two waves of gray that move apart: no cut, so that no encoder begins anew by itself."""
    y, x = np.mgrid[:side, :side].astype(float)
    scene = [
        128 + 50 * np.sin((x + t) / 5) + 40 * np.cos((y - 0.7 * t) / 7 + x / 11)
        for t in range(frames)
    ]
    return np.rint(np.stack(scene)).astype(np.uint8)


def encoded_by_hand(name: str, frames: np.ndarray) -> bytes:
    """Gray as 4:0:0 where the encoder has it, else with neutral chroma, at 10 bits for VVenC."""
    side = frames.shape[1]
    pix_fmt, planes = "gray", [frame.tobytes() for frame in frames]
    if name in ("svtav1", "vp9"):
        pix_fmt, planes = "yuv420p", [one + bytes([128]) * (side * side // 2) for one in planes]
    if name == "vvenc":
        # 255 is 1023 in full range of 10 bits, the middle 512 (ITU-T H.273)
        deep = [np.rint(frame * (1023 / 255)).astype("<u2").tobytes() for frame in frames]
        neutral = np.full(side * side // 2, 512, "<u2").tobytes()
        pix_fmt, planes = "yuv420p10le", [one + neutral for one in deep]
    source = ("-f", "rawvideo", "-pix_fmt", pix_fmt, "-s", f"{side}x{side}", "-r", "25")
    filters = ("-i", "pipe:0", "-vf", "setparams=range=pc", "-fps_mode", "passthrough")
    return ffmpeg(*source, *filters, *ARGUMENTS[name], data=b"".join(planes))


def nal_units(stream: bytes) -> list[bytes]:
    """Without start codes."""
    return [unit.rstrip(b"\0") for unit in stream.split(b"\0\0\1")[1:]]


def obus(stream: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and content of the units of an AV1 stream (AV1 specification, section 5.3)."""
    while stream:
        kind, start = stream[0] >> 3 & 15, 1 + (stream[0] >> 2 & 1)
        size = shift = 0
        while True:
            byte = stream[start]
            size |= (byte & 127) << shift
            start, shift = start + 1, shift + 7
            if byte < 128:
                break
        yield kind, stream[start : start + size]
        stream = stream[start + size :]


def ivf_frames(stream: bytes) -> Iterator[bytes]:
    stream = stream[32:]
    while stream:
        end = 12 + int.from_bytes(stream[:4], "little")
        yield stream[12:end]
        stream = stream[end:]


def coded_pictures(name: str, stream: bytes) -> list[bytes]:
    """The units that hold picture content, and nothing else."""
    if name == "x264":
        return [unit for unit in nal_units(stream) if 1 <= unit[0] & 31 <= 5]
    if name == "x265":
        return [unit for unit in nal_units(stream) if unit[0] >> 1 & 63 < 32]
    if name == "vvenc":
        return [unit for unit in nal_units(stream) if unit[1] >> 3 < 12]
    if name == "svtav1":
        return [content for kind, content in obus(stream) if kind in (3, 4, 6)]
    return list(ivf_frames(stream))


@pytest.mark.parametrize("name", ARGUMENTS)
def test_default_settings_are_those_of_the_bare_command(name: str) -> None:
    frames = waves(*SIZES[name])
    payload = build(name).encode(clip(frames), POINTS[name]).payload
    expected = coded_pictures(name, encoded_by_hand(name, frames))
    assert len(expected) >= len(frames)
    position = 0
    for picture in expected:
        position = payload.index(picture, position) + len(picture)
    framing = len(payload) - sum(map(len, expected))
    assert framing < 8 * len(frames) + 150


@pytest.mark.parametrize(
    ("adapter", "spec"),
    [
        ("X264", "x264"),
        ("X265", "x265"),
        ("VVenC", "vvenc"),
        ("SvtAv1", "svtav1:preset=4"),
        ("Vp9", "vp9"),
    ],
)
def test_a_card_without_settings_has_those_of_the_documentation(
    tmp_path: Path, adapter: str, spec: str
) -> None:
    """A card of one's own need not repeat what ours name."""
    (tmp_path / "plain.toml").write_text(
        f'title = "Plain"\nadapter = "bench.codecs.ffmpeg:{adapter}"\nmedia = ["video"]\n'
    )
    plain: Codec = build_codec(load_registry([tmp_path]).codec("plain"))
    signal, point = clip(waves(16, 64)), POINTS[spec.partition(":")[0]]
    assert plain.encode(signal, point).payload == build(spec).encode(signal, point).payload


def test_header_bytes_are_side_information_and_parameter_sets() -> None:
    """Of a picture of odd size in 4:2:0 the true size goes ahead, in three bytes: by it and by all
    that is no slice the payload is larger than its content."""
    pixels = np.repeat(waves(1, 67)[0][:65, :, None], 3, axis=2)
    for name, slice_header in (("x264", 1), ("x265", 2)):
        encoded = build(f"{name}:chroma=420").encode(image(pixels), POINTS[name])
        content = sum(len(unit) - slice_header for unit in coded_pictures(name, encoded.payload))
        assert encoded.payload[3:7] == b"\0\0\0\1"
        assert encoded.header_bytes == len(encoded.payload) - content
        plain = build(f"{name}:chroma=420").encode(image(pixels[:64, :64]), POINTS[name])
        assert plain.payload[:4] == b"\0\0\0\1"
