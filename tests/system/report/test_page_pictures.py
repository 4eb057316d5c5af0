"""Kept pictures in the page: exact where they fit, and read from their own folder alone."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.errors import StoreError
from bench.report.html.pictures import Embedded, Shot, embed, read_shots, spread_points


def test_points_are_spread_over_rates() -> None:
    shots = [
        Shot("a", "codec", f"q={q}", float(q), None, Path("o"), Path("r")) for q in range(1, 12)
    ]
    assert [shot.bpp for shot in spread_points(shots, 6)] == [1, 3, 5, 7, 9, 11]
    assert [shot.bpp for shot in spread_points(shots, 3)] == [1, 6, 11]


def _noisy_shots(folder: Path, items: tuple[str, ...]) -> list[Shot]:
    """Pictures that nothing makes small, five points an item."""
    generator = np.random.default_rng(1)
    shots = []
    for item in items:
        paths = [folder / f"{item}{q}.png" for q in range(6)]
        for path in paths:
            Image.fromarray(generator.integers(0, 256, (64, 64, 3), np.uint8)).save(path)
        for q in range(1, 6):
            shots.append(Shot(item, "codec", f"q={q}", float(q), 30.0, paths[0], paths[q]))
    return shots


def _pixels(address: str) -> np.ndarray:
    kind, _, text = address.partition(",")
    assert kind == "data:image/webp;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))).convert("RGB"))


def test_pictures_that_fit_are_exact(tmp_path: Path) -> None:
    shots = _noisy_shots(tmp_path, ("a",))
    shown = embed(shots)
    assert shown.note == "" and len(shown.items[0]["shots"]) == 5
    for shot, entry in zip(shots, shown.items[0]["shots"], strict=True):
        kept = np.asarray(Image.open(shot.reconstruction))
        assert np.array_equal(_pixels(entry["source"]), kept)


def test_points_go_before_exactness_and_exactness_before_items(tmp_path: Path) -> None:
    """Of noise a picture is about 12.3 kB lossless and 8 kB lossy."""
    shots = _noisy_shots(tmp_path, ("a", "b"))
    exact = embed(shots, budget=2 * 5 * 13_000)
    assert exact.note == "" and len(exact.items[0]["shots"]) == 4
    lossy = embed(shots, budget=2 * 4 * 10_000)
    assert "lossy WebP" in lossy.note and len(lossy.items) == 2
    one = embed(shots, budget=5 * 9_500)
    assert len(one.items) == 1 and "1 of 2 kept items are in this file" in one.note
    none = embed(shots, budget=1000)
    assert none.items == [] and "too large" in none.note
    assert embed([]) == Embedded([], "")


@pytest.mark.parametrize("text", ["{", '[{"item": 1}]', '{"a": 1}'])
def test_a_broken_index_is_one_clear_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "index.json").write_text(text)
    with pytest.raises(StoreError, match=r"index\.json: cannot be read"):
        read_shots(tmp_path)


def test_an_index_cannot_reach_outside_its_folder(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    entry = {"item": "i", "codec": "c", "point": "p", "bpp": 1, "psnr_rgb": 30,
             "original": "../run.json", "reconstruction": "x.png"}  # fmt: skip
    (tmp_path / "kept" / "index.json").write_text(json.dumps([entry]))
    with pytest.raises(StoreError, match="outside"):
        read_shots(tmp_path)
