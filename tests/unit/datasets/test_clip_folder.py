"""Data sets of clips by card: layouts of files, what is missing, and the facts of our own cards."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.cards import load_registry, read_dataset
from bench.datasets.base import DataOptions, build_loader
from bench.datasets.clips import ClipFolder
from bench.errors import CardError, DataError

CARD = """
title = "Two clips"
loader = "bench.datasets.clips:ClipFolder"
media = "video"
folders = ["two"]
[settings]
size = "16x10"
fps = 50
frames = 3
group = "class X"
format = "yuv420p"
clips = [ { name = "Boat", names = ["Ship"] }, { name = "BoatRace", fps = 24, frames = 2 } ]
"""
FRAME = 16 * 10 + 2 * 8 * 5
SAMPLES = np.random.default_rng(0).integers(0, 256, (3, FRAME)).astype(np.uint8)


def _loader(folder: Path, text: str = CARD, options: DataOptions | None = None) -> ClipFolder:
    path = folder / "two-clips.toml"
    path.write_text(text)
    card = read_dataset.__wrapped__(path)
    loader = build_loader(card, card.settings, options or DataOptions(folder / "data"))
    assert isinstance(loader, ClipFolder)
    return loader


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def _y4m(path: Path) -> None:
    content = [b"YUV4MPEG2 W16 H10 F50:1 Ip A1:1 C420jpeg\n"]
    content += [b"FRAME\n" + frame.tobytes() for frame in SAMPLES]
    path.write_bytes(b"".join(content))


def _zipped(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inside/Boat_16x10_50.yuv", SAMPLES.tobytes())
        archive.writestr("inside/readme.txt", "x")


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("Boat_16x10_50.yuv", lambda path: path.write_bytes(SAMPLES.tobytes())),
        ("boat.yuv", lambda path: path.write_bytes(SAMPLES.tobytes())),
        ("two/raw/Ship_16x10_50fps_420_8bit_YUV.yuv", lambda path: path.write_bytes(SAMPLES)),
        ("two/Boat.y4m", _y4m),
        ("Boat.zip", _zipped),
    ],
)
def test_layouts_that_people_have(name: str, write, data: Path) -> None:  # type: ignore[no-untyped-def]
    (data / name).parent.mkdir(parents=True, exist_ok=True)
    write(data / name)
    loader = _loader(data.parent)
    (item,) = loader.items()
    assert item.layout is not None and (item.name, item.group) == ("Boat", "class X")
    assert (item.layout.format.name, item.layout.fps, item.layout.frames) == ("yuv420p", 50, 3)
    assert (loader.load(item).array() == SAMPLES).all()
    assert (loader.load(item).array() == SAMPLES).all()
    assert loader.places() == (data / name,)
    assert "not at hand: BoatRace; put it into a folder 'two'" in loader.notes()[0]


def test_folders_of_pictures_also_zipped(data: Path) -> None:
    (data / "boat").mkdir()
    frames = np.random.default_rng(1).integers(0, 256, (12, 10, 16, 3)).astype(np.uint8)
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(data / "boat" / f"f{number}.png")
    with zipfile.ZipFile(data / "BoatRace_16x10_24.zip", "w") as archive:
        for number in (1, 0):
            archive.write(data / "boat" / f"f{number}.png", f"BoatRace/im{number}.png")
    loader = _loader(data.parent)
    boat, race = loader.items()
    assert boat.layout is not None and race.layout is not None
    assert (boat.layout.fps, race.layout.fps, race.layout.frames) == (50, 24, 2)
    assert (loader.load(boat).array() == frames).all()
    assert (loader.load(race).array() == frames[:2]).all()
    assert "Boat: 12 frames at hand, the set has 3" in loader.notes()
    assert any("Boat: read as RGB pictures" in note for note in loader.notes())


def test_archives_that_are_not_looked_into_are_named(data: Path) -> None:
    """As UVG comes."""
    (data / "Boat_16x10_50fps_420_8bit_YUV_RAW.7z").write_bytes(b"7z")
    with pytest.raises(DataError, match="unpack first: Boat_16x10_50fps"):
        _loader(data.parent)
    (data / "BoatRace_16x10_24.yuv").write_bytes(SAMPLES[:2].tobytes())
    assert "unpack first: Boat_16x10_50fps_420_8bit_YUV_RAW.7z" in _loader(data.parent).notes()


def test_a_limit_counts_the_clips_at_hand(data: Path) -> None:
    (data / "BoatRace_16x10_24.yuv").write_bytes(SAMPLES[:2].tobytes())
    loader = _loader(data.parent, options=DataOptions(data, limit=1))
    assert [item.name for item in loader.items()] == ["BoatRace"]
    assert "not at hand: Boat;" in loader.notes()[0]


def test_the_size_of_the_set_is_chosen_and_checked(data: Path) -> None:
    (data / "Boat_32x20_50.yuv").write_bytes(bytes(32 * 20 * 3 // 2))
    loader_text = CARD.replace("frames = 3", "")
    with pytest.raises(DataError, match="Boat: 32×20, where the set has 16×10"):
        _loader(data.parent, loader_text)
    (data / "Boat_16x10_50.yuv").write_bytes(SAMPLES.tobytes())
    (item,) = _loader(data.parent, loader_text).items()
    assert item.problem is None and item.layout is not None and item.layout.width == 16


def test_lists_limits_and_what_is_nowhere(data: Path) -> None:
    with pytest.raises(DataError, match=r"Two clips: not found in .*put it into a folder 'two'"):
        _loader(data.parent)
    for name in ("Boat", "BoatRace"):
        (data / f"{name}.yuv").write_bytes(SAMPLES.tobytes())
    names = [item.name for item in _loader(data.parent).items()]
    assert names == ["Boat", "BoatRace"]
    listing = data.parent / "list"
    listing.write_text("BoatRace\n")
    found = _loader(data.parent, options=DataOptions(data, listing)).items()
    assert [item.name for item in found] == ["BoatRace"]
    assert len(_loader(data.parent, options=DataOptions(data, limit=1)).items()) == 1
    listing.write_text("Canoe\n")
    with pytest.raises(DataError, match="two-clips has no clip 'Canoe'"):
        _loader(data.parent, options=DataOptions(data, listing))


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('name = "Boat", ', "", "a clip without a name"),
        ('"16x10"', '"8"', "Boat: --size '8' is not WIDTHxHEIGHT"),
        ("fps = 50", 'fps = "fast"', "Boat: "),
        ('"yuv420p"', '"yuv421p"', "'yuv421p' is not one of"),
    ],
)
def test_wrong_cards(before: str, after: str, message: str, data: Path) -> None:
    (data / "Boat.yuv").write_bytes(SAMPLES.tobytes())
    with pytest.raises((CardError, DataError), match=message):
        _loader(data.parent, CARD.replace(before, after, 1))


# as published: clips, frames of all of them together, and the frame rates that there are
@pytest.mark.parametrize(
    ("card", "clips", "frames", "rates", "size"),
    [
        ("uvg", 7, 6 * 600 + 300, {120}, "1920x1080"),
        ("mcl-jcv", 30, 16 * 150 + 7 * 125 + 7 * 120, {24, 25, 30}, "1920x1080"),
        ("hevc-b", 5, 600 + 2 * 500 + 2 * 240, {24, 50, 60}, "1920x1080"),
        ("hevc-c", 4, 600 + 2 * 500 + 300, {30, 50, 60}, "832x480"),
        ("hevc-d", 4, 600 + 2 * 500 + 300, {30, 50, 60}, "416x240"),
        ("hevc-e", 3, 3 * 600, {60}, "1280x720"),
    ],
)
def test_facts_of_the_published_sets(
    card: str, clips: int, frames: int, rates: set[int], size: str
) -> None:
    found = load_registry([]).dataset(card)
    listed = [{**found.settings, **clip} for clip in found.settings["clips"]]
    assert len(listed) == clips == found.items
    assert sum(clip["frames"] for clip in listed) == frames
    assert {clip["fps"] for clip in listed} == rates
    assert found.settings["size"] == size and found.suites[card].frames == 96
    assert not any(file.url for file in found.files)
