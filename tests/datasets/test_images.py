"""Data sets of pictures by card: kodak and starter, lookup order, missing and wrong files."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.cards import DataFile, DatasetCard, load_registry
from bench.datasets import locate
from bench.datasets.base import DataOptions, build_loader
from bench.datasets.images import ImageFolder
from bench.errors import DataError


def _toy(folder: Path, count: int = 3) -> DatasetCard:
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for number in range(count):
        path = folder / f"p{number}.png"
        Image.fromarray(np.full((3, 2), number, np.uint8)).save(path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        files.append(DataFile(path.name, "http://127.0.0.1:9/x", digest))
    return DatasetCard("toy", Path("datasets/toy.toml"), "Toy", "a:b", "image", files=tuple(files),
                       folders=("toy", "Toy24"))  # fmt: skip


def test_starter_needs_no_data() -> None:
    card = load_registry().dataset("starter")
    loader = build_loader(card, dict(card.settings), DataOptions())
    sizes = {item.name: (item.layout.width, item.layout.height)
             for item in loader.items() if item.layout}  # fmt: skip
    assert sizes == {
        "astronaut": (512, 512),
        "chelsea": (451, 300),
        "coffee": (600, 400),
        "motorcycle_left": (741, 500),
    }
    assert loader.load(loader.items()[0]).array().shape == (1, 512, 512, 3)


def test_starter_without_its_package() -> None:
    card = load_registry().dataset("starter")
    with pytest.raises(DataError, match="package nowhere is not installed"):
        build_loader(card, {"package": "nowhere", "folder": "data"}, DataOptions())
    with pytest.raises(DataError, match=r"has no astronaut\.png in this version of numpy"):
        build_loader(card, {"package": "numpy", "folder": "data"}, DataOptions())


def test_kodak_is_the_official_one(kodak_folder: Path) -> None:
    card = load_registry().dataset("kodak")
    loader = build_loader(card, {}, DataOptions(kodak_folder))
    assert len(loader.items()) == 24
    assert {item.problem for item in loader.items()} == {None}
    assert sum(item.layout.height == 768 for item in loader.items() if item.layout) == 6
    assert len(build_loader(card, {}, DataOptions(kodak_folder.parent, limit=2)).items()) == 2


def test_order_of_lookup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    card = _toy(tmp_path / "given" / "Toy24")
    _toy(tmp_path / "variable" / "toy")
    _toy(tmp_path / "cache" / "toy")
    monkeypatch.setattr(locate, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "variable"))

    def found(root: Path | None) -> Path:
        return locate.locate(card, DataOptions(root), lambda path: (path / "p0.png").exists())

    assert found(tmp_path / "given") == found(tmp_path / "given" / "Toy24")
    assert found(tmp_path / "given") == tmp_path / "given" / "Toy24"
    assert found(None) == tmp_path / "variable" / "toy"
    monkeypatch.setenv("BENCH_DATA", str(tmp_path / "given" / "Toy24"))
    assert found(None) == tmp_path / "given" / "Toy24"
    monkeypatch.delenv("BENCH_DATA")
    assert found(None) == tmp_path / "cache" / "toy"
    with pytest.raises(DataError) as caught:
        found(tmp_path / "elsewhere")
    assert str(caught.value) == (
        f"Toy: not found in {tmp_path}/elsewhere, {tmp_path}/elsewhere/toy or "
        f"{tmp_path}/elsewhere/Toy24; run `python -m bench fetch toy`, or put it into a folder "
        "'toy' inside $BENCH_DATA or name it with --data"
    )


def test_missing_and_wrong_files(tmp_path: Path) -> None:
    card = _toy(tmp_path)
    (tmp_path / "p1.png").write_bytes((tmp_path / "p2.png").read_bytes())
    with pytest.raises(DataError, match=r"p1\.png: not the file of card toy \(sha256 is"):
        ImageFolder(card, {}, DataOptions(tmp_path))
    assert len(ImageFolder(card, {}, DataOptions(tmp_path, limit=1)).items()) == 1
    (tmp_path / "p1.png").unlink()
    with pytest.raises(DataError, match=r"lacks 1 of 3 files \(p1\.png.*bench fetch toy"):
        ImageFolder(card, {}, DataOptions(tmp_path))
