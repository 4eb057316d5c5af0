"""Playable clips of kept reconstructions: decoded again they are the samples, in their levels."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import av
import numpy as np
import pytest

from bench.results import kept_clips
from bench.signals import RGB, YUV420, Frame, Layout, PixelFormat, Signal, clip

WIDTH, HEIGHT = 70, 34
COLOURS = np.array([[255, 255, 255], [0, 0, 0], [255, 0, 0], [0, 0, 255], [16, 200, 90]], np.uint8)


def _shown(data: bytes) -> list[Any]:
    with av.open(io.BytesIO(data)) as container:
        return list(container.decode(video=0))


def _planes(frame: Any) -> Frame:
    parts = [
        np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]
        for plane in frame.planes
    ]
    return np.concatenate([part.ravel() for part in parts])


def _yuv(kind: PixelFormat, values: Sequence[int], frames: int = 3) -> Signal:
    shapes = kind.plane_shapes(WIDTH, HEIGHT)
    dtype = np.uint8 if kind.depth == 8 else np.uint16
    frame = np.concatenate(
        [np.full(h * w, value, dtype) for (h, w), value in zip(shapes, values, strict=True)]
    )
    return Signal(Layout("video", kind, WIDTH, HEIGHT, frames), lambda: iter([frame] * frames))


def test_rgb_is_shown_by_bt709_in_limited_range() -> None:
    """FFmpeg's own conversion of what the file says gives the colours again."""
    wide = np.repeat(np.repeat(COLOURS, 14, axis=0)[np.newaxis], HEIGHT, axis=0)
    source = clip(np.stack([wide] * 3))
    frames = _shown(kept_clips.playable(source, source.layout))
    assert len(frames) == 3
    assert frames[0].colorspace == 1 and frames[0].color_range == 1
    assert abs(int(_planes(frames[0])[3]) - 235) <= 1
    back = frames[0].reformat(format="rgb24", src_colorspace="ITU709").to_ndarray()
    middles = back[HEIGHT // 2, 7::14]
    assert np.abs(middles.astype(int) - COLOURS).max() <= 4


@pytest.mark.parametrize(
    ("kind", "values", "expected", "matrix", "range_"),
    [
        (YUV420, (235, 90, 240), (235, 90, 240), 1, 1),
        (replace(YUV420, matrix="bt601", range="full"), (255, 1, 128), (255, 1, 128), 6, 2),
        (PixelFormat("yuv422", 10), (940, 512, 64), (235, 128, 16), 1, 1),
    ],
)
def test_yuv_keeps_levels_matrix_and_range(
    kind: PixelFormat, values: Sequence[int], expected: Sequence[int], matrix: int, range_: int
) -> None:
    source = _yuv(kind, values)
    decoded = replace(
        source, layout=replace(source.layout, format=replace(kind, matrix=None, range=None))
    )
    frame = _shown(kept_clips.playable(decoded, source.layout))[0]
    assert (frame.colorspace, frame.color_range) == (matrix, range_)
    found = _planes(frame)
    luma = WIDTH * HEIGHT
    chroma = (luma, luma + len(found[luma:]) // 2)
    means = [found[:luma].mean(), found[luma : chroma[1]].mean(), found[chroma[1] :].mean()]
    assert means == pytest.approx(expected, abs=1)


def test_noise_is_within_the_distance_that_is_said() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (4, HEIGHT, WIDTH, 3), dtype=np.uint8)
    source = clip(noise)
    frames = _shown(kept_clips.playable(source, source.layout))
    from bench.colour import converted

    wanted = replace(YUV420, matrix="bt709", range="limited")
    for frame, shown in zip(noise, frames, strict=True):
        exact = converted(frame, source.layout, wanted).astype(float)
        mse = np.square(exact - _planes(shown)).mean()
        assert 10 * np.log10(255**2 / max(mse, 1e-9)) >= 45


def test_of_large_clips_the_first_frames_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_clips, "MOST_PIXELS", 2 * WIDTH * HEIGHT)
    source = clip(np.zeros((5, HEIGHT, WIDTH, 3), np.uint8))
    assert source.layout.format == RGB
    assert len(_shown(kept_clips.playable(source, source.layout))) == 2
