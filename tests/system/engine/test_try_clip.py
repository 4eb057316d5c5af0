"""`bench try` on clips: the file that it leaves has the samples of which it says the quality."""

from __future__ import annotations

import re
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from bench.cli import main

WIDTH, HEIGHT, FRAMES = 64, 48, 6
RNG = np.random.default_rng(3)


def _source(shape: tuple[int, ...]) -> NDArray[np.uint8]:
    smooth = np.linspace(30, 200, int(np.prod(shape[1:]))).reshape(shape[1:])
    return np.clip(smooth + RNG.normal(0, 12, shape), 0, 255).astype(np.uint8)


def _decoded(path: Path) -> list[av.VideoFrame]:
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def _psnr(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    errors = np.square(one.astype(float) - other).reshape(len(one), -1).mean(axis=1)
    return float(np.mean(10 * np.log10(255**2 / errors)))


def test_yuv_stays_as_y4m_of_the_frames_that_were_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = _source((FRAMES, WIDTH * HEIGHT * 3 // 2))
    clip = tmp_path / "clip.y4m"
    header = f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F30:1 Ip C420jpeg\n".encode()
    clip.write_bytes(header + b"".join(b"FRAME\n" + frame.tobytes() for frame in source))
    words = ["try", "x264:preset=ultrafast,crf=35", str(clip), "--start", "2", "--frames", "3"]
    assert main([*words, "--save", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    (saved,) = tmp_path.glob("clip.x264*.y4m")
    frames = _decoded(saved)
    assert len(frames) == 3 and frames[0].format.name == "yuv420p"
    luma = np.stack([frame.to_ndarray()[:HEIGHT] for frame in frames])
    expected = _psnr(source[2:5, : WIDTH * HEIGHT].reshape(luma.shape), luma)
    shown = re.search(r"PSNR-Y +([\d.]+) dB", said)
    assert shown and float(shown[1]) == pytest.approx(expected, abs=1e-4)
    assert "kbps" in said and f"saved {saved}" in said


def test_rgb_stays_lossless_in_matroska(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from PIL import Image

    source = _source((3, HEIGHT, WIDTH, 3))
    folder = tmp_path / "frames"
    folder.mkdir()
    for place, frame in enumerate(source):
        Image.fromarray(frame).save(folder / f"f{place}.png")
    words = ["try", "x265:preset=ultrafast,crf=30", str(folder), "--as-video"]
    assert main([*words, "--save", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    (saved,) = tmp_path.glob("*.mkv")
    frames = np.stack([frame.to_ndarray(format="rgb24") for frame in _decoded(saved)])
    shown = re.search(r"PSNR-RGB +([\d.]+) dB", said)
    assert shown and float(shown[1]) == pytest.approx(_psnr(source, frames), abs=1e-4)


def test_another_format_is_asked_for_with_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from PIL import Image

    folder = tmp_path / "frames"
    folder.mkdir()
    for place, frame in enumerate(_source((2, HEIGHT, WIDTH, 3))):
        Image.fromarray(frame).save(folder / f"f{place}.png")
    words = ["try", "ffv1", str(folder), "--as-video", "--to", "yuv422p10le"]
    assert main([*words, "--save", str(tmp_path)]) == 0
    (saved,) = tmp_path.glob("*.y4m")
    assert [frame.format.name for frame in _decoded(saved)] == ["yuv422p10le"] * 2
