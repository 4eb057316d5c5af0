import hashlib
import zlib
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from bench.cards import load_registry
from bench.codecs.base import Codec
from bench.codecs.build import build_codec
from bench.errors import BitstreamError
from bench.records import Point
from bench.signals import RGB, YUV420, Layout, PixelFormat, Signal, clip, image, vectors

POINT = Point("mode", "only")
GOLDEN = ["b78417fd09d56713", "ed5cdde5e72f78f4", "743a67d9db6407b2"]
RAMP = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)


def codec(name: str) -> Codec:
    adapter: Codec = build_codec(load_registry().codec(name))
    return adapter


def test_header_bytes_of_an_image() -> None:
    encoded = codec("none").encode(image(RAMP[0]), POINT)
    # 0xA0 | image 0 << 2 | gray 0, width 4, height 3, then the twelve samples
    assert encoded.payload == bytes([0xA0, 4, 3, *range(12)])
    assert encoded.header_bytes == 3


def test_header_bytes_of_a_clip() -> None:
    encoded = codec("none").encode(clip(RAMP, fps=Fraction(30000, 1001)), POINT)
    # 0xA0 | video 1 << 2, 4, 3, 2 frames, 30000 and 1001 as LEB128
    assert encoded.payload[:10] == bytes([0xA4, 4, 3, 2, 0xB0, 0xEA, 0x01, 0xE9, 0x07, 0])
    assert encoded.header_bytes == 9


def test_golden_payloads() -> None:
    # the container is ours; a change of these hashes is a breaking change of the payload
    digests = [
        hashlib.sha256(codec("none").encode(signal, POINT).payload).hexdigest()[:16]
        for signal in (image(RAMP[0]), clip(RAMP), vectors(np.array([[0.5, -1.0]])))
    ]
    assert digests == GOLDEN


def test_zlib_is_the_raw_container_with_deflated_samples() -> None:
    payload = codec("zlib").encode(clip(RAMP), POINT).payload
    assert zlib.decompress(payload[6:]) == RAMP.tobytes()


@pytest.mark.parametrize("name", ["none", "zlib"])
@given(pixels=arrays(np.uint8, array_shapes(min_dims=3, max_dims=3, max_side=5)))
def test_round_trip(name: str, pixels: np.ndarray) -> None:
    adapter = codec(name)
    decoded = adapter.decode(adapter.encode(clip(pixels), POINT).payload)
    assert decoded.layout == clip(pixels).layout
    assert (decoded.array() == pixels).all()


@pytest.mark.parametrize("name", ["none", "zlib"])
def test_real_vectors_and_420_planes_round_trip(name: str) -> None:
    rows = np.random.default_rng(1).normal(size=(5, 7))
    adapter = codec(name)
    decoded = adapter.decode(adapter.encode(vectors(rows), POINT).payload)
    assert (decoded.array()[0] == rows).all()
    layout = Layout("video", YUV420, 3, 5, 2)
    planes = np.arange(2 * layout.frame_bytes, dtype=np.uint8).reshape(2, -1)
    decoded = adapter.decode(adapter.encode(Signal(layout, lambda: iter(planes)), POINT).payload)
    assert decoded.layout == layout
    assert (decoded.array() == planes).all()


@pytest.mark.parametrize("name", ["none", "zlib"])
@given(cut=st.integers(1, 20))
def test_truncated_payloads_are_refused(name: str, cut: int) -> None:
    adapter = codec(name)
    payload = adapter.encode(clip(RAMP), POINT).payload
    with pytest.raises(BitstreamError):
        adapter.decode(payload[:-cut])


@pytest.mark.parametrize("name", ["none", "zlib"])
def test_surplus_bytes_are_refused(name: str) -> None:
    adapter = codec(name)
    with pytest.raises(BitstreamError):
        adapter.decode(adapter.encode(clip(RAMP), POINT).payload + b"\0")


def test_a_bomb_is_not_inflated() -> None:
    adapter = codec("zlib")
    payload = adapter.encode(image(RAMP[0]), POINT).payload[:3] + zlib.compress(bytes(10**7))
    with pytest.raises(BitstreamError, match="do not end"):
        adapter.decode(payload)


@pytest.mark.parametrize("name", ["none", "zlib"])
def test_impossible_sizes_are_refused(name: str) -> None:
    width = b"\xff" * 8 + b"\x7f"
    for header in [b"\xa0\x00\x04", b"\xa0" + width + b"\x04", b"\xa4\x02\x02\x00\x01\x01"]:
        with pytest.raises(BitstreamError, match="impossible size"):
            codec(name).decode(header + bytes(8))


@pytest.mark.parametrize("name", ["none", "zlib", "png", "ffv1"])
def test_clips_beyond_memory_are_refused(name: str) -> None:
    full_hd = Layout("video", RGB, 1920, 1080, 300)
    assert "at most 512 MiB" in str(codec(name).refusal(full_hd))
    assert codec(name).refusal(Layout("video", RGB, 1920, 1080, 80)) is None


def test_a_flipped_checksum_is_seen() -> None:
    adapter = codec("zlib")
    payload = bytearray(adapter.encode(image(RAMP[0]), POINT).payload)
    payload[-1] ^= 1
    with pytest.raises(BitstreamError, match="check"):
        adapter.decode(bytes(payload))


@pytest.mark.parametrize(
    ("kind", "header"),
    [
        # medium and format in bytes of their own: video; samples, and depth - 8 times eight
        (PixelFormat("yuv420", 10), b"\xac\x01\x12\x05\x03\x02\x19\x01"),
        (PixelFormat("yuv422"), b"\xac\x01\x04\x05\x03\x02\x19\x01"),
        (PixelFormat("gray", 16), b"\xac\x01\x40\x05\x03\x02\x19\x01"),
    ],
)
@pytest.mark.parametrize("name", ["none", "zlib"])
def test_formats_beyond_the_usual_come_back(name: str, kind: PixelFormat, header: bytes) -> None:
    layout = Layout("video", kind, 5, 3, 2)
    rng = np.random.default_rng(kind.depth)
    shape = (2, *layout.frame_shape)
    frames = rng.integers(0, 1 << kind.depth, shape).astype(layout.frame_dtype)
    encoded = codec(name).encode(Signal(layout, lambda: iter(frames)), POINT)
    assert encoded.payload.startswith(header) and encoded.header_bytes == len(header)
    decoded = codec(name).decode(encoded.payload)
    assert decoded.layout == layout and (decoded.array() == frames).all()


@pytest.mark.parametrize(
    "payload", [b"\xac", b"\xac\x03\x12\x05", b"\xac\x01\x4f\x05", b"\xac\x01"]
)
def test_damaged_formats_are_refused(payload: bytes) -> None:
    with pytest.raises(BitstreamError):
        codec("none").decode(payload)
