import numpy as np
import pytest

from bench.cards import load_registry
from bench.codecs.base import Codec
from bench.codecs.build import build_codec, select
from bench.errors import BitstreamError
from bench.records import Point
from bench.signals import clip, image


def build(spec: str) -> Codec:
    adapter: Codec = build_codec(select(load_registry(), spec))
    return adapter


def test_an_image_payload_is_exactly_the_file() -> None:
    pixels = np.zeros((8, 8, 3), np.uint8)
    assert build("jpeg").encode(image(pixels), Point("quality", 50)).payload[:3] == b"\xff\xd8\xff"
    assert build("webp").encode(image(pixels), Point("quality", 50)).payload[:4] == b"RIFF"


def test_framing_of_clips_is_counted_as_header() -> None:
    pixels = np.zeros((3, 8, 8, 3), np.uint8)
    codec, point = build("jpeg"), Point("quality", 50)
    one = codec.encode(image(pixels[0]), point)
    three = codec.encode(clip(pixels), point)
    assert one.header_bytes is not None and three.header_bytes is not None
    # a mark, a count of one byte and three lengths of two bytes (each file is 634 bytes)
    assert 127 < len(one.payload) < 16384
    assert three.header_bytes == 3 * one.header_bytes + 1 + 1 + 3 * 2
    assert len(three.payload) == 3 * len(one.payload) + 8


def test_gray_in_webp_costs_one_byte_and_stays_gray() -> None:
    ramp = np.tile(np.arange(0, 256, 4, dtype=np.uint8), (64, 1))
    codec, point = build("webp"), Point("quality", 95)
    gray = codec.encode(image(ramp), point)
    colour = codec.encode(image(np.repeat(ramp[..., None], 3, axis=2)), point)
    assert len(gray.payload) == len(colour.payload) + 1
    decoded = codec.decode(gray.payload).array()[0]
    assert decoded.shape == ramp.shape
    assert np.abs(decoded.astype(int) - ramp).mean() < 2


def test_the_comment_of_openjpeg_is_not_counted() -> None:
    encoded = build("jpeg2000").encode(image(np.zeros((32, 32), np.uint8)), Point("ratio", 10))
    assert b"OpenJPEG" not in encoded.payload
    # "Created by OpenJPEG version 2.5.4" with its marker, length and registration
    assert 30 < encoded.discarded_bytes < 50


def test_huffman_only_is_smaller_than_defaults_with_the_same_pixels() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    plain, point = build("jpeg"), Point("quality", 30)
    small = build("jpeg-optimized:progressive=false")
    defaults, optimized = plain.encode(image(pixels), point), small.encode(image(pixels), point)
    assert len(optimized.payload) < len(defaults.payload)
    assert (small.decode(optimized.payload).array() == plain.decode(defaults.payload).array()).all()


@pytest.mark.parametrize("name", ["jpeg", "webp", "avif", "png", "jpeg2000", "jxl"])
def test_another_format_is_refused(name: str) -> None:
    other = "png" if name != "png" else "jpeg"
    point = Point("mode", "only") if other == "png" else Point("quality", 50)
    payload = build(other).encode(image(np.zeros((8, 8), np.uint8)), point).payload
    with pytest.raises(BitstreamError):
        build(name).decode(payload)
