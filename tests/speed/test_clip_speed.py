"""Clips against bare ffmpeg, side by side in one session; run by `make speed`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.speed.clips import Clip, bare, side_by_side, typed, x264
from tests.speed.usage import measure

ROUNDS = 3
POINTS = (27,)


def test_a_1080p_clip_against_bare_ffmpeg(tmp_path: Path) -> None:
    """x264-medium at four CRFs with PSNR and VMAF on two workers, the proof by fresh processes and
    the report included, beside encoding, decoding and libvmaf two at a time."""
    clip = Clip(30).write(tmp_path / "clip.y4m")
    rounds = [side_by_side(clip, tmp_path / "sides") for _ in range(ROUNDS)]
    best = min(rounds, key=lambda one: one.wall_ratio)
    print(
        f"\n1080p × 30, four CRFs with PSNR and VMAF: ours {best.ours.wall_seconds:.2f} s, bare "
        f"ffmpeg {best.bare.wall_seconds:.2f} s: {best.wall_ratio:.2f}; CPU "
        f"{best.ours.cpu_seconds:.1f} and {best.bare.cpu_seconds:.1f} s: {best.cpu_ratio:.2f}"
    )
    assert best.wall_ratio <= 1.1


def _frame_seconds(tmp_path: Path, depth: int, codec: str, metrics: str) -> float:
    """CPU seconds that a further frame of 1080p costs, all processes together."""
    few, many = (
        min(
            measure(
                typed(Clip(frames, depth=depth).write(tmp_path / f"{depth}.y4m"),
                      tmp_path / "out", codec, "--jobs", 1, "--no-report", metrics=metrics)
            ).cpu_seconds
            for _ in range(ROUNDS)
        )
        for frames in (10, 40)
    )  # fmt: skip
    return (many - few) / 30


def _bare_frame_seconds(tmp_path: Path, depth: int) -> float:
    few, many = (
        min(
            measure(
                bare(Clip(frames, depth=depth).write(tmp_path / f"{depth}.y4m"), tmp_path, POINTS)
            ).cpu_seconds
            for _ in range(ROUNDS)
        )
        for frames in (10, 40)
    )
    return (many - few) / 30


def test_the_harness_alone_on_1080p(tmp_path: Path) -> None:
    """What the harness spends on a further frame, by the codec that does nothing with the metrics
    that it computes itself, beside x264-medium and VMAF by bare commands."""
    ours = _frame_seconds(tmp_path, 8, "none", "psnr_y,psnr_yuv")
    theirs = _bare_frame_seconds(tmp_path, 8)
    print(
        f"\nthe harness takes {1e3 * ours:.1f} ms of CPU a frame of 1080p, encoder, decoder and "
        f"libvmaf {1e3 * theirs:.1f} ms: {ours / theirs:.0%}"
    )
    assert ours / theirs <= 0.10


@pytest.mark.parametrize("codec", ["none", "x264"])
def test_10_bits_against_8(codec: str, tmp_path: Path) -> None:
    """A further frame at 10 bits and at 8; x264 beside what 10 bits cost the bare commands."""
    word, metrics = (codec, "psnr_y,psnr_yuv") if codec == "none" else (x264(POINTS), "psnr_y,vmaf")
    eight, ten = (_frame_seconds(tmp_path, depth, word, metrics) for depth in (8, 10))
    bare_ratio = 2.0  # of the bytes, which are all that the harness alone has to do with
    if codec != "none":
        bare_eight, bare_ten = (_bare_frame_seconds(tmp_path, depth) for depth in (8, 10))
        bare_ratio = bare_ten / bare_eight
    print(
        f"\n{codec}: a frame of 1080p takes {1e3 * ten:.1f} ms of CPU at 10 bits, {1e3 * eight:.1f}"
        f" ms at 8: {ten / eight:.2f}, where {bare_ratio:.2f} is the bare commands' or the bytes'"
    )
    assert ten / eight <= 1.3 * bare_ratio


def test_memory_does_not_grow_with_the_length_of_a_clip(tmp_path: Path) -> None:
    """Beyond what is kept of a short one: 400 frames have 300 MB of samples, 800 twice as many."""
    held = []
    for frames in (400, 800):
        clip = Clip(frames, width=960, height=540).write(tmp_path / "clip.y4m")
        command = typed(clip, tmp_path / "out", x264(POINTS, "ultrafast"), "--no-report",
                        "--jobs", 1, metrics="psnr_y")  # fmt: skip
        held.append(measure(command, memory=True).own_mebibytes)
    print(f"\nPython holds {held[0]:.0f} MiB for 400 frames of 960×540, {held[1]:.0f} for 800")
    assert held[1] - held[0] <= 50
