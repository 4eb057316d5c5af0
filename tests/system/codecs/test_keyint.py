"""Intra pictures where ``keyint`` says, counted in the streams by other code than the harness."""

from __future__ import annotations

import io
import re

import av
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from bench.bitstreams.containers import write_ivf
from bench.cards import load_registry
from bench.codecs.base import Codec
from bench.codecs.build import build_codec, select
from bench.codecs.support.framing import read_side_info, split_frames
from bench.errors import UsageError
from bench.signals import Signal, clip
from tests.system.codecs.test_ffmpeg import pyav_frames

FRAMES, CUT = 40, 20
FAST = {
    "x264": "x264:preset=medium,crf=30",
    "x265": "x265:preset=medium,crf=30",
    "svtav1": "svtav1:preset=10,crf=45",
    "vp9": "vp9:cpu-used=4,crf=40",
    "vvenc": "vvenc:preset=faster,qp=40",
    "aom": "aom:cpu-used=8,crf=40",
    "ffv1": "ffv1:context=1",
}
WITHOUT_STRUCTURE = ("ffv1",)


def scenes(frames: int = FRAMES) -> Signal:
    """A smooth texture that moves back and forth, and from frame ``CUT`` on another one."""
    rng = np.random.default_rng(3)
    textures = [gaussian_filter(rng.normal(0, 1, (140, 140)), 1.5) * 250 + 128 for _ in range(2)]
    ways = [40 - abs(t % 80 - 40) for t in range(frames)]
    shown = [
        textures[int(t >= CUT)][way : way + 64, 60 - way : 124 - way].clip(0, 255).astype(np.uint8)
        for t, way in enumerate(ways)
    ]
    return clip(np.stack(shown))


def intra_pictures(spec: str, signal: Signal) -> list[int]:
    """Where the stream of a codec has intra pictures, in the order of display."""
    card = select(load_registry(), spec)
    codec: Codec = build_codec(card)
    payload = codec.encode(signal, card.ladder[0]).payload
    assert codec.decode(payload).layout.frames == signal.layout.frames
    _, stream = read_side_info(payload)
    name = spec.partition(":")[0]
    if name == "aom":
        name = "svtav1"  # the same demuxer
    if name == "vvenc":
        return _of_vvc(stream)
    if name == "ffv1":
        file = io.BytesIO(write_ivf(split_frames(stream), b"FFV1", 64, 64))
        with av.open(file, format="ivf") as container:
            frames = list(container.decode(video=0))
        return [n for n, frame in enumerate(frames) if frame.key_frame]
    frames = pyav_frames(name, stream)
    return [n for n, frame in enumerate(frames) if frame.pict_type == av.video.frame.PictureType.I]


def _of_vvc(stream: bytes) -> list[int]:
    """Their places in the stream, where NAL units say so: slices have types 0 to 10, those of
    pictures that refer to no other 7 to 10 (ITU-T H.266, table 5)."""
    types = [stream[match.end() + 1] >> 3 for match in re.finditer(b"\0\0\1", stream)]
    return [n for n, kind in enumerate(kind for kind in types if kind <= 10) if kind >= 7]


@pytest.mark.parametrize("name", FAST)
def test_minus_one_is_one_intra_picture_whatever_the_scenes(name: str) -> None:
    assert intra_pictures(f"{FAST[name]},keyint=-1", scenes()) == [0]


@pytest.mark.parametrize("name", ["svtav1", "vp9", "ffv1"])
def test_minus_one_is_no_large_number(name: str) -> None:
    """Longer than the interval of 250 frames that these have by default."""
    assert intra_pictures(f"{FAST[name]},keyint=-1", scenes(255)) == [0]
    assert intra_pictures(FAST[name], scenes(255)) == [0, 250]


@pytest.mark.parametrize("name", FAST)
def test_a_number_is_the_distance_of_intra_pictures(name: str) -> None:
    found = intra_pictures(f"{FAST[name]},keyint=10", scenes())
    assert len(found) == 4 and found[0] == 0
    if name != "vvenc":  # whose pictures are in the order of coding
        assert found == [0, 10, 20, 30]


@pytest.mark.parametrize("name", [name for name in FAST if name not in WITHOUT_STRUCTURE])
def test_structure_is_what_it_says(name: str) -> None:
    assert intra_pictures(f"{FAST[name]},structure=intra", scenes()) == list(range(FRAMES))
    found = intra_pictures(f"{FAST[name]},structure=low-delay,keyint=8", scenes(18))
    assert found == [0, 8, 16]


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("x264:structure=intra,keyint=10", "structure=intra does not count beside keyint=10"),
        ("x265:structure=random-access,tune=zerolatency", "does not count beside"),
        ("x264:structure=low-delay,params=bframes=2", "does not count beside"),
        ("svtav1:params=rc=1", "params=rc=1 does not count beside the ladder of crf"),
        ("vp9:passes=2", "passes=2 does not count beside the ladder of crf"),
        ("hm:params=QP=3", "params=QP=3 does not count beside the ladder of qp"),
        ("vtm:keyint=32,params=IntraPeriod=8", "does not count beside keyint"),
        ("vvenc:params=QP=20", "params=QP=20 does not count beside the ladder of qp"),
        ("vvenc:keyint=32,params=IntraPeriod=8", "does not count beside keyint=32"),
        ("vvenc:structure=low-delay,params=PicReordering=1", "does not count beside structure"),
        ("svtav1:structure=low-delay,params=pred-struct=2", "does not count beside structure"),
        ("svtav1:structure=low-delay,kbps=90,passes=2", "does not count beside structure"),
        ("vp9:structure=low-delay,params=lag-in-frames=9", "does not count beside structure"),
        ("vp9:structure=random-access,kbps=90,passes=1", "does not count beside structure"),
    ],
)
def test_what_does_not_count_is_refused(spec: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        select(load_registry(), spec)


@pytest.mark.parametrize("name", ["x264", "x265", "vvenc", "vp9", "aom"])
def test_two_passes_spend_about_what_is_asked_for(name: str) -> None:
    """12 frames at 25 a second: 0.48 s."""
    signal = scenes(12)
    sizes = []
    for kbps in (150, 600):
        card = select(load_registry(), f"{FAST[name].rpartition(',')[0]},kbps={kbps},passes=2")
        codec: Codec = build_codec(card)
        payload = codec.encode(signal, card.ladder[0]).payload
        assert codec.decode(payload).layout.frames == 12
        sizes.append(len(payload))
    assert 0.15 * 150_000 * 0.48 / 8 < sizes[0] < sizes[1] < 2 * 600_000 * 0.48 / 8


@pytest.mark.parametrize("name", ["x264", "x265", "svtav1", "vvenc", "vp9", "aom"])
def test_low_delay_has_bit_rates_too(name: str) -> None:
    spec = f"{FAST[name].rpartition(',')[0]},structure=low-delay,kbps=300"
    assert intra_pictures(spec, scenes(12)) == [0]


def test_random_access_of_vp9_has_hidden_frames() -> None:
    """Of superframes, which hold them, the three highest bits of the last byte are 110 (VP9
    bitstream specification, annex B)."""
    ends = {}
    for structure in ("low-delay", "random-access"):
        card = select(load_registry(), f"{FAST['vp9']},structure={structure}")
        codec: Codec = build_codec(card)
        packets = split_frames(read_side_info(codec.encode(scenes(), card.ladder[0]).payload)[1])
        ends[structure] = any(packet[-1] >> 5 == 0b110 for packet in packets)
    assert ends == {"low-delay": False, "random-access": True}


@pytest.mark.parametrize("name", ["x264", "x265"])
def test_without_it_a_change_of_scene_is_an_intra_picture(name: str) -> None:
    """What ``keyint=-1`` switches off is there: the clip is one that shows it."""
    assert intra_pictures(FAST[name], scenes()) == [0, CUT]


def test_a_single_picture_has_one_intra_picture_anyway() -> None:
    signal = clip(np.full((1, 64, 64), 128, np.uint8))
    for spec in FAST.values():
        card = select(load_registry(), f"{spec},keyint=-1")
        codec: Codec = build_codec(card)
        assert codec.decode(codec.encode(signal, card.ladder[0]).payload).layout.frames == 1
