import io
import shlex
import subprocess
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from bench import colour
from bench.bitstreams import annexb
from bench.cards import load_registry
from bench.codecs import ffv1
from bench.codecs.base import Codec, Encoded
from bench.codecs.build import build_codec, select
from bench.codecs.ffmpeg import FfmpegCodec
from bench.codecs.reference import ReferenceCodec
from bench.codecs.support import ffmpeg_binary, planes, spool, stopwatch
from bench.codecs.support.framing import read_side_info, split_frames
from bench.codecs.support.planes import PlaneFormat, read_planes, write_planes
from bench.codecs.support.process import run_to_file
from bench.engine.probe import probe
from bench.engine.timing import timed
from bench.errors import BitstreamError, CodecError
from bench.records import Point
from bench.signals import GRAY, RGB, YUV420, Frame, Layout, Signal, clip, image
from tests import exact_colour

DECODERS = {"x264": "h264", "x265": "hevc", "vvenc": "vvc", "svtav1": "libdav1d", "vp9": "vp9"}


def build(spec: str) -> FfmpegCodec:
    adapter = build_codec(select(load_registry(), spec))
    assert isinstance(adapter, FfmpegCodec)
    return adapter


def moving(frames: int, height: int, width: int, channels: int) -> np.ndarray:
    """A smooth texture that moves, as uint8 (T, H, W) or (T, H, W, 3)."""
    y, x = np.mgrid[:height, :width].astype(float)
    planes = [
        128 + 90 * np.sin((x + 2 * t) / (5 + c)) * np.cos((y - t) / (7 - c))
        for t in range(frames)
        for c in range(channels)
    ]
    array = np.rint(np.stack(planes)).astype(np.uint8).reshape(frames, channels, height, width)
    return array[:, 0] if channels == 1 else np.moveaxis(array, 1, 3)


def pyav_frames(name: str, stream: bytes) -> list[av.VideoFrame]:
    """The stream through PyAV's own libraries, not the ffmpeg program."""
    if name == "svtav1":
        with av.open(io.BytesIO(stream), format="obu") as container:
            return list(container.decode(video=0))
    decoder: Any = av.CodecContext.create(DECODERS[name], "r")
    decoder.thread_count = 1
    if name == "vp9":
        packets = [av.Packet(frame) for frame in split_frames(stream)]
    else:
        packets = list(decoder.parse(stream)) + list(decoder.parse(b""))
    frames = [frame for packet in packets for frame in decoder.decode(packet)]
    return frames + list(decoder.decode(None))


def pyav_planes(frame: av.VideoFrame) -> bytes:
    wide = 2 if "10" in frame.format.name else 1
    return b"".join(
        np.frombuffer(plane, np.uint8)
        .reshape(plane.height, plane.line_size)[:, : plane.width * wide]
        .tobytes()
        for plane in frame.planes
    )


def pyav_decode(name: str, payload: bytes, layout: Layout) -> list[Frame]:
    _, stream = read_side_info(payload)
    decoded = []
    for frame in pyav_frames(name, stream):
        pix_fmt = frame.format.name
        chroma: Any = "444" if "444" in pix_fmt else "400" if "gray" in pix_fmt else "420"
        coded = PlaneFormat(chroma, 10 if "10" in pix_fmt else 8, frame.width, frame.height)
        planes = pyav_planes(frame)
        decoded.append(read_planes(planes, coded, layout))
    return decoded


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", DECODERS)
def test_stripped_streams_decode_to_the_same_frames_in_pyav(name: str, channels: int) -> None:
    signal = clip(moving(6, 66, 70, channels))
    codec = build(name)
    payload = codec.encode(signal, codec.card.ladder[2]).payload
    ours = codec.decode(payload).array()
    theirs = pyav_decode(name, payload, signal.layout)
    assert len(theirs) == 6
    assert (ours == np.stack(theirs)).all()


@pytest.mark.parametrize("shape", [(66, 70), (65, 71)])
@pytest.mark.parametrize(
    ("spec", "depth"),
    [("svtav1", 8), ("x264:chroma=420", 8), ("x265:chroma=420", 8), ("vp9:chroma=420", 8),
     ("vvenc", 10)],
)  # fmt: skip
def test_chroma_of_420_is_rounded_once_on_its_way_to_rgb(
    spec: str, depth: int, shape: tuple[int, int]
) -> None:
    """PyAV's planes through exact arithmetic are our frames, to the sample."""
    signal = image(moving(1, *shape, 3)[0])
    codec = build(spec)
    payload = codec.encode(signal, codec.card.ladder[0]).payload
    (frame,) = pyav_frames(spec.partition(":")[0], read_side_info(payload)[1])
    dtype = np.uint8 if depth == 8 else np.dtype("<u2")
    flat, planes = np.frombuffer(pyav_planes(frame), dtype), []
    for plane in frame.planes:
        count = plane.width * plane.height
        planes.append(flat[:count].reshape(plane.height, plane.width))
        flat = flat[count:]
    expected = exact_colour.rgb_of_420(planes, depth, *shape)
    assert (codec.decode(payload).array()[0] == expected).all()


@pytest.mark.parametrize(("crf", "least"), [(10, 0.06), (20, 0.04)])
def test_what_one_rounding_is_worth(crf: int, least: float, kodak_folder: Path) -> None:
    """SVT-AV1 at preset 8 on kodim20: 0.117 dB at crf 10 and 0.052 dB at crf 20 beside chroma that
    is rounded to 8 bits before it becomes RGB."""
    pixels = np.asarray(Image.open(kodak_folder / "kodim20.png"))
    codec = build("svtav1:preset=8")
    payload = codec.encode(image(pixels), Point("crf", crf)).payload
    (frame,) = pyav_frames("svtav1", payload)
    y, *chroma = (np.frombuffer(plane, np.uint8) for plane in frame.planes)
    halves = [half.reshape(256, -1)[:, :384] for half in chroma]
    twice = [(exact_colour.sixteenfold(half, 512, 768) + 8) // 16 - 128.0 for half in halves]
    luma = y.reshape(512, -1)[:, :768].astype(float)
    cb, cr = twice
    parts = [luma + 1.5748 * cr, luma - 0.187324 * cb - 0.468124 * cr, luma + 1.8556 * cb]
    before = np.clip(np.rint(np.stack(parts, axis=-1)), 0, 255)
    errors = [
        np.mean((one.astype(float) - pixels) ** 2)
        for one in (codec.decode(payload).array()[0], before)
    ]
    assert 10 * np.log10(errors[1] / errors[0]) > least


def test_exactly_codecs_that_halve_chroma_say_how(monkeypatch: pytest.MonkeyPatch) -> None:
    """Records of all others stay what they are: their versions do not change."""
    monkeypatch.setattr(ffmpeg_binary, "versions", lambda encoder: {"ffmpeg": "7.1"})
    monkeypatch.setattr(ReferenceCodec, "_encoder", lambda self: Path("encoder"))
    monkeypatch.setattr(ReferenceCodec, "_configuration", lambda self, key: Path(key))
    monkeypatch.setattr("bench.codecs.reference.first_line", lambda words: "[9.3]")
    monkeypatch.setattr("bench.codecs.reference.program_hash", lambda path: "hash")
    specs = {
        "svtav1": True, "vvenc": True, "vtm-420": True, "hm:chroma=420": True,
        "x264:chroma=420": True, "x265:chroma=420": True, "vp9:chroma=420": True,
        "x264": False, "x265": False, "vp9": False, "hm": False, "vtm": False,
        "hm:conversion=compressai": False, "ffv1": False,
    }  # fmt: skip
    for spec, halves in specs.items():
        versions = dict(build_codec(select(load_registry(), spec)).versions())
        assert versions.pop("chroma_resampling", None) == ("float" if halves else None), spec
        programs = [key for key in versions if not key.endswith(".cfg")]
        assert programs in (["ffmpeg"], ["HM"], ["VTM"])


@pytest.mark.parametrize("spec", ["svtav1", "vvenc", "x264", "x264:chroma=420", "ffv1"])
@pytest.mark.parametrize("channels", [1, 3])
def test_conversions_of_samples_are_not_timed(
    spec: str, channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a clock that stands still but for conversions: all that is timed takes no time."""
    seconds, calls = [0.0], []

    def slow(call: Callable[..., Any]) -> Callable[..., Any]:
        def slowed(*words: Any, **named: Any) -> Any:
            seconds[0] += 100
            calls.append(call.__name__)
            return call(*words, **named)

        return slowed

    monkeypatch.setattr(stopwatch.time, "perf_counter", lambda: seconds[0])
    monkeypatch.setattr(planes, "_to_planes", slow(planes._to_planes))
    monkeypatch.setattr(planes, "_to_rgb", slow(planes._to_rgb))
    monkeypatch.setattr(colour, "on_8_bits", slow(colour.on_8_bits))
    monkeypatch.setattr(ffv1, "_pack", slow(ffv1._pack))
    codec: Codec = build_codec(select(load_registry(), spec))
    signal = clip(moving(2, 66, 70, channels))
    point = codec.card.ladder[-1]  # type: ignore[attr-defined]
    encoded, encoding = timed(lambda: codec.encode(signal, point))
    decoded, decoding = timed(lambda: codec.decode(encoded.payload))
    assert decoded.layout.frame_shape == signal.layout.frame_shape
    assert [encoding.wall_seconds, decoding.wall_seconds] == pytest.approx([0, 0], abs=1e-6)
    assert calls or (channels == 1 and spec in ("x264", "x264:chroma=420", "ffv1"))


def test_decoded_planes_that_are_the_samples_are_not_copied(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(spool, "MEMORY_BYTES", 0)
    layout = Layout("video", YUV420, 64, 66, 3)
    noise = np.random.default_rng(5).integers(0, 256, (3, *layout.frame_shape), dtype=np.uint8)
    for spec in ("x264", "svtav1", "ffv1"):
        codec: Codec = build_codec(select(load_registry(), spec))
        point = Point("crf", 30) if spec != "ffv1" else Point("mode", "only")
        decoded = codec.decode(codec.encode(Signal(layout, lambda: iter(noise)), point).payload)
        for one, same in zip(decoded.frames(), decoded.frames(), strict=True):
            assert np.shares_memory(one, same)


@pytest.mark.parametrize("name", ["x264-zerolatency", "x265-zerolatency"])
def test_streams_without_repeated_parameter_sets_decode_in_pyav(name: str) -> None:
    """keyint = 10 repeats parameter sets and x265's signature; they are dropped."""
    signal = clip(moving(21, 64, 64, 1))
    codec = build(name)
    encoded = codec.encode(signal, Point("crf", 30))
    theirs = pyav_decode(name[:4], encoded.payload, signal.layout)
    assert (codec.decode(encoded.payload).array() == np.stack(theirs)).all()
    if name.startswith("x265"):
        assert encoded.discarded_bytes > 3 * 1000


@pytest.mark.parametrize(("name", "least"), [("x264", 500), ("x265", 1500)])
def test_the_encoders_signature_is_discarded(name: str, least: int) -> None:
    encoded = build(name).encode(clip(moving(3, 64, 64, 1)), Point("crf", 40))
    assert name.encode() not in encoded.payload
    assert encoded.discarded_bytes > least
    assert len(encoded.payload) < 1000
    assert encoded.header_bytes is not None and 20 < encoded.header_bytes < 250


@pytest.mark.parametrize("name", ["x264", "x265"])
def test_the_encoder_is_told_the_quantiser_and_nothing_else(name: str) -> None:
    """Its signature says how it controlled the rate."""
    signal = clip(moving(2, 64, 64, 1))
    for word, says in (("qp=30", b"rc=cqp"), ("crf=30", b"rc=crf")):
        codec = build(f"{name}-medium:{word}")
        (point,) = codec.card.ladder
        coded = codec.coded_format(signal.layout)
        planes = (write_planes(frame, signal.layout, coded) for frame in signal.frames())
        command = codec.encode_command(signal.layout, coded, point)
        with run_to_file(command, planes) as written:
            stream = written.read()
        key, _, value = word.partition("=")
        assert says in stream and f"{key}={value}".encode() in stream


def test_a_planted_signature_would_be_found() -> None:
    """The ledger is right even if the signature comes back: it is discarded again."""
    codec = build("x265")
    clean = codec.encode(clip(moving(3, 64, 64, 1)), Point("crf", 40)).payload
    dirty = clean + b"\0\0\1\x4e\x01\x05" + b"signature" * 50
    stripped = codec.strip(dirty)
    assert stripped.payload == clean
    assert stripped.discarded_bytes == len(dirty) - len(clean)


@pytest.mark.parametrize("name", ["x264", "x265", "vvenc", "svtav1", "vp9"])
def test_rgb_is_signalled_as_full_range(name: str) -> None:
    codec = build(name)
    payload = codec.encode(image(moving(1, 64, 64, 3)[0]), codec.card.ladder[2]).payload
    frame = pyav_frames(name, read_side_info(payload)[1])[0]
    assert int(frame.color_range) == 2  # AVCOL_RANGE_JPEG
    if name != "vvenc":
        assert int(frame.colorspace) == 1  # AVCOL_SPC_BT709


@pytest.mark.parametrize(
    "spec",
    [
        "x264",
        "x264:chroma=420",
        "x265:crf=0,params=lossless=1",
        "x265:chroma=420,crf=0,params=lossless=1",
    ],
)
def test_without_coding_loss_the_picture_is_the_colour_ceiling(spec: str) -> None:
    """Any conversion by the encoder's or decoder's scaler would show here."""
    signal = image(moving(1, 66, 70, 3)[0])
    codec = build(spec)
    decoded = codec.decode(codec.encode(signal, Point("crf", 0)).payload).array()
    ceiling = codec.colour_path(signal)
    assert ceiling is not None
    assert (decoded == ceiling.array()).all()


@pytest.mark.parametrize("spec", ["x264", "x265:crf=0,params=lossless=1"])
def test_gray_and_420_planes_go_through_as_they_are(spec: str) -> None:
    codec, point = build(spec), Point("crf", 0)
    gray = clip(moving(3, 65, 67, 1))
    assert (codec.decode(codec.encode(gray, point).payload).array() == gray.array()).all()
    assert codec.colour_path(gray) is None
    layout = Layout("video", YUV420, 35, 33, 2)
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (2, *layout.frame_shape), dtype=np.uint8)
    planes = Signal(layout, lambda: iter(frames))
    assert codec.colour_path(planes) is None
    decoded = codec.decode(codec.encode(planes, point).payload)
    assert decoded.layout.samples == "yuv420"
    assert (decoded.array() == frames).all()


def test_gray_is_coded_as_monochrome() -> None:
    payload = build("x264").encode(image(moving(1, 64, 64, 1)[0]), Point("crf", 20)).payload
    assert annexb.is_monochrome_h264(payload)
    payload = build("x265").encode(image(moving(1, 64, 64, 1)[0]), Point("crf", 20)).payload
    assert pyav_frames("x265", payload)[0].format.name == "gray"


@pytest.mark.parametrize(
    ("spec", "shape", "side_bytes"),
    [
        ("x264", (64, 64, 3), 0),
        ("x264", (65, 67, 3), 0),
        ("x264:chroma=420", (65, 67, 3), 3),
        ("x264", (65, 67), 0),
        ("vvenc", (64, 64), 1),
        ("vvenc", (65, 67, 3), 3),
        ("svtav1", (65, 67, 3), 0),
        ("svtav1", (40, 67, 3), 3),
    ],
)
def test_padding_is_told_in_counted_bytes(
    spec: str, shape: tuple[int, ...], side_bytes: int
) -> None:
    codec = build(spec)
    channels = 3 if len(shape) == 3 else 1
    signal = image(moving(1, shape[0], shape[1], channels)[0])
    payload = codec.encode(signal, codec.card.ladder[2]).payload
    assert len(payload) - len(read_side_info(payload)[1]) == side_bytes
    assert codec.decode(payload).layout.frame_shape == shape


def test_chroma_420_is_a_variation() -> None:
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:, ::2] = (255, 0, 0)
    full, half = build("x264"), build("x264:chroma=420")
    for codec, least, most in [(full, 45, 100), (half, 5, 25)]:
        path = codec.colour_path(image(pixels))
        assert path is not None
        error = np.mean((path.array()[0].astype(float) - pixels) ** 2)
        assert least < 10 * np.log10(255**2 / max(error, 1e-9)) <= most


def test_signal_frames_that_fail_end_the_encoder() -> None:
    def frames() -> Iterator[Frame]:
        yield np.zeros((64, 64), np.uint8)
        raise OSError("the clip cannot be read on")

    with pytest.raises(OSError, match="cannot be read on"):
        build("x264").encode(Signal(Layout("video", GRAY, 64, 64, 2), frames), Point("crf", 30))


def test_a_clip_that_ends_early_is_an_error() -> None:
    pixels = moving(3, 64, 64, 1)
    short = Signal(Layout("video", GRAY, 64, 64, 5), lambda: iter(pixels))
    with pytest.raises(CodecError, match="coded 3 frames of 5"):
        build("x264").encode(short, Point("crf", 30))


def test_the_encoders_own_reason_is_reported() -> None:
    with pytest.raises(CodecError, match="ended with status"):
        build("x265:params=ctu=7").encode(image(moving(1, 64, 64, 1)[0]), Point("crf", 30))


def test_a_stream_cut_between_frames_gives_fewer_frames_not_shifted_ones() -> None:
    codec = build("x264:params=bframes=0")
    frames = moving(6, 64, 64, 1)
    payload = codec.encode(clip(frames), Point("crf", 20)).payload
    cut = payload[: payload.rindex(b"\0\0\1") - 1]
    decoded = codec.decode(cut).array()
    assert (decoded == codec.decode(payload).array()[:5]).all()


def test_a_stream_of_another_standard_is_refused() -> None:
    payload = build("x264").encode(image(moving(1, 64, 64, 1)[0]), Point("crf", 20)).payload
    for name in ["svtav1", "vp9"]:
        with pytest.raises(BitstreamError):
            build(name).decode(payload)
    with pytest.raises(CodecError):
        build("x265").decode(payload)


@pytest.mark.parametrize("spec", ["x264", "svtav1"])
def test_large_clips_are_converted_to_a_file(spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    codec = build(spec)
    payload = codec.encode(clip(moving(5, 64, 64, 3)), Point("crf", 30)).payload
    in_memory = codec.decode(payload)
    monkeypatch.setattr(spool, "MEMORY_BYTES", 20_000)
    spooled = codec.decode(payload)
    assert (in_memory.array() == spooled.array()).all()
    assert next(in_memory.frames()).flags.writeable and not next(spooled.frames()).flags.writeable


@pytest.mark.parametrize("name", DECODERS)
def test_versions_are_read_from_the_binary(name: str) -> None:
    versions = build(name).versions()
    own = {"chroma_resampling"} if name in ("vvenc", "svtav1") else set()
    assert set(versions) == {"ffmpeg", build(name).encoder} | own
    assert "unknown" not in versions.values()


@pytest.mark.parametrize(("name", "word"), [("x264", "1"), ("x265", "1"), ("vvenc", "1")])
def test_encoders_are_held_to_one_thread(name: str, word: str) -> None:
    codec = build(name)
    layout = Layout("image", RGB, 64, 64, 1, Fraction(25))
    command = codec.encode_command(layout, codec.coded_format(layout), codec.card.ladder[0])
    assert command[command.index("-threads") + 1] == word
    assert command[0] == ffmpeg_binary.find_ffmpeg()


def test_a_shell_codes_the_same_by_the_command_of_two_passes(tmp_path: Path) -> None:
    """As run.json keeps it, but for where the planes come from and where ffmpeg lies."""
    card = select(load_registry(), "x264:preset=fast,kbps=200,passes=2")
    layout = Layout("video", YUV420, 64, 64, 6, Fraction(25))
    planes = np.random.default_rng(4).integers(0, 256, (6, 96 * 64), dtype=np.uint8)
    (tmp_path / "in.yuv").write_bytes(planes.tobytes())
    binary = Path(ffmpeg_binary.find_ffmpeg())
    command = probe(card, "cpu", layout).command.replace("pipe:0", "in.yuv")
    assert command.count(binary.name) == 2
    command = command.replace(binary.name, shlex.quote(str(binary)))
    told = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, check=True)
    signal = Signal(layout, lambda: iter(planes))
    ours = build_codec(card).encode(signal, card.ladder[0]).payload
    assert annexb.H264.strip(told.stdout).payload == ours


def test_ffv1_keeps_colours_without_conversion() -> None:
    codec: Codec = build_codec(load_registry().codec("ffv1"))
    pixels = np.random.default_rng(0).integers(0, 256, (4, 35, 33, 3), dtype=np.uint8)
    encoded: Encoded = codec.encode(clip(pixels), Point("mode", "only"))
    assert (codec.decode(encoded.payload).array() == pixels).all()
    assert codec.colour_path(clip(pixels)) is None
    # side information of 3 bytes, then mark, count and four lengths of two bytes
    assert encoded.header_bytes == 3 + 1 + 1 + 4 * 2


def test_pictures_are_the_same_as_other_players_show_them() -> None:
    """PyAV's own conversion to RGB, by the stream's signalling, agrees with ours."""
    pixels = moving(1, 64, 64, 3)[0]
    payload = build("x264").encode(image(pixels), Point("crf", 1)).payload
    shown = pyav_frames("x264", payload)[0].to_ndarray(format="rgb24")
    assert np.abs(shown.astype(int) - pixels).mean() < 2
    assert np.abs(colour.yuv_to_rgb(colour.rgb_to_yuv(pixels)).astype(int) - pixels).max() <= 2


def _option(words: list[str], key: str, default: str) -> str:
    return words[words.index(key) + 1] if key in words else default


@pytest.mark.parametrize(
    "name",
    [f"{codec}{kind}" for codec in ("x264", "x265") for kind in ("", "-medium", "-zerolatency")],
)
def test_the_card_tells_the_command_whose_settings_it_has(name: str) -> None:
    """Defaults of ffmpeg's libx264 and libx265: preset medium, no tuning, 250 frames between key
    frames (https://ffmpeg.org/ffmpeg-codecs.html, x265's and x264's own documentation)."""
    codec = build(name)
    told = codec.card.source["command"].split()
    layout = Layout("video", RGB, 64, 64, 8)
    ours = codec.encode_command(layout, codec.coded_format(layout), Point("crf", 30))
    for key, default in (("-c:v", ""), ("-preset", "medium"), ("-tune", "default")):
        assert _option(told, key, default) == _option(ours, key, default), key
    keyint = _option(told, "-x265-params", "").partition("keyint=")[2]
    assert _option(told, "-g", keyint or "250") == _option(ours, "-g", "250")


@pytest.mark.parametrize(
    "name", ["x264-medium", "x264-zerolatency", "x265-medium", "x265-zerolatency"]
)
def test_the_card_says_whose_settings_it_has(name: str) -> None:
    source = load_registry().codec(name).source
    paper = "Husnain" if name.endswith("medium") else "CVPR 2019, arXiv:1812.00101"
    assert paper in source["paper"]
    assert "of the four papers" in source["settings"]
