"""``--input``: pictures or clips, raw video, Y4M, containers, and what can be wrong with them."""

from __future__ import annotations

import os
import pickle
import subprocess
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.codecs.support.ffmpeg_binary import find_ffmpeg
from bench.datasets.base import DataOptions
from bench.datasets.inputs import input_loader
from bench.errors import DataError
from bench.signals import Layout

_RNG = np.random.default_rng(0)


def _frames(folder: Path, count: int = 3, size: tuple[int, int] = (12, 16)) -> np.ndarray:
    folder.mkdir(parents=True, exist_ok=True)
    frames = _RNG.integers(0, 256, (count, *size, 3), dtype=np.uint8)
    for number, frame in enumerate(frames, start=8):
        Image.fromarray(frame).save(folder / f"f{number}.png")
    return frames


def _ffmpeg(*arguments: str | Path) -> None:
    command = [find_ffmpeg(), "-v", "error", "-y", *map(str, arguments)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def _test_video(path: Path, *options: str) -> Path:
    source = ["-f", "lavfi", "-i", "testsrc2=size=66x50:rate=24:duration=1"]
    _ffmpeg(*source, *(options or ("-c:v", "libx264", "-pix_fmt", "yuv420p")), path)
    return path


def test_flat_folder_is_images_and_says_how_to_make_it_a_clip(tmp_path: Path) -> None:
    frames = _frames(tmp_path)
    media, loader = input_loader(tmp_path)
    assert media == "image"
    assert [item.name for item in loader.items()] == ["f8", "f9", "f10"]
    assert "--as-video" in loader.notes()[0]
    media, loader = input_loader(tmp_path, as_video=True, fps="30000/1001")
    (item,) = loader.items()
    assert media == "video" and item.layout is not None
    assert (item.layout.frames, item.layout.fps) == (3, Fraction(30000, 1001))
    assert np.array_equal(loader.load(item).array(), frames)


def test_folder_of_folders_is_one_clip_each(tmp_path: Path) -> None:
    clips = {name: _frames(tmp_path / name) for name in ("b2", "b10")}
    media, loader = input_loader(tmp_path)
    assert media == "video"
    assert [item.name for item in loader.items()] == ["b2", "b10"]
    again = pickle.loads(pickle.dumps(loader))
    for item in again.items():
        assert np.array_equal(again.load(item).array(), clips[item.name])
    assert len({item.digest for item in again.items()}) == 2


def test_single_frame_clip(tmp_path: Path) -> None:
    _frames(tmp_path / "one", count=1)
    _, loader = input_loader(tmp_path)
    assert loader.load(loader.items()[0]).layout.frames == 1


def test_list_and_limit(tmp_path: Path) -> None:
    for name in "abc":
        _frames(tmp_path / name)
    listing = tmp_path / "list.txt"
    listing.write_text("c\nb\n")
    _, loader = input_loader(tmp_path, options=DataOptions(listing=listing, limit=1))
    assert [item.name for item in loader.items()] == ["b"]
    listing.write_text("nowhere\n")
    with pytest.raises(DataError, match="'nowhere'"):
        input_loader(tmp_path, options=DataOptions(listing=listing))


def test_clips_with_a_problem(tmp_path: Path) -> None:
    _frames(tmp_path / "fine")
    _frames(tmp_path / "gap", count=4)
    (tmp_path / "gap" / "f9.png").unlink()
    _frames(tmp_path / "sizes", count=2)
    Image.new("RGB", (10, 12)).save(tmp_path / "sizes" / "f10.png")
    _frames(tmp_path / "broken", count=2)
    (tmp_path / "broken" / "f9.png").write_bytes(b"")
    _, loader = input_loader(tmp_path)
    problems = {item.name: item.problem for item in loader.items()}
    assert problems["fine"] is None
    assert "frame 9 is missing between 8 and 10" in str(problems["gap"])
    assert "f10.png is 10×12 rgb24, f8.png 16×12 rgb24" in str(problems["sizes"])
    assert "frame f9.png: empty (0 bytes)" in str(problems["broken"])
    assert "3 of 4 clips cannot be used" in loader.notes()[-1]


def test_pictures_and_clips_do_not_mix(tmp_path: Path) -> None:
    _frames(tmp_path)
    (tmp_path / "clip.y4m").write_bytes(b"YUV4MPEG2 W2 H2\n")
    with pytest.raises(DataError, match="two folders"):
        input_loader(tmp_path)


def test_size_is_no_request_to_rescale(tmp_path: Path) -> None:
    _frames(tmp_path)
    with pytest.raises(DataError, match="--size and --format are for raw video"):
        input_loader(tmp_path, size="8x8")


@pytest.mark.parametrize("name", ["nothing", "notes.txt", "empty"])
def test_what_is_no_input_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=f"{name}: "):
        input_loader(tmp_path / name)


@pytest.mark.parametrize(
    ("pixel_format", "frame_bytes"), [("yuv420p", 5 * 3 + 2 * 6), ("gray", 15), ("rgb24", 45)]
)
def test_raw_video(pixel_format: str, frame_bytes: int, tmp_path: Path) -> None:
    samples = _RNG.integers(0, 256, (4, frame_bytes), dtype=np.uint8)
    path = tmp_path / "clip.yuv"
    path.write_bytes(samples.tobytes())
    _, loader = input_loader(path, size="5x3", pixel_format=pixel_format, fps="50")
    (item,) = loader.items()
    assert item.layout is not None
    assert (item.layout.width, item.layout.height, item.layout.frames) == (5, 3, 4)
    assert np.array_equal(loader.load(item).array().reshape(4, -1), samples)
    path.write_bytes(samples.tobytes()[:-1])
    with pytest.raises(DataError, match="truncated in frame 4"):
        loader.load(item).array()
    with pytest.raises(DataError, match=r"frames of \d+ bytes .*get it again, or correct"):
        input_loader(path, size="5x3", pixel_format=pixel_format)


@pytest.mark.parametrize(
    ("size", "pixel_format", "message"),
    [
        (None, "gray", "give --size"),
        ("5x3", None, "and --format"),
        ("5", "gray", "'5' is not WIDTHxHEIGHT"),
        ("0x3", "gray", "'0x3' is not"),
        ("5x3", "yuv410p", "'yuv410p' is not one of"),
    ],
)
def test_raw_video_needs_size_and_format(
    size: str | None, pixel_format: str | None, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "clip.yuv"
    path.write_bytes(bytes(150))
    with pytest.raises(DataError, match=message):
        input_loader(path, size=size, pixel_format=pixel_format)


@pytest.mark.parametrize("fps", ["x", "0", "-3", "1/0"])
def test_bad_frame_rates(fps: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--fps"):
        input_loader(tmp_path, fps=fps)


def _y4m(colour: str, frame_bytes: int, count: int = 3, extra: str = "") -> bytes:
    frames = _RNG.integers(0, 256, (count, frame_bytes), dtype=np.uint8)
    header = f"YUV4MPEG2 W5 H3 F30000:1001 Ip {colour}{extra}\n".encode()
    return header + b"".join(b"FRAME\n" + frame.tobytes() for frame in frames)


@pytest.mark.parametrize(
    ("colour", "frame_bytes", "samples"),
    [("C420jpeg", 27, "yuv420"), ("", 27, "yuv420"), ("Cmono", 15, "gray")],
)
def test_y4m(colour: str, frame_bytes: int, samples: str, tmp_path: Path) -> None:
    path = tmp_path / "clip.y4m"
    content = _y4m(colour, frame_bytes, extra=" XYSCSS=420JPEG")
    path.write_bytes(content)
    _, loader = input_loader(path)
    (item,) = loader.items()
    assert item.layout is not None
    assert (item.layout.samples, item.layout.frames) == (samples, 3)
    assert item.layout.fps == Fraction(30000, 1001)
    last = loader.load(item).array()[-1]
    assert last.tobytes() == content[-frame_bytes:]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"RIFF....", "no YUV4MPEG2 header"),
        (b"YUV4MPEG2 W5 H3\n", "no frames"),
        (b"YUV4MPEG2 H3\n", "no width"),
        (_y4m("C420", 27)[:-1], "truncated in frame 3"),
        (_y4m("C420", 27)[:-30], "no FRAME marker|truncated in frame"),
        (_y4m("C411", 54), "C411, which is not read"),
        (_y4m("C420p9", 54), "C420p9, which is not read"),
        (_y4m("C420", 27).replace(b"Ip", b"It"), "interlaced"),
        (b"YUV4MPEG2 W99999999999 H99999999999 F25:1\nFRAME\n", "truncated in frame 1"),
        (_y4m("C420p10", 54), r"samples up to \d{5} in frame 1, more than 10 bits hold"),
    ],
)
def test_bad_y4m(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "clip.y4m"
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"clip: .*({message})"):
        input_loader(path)


@pytest.mark.parametrize(("rate", "said"), [("", True), (" F0:0", True), (" F25:1", False)])
def test_y4m_without_a_rate_says_so(rate: str, said: bool, tmp_path: Path) -> None:
    path = tmp_path / "clip.y4m"
    path.write_bytes(f"YUV4MPEG2 W2 H2{rate}\n".encode() + (b"FRAME\n" + bytes(6)) * 2)
    _, loader = input_loader(path)
    notes = " ".join(loader.notes())
    assert ("taken at 25 frames a second, which nothing says" in notes) == said


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_containers_keep_the_planes(suffix: str, tmp_path: Path) -> None:
    path = _test_video(tmp_path / f"clip{suffix}")
    _, loader = input_loader(path)
    (item,) = loader.items()
    assert item.layout is not None
    assert (item.layout.width, item.layout.height, item.layout.frames) == (66, 50, 24)
    assert (item.layout.samples, item.layout.fps) == ("yuv420", Fraction(24))
    _ffmpeg("-i", path, "-f", "rawvideo", "-pix_fmt", "yuv420p", tmp_path / "planes.raw")
    assert loader.load(item).array().tobytes() == (tmp_path / "planes.raw").read_bytes()


def test_rgb_and_odd_sized_containers(tmp_path: Path) -> None:
    rgb = _test_video(tmp_path / "rgb.mkv", "-c:v", "libx264rgb", "-crf", "0")
    odd = _test_video(
        tmp_path / "odd.mkv", "-vf", "crop=65:49:exact=1", "-c:v", "ffv1", "-pix_fmt", "yuv420p"
    )
    _, loader = input_loader(tmp_path)
    layouts = {item.name: item.layout for item in loader.items()}
    assert layouts["rgb"] is not None and layouts["rgb"].samples == "rgb"
    assert layouts["odd"] is not None
    assert (layouts["odd"].width, layouts["odd"].height) == (65, 49)
    for item in loader.items():
        assert loader.load(item).array().shape[0] == 24
    assert rgb.exists() and odd.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("-c:v", "ffv1", "-pix_fmt", "yuv411p", "-f", "matroska"), "yuv411p, which is not read"),
        (("-c:v", "libx264", "-x264-params", "transfer=smpte2084", "-pix_fmt", "yuv420p"), "HDR"),
        (
            ("-vf", "setpts=PTS+gt(N\\,12)*(N-12)*0.02/TB", "-fps_mode", "vfr", "-c:v", "libx264"),
            "variable frame rate",
        ),
    ],
)
def test_refused_containers(options: tuple[str, ...], message: str, tmp_path: Path) -> None:
    path = _test_video(tmp_path / "clip.mp4", *options)
    with pytest.raises(DataError, match=f"clip: .*{message}"):
        input_loader(path)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("faststart", [True, False])
def test_truncated_containers(suffix: str, faststart: bool, tmp_path: Path) -> None:
    flags = ("-movflags", "+faststart") if faststart else ()
    path = _test_video(tmp_path / f"clip{suffix}", "-c:v", "libx264", "-g", "4", *flags)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with pytest.raises(DataError, match="truncated"):
        input_loader(path)


def test_a_container_of_zero_bytes_and_one_without_video(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"")
    with pytest.raises(DataError, match="empty"):
        input_loader(path)
    _ffmpeg("-f", "lavfi", "-i", "sine=duration=0.2", path)
    with pytest.raises(DataError, match="has no video stream"):
        input_loader(path)


def test_a_layout_says_the_range_and_matrix_that_the_file_says(tmp_path: Path) -> None:
    def layout(path: Path) -> Layout:
        _, loader = input_loader(path)
        found = loader.items()[0].layout
        assert found is not None
        return found

    tags = ("-c:v", "libx264", "-pix_fmt", "yuv420p")
    # setparams tags frames without converting them; 6 is SMPTE 170M, BT.601's matrix
    for word, expected in [
        ("range=pc:colorspace=smpte170m", ("full", "bt601")),
        ("range=tv:colorspace=bt709", ("limited", "bt709")),
    ]:
        container = _test_video(tmp_path / "tagged.mp4", "-vf", f"setparams={word}", *tags)
        found = layout(container)
        assert (found.format.range, found.format.matrix) == expected
        container.unlink()


@pytest.mark.parametrize(
    ("words", "said", "full"),
    [
        ("C420jpeg XCOLORRANGE=FULL", "full", True),
        ("C420jpeg XCOLORRANGE=LIMITED", "limited", False),
        # jpeg says where the chroma samples lie, nothing of the range
        ("C420jpeg", None, False),
        ("Cmono", None, True),
        ("Cmono XCOLORRANGE=LIMITED", "limited", False),
    ],
)
def test_the_range_of_y4m(words: str, said: str | None, full: bool, tmp_path: Path) -> None:
    header = f"YUV4MPEG2 W2 H2 F25:1 {words}\n".encode()
    path = tmp_path / "a.y4m"
    path.write_bytes(header + (b"FRAME\n" + bytes(6 if "420" in words else 4)) * 2)
    _, loader = input_loader(path)
    (item,) = loader.items()
    assert item.layout is not None and item.layout == loader.load(item).layout
    assert (item.layout.format.range, item.layout.format.full_range, item.layout.frames) == (
        said,
        full,
        2,
    )


@pytest.mark.parametrize(
    ("pixel_format", "said"), [("yuv420p", None), ("yuvj420p", "full"), ("gray", None)]
)
def test_the_range_of_raw_video(pixel_format: str, said: str | None, tmp_path: Path) -> None:
    path = tmp_path / "a.yuv"
    path.write_bytes(bytes(12))
    _, loader = input_loader(path, size="2x2", pixel_format=pixel_format)
    (item,) = loader.items()
    assert item.layout is not None and item.layout.format.range == said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("-pix_fmt", "yuvj420p", "-c:v", "mjpeg"), "full"),
        (("-pix_fmt", "yuv420p", "-color_range", "pc", "-c:v", "libx264"), "full"),
        (("-pix_fmt", "yuv420p", "-color_range", "tv", "-c:v", "libx264"), "limited"),
        (("-pix_fmt", "gray", "-c:v", "libx264"), "full"),
        (("-c:v", "libx264rgb"), None),
    ],
)
def test_the_range_of_containers(
    options: tuple[str, ...], said: str | None, tmp_path: Path
) -> None:
    path = _test_video(tmp_path / "a.mkv", *options)
    _, loader = input_loader(path)
    (item,) = loader.items()
    assert item.layout is not None and item.layout.format.range == said


@pytest.mark.parametrize(
    ("file", "item"),
    [
        (b"\xff.png", "\\xff"),
        (b"\xc3\xbc.png", "ü"),
        (b"\x1b[31mred.png", "\\x1b[31mred"),
        (b"a\nb.png", "a\\x0ab"),
        (b"\tx.png", "\\x09x"),
        (b"=1+1.png", "./=1+1"),
        (b"+1.png", "./+1"),
        (b"-1.png", "./-1"),
        (b"@a.png", "./@a"),
    ],
)
def test_names_of_files_are_safe_to_show(tmp_path: Path, file: bytes, item: str) -> None:
    folder = tmp_path / "here"
    _frames(folder, 1)
    (folder / "f8.png").rename(os.fsdecode(os.fsencode(folder) + b"/" + file))
    (tmp_path / "list").write_text(f"{item}\n")
    _, loader = input_loader(folder, options=DataOptions(listing=tmp_path / "list"))
    (found,) = loader.items()
    assert found.name == item
    assert loader.load(found).array().shape == (1, 12, 16, 3)


def test_what_is_left_out_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "here"
    _frames(folder, 1)
    for name in ("notes.txt", "a.xyz", ".hidden", "b.jp2"):
        (folder / name).write_text("x")
    (folder / "sub").mkdir()
    os.mkfifo(folder / "pipe.png")
    (folder / "gone.png").symlink_to("nothing")
    (folder / "loop.xyz").symlink_to("loop.xyz")
    media, loader = input_loader(folder)
    assert media == "image"
    problems = {item.name: item.problem for item in loader.items()}
    assert list(problems) == ["b", "f8", "gone"]
    assert problems["b"] == "b.jp2: .jp2 is no kind that is read; convert it to PNG"
    assert problems["gone"] is not None and problems["gone"].endswith("No such file or directory")
    assert loader.notes()[0] == (
        "left out of here: .hidden, a.xyz, loop.xyz, notes.txt, pipe.png, sub/"
    )


def test_folders_of_one_picture_each_are_still_images(tmp_path: Path) -> None:
    for name in ("a", "b"):
        _frames(tmp_path / name, 1)
    (tmp_path / "b" / "x.txt").write_text("")
    (tmp_path / "c").mkdir()
    media, loader = input_loader(tmp_path)
    assert media == "image"
    assert [item.name for item in loader.items()] == ["a/f8", "b/f8"]
    assert loader.notes() == (
        f"left out of {tmp_path.name}: c/",
        "left out of b: x.txt",
        "folders of one picture each were measured as still images; --as-video takes clips",
    )
    assert input_loader(tmp_path, as_video=True)[0] == "video"
    _frames(tmp_path / "c", 2)
    media, loader = input_loader(tmp_path)
    assert media == "video"
    assert "clips of one frame: a, b" in loader.notes()


@pytest.mark.parametrize("word", ["f8", "f8.png", "f8.tif"])
def test_a_list_may_name_items_or_files(tmp_path: Path, word: str) -> None:
    _frames(tmp_path, 2)
    Image.open(tmp_path / "f8.png").save(tmp_path / "f8.tif")
    (tmp_path / "list.md").write_text(f"\ufeff{word}\n", encoding="utf-8")
    options = DataOptions(listing=tmp_path / "list.md")
    _, loader = input_loader(tmp_path, options=options)
    found = [item.name for item in loader.items()]
    assert found == (["f8.png", "f8.tif"] if word == "f8" else [word])
