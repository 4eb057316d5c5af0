"""Data sets of pictures by card: kodak and starter, lookup order, missing and wrong files."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.cards import DataFile, DatasetCard, load_registry
from bench.datasets import locate
from bench.datasets.base import DataOptions, build_loader
from bench.datasets.images import ImageFolder
from bench.errors import CardError, DataError


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


def test_crops_are_the_samples_in_the_middle(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (7, 12, 3), np.uint8)
    card = _toy(tmp_path)
    for name in ("p0.png", "p1.png"):
        Image.fromarray(pixels).save(tmp_path / name)
    files = tuple(DataFile(file.name) for file in card.files)
    card = replace(card, files=files)
    whole = ImageFolder(card, {}, DataOptions(tmp_path)).items()
    loader = ImageFolder(card, {"crop": 4}, DataOptions(tmp_path))
    first, _, small = loader.items()
    assert first.layout is not None
    assert first.layout.frame_shape == (4, 4, 3)
    assert [item.name for item in loader.items()] == ["p0-4", "p1-4", "p2-4"]
    # of the 3 rows and 8 columns that are left, 1 and 4 lie before the crop
    assert (loader.load(first).array() == pixels[1:5, 4:8]).all()
    # a record of the crop is none of the picture, nor of another crop
    other = ImageFolder(card, {"crop": 5}, DataOptions(tmp_path)).items()
    assert len({item.digest for item in (whole[0], first, other[0])}) == 3
    assert small.problem == "p2: 2x3, smaller than a crop of 4"
    assert small.layout is None
    with pytest.raises(DataError, match="smaller than a crop"):
        loader.load(small)
    assert "centre crops of 4×4 samples" in loader.notes()
    for crop in (-1, "4", True):
        with pytest.raises(CardError, match=r"toy\.toml: settings\.crop is .*; give a number"):
            ImageFolder(card, {"crop": crop}, DataOptions(tmp_path))


def test_kodak_crops_are_24_centres(kodak_folder: Path) -> None:
    card = load_registry().dataset("kodak-crops")
    loader = build_loader(card, dict(card.settings), DataOptions(kodak_folder))
    sizes = {(i.layout.width, i.layout.height) for i in loader.items() if i.layout}
    assert (len(loader.items()), sizes) == (24, {(256, 256)})
    for name, rows, columns in [  # 768×512 and 512×768
        ("kodim14", slice(128, 384), slice(256, 512)),
        ("kodim04", slice(256, 512), slice(128, 384)),
    ]:
        item = next(item for item in loader.items() if item.name == f"{name}-256")
        source = np.asarray(Image.open(kodak_folder / f"{name}.png"))
        assert (loader.load(item).array()[0] == source[rows, columns]).all()


def _folder_card(**settings: object) -> DatasetCard:
    return DatasetCard("set", Path("datasets/set.toml"), "Set", "a:b", "image", items=3,
                       folders=("set",), settings=settings)  # fmt: skip


def _pictures(folder: Path, names: tuple[str, ...], size: tuple[int, int] = (6, 4)) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        Image.fromarray(np.full((size[1], size[0], 3), number, np.uint8)).save(folder / name)


def test_a_card_without_files_takes_the_folder(tmp_path: Path) -> None:
    _pictures(tmp_path / "set", ("a10.png", "a2.png", "a1.png", "b1.png"))
    (tmp_path / "set" / "list.txt").write_text("")
    card = _folder_card(names="a*.png", size="6x4", longest=6)
    loader = ImageFolder(card, {}, DataOptions(tmp_path))
    assert [item.name for item in loader.items()] == ["a1", "a2", "a10"]
    assert loader.notes() == ("left out: b1.png, list.txt",)
    two = ImageFolder(card, {}, DataOptions(tmp_path, limit=2))
    assert [item.name for item in two.items()] == ["a1", "a2"]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"names": "*.png"}, r"holds 4 pictures named \*\.png, not the 3 that were published"),
        ({"names": "a*.png", "size": "6x6"}, "a1 is 6x4, not 6x6 as published"),
        ({"names": "a*.png", "longest": 8}, "a1 is 6x4, not 8 as published"),
        ({"names": "c*.png"}, "Set: not found in"),
    ],
)
def test_a_folder_that_is_not_the_set_is_refused(
    tmp_path: Path, settings: dict[str, object], says: str
) -> None:
    _pictures(tmp_path / "set", ("a10.png", "a2.png", "a1.png", "b1.png"))
    with pytest.raises(DataError, match=says):
        ImageFolder(_folder_card(**settings), {}, DataOptions(tmp_path))


@pytest.mark.parametrize(
    ("card", "folder", "names", "side"),
    [
        ("div2k-valid", "DIV2K_valid_HR", [f"0{one}" for one in range(801, 901)], 2040),
        ("clic2022-valid", "clic2022/val", [f"{one:032}" for one in range(30)], 2048),
    ],
)
def test_a_set_is_found_with_the_names_count_and_side_that_its_makers_publish(
    tmp_path: Path, card: str, folder: str, names: list[str], side: int
) -> None:
    """Of pictures one line high, which are quick to write."""
    _pictures(tmp_path / folder, tuple(f"{name}.png" for name in names), (side, 1))
    found = load_registry().dataset(card)
    loader = build_loader(found, dict(found.settings), DataOptions(tmp_path))
    assert [item.name for item in loader.items()] == names
    (tmp_path / folder / f"{names[9]}.png").unlink()
    with pytest.raises(DataError, match=f"holds {len(names) - 1} pictures"):
        build_loader(found, dict(found.settings), DataOptions(tmp_path))


def test_a_card_without_files_takes_the_pictures_of_its_folder(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    for name in ("p10.png", "p9.png"):
        Image.new("RGB", (8, 8)).save(tmp_path / "mine" / name)
    (tmp_path / "mine" / "notes.txt").write_text("no picture")
    card = DatasetCard(
        "mine", Path("datasets/mine.toml"), "Mine", "a:b", "image", folders=("mine",)
    )
    found = ImageFolder(card, {}, DataOptions(tmp_path))
    assert [item.name for item in found.items()] == ["p9", "p10"]
    assert len(ImageFolder(card, {}, DataOptions(tmp_path, limit=1)).items()) == 1
