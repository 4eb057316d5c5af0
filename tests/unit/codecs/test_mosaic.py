"""Mosaics of small pictures and abbreviated JPEG streams."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from bench.cards import load_registry
from bench.codecs.base import Codec
from bench.codecs.build import build_codec, select
from bench.codecs.mosaic import arrange, grid, take_apart
from bench.errors import BitstreamError
from bench.records import Point
from bench.signals import clip, image


def _codec(spec: str) -> Codec:
    codec: Codec = build_codec(select(load_registry(), spec))
    return codec


def _pictures(count: int, height: int = 32, width: int = 32) -> np.ndarray:
    rng = np.random.default_rng(count)
    y, x = np.mgrid[:height, :width]
    base = 90 + 60 * np.sin((x + y) / 9)[None, ..., None] + rng.normal(0, 40, (count, 1, 1, 3))
    return np.clip(base, 0, 255).astype(np.uint8)


@given(st.integers(1, 30), st.integers(1, 5), st.integers(1, 5), st.sampled_from([(), (3,)]))
@settings(max_examples=50, deadline=None)
def test_taking_apart_undoes_arranging(count, height, width, channels):
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 255, (count, height, width, *channels), np.uint8)
    mosaic = arrange(frames)
    columns, rows = grid(count)
    assert mosaic.shape[:2] == (rows * height, columns * width) and columns * rows >= count
    assert np.array_equal(take_apart(mosaic, count, width, height), frames)


def test_a_png_mosaic_is_lossless_and_a_jpeg_mosaic_saves_headers():
    signal = clip(_pictures(100))
    png = _codec("png-mosaic")
    encoded = png.encode(signal, Point("mode", "only"))
    assert np.array_equal(png.decode(encoded.payload).array(), signal.array())
    point = Point("quality", 50)
    single = _codec("jpeg").encode(signal, point)
    together = _codec("jpeg-mosaic").encode(signal, point)
    assert single.header_bytes is not None and together.header_bytes is not None
    assert single.header_bytes > 100 * 600 and together.header_bytes < 700
    assert _codec("jpeg-mosaic").decode(together.payload).layout == signal.layout


def test_abbreviated_streams_decode_to_the_pixels_of_the_whole_file():
    pixels = _pictures(1)[0]
    for quality in (5, 50, 95):
        point = Point("quality", quality)
        whole, brief = _codec("jpeg"), _codec("jpeg-abbreviated")
        full, short = (each.encode(image(pixels), point) for each in (whole, brief))
        expected = whole.decode(full.payload).array()
        assert np.array_equal(brief.decode(short.payload).array(), expected)
        assert len(full.payload) - len(short.payload) > 550
        assert short.header_bytes == 1 + 2 + 19 + 14 + 2


def test_abbreviated_gray_uses_the_gray_tables():
    pixels = _pictures(1)[0][..., 0]
    point = Point("quality", 30)
    brief = _codec("jpeg-abbreviated")
    decoded = brief.decode(brief.encode(image(pixels), point).payload)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=30)
    assert np.array_equal(decoded.array()[0], np.asarray(Image.open(buffer)))


@pytest.mark.parametrize("spec", ["jpeg-mosaic", "png-mosaic", "jpeg-abbreviated"])
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_damaged_streams_are_refused_or_keep_their_shape(spec, data):
    codec = _codec(spec)
    ladder = select(load_registry(), spec).ladder
    signal = clip(_pictures(3))
    payload = bytearray(codec.encode(signal, ladder[-1]).payload)
    if data.draw(st.booleans()):
        del payload[data.draw(st.integers(0, len(payload) - 1)) :]
    else:
        payload[data.draw(st.integers(0, len(payload) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        decoded = codec.decode(bytes(payload))
    except BitstreamError:
        return
    frames = decoded.array()
    assert frames.dtype == np.uint8 and frames.ndim in (3, 4)
    assert frames.shape[0] == decoded.layout.frames


def test_a_mosaic_of_the_wrong_size_is_refused():
    codec = _codec("png-mosaic")
    payload = codec.encode(clip(_pictures(4)), Point("mode", "only")).payload
    with pytest.raises(BitstreamError, match="does not hold 9 pictures of 32×32"):
        codec.decode(bytes([9]) + payload[1:])
    with pytest.raises(BitstreamError, match="0 pictures"):
        codec.decode(bytes([0]) + payload[1:])
