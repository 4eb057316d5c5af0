"""HM, VTM, libbpg and Cool-chic by their real programs; without these the tests say so and skip."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench import colour
from bench.bitstreams import annexb
from bench.bitstreams.annexb import picture_size_h265
from bench.cards import load_registry
from bench.codecs.base import Codec
from bench.codecs.build import build_codec, select
from bench.codecs.reference import Hm, ReferenceCodec
from bench.codecs.support import ffmpeg_binary
from bench.codecs.support.planes import PlaneFormat, read_planes
from bench.errors import BitstreamError, CardError, CodecError, Unavailable, UsageError
from bench.records import Point
from bench.signals import RGB, Layout, Signal, clip, image

FAMILIES = ["hm", "vtm"]


def _build(spec: str) -> Codec:
    """The codec of a spec such as ``hm:structure=low-delay``, or a skip with the reason."""
    codec: Codec = build_codec(select(load_registry(), spec))
    try:
        codec.check_available()
    except Unavailable as error:
        pytest.skip(str(error))
    return codec


def _picture(height: int = 64, width: int = 88) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    rng = np.random.default_rng(3)
    planes = [128 + 90 * np.sin(x / 9 + c) * np.cos(y / (7 + c)) for c in range(3)]
    noisy = np.stack(planes, axis=2) + rng.normal(0, 3, (height, width, 3))
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def _clip(frames: int) -> Signal:
    wide = _picture(64, 64 + 4 * frames)
    return clip(np.stack([wide[:, 4 * t : 4 * t + 64] for t in range(frames)]))


def _psnr(decoded: Signal, source: Signal) -> float:
    error = np.mean((decoded.array().astype(float) - source.array()) ** 2)
    return float(10 * np.log10(255**2 / error))


def _ffmpeg_planes(stream: bytes, demuxer: str, chroma: str) -> bytes:
    """All frames of an elementary stream as 10-bit planes, decoded by ffmpeg."""
    pix_fmt = {"400": "gray10le", "420": "yuv420p10le", "444": "yuv444p10le"}[chroma]
    done = subprocess.run(
        [
            *(ffmpeg_binary.find_ffmpeg(), "-nostdin", "-loglevel", "error"),
            *("-f", demuxer, "-i", "-", "-f", "rawvideo", "-pix_fmt", pix_fmt, "-"),
        ],
        input=stream,
        capture_output=True,
        check=True,
    )
    return done.stdout


@pytest.mark.parametrize(
    ("name", "variable", "programs"),
    [
        ("vtm", "BENCH_VTM", ("EncoderAppStatic", "DecoderAppStatic")),
        ("hm", "BENCH_HM", ("TAppEncoderStatic", "TAppDecoderStatic")),
        ("av2", "BENCH_AVM", ("avmenc", "avmdec")),
        ("bpg", "BENCH_BPG", ("bpgenc", "bpgdec")),
        ("coolchic", "BENCH_COOLCHIC", ("cc_encode.py", "cc_decode.py")),
    ],
)
def test_a_decoder_may_read_its_program_wherever_that_lies(
    name: str, variable: str, programs: tuple[str, str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """The process that proves a stream sees nothing but what the codec names."""
    folder = tmp_path / "bin" if name in ("vtm", "hm") else tmp_path
    folder.mkdir(exist_ok=True)
    for program in programs:
        (folder / program).write_text("#!/bin/sh\n")
        (folder / program).chmod(0o755)
    monkeypatch.setenv(variable, str(tmp_path))
    places = build_codec(load_registry().codec(name)).reads()
    assert any((folder / programs[1]).is_relative_to(place) for place in places)


@pytest.mark.parametrize("name", FAMILIES)
def test_streams_hold_no_sei_and_say_what_was_dropped(name: str) -> None:
    codec, signal = _build(name), image(_picture())
    encoded = codec.encode(signal, Point("qp", 37))
    standard = annexb.H265 if name == "hm" else annexb.H266
    kinds = {standard.unit_type(unit) for _, unit in annexb.split_units(encoded.payload)}
    assert not kinds & standard.dispensable
    # a start code, the NAL header, payload type and size, the method and three MD5 of 16 bytes
    assert encoded.discarded_bytes >= 3 + 2 + 2 + 1 + 48
    assert encoded.header_bytes is not None and 20 < encoded.header_bytes < 200
    assert _psnr(codec.decode(encoded.payload), signal) > 27


@pytest.mark.parametrize("name", FAMILIES)
def test_clips_gain_from_prediction(name: str) -> None:
    signal = _clip(9)
    sizes = {}
    for structure in ("intra", "random-access", "low-delay"):
        codec = _build(f"{name}:structure={structure}")
        payload = codec.encode(signal, Point("qp", 37)).payload
        decoded = codec.decode(payload)
        assert decoded.layout.frames == 9
        assert _psnr(decoded, signal) > 24
        sizes[structure] = len(payload)
    assert max(sizes["random-access"], sizes["low-delay"]) < 0.7 * sizes["intra"]


@pytest.mark.parametrize("name", FAMILIES)
def test_gray_is_coded_without_chroma(name: str) -> None:
    codec, signal = _build(name), image(_picture()[..., 0])
    decoded = codec.decode(codec.encode(signal, Point("qp", 37)).payload)
    assert decoded.layout.samples == "gray"
    assert _psnr(decoded, signal) > 27


def test_ffmpeg_decodes_hm_to_the_same_samples() -> None:
    """VTM 9.3 writes a draft of H.266 that decoders of the standard do not read."""
    signal = image(_picture())
    codec = _build("hm")
    payload = codec.encode(signal, Point("qp", 32)).payload
    planes = _ffmpeg_planes(payload, "hevc", "444")
    coded = PlaneFormat("444", 10, 88, 64, shifted=True)
    assert (
        read_planes(planes, coded, Layout("image", RGB, 88, 64)) == codec.decode(payload).array()[0]
    ).all()


@pytest.mark.parametrize(("name", "frames"), [("hm", 8), ("vtm", 2)])
def test_a_bit_rate_is_about_that_which_is_asked_for(name: str, frames: int) -> None:
    """The programs' own rate control, whose bits a second are those of whole frames a second."""
    source = _clip(frames)
    signal = replace(source, layout=replace(source.layout, fps=Fraction(30000, 1001)))
    codec = _build(f"{name}:chroma=420,structure=low-delay,kbps=100")
    assert isinstance(codec, ReferenceCodec)
    command = codec.command(signal.layout, codec.card.ladder[0])
    assert "--TargetBitrate=100100" in command and "-q" not in command
    payload = codec.encode(signal, codec.card.ladder[0]).payload
    assert codec.decode(payload).layout.frames == frames
    spent = 8 * len(payload) * 30 / 1001 / frames
    assert 0.5 < spent / 100 < 2


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("hm:params=nosuch=1", "HM says \"Unknown option `nosuch'"),
        ("hm:params=AMP=2x", 'HM says \'Error parsing option "AMP"'),
        ("hm:kbps=90,params=GOPSize=7", "HM says 'Error: GOP Size must be a multiple of 2"),
        ("vtm:params=nosuch=1", "VTM says \"Unknown option `nosuch'"),
        ("av2:params=nosuch=1", "AVM says 'Error: Unrecognized option --nosuch=1'"),
        ("vp9:params=nosuch=1", "libvpx-vp9 says \"Unrecognized option 'nosuch'"),
        ("vp9:params=aq-mode=77", "libvpx-vp9 says 'Error setting option aq-mode to value 77"),
        ("vp9:params=lag-in-frames=999", "libvpx-vp9 says 'Failed to initialize encoder"),
    ],
)
def test_parameters_that_the_program_refuses_are_named_before_a_run(spec: str, says: str) -> None:
    _build(spec.partition(":")[0])
    with pytest.raises(CardError) as refused:
        build_codec(select(load_registry(), spec)).check_available()
    assert says in str(refused.value) and str(refused.value).endswith("; change params")


def test_compressai_conversion_is_compressai_s() -> None:
    compressai = pytest.importorskip("compressai.transforms.functional")
    import torch

    rgb = np.random.default_rng(1).integers(0, 256, (64, 80, 3), dtype=np.uint8)
    rgb[0, 0], rgb[0, 1] = 255, 0
    theirs = compressai.rgb2ycbcr(torch.from_numpy(rgb.transpose(2, 0, 1).copy()).float() / 255)
    expected = (np.clip(theirs.numpy(), 0, 1) * 255).astype(np.uint8).transpose(1, 2, 0)
    assert (colour.rgb_to_yuv_truncated(rgb) == expected).all()
    back = compressai.ycbcr2rgb(torch.from_numpy(expected.transpose(2, 0, 1).copy()).float() / 255)
    rounded = np.rint(np.clip(back.numpy(), 0, 1) * 255).astype(np.uint8).transpose(1, 2, 0)
    assert (colour.truncated_yuv_to_rgb(expected) == rounded).mean() > 0.9999


def test_conversion_of_compressai_costs_quality() -> None:
    signal = image(_picture())
    paths = {}
    for conversion in ("rounded", "compressai"):
        codec = build_codec(select(load_registry(), f"hm:conversion={conversion}"))
        path = codec.colour_path(signal)
        assert path is not None
        paths[conversion] = _psnr(path, signal)
    # errors of ±1/2 have variance 1/12, errors of 0 to 1 a mean square of 1/3: 6 dB, and the bias
    # of the three samples adds up
    assert paths["compressai"] == pytest.approx(paths["rounded"] - 6.7, abs=0.3)


def test_configurations_are_hashed_into_the_versions() -> None:
    codec = _build("hm")
    assert codec.versions() == {
        "HM": "16.7",
        "encoder_intra_main_rext.cfg": "sha256 e4265b2c7ee54886",
        "encoder_lowdelay_main_rext.cfg": "sha256 4eea7f86588fa4cb",
        "encoder_randomaccess_main_rext.cfg": "sha256 ce94f235110c5002",
    }


@pytest.mark.parametrize(
    ("card", "variable", "words"),
    [
        ("hm", "BENCH_HM", ["HM", "16.7", "BSD", "https://vcgit.hhi.fraunhofer.de/jvet/HM,"]),
        ("vtm", "BENCH_VTM", ["VTM", "9.3", "BSD", "fraunhofer.de/jvet/VVCSoftware_VTM,"]),
        ("vtm-420", "BENCH_VTM", ["VTM", "9.3", "BSD"]),
        ("av2", "BENCH_AVM", ["AVM", "1.0.0", "BSD 3", "https://gitlab.com/AOMediaCodec/avm,"]),
        ("bpg", "BENCH_BPG", ["libbpg", "0.9.8", "GPL 2", "https://bellard.org/bpg/"]),
        ("coolchic", "BENCH_COOLCHIC", ["5.0.1", "BSD", "github.com/Orange-OpenSource/Cool-Chic"]),
    ],
)
def test_a_missing_program_says_where_it_comes_from(
    card: str, variable: str, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the page says the same, with its configuration."""
    monkeypatch.setenv(variable, "/nowhere")
    with pytest.raises(Unavailable) as missing:
        build_codec(load_registry().codec(card)).check_available()
    said = str(missing.value)
    assert f"in {variable}=/nowhere; install " in said
    assert said.endswith(f"as docs/reference_codecs.md says, and export {variable}=<its folder>")
    page = (Path(__file__).parents[3] / "docs" / "reference_codecs.md").read_text("utf-8")
    for word in (*words, variable):
        assert word in said and word.rstrip(",") in page


def test_programs_are_found_on_the_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("BENCH_HM", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()
    for name in ("TAppEncoderStatic", "TAppDecoderStatic"):
        program = tmp_path / "bin" / name
        program.write_text("#!/bin/sh\necho 'HM software: Encoder Version [16.20]'\n")
        program.chmod(0o755)
    codec = build_codec(load_registry().codec("hm"))
    codec.check_available()
    with pytest.raises(Unavailable, match=r"HM has no configuration .*/cfg/encoder_intra"):
        codec.versions()


def test_configurations_stay_in_the_programs_folder() -> None:
    card = load_registry().codec("hm")
    card = replace(card, settings={**card.settings, "intra": "../../etc/x.cfg"})
    with pytest.raises(CardError, match=r"intra .* is outside a configuration file that comes"):
        build_codec(card)
    with pytest.raises(UsageError, match=r"intra .* is outside a configuration file that comes"):
        select(load_registry(), "hm:intra=../../etc/x.cfg")


def test_long_clips_are_refused() -> None:
    codec = Hm(load_registry().codec("hm"))
    assert codec.refusal(_clip(33).layout) is None
    assert "up to 33 frames, not 34" in str(codec.refusal(_clip(34).layout))


# x265 of a 200x100 gray clip: a conformance window in a stream of 4:0:0
_SPS = bytes.fromhex("00000001420101")


def test_picture_size_needs_a_parameter_set() -> None:
    with pytest.raises(BitstreamError, match="no sequence parameter set"):
        picture_size_h265(b"\0\0\1\x26\x01\xaf")
    with pytest.raises(BitstreamError, match="ends inside a number"):
        picture_size_h265(_SPS)


@pytest.mark.parametrize(("width", "height"), [(200, 100), (73, 67), (640, 368)])
def test_picture_size_of_x265_streams(width: int, height: int) -> None:
    codec = build_codec(select(load_registry(), "x265:preset=ultrafast,crf=40"))
    payload = codec.encode(image(_picture(height, width)), Point("crf", 40)).payload
    assert picture_size_h265(payload) == (width, height)


@pytest.mark.parametrize("encoder", ["x265", "jctvc"])
def test_bpg_by_both_encoders(encoder: str) -> None:
    codec, signal = _build(f"bpg:encoder={encoder}"), image(_picture())
    encoded = codec.encode(signal, Point("qp", 30))
    assert encoded.payload[:4] == b"BPG\xfb"
    assert encoded.header_bytes is not None and 10 < encoded.header_bytes < 60
    assert encoded.discarded_bytes == 0
    assert _psnr(codec.decode(encoded.payload), signal) > 31


@pytest.mark.parametrize("encoder", ["x265", "jctvc"])
def test_bpg_files_that_are_cut_are_refused(encoder: str) -> None:
    """bpgdec itself takes a slice that ends early for one that goes on with zeros."""
    codec = _build(f"bpg:encoder={encoder}")
    payload = codec.encode(image(_picture()), Point("qp", 30)).payload
    for kept in (len(payload) // 8, len(payload) // 2, len(payload) - 3):
        with pytest.raises(CodecError, match=f"past the end of the {kept} bytes"):
            codec.decode(payload[:kept])


def test_bpg_codes_gray_as_gray() -> None:
    codec, signal = _build("bpg"), image(_picture()[..., 0])
    decoded = codec.decode(codec.encode(signal, Point("qp", 30)).payload)
    assert decoded.layout.samples == "gray"
    assert _psnr(decoded, signal) > 31


def test_bpg_names_the_encoder_for_narrow_pictures() -> None:
    narrow = image(_picture()[:, :24])
    assert "use encoder=jctvc" in str(_build("bpg").refusal(narrow.layout))
    codec = _build("bpg:encoder=jctvc")
    assert codec.refusal(narrow.layout) is None
    assert _psnr(codec.decode(codec.encode(narrow, Point("qp", 30)).payload), narrow) > 31


def test_coolchic_decodes_the_published_stream(kodak_folder: Path) -> None:
    """kodim14.cool of Cool-chic's repository: 33,020 bytes, 32.98 dB."""
    codec = _build("coolchic")
    stream = Path(os.environ["BENCH_COOLCHIC"], "samples/bitstreams/kodim14.cool").read_bytes()
    assert len(stream) == 33020
    source = image(np.asarray(Image.open(kodak_folder / "kodim14.png")))
    assert _psnr(codec.decode(stream), source) == pytest.approx(32.98, abs=0.005)


def test_coolchic_trains_as_long_as_its_program_allows() -> None:
    with pytest.raises(UsageError, match=r"iterations .*1999 .*2000–1e\+06"):
        select(load_registry(), "coolchic:iterations=1999")
    card = select(load_registry(), "coolchic:iterations=2000")
    assert "iterations=2000" in build_codec(card).card.title


def test_a_bpgenc_that_keeps_its_planes_elsewhere_is_named_with_the_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("bpgenc", "bpgdec"):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text("#!/bin/sh\necho \"Could not open '/tmp/out1-0.yuv'\"\nexit 1\n")
        program.chmod(0o755)
    monkeypatch.setenv("BENCH_BPG", str(tmp_path))
    with pytest.raises(CodecError, match="use encoder=x265, or a libbpg whose jctvc encoder"):
        _build("bpg:encoder=jctvc").encode(image(_picture()), Point("qp", 30))
