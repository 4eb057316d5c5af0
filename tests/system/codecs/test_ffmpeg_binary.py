"""Which ffmpeg is taken, and what is said of one that cannot be."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.cards import load_registry
from bench.codecs.build import build_codec, select
from bench.codecs.support import ffmpeg_binary
from bench.errors import Unavailable
from tests.command import bench


def _check(spec: str) -> None:
    build_codec(select(load_registry(), spec)).check_available()


def test_a_missing_binary_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ffmpeg_binary.VARIABLE, "/no/such/ffmpeg")
    with pytest.raises(Unavailable, match="no such program; unset it"):
        _check("x264")


def test_a_binary_without_the_encoder_is_unavailable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake = tmp_path / "ffmpeg"
    fake.write_text("#!/bin/sh\necho ' V....D mpeg4   MPEG-4'\n")
    fake.chmod(0o755)
    monkeypatch.setenv(ffmpeg_binary.VARIABLE, str(fake))
    with pytest.raises(Unavailable, match="has no libx264"):
        _check("x264")


def test_a_relative_path_in_the_environment_is_that_of_the_start(tmp_path: Path) -> None:
    """Processes that decode again have another current folder."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "mine").symlink_to(ffmpeg_binary.find_ffmpeg())
    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(tmp_path / "a.png")
    done = bench(
        "run", "--input", "a.png", "--codecs", "x264:crf=30", "--metrics", "psnr_rgb", "--jobs", 1,
        "--no-report", "--out", "out", folder=tmp_path, BENCH_FFMPEG="bin/mine",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
