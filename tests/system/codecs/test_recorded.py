"""Streams and reconstructions of other programs: looked up, decoded or believed, and marked."""

from __future__ import annotations

import io
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.cards import read_codec
from bench.codecs.base import Codec, DecodesAfresh, DecodesApart
from bench.codecs.build import build_codec
from bench.codecs.support import exchange
from bench.codecs.support.planes import PlaneFormat
from bench.errors import BenchError, CardError, CodecError, Unavailable
from bench.processes import isolation
from bench.records import Point
from bench.signals import YUV420, Layout, Signal, clip, image
from tests.pictures import picture

PIXELS = picture(24, 40)
LADDER = "[ladder]\nq = [10, 50]"


def codec(folder: Path, settings: str, ladder: str = LADDER) -> Codec:
    path = folder / "theirs.toml"
    path.write_text(
        textwrap.dedent('title = "Theirs"\nadapter = "bench.codecs.recorded:Recorded"\n')
        + f'media = ["image"]\n[settings]\n{settings}\n{ladder}\n'
    )
    read_codec.cache_clear()
    return build_codec(read_codec(path))


def named(name: str = "kodim01.png") -> Signal:
    return replace(image(PIXELS), name=name)


@pytest.fixture
def streams(tmp_path: Path) -> Path:
    """JPEG files as another program left them."""
    (tmp_path / "streams").mkdir()
    for quality in (10, 50):
        file = io.BytesIO()
        Image.fromarray(PIXELS).save(file, "JPEG", quality=quality)
        (tmp_path / "streams" / f"kodim01-{quality}.bin").write_bytes(file.getvalue())
    return tmp_path


CONVERT = (
    "from PIL import Image; import sys; Image.open(sys.argv[1]).convert('RGB').save(sys.argv[2])"
)


def test_streams_with_a_decode_command(streams: Path) -> None:
    theirs = codec(
        streams,
        'streams = "streams/{item}-{point}.bin"\n'
        f'decode = ["{sys.executable}", "-c", "{CONVERT}", "{{bitstream}}", "{{output}}"]',
    )
    theirs.check_available()
    encoded = theirs.encode(named(), Point("q", 50))
    assert encoded.payload == (streams / "streams" / "kodim01-50.bin").read_bytes()
    assert not encoded.coded_here and encoded.rate == "measured"
    expected = np.asarray(Image.open(io.BytesIO(encoded.payload)).convert("RGB"))
    np.testing.assert_array_equal(theirs.decode(encoded.payload).array()[0], expected)


def test_streams_with_a_decoder_in_python(streams: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (streams / "theirs_decoder.py").write_text(
        "import io, numpy\nfrom PIL import Image\nfrom bench.signals import Signal\n"
        "Signal.sha256 = lambda self: '0' * 64\n"
        "def decode(data): return numpy.asarray(Image.open(io.BytesIO(data)))\n"
        "class Wrong:\n    def decode(self, data): return numpy.zeros((2, 2))\n"
        "class Counts:\n    n = 0\n    def decode(self, data):\n        self.n += 1\n"
        "        return numpy.full((2, 2), self.n, numpy.uint8)\n"
    )
    monkeypatch.syspath_prepend(str(streams))
    pattern = 'streams = "streams/{item}-{point}.bin"\ndecoder = "theirs_decoder:'
    theirs = codec(streams, pattern + 'decode"')
    payload = theirs.encode(named("kodim01"), Point("q", 10)).payload
    decoded = theirs.decode(payload)
    assert decoded.layout.frame_shape == (24, 40, 3)
    assert "theirs_decoder" not in sys.modules and len(set(decoded.sha256())) > 1
    assert isinstance(theirs, DecodesApart) and theirs.isolation == isolation.describe()
    assert [Path(path).name for path in theirs.code()] == ["theirs_decoder.py"]
    with pytest.raises(CodecError, match=r"returned float64 \(2, 2\)"):
        codec(streams, pattern + 'Wrong"').decode(payload)
    counts = codec(streams, pattern + 'Counts"')
    assert isinstance(counts, DecodesAfresh)
    for decode, value in ((counts.decode, 1), (counts.decode, 2), (counts.decode_afresh, 1)):
        assert decode(payload).array().max() == value


def test_reconstructions_with_reported_sizes(tmp_path: Path) -> None:
    (tmp_path / "decoded").mkdir()
    Image.fromarray(PIXELS).save(tmp_path / "decoded" / "kodim01-10.png")
    (tmp_path / "sizes.csv").write_text("item,point,bytes\nkodim01,10,321\n")
    theirs = codec(tmp_path, 'reconstructions = "decoded/{item}-{point}.png"\nsizes = "sizes.csv"')
    theirs.check_available()
    encoded = theirs.encode(named(), Point("q", 10))
    assert (encoded.rate, encoded.bytes_reported, encoded.payload) == ("reported", 321, b"")
    assert encoded.reconstruction is not None
    np.testing.assert_array_equal(encoded.reconstruction.array()[0], PIXELS)
    with pytest.raises(Unavailable, match=r"decoded/kodim02-10\.png is missing"):
        theirs.encode(named("kodim02.png"), Point("q", 10))


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (b"a,10,5\na,10,6\n", "line 3: a, 10 twice"),
        (b"a,10,1,020\n", "line 2: too many cells"),
        ("a,10,²\n".encode(), "line 2: bytes is '²'"),
        (b"a,10,1" + bytes(18 * b"0") + b"\n", "not a whole number above 0"),
        (b"\xe9,10,5\n", "cannot be read as a table"),
    ],
)
def test_tables_of_sizes_that_say_two_things_are_refused(
    tmp_path: Path, rows: bytes, said: str
) -> None:
    (tmp_path / "sizes.csv").write_bytes(b"item,point,bytes\n" + rows)
    with pytest.raises(CardError, match=said):
        codec(tmp_path, 'reconstructions = "{item}-{point}.png"\nsizes = "sizes.csv"').versions()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ('streams = "a/{item}-{point}.bin"', "give streams with decode or decoder"),
        ('streams = "a/{item}.bin"\ndecoder = "a:b"', "names one file for every point"),
        ('streams = "a/{name}-{point}.bin"\ndecoder = "a:b"', "unknown placeholder {name}"),
        ('streams = "a/{item}-{point}.bin"\ndecoder = "nowhere:b"', "cannot be imported"),
        ('streams = "a/{item}-{point}.bin"\ndecode = "cat {input}"', "unknown placeholder {input}"),
        ('reconstructions = "{item}-{point}.png"\nsizes = "bad.csv"', "line 2: bytes is '-3'"),
        ('reconstructions = "{item}-{point}.png"\nsizes = "worse.csv"', "'bytes' is missing"),
        ('streams = "none/{item}-{point}.bin"\ndecode = "cat"', "no file is like"),
    ],
)
def test_mistakes_of_a_card_are_named(tmp_path: Path, settings: str, said: str) -> None:
    (tmp_path / "bad.csv").write_text("item,point,bytes\nkodim01,10,-3\n")
    (tmp_path / "worse.csv").write_text("item,point\nkodim01,10\n")
    with pytest.raises(BenchError) as caught:
        codec(tmp_path, settings).check_available()
    assert said in str(caught.value)


SIZES = "item,point,bytes\nball,10,99\n"
REPORTED = 'sizes = "sizes.csv"\nreconstructions = "decoded/{item}-{point}'


def reported(folder: Path, kind: str, settings: str, source: Signal) -> Signal:
    """What a card of reported sizes finds for the item "ball"."""
    (folder / "sizes.csv").write_text(SIZES)
    theirs = codec(folder, f'{REPORTED}{kind}"\n{settings}')
    if reason := theirs.refusal(source.layout):
        raise CodecError(reason)
    found = theirs.encode(replace(source, name="ball"), Point("q", 10)).reconstruction
    assert found is not None
    return found


@pytest.fixture
def rgb_clip(tmp_path: Path) -> Signal:
    (tmp_path / "decoded").mkdir()
    return clip(np.stack([picture(24, 40, seed) for seed in range(2)]))


def test_444_y4m_becomes_rgb_where_its_matrix_is_said(tmp_path: Path, rgb_clip: Signal) -> None:
    file = tmp_path / "decoded" / "ball-10.y4m"
    exchange.write_video(file, rgb_clip, PlaneFormat("444", 8, 40, 24))
    found = reported(tmp_path, ".y4m", 'matrix = "bt709"', rgb_clip)
    assert np.abs(found.array().astype(int) - rgb_clip.array()).max() <= 2
    with pytest.raises(CodecError, match='say how they were made, matrix = "bt709"'):
        reported(tmp_path, ".y4m", "", rgb_clip)


PLANES = np.arange(2 * 1440, dtype=np.uint32).reshape(2, 1440) * 7 % 256
"""Two 4:2:0 frames of 40×24."""


def planar(layout: Layout) -> Signal:
    frames = PLANES.astype(np.uint8)
    return Signal(replace(layout, format=YUV420), lambda: iter(frames))


@pytest.mark.parametrize("kind", [".y4m", ".yuv"])
def test_420_planes_stay_planes(tmp_path: Path, rgb_clip: Signal, kind: str) -> None:
    source = planar(rgb_clip.layout)
    exchange.write_video(tmp_path / f"decoded/ball-10{kind}", source, PlaneFormat("420", 8, 40, 24))
    found = reported(tmp_path, kind, "", source)
    assert found.layout.samples == "yuv420"
    np.testing.assert_array_equal(found.array(), PLANES)


@pytest.mark.parametrize(
    ("matrix", "range_", "expected"),
    # of Y 100, Cb 90, Cr 180 by the formulas of ITU-T H.273, 8.3, with its luma weights, in doubles
    [
        ("bt709", "full", (182, 83, 29)),
        ("bt709", "limited", (191, 78, 18)),
        ("bt601", "limited", (181, 70, 21)),
    ],
)
def test_420_planes_become_rgb_by_the_matrix_and_range_that_are_said(
    tmp_path: Path, rgb_clip: Signal, matrix: str, range_: str, expected: tuple[int, ...]
) -> None:
    flat = np.concatenate([np.full(960, 100), np.full(240, 90), np.full(240, 180)])
    (tmp_path / "decoded" / "ball-10.yuv").write_bytes(flat.astype(np.uint8).tobytes() * 2)
    said = f'matrix = "{matrix}"\nrange = "{range_}"'
    found = reported(tmp_path, ".yuv", said, rgb_clip)
    assert tuple(found.array()[0, 0, 0]) == expected
    with pytest.raises(CodecError, match="does not say its range"):
        reported(tmp_path, ".yuv", f'matrix = "{matrix}"', rgb_clip)
    theirs = codec(tmp_path, f'{REPORTED}.yuv"\n{said}')
    assert theirs.versions()["colour"] == f"{matrix} of {range_} to RGB"


def test_a_folder_of_pictures_is_a_clip(tmp_path: Path, rgb_clip: Signal) -> None:
    folder = tmp_path / "decoded" / "ball-10"
    folder.mkdir()
    for place, frame in enumerate(rgb_clip.frames(), 9):  # 9 comes before 10
        Image.fromarray(frame).save(folder / f"im{place}.png")
    found = reported(tmp_path, "", "", rgb_clip)
    np.testing.assert_array_equal(found.array(), rgb_clip.array())


def test_a_decoder_writes_raw_yuv_of_a_stated_size(tmp_path: Path, rgb_clip: Signal) -> None:
    source = planar(rgb_clip.layout)
    (tmp_path / "ball-10.bin").write_bytes(PLANES.astype(np.uint8).tobytes())
    theirs = codec(
        tmp_path,
        'streams = "{item}-{point}.bin"\noutput = "yuv"\nsize = "40x24"\n'
        'decode = "cp {bitstream} {output}"',
    )
    payload = theirs.encode(replace(source, name="ball"), Point("q", 10)).payload
    np.testing.assert_array_equal(theirs.decode(payload).array(), PLANES)


@pytest.mark.parametrize(
    ("command", "said"),
    [("cp {bitstream} {output}/im1.png", ""), ("ln -s {bitstream} {output}/im1.png", "no output")],
)
def test_a_decoder_writes_a_folder_of_pictures_and_no_links(
    tmp_path: Path, rgb_clip: Signal, command: str, said: str
) -> None:
    Image.fromarray(rgb_clip.array()[0]).save(tmp_path / "ball-10.bin", "PNG")
    settings = f'streams = "{{item}}-{{point}}.bin"\noutput = "folder"\ndecode = "{command}"'
    theirs = codec(tmp_path, settings)
    payload = (tmp_path / "ball-10.bin").read_bytes()
    if said:
        with pytest.raises(CodecError, match=said):
            theirs.decode(payload)
    else:
        np.testing.assert_array_equal(theirs.decode(payload).array(), rgb_clip.array()[:1])
