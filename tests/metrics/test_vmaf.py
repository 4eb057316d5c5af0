"""VMAF through one pipe against ffmpeg's own two-file use of libvmaf."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from bench.codecs.support.ffmpeg_binary import find_ffmpeg
from bench.errors import CodecError, Unavailable
from bench.metrics.libvmaf import vmaf
from bench.metrics.vmaf import Vmaf
from bench.signals import Layout, Signal

_LAYOUT = Layout("video", "yuv420", 180, 146, 4)


def _clip(noise: float) -> np.ndarray:
    rng = np.random.default_rng(0)
    ramp = np.add.outer(np.arange(146), np.arange(180)) % 200 + 20
    frames = []
    for shift in range(4):
        luma = np.roll(ramp, 3 * shift, axis=1) + rng.normal(0, noise, ramp.shape)
        luma = np.clip(luma, 16, 235).astype(np.uint8)
        frames.append(np.concatenate([luma.ravel(), np.full(2 * 90 * 73, 128, np.uint8)]))
    return np.stack(frames)


def _y4m(path: Path, frames: np.ndarray) -> Path:
    header = b"YUV4MPEG2 W180 H146 F25:1 Ip C420jpeg\n"
    path.write_bytes(header + b"".join(b"FRAME\n" + frame.tobytes() for frame in frames))
    return path


def test_equals_libvmaf_on_two_files(tmp_path: Path) -> None:
    source, decoded = _clip(0), _clip(9)
    files = [_y4m(tmp_path / "decoded.y4m", decoded), _y4m(tmp_path / "source.y4m", source)]
    command = [find_ffmpeg(), "-hide_banner", "-nostdin", "-i", str(files[0]), "-i", str(files[1])]
    command += ["-lavfi", "[0][1]libvmaf", "-f", "null", "-"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    expected = re.search(r"VMAF score: ([\d.]+)", answer)
    assert expected is not None
    found = vmaf(Signal(_LAYOUT, lambda: iter(source)), decoded, find_ffmpeg())
    assert found == pytest.approx(float(expected[1]), abs=1e-4)
    assert 5 < found < 99


@pytest.mark.parametrize(
    ("layout", "fits"),
    [
        (Layout("video", "rgb", 176, 144, 1), True),
        (Layout("video", "gray", 144, 176, 1), True),
        (Layout("video", "rgb", 175, 400, 1), True),
        (Layout("video", "rgb", 400, 143, 1), False),
        (Layout("video", "rgb", 175, 150, 1), False),
        (Layout("image", "rgb", 768, 512, 1), True),
        (Layout("vector", "real", 768, 512, 1), False),
    ],
)
def test_smallest_clip(layout: Layout, fits: bool) -> None:
    assert (Vmaf.facts.refusal(layout) is None) is fits


def test_an_ffmpeg_without_libvmaf_is_named(tmp_path: Path) -> None:
    source = Signal(_LAYOUT, lambda: iter(_clip(0)))
    program = tmp_path / "ffmpeg"
    program.write_text("#!/bin/sh\ncat > /dev/null\necho \"No such filter: 'libvmaf'\" >&2\n")
    program.chmod(0o755)
    with pytest.raises(Unavailable, match="built without libvmaf"):
        vmaf(source, _clip(0), str(program))
    program.write_text("#!/bin/sh\necho out of memory >&2\nexit 3\n")
    with pytest.raises(CodecError, match="libvmaf failed: out of memory"):
        vmaf(source, _clip(0), str(program))
