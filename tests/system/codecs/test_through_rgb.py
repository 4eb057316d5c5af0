"""Codecs of RGB on YUV by `via=rgb`: what they see, what comes back, and what is counted."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from bench.cards import load_registry
from bench.codecs.base import refusal_of
from bench.codecs.build import adapter_class, build_codec, select
from bench.codecs.support.framing import read_side_info, split_frames
from bench.codecs.support.through_rgb import through_rgb
from bench.errors import BitstreamError
from bench.signals import FORMATS, RGB, Layout, PixelFormat, Signal

WIDTH, HEIGHT, FRAMES = 48, 32, 3
# red of 8 bits: ITU-R BT.709 and BT.601 of limited range, BT.601 of full range as in JFIF
REDS = [
    (FORMATS["yuv420p"], (63, 102, 240)),
    (replace(FORMATS["yuv420p"], matrix="bt601"), (81, 90, 240)),
    (replace(FORMATS["yuv444p"], matrix="bt601", range="full"), (76, 85, 255)),
    (FORMATS["yuv422p10le"], (252, 408, 960)),
]


def _flat(kind: PixelFormat, values: tuple[int, ...]) -> Signal:
    dtype = np.uint8 if kind.depth == 8 else np.uint16
    shapes = kind.plane_shapes(WIDTH, HEIGHT)
    frame = np.concatenate(
        [np.full(h * w, value, dtype) for (h, w), value in zip(shapes, values, strict=True)]
    )
    return Signal(Layout("video", kind, WIDTH, HEIGHT, FRAMES), lambda: iter([frame] * FRAMES))


@pytest.mark.parametrize(("kind", "values"), REDS)
def test_the_codec_sees_the_colours_and_yuv_comes_back(
    kind: PixelFormat, values: tuple[int, ...]
) -> None:
    """PNG is lossless, and its files show what was coded."""
    card = select(load_registry(), "png")
    card = replace(card, settings={**card.settings, "via": "rgb"})
    codec = through_rgb(card, adapter_class(card))(card)
    source = _flat(kind, values)
    assert refusal_of(codec, source.layout) is None
    encoded = codec.encode(source, card.ladder[0])
    _, stream = read_side_info(encoded.payload)
    files = split_frames(stream[1:])
    seen = np.asarray(Image.open(io.BytesIO(files[0])))
    assert np.abs(seen.astype(int) - (255, 0, 0)).max() <= 2
    # what says format, matrix and range is counted, as the framing is
    alone = build_codec(select(load_registry(), "png")).encode(
        Signal(replace(source.layout, format=RGB), lambda: iter([seen] * FRAMES)), card.ladder[0]
    )
    side = len(encoded.payload) - len(alone.payload)
    assert side in (2, 3) and encoded.header_bytes == (alone.header_bytes or 0) + side
    decoded = codec.decode(encoded.payload)
    assert decoded.layout.format == replace(
        kind, matrix=kind.matrix, range="full" if kind.full_range else "limited"
    )
    assert np.abs(decoded.array().astype(int) - source.array()).max() <= 2 << (kind.depth - 8)
    with pytest.raises(BitstreamError, match="no format ahead of the stream"):
        codec.decode(alone.payload)


def test_vae3d_takes_yuv_and_decodes_it_elsewhere() -> None:
    registry = load_registry()
    generator = np.random.default_rng(2)
    layout = Layout("video", FORMATS["yuv420p"], 96, 64, 4)
    frames = generator.integers(60, 180, (4, 96 * 64 * 3 // 2), np.uint8)
    source = Signal(layout, lambda: iter(frames))
    plain = build_codec(select(registry, "vae3d"))
    refused = refusal_of(plain, layout)
    assert refused is not None and "via=rgb the codec's input alone" in refused
    card = select(registry, "vae3d:via=rgb,lambda=680")
    assert card.id == "vae3d:via=rgb"
    codec = build_codec(card)
    encoded = codec.encode(source, card.ladder[0])
    decoded = codec.decode(encoded.payload)
    assert (decoded.layout.format.name, decoded.layout.frames) == ("yuv420p", 4)
    again = codec.decode_elsewhere(encoded.payload)
    assert again is not None and again.layout.format.name == "yuv420p"
    assert np.abs(again.array().astype(int) - decoded.array()).max() <= 1


def test_models_of_the_zoo_and_of_ones_own_take_the_setting() -> None:
    registry = load_registry()
    assert "yuv420p" in build_codec(select(registry, "ssf2020:via=rgb")).formats
    from bench.codecs.compressai_model import CompressAIVideoModel

    assert "via" in CompressAIVideoModel.parameters
