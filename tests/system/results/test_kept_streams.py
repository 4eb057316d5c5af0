import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.cards import load_registry
from bench.codecs.build import build_codec
from bench.datasets.inputs import input_loader
from bench.records import Point, Record
from bench.results.kept_streams import KeptStream, make_kept_stream


def _kept(path: Path) -> KeptStream:
    """Of a clip as it is and through x264."""
    _, loader = input_loader(path)
    signal = loader.load(loader.items()[0])
    codec = build_codec(load_registry().codec("x264"))
    encoded = codec.encode(signal, Point("crf", 5))
    record = Record(
        suite="s", dataset="d", item="clip", codec="x264", point="crf=5", status="done",
        fingerprint="f",
    )  # fmt: skip
    kept = make_kept_stream(record, encoded.payload, signal, codec.decode(encoded.payload))
    assert kept is not None
    return kept


@pytest.mark.parametrize(
    ("word", "colour", "levels"),
    [
        # black 16 and white 235 unless the file says full range: libswscale and every player
        ("", "420jpeg", (0, 255)),
        (" XCOLORRANGE=LIMITED", "420jpeg", (0, 255)),
        (" XCOLORRANGE=FULL", "420jpeg", (16, 235)),
        ("", "mono", (16, 235)),
        (" XCOLORRANGE=LIMITED", "mono", (0, 255)),
    ],
)
def test_kept_pictures_have_the_levels_that_the_source_means(
    word: str, colour: str, levels: tuple[int, int], tmp_path: Path
) -> None:
    width, height = 64, 32
    luma = np.full((height, width), 16, np.uint8)
    luma[:, width // 2 :] = 235
    chroma = b"" if colour == "mono" else bytes([128]) * (width * height // 2)
    header = f"YUV4MPEG2 W{width} H{height} F25:1 Ip C{colour}{word}\n".encode()
    path = tmp_path / "clip.y4m"
    path.write_bytes(header + (b"FRAME\n" + luma.tobytes() + chroma) * 3)
    kept = _kept(path)
    for png in (kept.original, kept.reconstruction):
        shown = np.asarray(Image.open(io.BytesIO(png))).astype(int)
        assert np.abs(shown[:, : width // 2 - 8] - levels[0]).max() <= 1
        assert np.abs(shown[:, width // 2 + 8 :] - levels[1]).max() <= 1
    original = np.asarray(Image.open(io.BytesIO(kept.original)))
    assert (original[0, 0] == levels[0]).all() and (original[0, -1] == levels[1]).all()
