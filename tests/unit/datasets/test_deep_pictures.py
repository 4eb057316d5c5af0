"""Clips of PNG files of 16 bits, which are written here byte by byte."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from bench.datasets.inputs import input_loader
from bench.errors import DataError


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _png(samples: np.ndarray, significant: int | None = None) -> bytes:
    """PNG, third edition: 16 bits a sample, big-endian, no filter."""
    height, width = samples.shape[:2]
    colour = 2 if samples.ndim == 3 else 0
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    chunks = [_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0))]
    if significant is not None:
        chunks.append(_chunk(b"sBIT", bytes([significant] * (3 if colour else 1))))
    chunks += [_chunk(b"IDAT", zlib.compress(rows)), _chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize(
    ("bits", "channels", "name"),
    [(16, 3, "rgb48le"), (10, 3, "gbrp10le"), (12, 1, "gray12le"), (16, 1, "gray16le")],
)
def test_clips_of_deep_pictures(bits: int, channels: int, name: str, tmp_path: Path) -> None:
    shape = (3, 5, 7, 3)[: 3 + (channels == 3)]
    frames = np.random.default_rng(bits).integers(0, 1 << bits, shape).astype(np.uint16)
    for number, frame in enumerate(frames):
        content = _png(frame << (16 - bits), None if bits == 16 else bits)
        (tmp_path / f"f{number}.png").write_bytes(content)
    _, loader = input_loader(tmp_path, as_video=True)
    (item,) = loader.items()
    assert item.layout is not None and item.layout.format.name == name
    assert (loader.load(item).array() == frames).all()
    with pytest.raises(DataError, match="more than 8 bits per sample"):
        input_loader(tmp_path)


def test_frames_of_other_depths_and_damaged_ones(tmp_path: Path) -> None:
    frame = np.arange(35, dtype=np.uint16).reshape(5, 7) << 6
    (tmp_path / "f0.png").write_bytes(_png(frame))
    (tmp_path / "f1.png").write_bytes(_png(frame, 10))
    with pytest.raises(DataError, match=r"f1\.png is 7×5 gray10le, f0\.png 7×5 gray16le"):
        input_loader(tmp_path, as_video=True)
    (tmp_path / "f1.png").write_bytes(_png(frame)[:-40])
    _, loader = input_loader(tmp_path, as_video=True)
    with pytest.raises(DataError, match=r"frame f1\.png: truncated or corrupt"):
        loader.load(loader.items()[0]).array()
