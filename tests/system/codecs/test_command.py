import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from bench.cards import load_registry, read_codec
from bench.codecs.base import Codec
from bench.codecs.build import adapter_class, build_codec
from bench.codecs.variations import vary
from bench.errors import BitstreamError, CardError, CodecError, Unavailable
from bench.records import Point
from bench.signals import REAL, YUV420, Layout, Signal, clip, image

# two real programs' worth of codecs, both inside the ffmpeg binary
MJPEG = """
encode = ["{ffmpeg}", "-loglevel", "error", "-i", "{input}", "-frames:v", "1", "-c:v", "mjpeg",
          "-pix_fmt", "yuvj444p", "-q:v", "{q}", "-f", "image2pipe", "file:{bitstream}"]
decode = "{ffmpeg} -loglevel error -f mjpeg -i {bitstream} -pix_fmt rgb24 {output}"
suffix = "jpg"
strip = "jpeg"
low = 2
high = 31
[ladder]
q = [2, 8, 31]
"""
HEVC = """
encode = ["{ffmpeg}", "-loglevel", "error", "-i", "{input}", "-c:v", "libx265", "-qp", "{qp}",
          "-preset", "{preset}", "-x265-params", "pools=none:log-level=error", "-f", "hevc",
          "{bitstream}"]
decode = '{ffmpeg} -loglevel error -f hevc -i {bitstream} -strict -1 {output}'
preset = "ultrafast"
input = "y4m"
suffix = "hevc"
strip = "hevc"
version = "{ffmpeg} -version"
[ladder]
qp = [20, 40]
"""
COPY = """
encode = ["cp", "{input}", "{bitstream}"]
decode = ["cp", "{bitstream}", "{output}"]
"""


def build(folder: Path, settings: str, **changes: Any) -> Codec:
    path = folder / "outside.toml"
    path.write_text(
        'title = "An outside codec"\nadapter = "bench.codecs.command:CommandCodec"\n'
        f'media = ["image", "video"]\n[settings]\n{settings}'
    )
    read_codec.cache_clear()
    card = load_registry([folder]).codec("outside")
    words = {key: str(value) for key, value in changes.items()}
    adapter: Codec = build_codec(vary(card, adapter_class(card), words, "outside"))
    return adapter


def scene(frames: int, height: int, width: int, channels: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    planes = [(x * (c + 1) + y + 5 * t) % 200 for t in range(frames) for c in range(channels)]
    array = np.stack(planes).astype(np.uint8).reshape(frames, channels, height, width)
    return array[:, 0] if channels == 1 else np.moveaxis(array, 1, 3)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_picture_program(tmp_path: Path, channels: int) -> None:
    codec = build(tmp_path, MJPEG)
    codec.check_available()
    signal = image(scene(1, 33, 47, channels)[0])
    sizes = []
    for q in (2, 31):
        encoded = codec.encode(signal, Point("q", q))
        decoded = codec.decode(encoded.payload)
        assert decoded.layout == signal.layout
        assert encoded.header_bytes is not None and encoded.header_bytes > 100
        # ffmpeg's mjpeg encoder signs its files in a comment
        assert b"Lavc" not in encoded.payload
        assert encoded.discarded_bytes > 10
        sizes.append(len(encoded.payload))
    assert sizes[0] > sizes[1]
    best = codec.decode(codec.encode(signal, Point("q", 2)).payload).array()
    assert np.abs(best.astype(int) - signal.array()).mean() < 4


@pytest.mark.parametrize("channels", [1, 3])
def test_a_clip_program(tmp_path: Path, channels: int) -> None:
    codec = build(tmp_path, HEVC)
    signal = clip(scene(4, 34, 48, channels))
    encoded = codec.encode(signal, Point("qp", 20))
    decoded = codec.decode(encoded.payload)
    assert (decoded.layout.samples, decoded.layout.frames) == (signal.layout.samples, 4)
    assert np.abs(decoded.array().astype(int) - signal.array()).mean() < 5
    assert encoded.discarded_bytes > 1000, "the signature of x265"
    (version,) = codec.versions().values()
    assert version.startswith("ffmpeg version")


def test_420_planes_go_to_a_clip_program_as_they_are(tmp_path: Path) -> None:
    codec = build(tmp_path, COPY + 'input = "yuv"\n')
    layout = Layout("video", YUV420, 7, 5, 3)
    frames = np.random.default_rng(0).integers(0, 256, (3, *layout.frame_shape), dtype=np.uint8)
    decoded = codec.decode(
        codec.encode(Signal(layout, lambda: iter(frames)), Point("mode", "only")).payload
    )
    assert (decoded.array() == frames).all()


@pytest.mark.parametrize("format", ["png", "ppm", "y4m", "yuv"])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_exchange_format(tmp_path: Path, format: str, channels: int) -> None:
    codec = build(tmp_path, COPY + f'input = "{format}"\n')
    signal = clip(scene(2, 9, 7, channels))
    decoded = codec.decode(codec.encode(signal, Point("mode", "only")).payload)
    expected = codec.colour_path(signal) or signal
    assert (decoded.array() == expected.array()).all()
    assert codec.refusal(Layout("vector", REAL, 3, 3)) is not None


def test_ten_bit_exchange(tmp_path: Path) -> None:
    for format in ("y4m", "yuv"):
        codec = build(tmp_path, COPY + f'input = "{format}"\ndepth = 10\nchroma = 420\n')
        signal = clip(scene(2, 9, 7, 3))
        expected = codec.colour_path(signal)
        assert expected is not None
        decoded = codec.decode(codec.encode(signal, Point("mode", "only")).payload)
        assert (decoded.array() == expected.array()).all()


def test_hostile_values_stay_one_argument(tmp_path: Path) -> None:
    """No shell ever sees a value: the program gets it as it is, spaces and all."""
    recorder = tmp_path / "record.sh"
    recorder.write_text('#!/bin/sh\nprintf "%s\\n" "$@" > "$2"\n')
    recorder.chmod(0o755)
    hostile = "x; rm -rf . $(touch pwned) `id` 'a b' \"c"
    settings = (
        f'encode = ["{recorder}", "{{input}}", "{{bitstream}}", "--label={{label}}"]\n'
        'decode = ["cp", "{bitstream}", "{output}"]\nlabel = "plain"\n'
    )
    codec = build(tmp_path, settings, label=hostile)
    recorded = codec.encode(image(scene(1, 4, 4, 3)[0]), Point("mode", "only")).payload
    assert recorded.decode().splitlines()[2:] == [f"--label={hostile}"]


def test_temporary_folders_are_removed_also_after_failures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    codec = build(tmp_path, COPY)
    codec.decode(codec.encode(image(scene(1, 4, 4, 3)[0]), Point("mode", "only")).payload)
    with pytest.raises(CodecError):
        codec.decode(b"no picture")
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize(
    ("encode", "reason"),
    [
        ('["sh", "-c", "echo the cause >&2; exit 3"]', "sh ended with status 3: the cause"),
        ('["true"]', "true wrote no bitstream"),
        ('["touch", "{bitstream}"]', "touch wrote no bitstream"),
        ('["sh", "-c", "kill -9 $$"]', "ended by signal 9"),
    ],
)
def test_an_encoder_that_fails(tmp_path: Path, encode: str, reason: str) -> None:
    codec = build(tmp_path, f'encode = {encode}\ndecode = ["cp", "{{bitstream}}", "{{output}}"]\n')
    with pytest.raises(CodecError, match=reason):
        codec.encode(image(scene(1, 4, 4, 3)[0]), Point("mode", "only"))


def test_a_decoder_that_fails(tmp_path: Path) -> None:
    pixels = image(scene(1, 6, 4, 3)[0])
    for decode, reason in [
        ('["true"]', "true wrote no output"),
        ('["cp", "/dev/null", "{output}"]', "picture cannot be read"),
        ('["sh", "-c", "exit 1"]', "sh ended with status 1"),
    ]:
        settings = f'encode = ["cp", "{{input}}", "{{bitstream}}"]\ndecode = {decode}\n'
        codec = build(tmp_path, settings)
        payload = codec.encode(pixels, Point("mode", "only")).payload
        with pytest.raises(CodecError, match=reason):
            codec.decode(payload)


def test_frames_of_another_size_are_refused(tmp_path: Path) -> None:
    codec = build(tmp_path, COPY + 'input = "yuv"\n')
    payload = codec.encode(clip(scene(2, 6, 4, 1)), Point("mode", "only")).payload
    with pytest.raises(CodecError, match="no whole number of 4x6 frames: 23 bytes"):
        codec.decode(payload[:-1])
    codec = build(tmp_path, COPY + 'input = "y4m"\n')
    payload = codec.encode(clip(scene(2, 6, 4, 1)), Point("mode", "only")).payload
    with pytest.raises(CodecError, match="wrote 4x6 frames, not 9x6"):
        codec.decode(b"\xe4\x09\x06" + payload[3:])


def test_foreign_payloads_are_refused(tmp_path: Path) -> None:
    codec = build(tmp_path, HEVC)
    for payload in (b"", b"\0\0\0\1", b"\xe4\x04\x06"):
        with pytest.raises(BitstreamError):
            codec.decode(payload)


def test_a_missing_program_is_unavailable(tmp_path: Path) -> None:
    settings = (
        'encode = "no-such-encoder {input} {bitstream}"\ndecode = "cp {bitstream} {output}"\n'
    )
    with pytest.raises(Unavailable, match=r"'no-such-encoder' is not on PATH; install it"):
        build(tmp_path, settings).check_available()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ('decode = "cp {bitstream} {output}"', "encode is None; give a command"),
        ('encode = []\ndecode = "cp a b"', r"encode \[\] is outside a command"),
        ('encode = "cp {imput} {bitstream}"\ndecode = "cp"', "{imput}; did you mean input"),
        ('encode = "cp \'x"\ndecode = "cp"', "No closing quotation"),
        (COPY + 'input = "y4m"\noutput = "png"', "do not go together"),
        (COPY + 'suffix = "../x"', "is no file suffix"),
        (COPY + '[environment]\npath = ["x"]', "environment does not count"),
        (COPY + 'strip = "h262"', "strip h262 is outside h264 | hevc"),
        (
            COPY + "low = 0\nhigh = 51\n[ladder]\nqp = [60]",
            "qp 60 is outside 0–51; give another qp",
        ),
    ],
)
def test_cards_with_faults(tmp_path: Path, settings: str, message: str) -> None:
    with pytest.raises(CardError, match=message):
        build(tmp_path, settings + "\n")


def test_a_searched_rate_fills_the_placeholder_of_the_ladder(tmp_path: Path) -> None:
    """A target rate takes the place of the points, not that of the parameter."""
    settings = (
        'encode = ["cp", "{input}", "{bitstream}", "{qp}"]\n'
        'decode = ["cp", "{bitstream}", "{output}"]\nlow = 1\n[ladder]\nqp = [1]\n'
    )
    build(tmp_path, settings)
    card = load_registry([tmp_path]).codec("outside")
    build_codec(replace(card, ladder=(Point("target_bpp", 0.5),), searched="qp"))


def test_the_decoder_is_not_told_the_operating_point(tmp_path: Path) -> None:
    settings = (
        'encode = ["cp", "{input}", "{bitstream}"]\n'
        'decode = ["cp", "{bitstream}", "{output}", "{qp}"]\n[ladder]\nqp = [1]\n'
    )
    with pytest.raises(CardError, match=r"decode has the unknown placeholder \{qp\}"):
        build(tmp_path, settings)


def test_a_program_without_a_version_is_named_by_its_hash(tmp_path: Path) -> None:
    (version,) = build(tmp_path, COPY).versions().values()
    assert version.startswith("sha256 ")


@pytest.mark.skipif(
    shutil.which("cjpeg") is None or shutil.which("djpeg") is None,
    reason="needs cjpeg and djpeg (Debian: libjpeg-turbo-progs)",
)
def test_cjpeg_and_djpeg(tmp_path: Path) -> None:
    settings = (
        'encode = "cjpeg -quality {quality} -outfile {bitstream} {input}"\n'
        'decode = "djpeg -outfile {output} {bitstream}"\ninput = "ppm"\nstrip = "jpeg"\n'
        "[ladder]\nquality = [30, 90]\n"
    )
    codec = build(tmp_path, settings)
    signal = image(scene(1, 33, 47, 3)[0])
    decoded = codec.decode(codec.encode(signal, Point("quality", 90)).payload)
    assert decoded.layout == signal.layout


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("rgb16.png", "more than 8 bits per sample"),
        ("gray16.png", "more than 8 bits per sample"),
        ("rgb16.ppm", "more than 8 bits per sample"),
        ("palette.png", "a P picture; write 8-bit RGB"),
        ("animation.png", "an animation"),
        ("turned.png", r"turned by 180° \(Exif orientation 3\)"),
    ],
)
def test_decoded_pictures_that_would_be_converted_are_refused(
    kind: str, says: str, tmp_path: Path
) -> None:
    rgb, path = Image.fromarray(scene(1, 4, 4, 3)[0]), tmp_path / kind
    if kind == "rgb16.png":  # which Pillow reads as 8 bits
        cv2.imwrite(str(path), np.full((4, 4, 3), 999, np.uint16))
    elif kind == "gray16.png":
        Image.fromarray(np.full((4, 4), 999, np.uint16)).save(path)
    elif kind == "rgb16.ppm":
        path.write_bytes(b"P6 2 1 65535\n" + bytes(12))
    elif kind == "palette.png":
        rgb.convert("P").save(path)
    elif kind == "turned.png":
        exif = Image.Exif()
        exif[0x112] = 3
        rgb.save(path, exif=exif)
    else:
        rgb.save(path, save_all=True, append_images=[Image.new("RGB", (4, 4))])
    codec = build(tmp_path, COPY + f'output = "{path.suffix[1:]}"\n')
    with pytest.raises(CodecError, match=says):
        codec.decode(path.read_bytes())
