"""Vimeo-90k from a folder and from a zip: lists, crops, what is missing, damaged archives."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.cards import DatasetCard, load_registry
from bench.datasets.base import DataOptions
from bench.datasets.vimeo import Vimeo90k
from bench.errors import DataError

_CARD = DatasetCard("vimeo90k", Path("datasets/vimeo90k.toml"), "Vimeo-90k", "a:b", "video",
                    folders=("vimeo_septuplet", "vimeo_septuplet.zip"))  # fmt: skip


@pytest.fixture(scope="module")
def frames() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (3, 7, 8, 14, 3), dtype=np.uint8)
    large = small.repeat(32, axis=2).repeat(32, axis=3)
    return dict(zip(("00001/0001", "00002/0004", "00002/0009"), large, strict=True))


@pytest.fixture
def folder(tmp_path: Path, frames: dict[str, np.ndarray]) -> Path:
    base = tmp_path / "vimeo_septuplet"
    for name, clip in frames.items():
        (base / "sequences" / name).mkdir(parents=True)
        for number, frame in enumerate(clip, start=1):
            Image.fromarray(frame).save(base / "sequences" / name / f"im{number}.png")
    (base / "sep_testlist.txt").write_text("00002/0004\n00002/0009\n00099/0001\n\n")
    (base / "sep_trainlist.txt").write_text("00001/0001\n")
    return base


@pytest.fixture
def archive(folder: Path, tmp_path: Path) -> Path:
    path = tmp_path / "vimeo_septuplet.zip"
    with zipfile.ZipFile(path, "w") as packed:
        for number, file in enumerate(sorted(folder.rglob("*.*"))):
            method = zipfile.ZIP_DEFLATED if number % 2 else zipfile.ZIP_STORED
            name = f"vimeo_septuplet/{file.relative_to(folder).as_posix()}"
            packed.write(file, name, compress_type=method)
    return path


@pytest.mark.parametrize("kind", ["folder", "archive", "above"])
def test_clips_of_the_test_list(
    kind: str, folder: Path, archive: Path, frames: dict[str, np.ndarray]
) -> None:
    root = {"folder": folder, "archive": archive, "above": folder.parent}[kind]
    loader = pickle.loads(pickle.dumps(Vimeo90k(_CARD, {}, DataOptions(root))))
    assert [item.name for item in loader.items()] == ["00002/0004", "00002/0009"]
    assert [item.group for item in loader.items()] == ["00002", "00002"]
    for item in loader.items():
        signal = loader.load(item)
        assert signal.layout == item.layout
        assert np.array_equal(signal.array(), frames[item.name])
    assert loader.notes()[0].startswith("2 of the 3 clips of sep_testlist.txt are at hand")


def test_first_frames_are_cropped_in_the_centre(
    folder: Path, frames: dict[str, np.ndarray]
) -> None:
    loader = Vimeo90k(_CARD, {"frames": 1, "crop": 256}, DataOptions(folder, limit=1))
    (item,) = loader.items()
    signal = loader.load(item)
    assert item.layout is not None
    assert (item.layout.media, item.layout.width, item.layout.height) == ("image", 256, 256)
    assert np.array_equal(signal.array()[0], frames["00002/0004"][0][:, 96:352])


def _lanczos(size: int, new: int) -> np.ndarray:
    """Weights ``(new, size)`` of the Lanczos filter with three lobes, as wide as it must be where
    it makes a picture smaller (Turkowski 1990, Filters for common resampling tasks)."""
    scale = size / new
    centres = (np.arange(new) + 0.5) * scale - 0.5
    x = (np.arange(size) - centres[:, None]) / scale
    weights = np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0)
    return weights / weights.sum(axis=1, keepdims=True)


def test_resized_clips(folder: Path, frames: dict[str, np.ndarray]) -> None:
    """By the Lanczos filter, as the papers on 96×96 clips do; a bicubic one is up to ten levels
    away on these blocks of noise."""
    loader = Vimeo90k(_CARD, {"resize": 96}, DataOptions(folder, limit=1))
    resized = loader.load(loader.items()[0]).array()
    assert resized.shape == (7, 96, 96, 3)
    # Pillow filters along rows, then along columns, and keeps bytes after either
    rows = np.einsum("thwc,xw->thxc", frames["00002/0004"], _lanczos(448, 96))
    expected = np.einsum("thxc,yh->tyxc", np.clip(rows, 0, 255), _lanczos(256, 96))
    assert np.abs(resized - np.clip(expected, 0, 255)).max() < 2.5
    assert loader.items()[0].digest != Vimeo90k(_CARD, {}, DataOptions(folder)).items()[0].digest


def test_a_list_of_other_clips_says_what_they_are(folder: Path, tmp_path: Path) -> None:
    listing = tmp_path / "mine.txt"
    listing.write_text("00001/0001\n00002/0004\n")
    loader = Vimeo90k(_CARD, {}, DataOptions(folder, listing=listing))
    assert "2 of the 2 clips of mine.txt" in loader.notes()[0]
    assert "1 are on the official test list, 1 on the training list" in loader.notes()[0]
    listing.write_text("../escape\n../../x/y\n")
    with pytest.raises(DataError, match="is no clip such as"):
        Vimeo90k(_CARD, {}, DataOptions(folder, listing=listing))
    with pytest.raises(DataError, match=r"--list .*cannot be read"):
        Vimeo90k(_CARD, {}, DataOptions(folder, listing=tmp_path / "none.txt"))


def test_a_suite_names_its_clips_and_an_official_list_is_an_option(
    folder: Path, archive: Path, tmp_path: Path
) -> None:
    settings = {"clips": ["00002/0009", "00001/0001"]}
    loader = Vimeo90k(_CARD, settings, DataOptions(folder))
    assert [item.name for item in loader.items()] == ["00002/0009", "00001/0001"]
    said = "2 of the 2 clips of datasets/vimeo90k.toml are at hand; 1 are on the official test list"
    assert loader.notes()[0].startswith(f"{said}, 1 on the training list")
    (tmp_path / "mine.txt").write_text("00001/0001\n")
    mine = DataOptions(folder, listing=tmp_path / "mine.txt")
    assert [item.name for item in Vimeo90k(_CARD, settings, mine).items()] == ["00001/0001"]
    for root in (folder, archive):
        official = DataOptions(root, listing=Path("sep_testlist.txt"))
        loader = Vimeo90k(_CARD, settings, official)
        assert [item.name for item in loader.items()] == ["00002/0004", "00002/0009"]
    wrong: list[object] = ["00001/0266", [], [7]]
    for clips in wrong:
        with pytest.raises(DataError, match=r"datasets/vimeo90k.toml: settings.clips is"):
            Vimeo90k(_CARD, {"clips": clips}, DataOptions(folder))


@pytest.mark.parametrize("name", ["vimeo90k", "vimeo90k-video", "vimeo90k-96"])
def test_the_suites_measure_the_clips_of_their_results(name: str) -> None:
    suite = load_registry().suite(name)
    assert suite.settings["clips"] == [f"00002/{number:04d}" for number in range(1, 9)]
    assert "one production" in " ".join(suite.notes)


def test_incomplete_clips_are_left_out(folder: Path) -> None:
    (folder / "sequences" / "00002" / "0004" / "im5.png").unlink()
    loader = Vimeo90k(_CARD, {}, DataOptions(folder))
    assert [item.name for item in loader.items()] == ["00002/0009"]
    assert "1 of the 3 clips" in loader.notes()[0]
    assert len(Vimeo90k(_CARD, {"frames": 1}, DataOptions(folder)).items()) == 2


def test_nothing_usable(folder: Path, tmp_path: Path) -> None:
    (folder / "sep_testlist.txt").write_text("00050/0001\n")
    with pytest.raises(DataError, match=r"none of the 1 clips of sep_testlist.txt"):
        Vimeo90k(_CARD, {}, DataOptions(folder))
    (folder / "sep_testlist.txt").unlink()
    with pytest.raises(DataError, match=r"has no sep_testlist.txt"):
        Vimeo90k(_CARD, {}, DataOptions(folder))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"not found in .*put it into a folder 'vimeo_septuplet'"):
        Vimeo90k(_CARD, {}, DataOptions(tmp_path / "empty"))


def test_a_damaged_archive_and_a_changed_file(folder: Path, archive: Path) -> None:
    loader = Vimeo90k(_CARD, {}, DataOptions(archive))
    content = bytearray(archive.read_bytes())
    content[5000:-5000:97] = bytes(len(content[5000:-5000:97]))
    archive.write_bytes(bytes(content))
    with pytest.raises(DataError, match=r"im\d.png: corrupt in vimeo_septuplet.zip"):
        for item in loader.items():
            loader.load(item).array()
    loader = Vimeo90k(_CARD, {}, DataOptions(folder))
    before = loader.items()[0].digest
    path = folder / "sequences" / "00002" / "0004" / "im3.png"
    Image.fromarray(255 - np.asarray(Image.open(path))).save(path)
    assert loader.items()[0].digest != before
    Image.new("RGB", (100, 100)).save(path)
    with pytest.raises(DataError, match="100×100 pixels, rgb24, not"):
        loader.load(loader.items()[0]).array()


def test_real_folder(bench_data: Path) -> None:
    folder = bench_data / "vimeo_septuplet"
    if not (folder / "sequences" / "00002").is_dir():
        pytest.skip("needs vimeo_septuplet/sequences/00002")
    loader = Vimeo90k(_CARD, {}, DataOptions(bench_data))
    assert {"00002/0004", "00002/0007", "00002/0008"} <= {item.name for item in loader.items()}
    assert loader.load(loader.items()[0]).array().shape == (7, 256, 448, 3)
