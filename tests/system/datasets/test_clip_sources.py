"""Clips that ffmpeg makes, read by the project and by ffmpeg itself: the frames that players show,
at their own format."""

from __future__ import annotations

import csv
import subprocess
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest

from bench.cards import load_registry
from bench.codecs.base import refusal_of
from bench.codecs.build import build_codec
from bench.datasets.inputs import input_loader
from bench.errors import DataError
from bench.signals import FORMATS, Layout, PixelFormat
from tests.command import bench

SOURCE = ("-f", "lavfi", "-i", "testsrc2=s=96x64:r=25:d=0.8")


def ffmpeg(*words: object) -> bytes:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *map(str, words)]
    return subprocess.run(command, check=True, capture_output=True).stdout


def shown(path: Path, pix_fmt: str, stream: str = "0:v:0") -> bytes:
    """All frames as ffmpeg shows them."""
    options = ("-map", stream, "-pix_fmt", pix_fmt, "-fps_mode", "passthrough")
    return ffmpeg("-i", path, *options, "-f", "rawvideo", "-")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "whole.mp4"
    ffmpeg(*SOURCE, "-pix_fmt", "yuv420p", "-c:v", "libx264", "-g", "10", path)
    return path


@pytest.mark.parametrize(
    ("name", "options", "frames"),
    [
        ("cut.mp4", ("-c", "copy"), 8),
        ("remuxed.avi", ("-c", "copy"), 20),
        ("transport.ts", ("-c", "copy"), 20),
        ("elementary.264", ("-c", "copy", "-bsf:v", "h264_mp4toannexb"), 20),
        ("elementary.hevc", ("-c:v", "libx265", "-x265-params", "log-level=none:keyint=8"), 20),
        ("clip.flv", ("-c", "copy"), 20),
        ("clip.m2v", ("-c:v", "mpeg2video"), 20),
        ("clip.ivf", ("-c:v", "libvpx-vp9", "-deadline", "realtime"), 20),
    ],
)
def test_frames_that_players_show(
    name: str, options: Sequence[str], frames: int, whole: Path, tmp_path: Path
) -> None:
    path = tmp_path / name
    # 10 packets from the key frame on, of which two only serve decoding
    start = ("-ss", "0.48") if name == "cut.mp4" else ()
    ffmpeg(*start, "-i", whole, *options, path)
    _, loader = input_loader(tmp_path)
    (item,) = loader.items()
    assert item.layout is not None and item.problem is None
    assert (item.layout.frames, item.layout.fps) == (frames, 25)
    assert loader.load(item).array().tobytes() == shown(path, "yuv420p")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("-c:v", "libvpx-vp9", "-vf", "format=yuva420p", "-auto-alt-ref", "0"),
            "an alpha channel",
        ),
        (("-c:v", "ffv1", "-pix_fmt", "bgra"), "an alpha channel"),
        (("-c:v", "ffv1", "-pix_fmt", "yuv410p"), "yuv410p, which is not read"),
    ],
)
def test_alpha_is_refused(options: Sequence[str], message: str, tmp_path: Path) -> None:
    ffmpeg(*SOURCE, *options, tmp_path / "clip.mkv")
    with pytest.raises(DataError, match=f"clip: .*{message}"):
        input_loader(tmp_path)


def test_rotation_is_refused(whole: Path, tmp_path: Path) -> None:
    ffmpeg("-display_rotation", "90", "-i", whole, "-c", "copy", tmp_path / "turned.mp4")
    with pytest.raises(DataError, match=r"to be turned by 90.*; turn the frames"):
        input_loader(tmp_path)
    (tmp_path / "turned.mp4").unlink()
    for how in ("-display_vflip", "-display_hflip"):
        ffmpeg(how, "-i", whole, "-c", "copy", tmp_path / "mirrored.mp4")
        with pytest.raises(DataError, match=r"to be mirrored .*; flip the frames"):
            input_loader(tmp_path)
        (tmp_path / "mirrored.mp4").unlink()


def test_a_cut_packet_of_transport_is_refused(whole: Path, tmp_path: Path) -> None:
    path = tmp_path / "clip.m2ts"
    ffmpeg("-i", whole, "-c", "copy", path)
    assert input_loader(path)[1].items()[0].problem is None
    content = path.read_bytes()
    for size in range(len(content) // 4, len(content), len(content) // 8):
        path.write_bytes(content[: size // 192 * 192 + 100])
        with pytest.raises(DataError, match="truncated"):
            input_loader(path)


def test_a_size_that_changes_is_refused_with_both(tmp_path: Path) -> None:
    for size in ("64x48", "96x64"):
        ffmpeg("-f", "lavfi", "-i", f"testsrc=s={size}:r=25", "-frames:v", "5", "-c:v", "libx264",
               "-pix_fmt", "yuv420p", tmp_path / f"{size}.264")  # fmt: skip
    both = [(tmp_path / f"{size}.264") for size in ("64x48", "96x64")]
    path = tmp_path / "in" / "clip.264"
    path.parent.mkdir()
    path.write_bytes(b"".join(one.read_bytes() for one in both))
    with pytest.raises(DataError, match="frame 6 is 96×64, the clip 64×48; split it where"):
        input_loader(path)


@pytest.mark.parametrize(
    ("suffix", "options"),
    [
        (".mp4", ("-c:v", "libx264")),
        (".h264", ("-c:v", "libx264")),
        (".m2v", ("-c:v", "mpeg2video")),
        (".h265", ("-c:v", "libx265", "-x265-params", "log-level=none:hash=1")),
        (".obu", ("-c:v", "libaom-av1", "-cpu-used", "8")),
    ],
)
def test_damage_that_decoders_hide_is_refused(
    suffix: str, options: Sequence[str], tmp_path: Path
) -> None:
    """Twenty bytes amid the first picture of noise; of AV1, whose decoder hides nothing, an end
    inside a unit."""
    path = tmp_path / f"clip{suffix}"
    noise = ("-vf", "noise=alls=60:all_seed=1", "-pix_fmt", "yuv420p")
    ffmpeg(*SOURCE, *noise, *options, path)
    assert input_loader(path)[1].items()[0].problem is None
    data = bytearray(path.read_bytes())
    middle = data.find(b"mdat") + 3000 if suffix == ".mp4" else 3000
    data[middle : middle + 20] = bytes(byte ^ 0x5A for byte in data[middle : middle + 20])
    path.write_bytes(data[:-7] if suffix == ".obu" else data)
    with pytest.raises(DataError, match="corrupt"):
        input_loader(path)


NOISE = ("-vf", "noise=alls=60:all_seed=1:allf=t", "-pix_fmt", "yuv420p")
X265 = "log-level=none:bframes="
LAST, GAP = "truncated in its last picture", "frames are missing near its end: truncated"


@pytest.mark.parametrize(
    ("name", "options", "lost", "message"),
    [
        # 40 bytes from the end of the last slice, of which the decoder says nothing
        ("clip.h265", ("-c:v", "libx265", "-x265-params", f"{X265}0"), 40, LAST),
        ("clip.h265", ("-c:v", "libx265", "-x265-params", f"{X265}0:slices=2"), 40, LAST),
        ("clip.h265", ("-c:v", "libx265", "-x265-params", f"{X265}3:keyint=6"), 3, LAST),
        ("clip.ts", ("-c:v", "libx265", "-x265-params", f"{X265}0"), 376, LAST),
        ("clip.h264", ("-c:v", "libx264", "-bf", "0"), 2, LAST),
        ("clip.ts", ("-c:v", "libx264", "-bf", "3", "-x264-params", "b-adapt=0"), 9776, GAP),
        ("clip.mkv", ("-c:v", "libx264"), 1, "truncated: its last 1 bytes are missing"),
        ("clip.webm", ("-c:v", "libvpx", "-deadline", "realtime"), 3000, "truncated: its last"),
        ("clip.ogv", ("-c:v", "libtheora"), 1, "truncated: its video has no last page"),
        ("clip.ivf", ("-c:v", "libvpx", "-deadline", "realtime"), 1, "truncated or corrupt"),
    ],
)
def test_a_cut_clip_is_refused_and_a_whole_one_is_read(
    name: str, options: Sequence[str], lost: int, message: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    ffmpeg(*SOURCE, *NOISE, *options, path)
    (item,) = input_loader(path)[1].items()
    assert item.layout is not None and (item.layout.frames, item.layout.fps) == (20, 25)
    path.write_bytes(path.read_bytes()[:-lost])
    with pytest.raises(DataError, match=f"clip: {message}"):
        input_loader(path)


def test_samples_that_change_amid_a_clip_are_refused(tmp_path: Path) -> None:
    """Of 8 bits, then of 10: the planes of both have bytes enough for a frame of 8 bits."""
    parts = [tmp_path / "a.h264", tmp_path / "b.h264"]
    for part, pix_fmt in zip(parts, ("yuv420p", "yuv420p10le"), strict=True):
        ffmpeg(*SOURCE, "-pix_fmt", pix_fmt, "-c:v", "libx264", part)
    path = tmp_path / "clip.h264"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    with pytest.raises(DataError, match="clip: frame 21 is yuv420p10le, the clip yuv420p; split"):
        input_loader(path)


def test_frames_lost_amid_a_clip_are_no_cut(tmp_path: Path) -> None:
    ffmpeg(*SOURCE, "-vf", "select='mod(n,7)'", "-fps_mode", "vfr", tmp_path / "clip.mkv")
    with pytest.raises(DataError, match="clip: variable frame rate, or frames lost amid it; conve"):
        input_loader(tmp_path)


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        *(("clip.h264", "libx264"), ("clip.h265", "libx265"), ("clip.m2v", "mpeg2video")),
        *(("one.ts", "libx264"), ("one.mpg", "mpeg2video")),
    ],
)
def test_the_rate_is_that_which_the_stream_says(name: str, codec: str, tmp_path: Path) -> None:
    """ffmpeg's demuxers say 25 for every bare stream, and twice the rate for a single frame."""
    count = ("-frames:v", "1") if name.startswith("one") else ()
    ffmpeg(*SOURCE, "-r", "50", *NOISE, *count, "-c:v", codec, tmp_path / name)
    _, loader = input_loader(tmp_path / name)
    (item,) = loader.items()
    assert item.layout is not None and item.layout.fps == 50
    assert loader.notes() == ()


def test_a_rate_that_nothing_says_is_noted_and_one_that_is_said_is_not_taken_again(
    whole: Path, tmp_path: Path
) -> None:
    (tmp_path / "a_16x16.yuv").write_bytes(bytes(range(128)) * 3)
    (tmp_path / "b_16x16_30fps_420.yuv").write_bytes(bytes(range(128)) * 3)
    _, loader = input_loader(tmp_path)
    assert "taken at 25 frames a second, which nothing says; --fps does: a_16x16" in loader.notes()
    with pytest.raises(DataError, match="--fps is for raw video"):
        input_loader(whole, fps="30")


def test_what_is_measured_as_stored_is_noted(whole: Path, tmp_path: Path) -> None:
    h264 = ("-c:v", "libx264", "-pix_fmt", "yuv420p")
    ffmpeg(*SOURCE, "-vf", "setsar=16/11", *h264, tmp_path / "a.mp4")
    ffmpeg(*SOURCE, *h264, "-colorspace", "bt2020nc", tmp_path / "b.mp4")
    full = ("-vf", "scale=out_range=full,format=yuvj420p")
    ffmpeg(*SOURCE, *full, "-c:v", "libx264", tmp_path / "c.mp4")
    other = ("-f", "lavfi", "-i", "testsrc2=s=64x64:r=25:d=0.04")
    ffmpeg(*other, "-i", whole, "-map", "0", "-map", "1", *h264, tmp_path / "d.mkv")
    ffmpeg(*SOURCE, "-vf", "setsar=4/3", "-pix_fmt", "yuv420p", tmp_path / "e.y4m")
    (tmp_path / "f_16x16_25.yuv").write_bytes(bytes(range(128)) * 3)
    _, loader = input_loader(tmp_path)
    assert loader.notes() == (
        "pixels of 16:11: a",
        "matrix bt2020: b",
        "full range: c",
        "video stream 2 of 2, the others left out: d",
        "pixels of 4:3: e",
        "taken as yuv420p, which no name and no --format says: f_16x16_25",
    )
    facts = {item.name: item.layout for item in loader.items()}
    assert facts["d"] is not None and facts["d"].width == 96
    assert facts["b"] is not None and facts["b"].format.matrix == "bt2020"
    assert facts["c"] is not None and facts["c"].format.full_range


@pytest.mark.parametrize(
    ("suffix", "pix_fmt"),
    [
        *((".y4m", name) for name in FORMATS if name.startswith("yuv") or name == "gray"),
        *((".mkv", name) for name in ("yuv422p10le", "yuv444p12le", "gray10le", "gbrp10le")),
        *((".yuv", name) for name in ("yuv420p10le", "yuv422p", "nv12", "p010le", "rgb48le")),
    ],
)
def test_every_format_is_read_as_it_is(suffix: str, pix_fmt: str, tmp_path: Path) -> None:
    path = tmp_path / f"clip_96x64_25fps_{pix_fmt}{suffix}"
    container = {".yuv": ("-f", "rawvideo"), ".mkv": ("-c:v", "ffv1")}.get(suffix, ())
    ffmpeg(*SOURCE, "-pix_fmt", pix_fmt, *container, "-strict", "-1", path)
    _, loader = input_loader(path)
    (item,) = loader.items()
    planar = {"nv12": "yuv420p", "p010le": "yuv420p10le"}.get(pix_fmt, pix_fmt)
    assert item.layout is not None and item.layout.format.name == planar
    found = loader.load(item).array()
    assert (len(found), item.layout.fps) == (20, Fraction(25))
    if pix_fmt == "gbrp10le":
        found = found[..., [1, 2, 0]].transpose(0, 3, 1, 2)
    if pix_fmt in ("nv12", "p010le"):  # without swscale in between, which need not be exact here
        raw = np.frombuffer(path.read_bytes(), np.uint8 if pix_fmt == "nv12" else "<u2")
        luma, both = np.split(raw.reshape(20, -1), [96 * 64], axis=1)
        exact = np.concatenate([luma, both[:, 0::2], both[:, 1::2]], axis=1)
        assert (found == exact >> (0 if pix_fmt == "nv12" else 6)).all()
    else:
        assert found.tobytes() == shown(path, planar) if suffix != ".yuv" else path.read_bytes()
    if suffix == ".yuv":
        assert found.size * found.itemsize == path.stat().st_size


def _raw(path: Path, pix_fmt: str) -> Path:
    ffmpeg(*SOURCE, "-pix_fmt", pix_fmt, "-f", "rawvideo", path)
    return path


@pytest.mark.parametrize(
    ("name", "pix_fmt", "options", "message"),
    [
        ("a_96x64_25fps_420_10bit", "yuv420p10le", {"pixel_format": "yuv420p"}, "--format yuv420p"),
        ("a_96x64_25", "yuv420p", {"size": "48x64"}, "its name says 96x64, --size 48x64"),
        ("a_96x64_25", "yuv420p", {"fps": "30"}, "its name says 25, --fps 30"),
        ("a_96x64_25_8bit", "yuv420p10le", {}, "is at most 3, as of samples of 10 bits"),
        ("a_96x64_25_8bit", "yuv420p12le", {}, r"is at most 1\d, as of samples of 12 bits"),
        ("a_96x64_25_10bit", "yuv420p12le", {}, "more than 10 bits hold"),
        ("a_96x64_p010le", "yuv420p10le", {}, "not in its upper bits"),
        ("a_96x64_10bit", "p010le", {}, "more than 10 bits hold"),
        ("a_96x64_uyvy422", "uyvy422", {}, "says uyvy422, which is not read; convert it, or give"),
        ("a_96x64_25_16bit", "yuv420p", {}, "says 16 bits, which is not read"),
        ("a_90x64_25", "yuv420p", {}, "frames of 8640 bytes"),
        ("a", "yuv420p", {"size": "96x64", "pixel_format": "yuv420p"}, "9216 bytes"),
    ],
)  # fmt: skip
def test_contradictions_are_refused(
    name: str, pix_fmt: str, options: dict[str, str], message: str, tmp_path: Path
) -> None:
    path = _raw(tmp_path / f"{name}.yuv", pix_fmt)
    if name == "a":
        path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=f"{name}: .*{message}"):
        input_loader(path, **options)  # type: ignore[arg-type]


def test_one_folder_holds_clips_of_several_sizes(tmp_path: Path) -> None:
    for size, kind in (("96x64", "yuv420p"), ("48x32", "yuv422p10le")):
        ffmpeg(
            *SOURCE,
            "-s",
            size,
            "-pix_fmt",
            kind,
            "-f",
            "rawvideo",
            tmp_path / f"a_{size}_25_{kind}.yuv",
        )
    found = [item.layout for item in input_loader(tmp_path)[1].items()]
    assert [(one.width, one.format) for one in found if one] == [
        (48, PixelFormat("yuv422", 10)),
        (96, PixelFormat("yuv420")),
    ]


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "reason"),
    [
        ("jpeg", "yuv420p", "codes gray, rgb24, not yuv420p; --to rgb24 converts the source first"),
        ("none", "yuv444p12le", None),
        ("zlib", "gray16le", None),
        ("lloyd-max", "yuv420p", "codes float64, not yuv420p"),
    ],
)
def test_a_refusal_says_the_cure(codec: str, pix_fmt: str, reason: str | None) -> None:

    adapter = build_codec(load_registry([]).codec(codec))
    assert refusal_of(adapter, Layout("video", FORMATS[pix_fmt], 96, 64, 3)) == reason


def test_frames_of_a_suite_and_of_the_command_line(tmp_path: Path) -> None:
    """The suite's frames where nobody says other ones; what is converted is told in the tables."""
    cards = tmp_path / "cards"
    (cards / "datasets").mkdir(parents=True)
    (cards / "datasets" / "waves.toml").write_text(
        'title = "Waves"\nloader = "bench.datasets.clips:ClipFolder"\nmedia = "video"\n'
        '[settings]\nsize = "96x64"\nclips = [{ name = "wave", fps = 25, frames = 20 }]\n'
        '[suites.waves]\nframes = 6\nstart = 2\ncodecs = ["none"]\nmetrics = ["psnr_y"]\n'
    )
    _raw(tmp_path / "wave_96x64_25_8bit.yuv", "yuv420p")
    words = ["run", "--suite", "waves", "--cards", cards, "--data", tmp_path, "--jobs", "1"]
    for name, options, frames, kind in (
        ("suite", (), 6, "yuv420p"),
        ("asked", ("--frames", "3", "--to", "yuv444p10le"), 3, "yuv444p10le limited"),
    ):
        out = tmp_path / name
        done = bench(*words, "--out", out, *options, folder=tmp_path)
        assert done.returncode == 0, done.stderr
        with (out / "records.csv").open() as file:
            (row,) = csv.DictReader(file)
        assert (row["frames"], row["format"], row["psnr_y"]) == (str(frames), kind, "inf")
        table = (out / "table.md").read_text()
        assert f"Frames 2 to {frames + 1} of each clip, counted from 0." in table
        assert ("Converted from yuv420p to yuv444p10le limited" in table) == (name == "asked")
        assert (f"Pixel formats of the clips, which are compared as they are: {kind} (1)") in table
    done = bench(*words[:-2], "--frames", "0", "--out", tmp_path / "no", folder=tmp_path)
    assert done.returncode == 2 and "not a whole number above 0" in done.stderr
