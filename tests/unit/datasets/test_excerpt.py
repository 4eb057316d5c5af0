"""Parts of clips and stated conversions, against slices and colour formulas written out here."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from bench.datasets.base import Item
from bench.datasets.excerpt import Taken
from bench.errors import DataError, UsageError
from bench.signals import FORMATS, Layout, PixelFormat, Signal

RNG = np.random.default_rng(4)
RGB = RNG.integers(0, 256, (10, 6, 8, 3)).astype(np.uint8)


class _Loader:
    """One clip of RGB frames ``RGB``, or of other samples."""

    def __init__(self, frames: np.ndarray = RGB, kind: PixelFormat | None = None) -> None:
        layout = Layout("video", kind or PixelFormat("rgb"), 8, 6, len(frames), Fraction(50))
        self._signal = Signal(layout, lambda: iter(frames))

    def items(self) -> list[Item]:
        return [Item("a", "digest", self._signal.layout), Item("b", "other", None, "b: broken")]

    def load(self, item: Item) -> Signal:
        assert item == self.items()[0]
        return self._signal

    def notes(self) -> tuple[str, ...]:
        return ("of old",)


def test_all_as_it_is_is_the_loader_itself() -> None:
    loader = _Loader()
    assert Taken().of(loader, "video") is loader


@pytest.mark.parametrize(
    ("taken", "first", "last", "digest", "note"),
    [
        (Taken(frames=4), 0, 4, "digest, frames 0 to 3", "frames 0 to 3 of each clip"),
        (Taken(start=8), 8, 10, "digest, frames 8 to 9", "frames 8 to the last of each clip"),
        (Taken(2, 3), 2, 5, "digest, frames 2 to 4", "frames 2 to 4 of each clip"),
        # as much as there is, whose records are those of the whole clip
        (Taken(frames=96), 0, 10, "digest", "fewer are there of a (10)"),
    ],
)
def test_frames_of_a_clip(taken: Taken, first: int, last: int, digest: str, note: str) -> None:
    loader = taken.of(_Loader(), "video")
    item, broken = loader.items()
    assert item.layout is not None and item.digest == digest
    assert (item.layout.frames, item.layout.fps) == (last - first, 50)
    signal = loader.load(item)
    assert (signal.array() == RGB[first:last]).all() and signal.layout == item.layout
    assert broken.problem == "b: broken"
    assert loader.notes()[0] == "of old" and note in loader.notes()[1]


def test_a_start_behind_the_end_and_pictures_are_refused() -> None:
    with pytest.raises(DataError, match="a: has 10 frames, none from --start 10 on"):
        Taken(start=10).of(_Loader(), "video")
    with pytest.raises(UsageError, match="are for clips, not images"):
        Taken(frames=3).of(_Loader(), "image")
    with pytest.raises(UsageError, match="--to 'yuv420' is not one of gray, rgb24"):
        Taken(to="yuv420")


def _limited(rgb: np.ndarray) -> np.ndarray:
    """Y', Cb and Cr of BT.709 in limited range of 8 bits, not rounded (ITU-R BT.709-6, 3.2)."""
    r, g, b = (rgb[..., i] / 255.0 for i in range(3))
    y = 0.2126 * r + 0.7152 * g + 0.0722 * b
    return np.stack([16 + 219 * y, 128 + 224 * (b - y) / 1.8556, 128 + 224 * (r - y) / 1.5748], -1)


def _means(plane: np.ndarray, rows: int, columns: int) -> np.ndarray:
    height, width = plane.shape
    return plane.reshape(height // rows, rows, width // columns, columns).mean((1, 3))


@pytest.mark.parametrize(
    ("name", "rows", "columns", "unit"),
    [("yuv420p", 2, 2, 1), ("yuv422p10le", 1, 2, 4), ("yuv444p12le", 1, 1, 16)],
)
def test_rgb_becomes_yuv_of_limited_range(name: str, rows: int, columns: int, unit: int) -> None:
    loader = Taken(to=name).of(_Loader(), "video")
    item = loader.items()[0]
    assert item.layout is not None
    assert str(item.layout.format) == f"{name} bt709 limited"
    assert item.digest == f"digest, as {name} bt709 limited"
    assert f"converted from rgb24 to {name} bt709 limited" in loader.notes()[1]
    found = loader.load(item).array()
    for frame, rgb in zip(found, RGB, strict=True):
        yuv = _limited(rgb) * unit
        exact = [yuv[..., 0], *(_means(yuv[..., i], rows, columns) for i in (1, 2))]
        error = np.abs(frame - np.concatenate([plane.ravel() for plane in exact]))
        assert error.max() <= 0.5 + 1e-3


def test_yuv_becomes_yuv_rgb_and_gray() -> None:
    """Ten bits to eight by a quarter; chroma of twice the rows by means of two; matrix and range
    stay."""
    kind = PixelFormat("yuv422", 10, "bt601", "full")
    shape = (3, 6 * 8 + 2 * 6 * 4)
    deep = RNG.integers(0, 1024, shape).astype(np.uint16)
    loader = Taken(to="yuv420p").of(_Loader(deep, kind), "video")
    item = loader.items()[0]
    assert item.layout is not None and str(item.layout.format) == "yuv420p bt601 full"
    found = loader.load(item).array()
    for frame, source in zip(found, deep.astype(float), strict=True):
        luma, chroma = source[:48], source[48:].reshape(2, 3, 2, 4).mean(2)
        full = 255 / 1023
        exact = np.concatenate([luma * full, (128 + (chroma - 512) * full).ravel()])
        assert np.abs(frame - np.clip(exact, 0, 255)).max() <= 0.5 + 1e-3
    gray = Taken(to="gray").of(_Loader(deep, replace(kind, range="limited")), "video")
    item = gray.items()[0]
    assert item.layout is not None and str(item.layout.format) == "gray limited"
    assert np.abs(gray.load(item).array().reshape(3, 48) - deep[:, :48] / 4).max() <= 0.5
    with pytest.raises(DataError, match="cannot become gbrp10le"):
        Taken(to="gbrp10le").of(_Loader(deep, kind), "video")


@pytest.mark.parametrize("name", sorted({*FORMATS} - {"gbrp10le", "gbrp12le", "rgb48le"}))
@pytest.mark.parametrize("source", ["gray", "rgb24", "yuv420p10le", "yuv444p"])
def test_flat_gray_stays_what_it_is(source: str, name: str) -> None:
    """Through every pair of formats, and back to what a screen shows, within rounding."""
    from bench.colour import shown

    kind = FORMATS[source]
    layout = Layout("video", kind, 8, 6)
    level = 120
    if kind.is_yuv:
        unit = 1 << (kind.depth - 8)
        luma = round(16 * unit + level * 219 * unit / 255)
        frame = np.full(layout.frame_shape, 128 * unit, layout.frame_dtype)
        frame[:48] = luma
    else:
        frame = np.full(layout.frame_shape, level, np.uint8)
    loader = Taken(to=name).of(_Loader(frame[np.newaxis], kind), "video")
    item = loader.items()[0]
    assert item.layout is not None and item.layout.format.name == name
    seen = shown(loader.load(item).array()[0], item.layout)
    assert np.abs(seen.astype(int) - level).max() <= 1
