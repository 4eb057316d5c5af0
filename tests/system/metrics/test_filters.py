"""Metrics of ffmpeg's filters against bare ffmpeg commands on two Y4M files, in every range."""

from __future__ import annotations

import fcntl
import json
import os
import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from bench.codecs.support import ffmpeg_binary
from bench.codecs.support.ffmpeg_binary import find_ffmpeg
from bench.errors import CodecError, Unavailable
from bench.metrics import filters
from bench.metrics.evaluate import Evaluator
from bench.metrics.filter_metrics import Vmaf
from bench.metrics.filters import Wanted, measure, versions
from bench.metrics.registry import metrics
from bench.records import FIRST_METRICS
from bench.signals import (
    GRAY,
    REAL,
    RGB,
    YUV420,
    Layout,
    PixelFormat,
    Range,
    Samples,
    Signal,
    clip,
    image,
)

WIDTH, HEIGHT, FRAMES = 256, 176, 4
MODELS = {
    "vmaf": "vmaf_v0.6.1",
    "vmaf_neg": "vmaf_v0.6.1neg",
    "vmaf_v1": "vmaf_v1.0.16_3d0h",
    "vmaf_4k": "vmaf_4k_v0.6.1",
}
FEATURES = {"ciede2000": "ciede", "psnr_hvs": "psnr_hvs"}
ALL = (*MODELS, *FEATURES, "xpsnr")


def pictures(height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """RGB in 0–1: waves that move, with texture."""
    y, x = np.mgrid[:height, :width]
    noise = np.random.default_rng(0).normal(0, 0.05, (height + 8, width + 16, 3))
    frames = []
    for shift in range(FRAMES):
        waves = [
            0.5 + 0.3 * np.sin((x + 3 * shift) / (9 + k)) * np.cos(y / (13 - k)) for k in range(3)
        ]
        texture = noise[shift : shift + height, 3 * shift : 3 * shift + width]
        frames.append(np.stack(waves, -1) + texture)
    return np.clip(np.stack(frames), 0, 1)


def coarse(frames: np.ndarray) -> np.ndarray:
    """The same with blur and steps, the third frame worse."""
    blurred = (frames + np.roll(frames, 1, 1) + np.roll(frames, 1, 2)) / 3
    blurred[2] = np.round(blurred[2] * 9) / 9
    return np.round(blurred * 40) / 40


def planes(rgb: np.ndarray, full: bool, chroma: int = 420) -> list[list[np.ndarray]]:
    """Y', Cb and Cr of RGB in 0–1 by ITU-R BT.709-6 and ITU-T H.273, in double precision."""
    red, green, blue = rgb[..., 0], rgb[..., 1], rgb[..., 2]
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    differences = [(blue - luma) / 1.8556, (red - luma) / 1.5748]
    if chroma == 420:
        shape = (len(rgb), rgb.shape[1] // 2, 2, rgb.shape[2] // 2, 2)
        differences = [plane.reshape(shape).mean((2, 4)) for plane in differences]
    scales = (255, 255, 0) if full else (219, 224, 16)
    parts = [scales[2] + scales[0] * luma, *(128 + scales[1] * plane for plane in differences)]
    eight = [np.clip(np.rint(part), 0, 255).astype(np.uint8) for part in parts]
    return [[part[index] for part in eight] for index in range(len(rgb))]


def y4m(path: Path, frames: Sequence[Sequence[np.ndarray]], words: str = "C420jpeg") -> Path:
    height, width = frames[0][0].shape
    content = [f"YUV4MPEG2 W{width} H{height} F25:1 Ip {words}\n".encode()]
    content += [b"FRAME\n" + b"".join(plane.tobytes() for plane in frame) for frame in frames]
    path.write_bytes(b"".join(content))
    return path


def bare(name: str, source: Path, decoded: Path, tmp_path: Path) -> tuple[float, list[float]]:
    """What ffmpeg alone says of two files: of the clip and of each frame."""
    log = tmp_path / "log"
    if name == "xpsnr":
        graph, inputs = f"[0][1]xpsnr=stats_file={log}", (source, decoded)
    else:
        what = (
            f"model=version={MODELS[name]}" if name in MODELS else f"feature=name={FEATURES[name]}"
        )
        graph = f"[0][1]libvmaf=log_fmt=json:log_path={log}:{what}"
        inputs = (decoded, source)
    command = [find_ffmpeg(), "-v", "info", "-nostdin", "-i", inputs[0], "-i", inputs[1]]
    done = subprocess.run(
        [*map(str, command), "-lavfi", graph, "-f", "null", "-"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    if name == "xpsnr":
        frames = [float(word) for word in re.findall(r"XPSNR y: (\S+)", log.read_text())]
        whole = re.search(r"XPSNR  y: (\S+)", done.stderr)
        assert whole is not None
        return float(whole[1]), frames
    key = "vmaf" if name in MODELS else name
    found = json.loads(log.read_text())
    frames = [frame["metrics"][key] for frame in found["frames"]]
    return found["pooled_metrics"][key]["mean"], frames


def of_planes(
    frames: Sequence[Sequence[np.ndarray]],
    range_: Range | None = None,
    samples: Samples = "yuv420",
    depth: int = 8,
) -> Signal:
    height, width = frames[0][0].shape
    kind = PixelFormat(samples, depth, range=range_)
    layout = Layout("video", kind, width, height, len(frames))
    flat = [np.concatenate([plane.ravel() for plane in frame]) for frame in frames]
    return Signal(layout, lambda: iter(flat))


@pytest.fixture(scope="module")
def limited() -> tuple[list[list[np.ndarray]], list[list[np.ndarray]]]:
    source = pictures()
    return planes(source, full=False), planes(coarse(source), full=False)


@pytest.mark.parametrize("name", ALL)
def test_equals_ffmpeg_on_two_files(
    name: str, limited: tuple[list[list[np.ndarray]], list[list[np.ndarray]]], tmp_path: Path
) -> None:
    """Together with all others, of the clip, its worst frame and its 5th percentile."""
    source, decoded = limited
    files = [y4m(tmp_path / f"{i}.y4m", frames) for i, frames in enumerate(limited)]
    whole, frames = bare(name, files[0], files[1], tmp_path)
    scores = Evaluator(of_planes(source), ALL).score(of_planes(decoded))
    assert scores.values[name] == pytest.approx(whole, abs=1e-4)
    assert scores.frames is not None
    assert scores.frames.scores[f"{name}_min"] == pytest.approx(min(frames), abs=1e-4)
    low, next_ = sorted(frames)[:2]  # of four frames, 5 % lie at 0.15 of the first step
    percentile = low + 0.15 * (next_ - low)
    assert scores.frames.scores[f"{name}_p5"] == pytest.approx(percentile, abs=1e-4)
    assert 1 < min(frames) < max(frames) < 99


@pytest.mark.parametrize(
    ("word", "samples", "depth"),
    [("C420p10", "yuv420", 10), ("C422", "yuv422", 8), ("C444p12", "yuv444", 12)],
)
def test_equals_ffmpeg_at_other_depths_and_chroma(
    word: str, samples: Samples, depth: int, tmp_path: Path
) -> None:
    """Of limited range as it is; full range is scaled first, here in double precision."""
    unit = 1 << (depth - 8)
    heights, widths = {"yuv420": (2, 2), "yuv422": (1, 2), "yuv444": (1, 1)}[samples]
    dtype = np.uint8 if depth == 8 else np.dtype("<u2")

    def signal(step: int) -> list[list[np.ndarray]]:
        found = []
        for picture in pictures():
            luma, *chroma = planes(picture[np.newaxis], full=False, chroma=444)[0]
            parts = [luma, *(plane[::heights, ::widths] for plane in chroma)]
            fine = [unit * part.astype(int) + unit // 3 for part in parts]
            found.append([((part // step) * step).astype(dtype) for part in fine])
        return found

    source, decoded = signal(1), signal(13 * unit)
    files = [y4m(tmp_path / f"{i}.y4m", one, word) for i, one in enumerate((source, decoded))]
    names = ("vmaf", "vmaf_neg", "xpsnr", "ciede2000")
    pair = [of_planes(one, None, samples, depth) for one in (source, decoded)]
    scores = Evaluator(pair[0], names).score(pair[1])
    for name in names:
        whole, _ = bare(name, files[0], files[1], tmp_path)
        assert scores.values[name] == pytest.approx(whole, abs=1e-4), name

    full = [[_to_full(plane, index, depth) for index, plane in enumerate(one)] for one in source]
    near = [[_to_full(plane, index, depth) for index, plane in enumerate(one)] for one in decoded]
    pair = [of_planes(one, "full", samples, depth) for one in (full, near)]
    again = Evaluator(pair[0], names).score(pair[1])
    for name in names:
        assert again.values[name] == pytest.approx(scores.values[name], abs=0.2), name


def _to_full(plane: np.ndarray, index: int, depth: int) -> np.ndarray:
    """ITU-T H.273, equations 20 to 22 against 23 to 25."""
    unit, peak = 1 << (depth - 8), (1 << depth) - 1
    if index:
        found = (plane - 128.0 * unit) * peak / (224 * unit) + 128 * unit
    else:
        found = (plane - 16.0 * unit) * peak / (219 * unit)
    return np.clip(np.rint(found), 0, peak).astype(plane.dtype)


@pytest.mark.parametrize("name", ALL)
def test_rgb_is_converted_to_limited_range(name: str, tmp_path: Path) -> None:
    """Against ffmpeg on planes that were converted here, in double precision: a few samples of
    which round to the other side than in single."""
    source = np.rint(255 * pictures()).astype(np.uint8)
    decoded = np.rint(255 * coarse(pictures())).astype(np.uint8)
    chroma = 444 if name in FEATURES else 420
    files = [
        y4m(tmp_path / f"{i}.y4m", planes(one / 255, full=False, chroma=chroma), f"C{chroma}")
        for i, one in enumerate((source, decoded))
    ]
    whole, _ = bare(name, files[0], files[1], tmp_path)
    found = Evaluator(clip(source), ALL).score(clip(decoded)).values[name]
    assert found == pytest.approx(whole, abs=2e-3)


@pytest.mark.parametrize("name", ALL)
def test_one_picture_has_one_score_in_every_range(
    name: str, limited: tuple[list[list[np.ndarray]], list[list[np.ndarray]]]
) -> None:
    """Limited, full and, where it reads no chroma that 4:2:0 lacks, RGB: to the rounding of 8 bits,
    which is small beside what full range does where nobody says that it is."""
    pair = pictures(), coarse(pictures())
    low = [of_planes(frames) for frames in limited]
    full = [of_planes(planes(one, full=True), "full") for one in pair]
    unsaid = [of_planes(planes(one, full=True)) for one in pair]
    expected = Evaluator(low[0], ALL).score(low[1]).values[name]
    near = pytest.approx(expected, abs=0.2 if name in MODELS else 0.02)
    assert Evaluator(full[0], ALL).score(full[1]).values[name] == near
    if name != "vmaf_v1":  # which differs by 0.2 only
        assert abs(Evaluator(unsaid[0], ALL).score(unsaid[1]).values[name] - expected) > 0.6
    if name not in FEATURES:
        rgb = [clip(np.rint(255 * one).astype(np.uint8)) for one in pair]
        assert Evaluator(rgb[0], ALL).score(rgb[1]).values[name] == near


@pytest.mark.parametrize("name", ["vmaf", "vmaf_neg", "vmaf_4k", "xpsnr"])
def test_gray_in_every_range(name: str) -> None:
    def gray(frames: np.ndarray, range_: Range | None) -> Signal:
        full = range_ != "limited"
        luma = np.stack([frame[0] for frame in planes(frames, full=full)])
        layout = Layout("video", PixelFormat("gray", range=range_), WIDTH, HEIGHT, FRAMES)
        return Signal(layout, lambda: iter(luma))

    pair = pictures(), coarse(pictures())
    found = {
        range_: Evaluator(gray(pair[0], range_), ALL).score(gray(pair[1], range_)).values[name]
        for range_ in (None, "full", "limited")
    }
    assert found[None] == found["full"]
    near = 0.02 if name == "xpsnr" else 0.25
    assert found["limited"] == pytest.approx(found["full"], abs=near)


@pytest.mark.parametrize(
    ("samples", "width", "height"),
    [("yuv420", 257, 177), ("rgb", 257, 177), ("gray", 257, 177), ("rgb", 216, 160)],
)
def test_odd_and_least_sizes(samples: Samples, width: int, height: int) -> None:
    layout = Layout("video", PixelFormat(samples), width, height, 2)
    rng = np.random.default_rng(0)
    source = rng.integers(0, 256, (2, *layout.frame_shape), dtype=np.uint8)
    decoded = (source // 16) * 16
    names = tuple(one for one in ALL if samples in metrics()[one].info.samples)
    pair = [Signal(layout, lambda frames=one: iter(frames)) for one in (source, decoded)]
    scores = Evaluator(pair[0], names).score(pair[1])
    assert not scores.remarks
    assert all(1 < scores.values[name] <= 100 for name in names)


@pytest.mark.parametrize("side", [1, 2, 3, 9])
def test_xpsnr_has_a_value_at_any_size(side: int) -> None:
    source = np.full((1, side, side, 3), 100, np.uint8)
    found = Evaluator(clip(source), ("xpsnr",)).score(clip(source + 20)).values["xpsnr"]
    # luma differs by 17 of limited range: 20·log10(255/17)
    assert found == pytest.approx(23.5218, abs=1e-4)


@pytest.mark.parametrize(
    ("layout", "fits"),
    [
        (Layout("video", RGB, 176, 144, 1), True),
        (Layout("video", GRAY, 144, 176, 1), True),
        (Layout("video", RGB, 175, 400, 1), True),
        (Layout("video", RGB, 400, 143, 1), False),
        (Layout("video", RGB, 175, 150, 1), False),
        (Layout("image", RGB, 768, 512, 1), True),
        (Layout("vector", REAL, 768, 512, 1), False),
    ],
)
def test_smallest_clip(layout: Layout, fits: bool) -> None:
    assert (Vmaf.info.refusal(layout) is None) is fits


@pytest.mark.parametrize("name", ALL)
def test_versions_and_model_are_named(name: str) -> None:
    found = dict(metrics()[name].versions())
    banner = subprocess.run([find_ffmpeg(), "-version"], capture_output=True, text=True).stdout
    assert banner.startswith(f"ffmpeg version {found.pop('ffmpeg')} ")
    if name in MODELS:
        assert found.pop("model") == MODELS[name]
    assert list(found) == ([] if name == "xpsnr" else ["libvmaf"])
    assert "unknown" not in found.values()


def program(path: Path, script: str) -> str:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_what_a_build_lacks_is_named_with_the_cure(tmp_path: Path) -> None:
    source = of_planes(planes(pictures(), full=False))
    wanted = [Vmaf.wanted()]
    lacks = "cat > /dev/null\necho \"No such filter: 'libvmaf'\" >&2\nexit 1"
    with pytest.raises(Unavailable, match="built without libvmaf; unset BENCH_FFMPEG"):
        measure(wanted, source, source, program(tmp_path / "lacks", lacks))
    with pytest.raises(Unavailable, match="built without libvmaf"):
        versions(wanted[0], program(tmp_path / "lacks", lacks))
    fails = program(tmp_path / "fails", "echo out of memory >&2\nexit 3")
    with pytest.raises(CodecError, match="filters failed: out of memory"):
        measure(wanted, source, source, fails)
    with pytest.raises(Unavailable, match=r"has no model vmaf_v9\.9; unset BENCH_FFMPEG or set it"):
        versions(Wanted("mine", "vmaf_v9.9"), find_ffmpeg())


def test_a_metric_that_cannot_run_spoils_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """libvmaf refuses a whole pass for one model: each is then asked alone."""
    pair = [of_planes(planes(one, full=False)) for one in (pictures(), coarse(pictures()))]
    expected = Evaluator(pair[0], ("vmaf",)).score(pair[1]).values["vmaf"]
    evaluator = Evaluator(pair[0], ("vmaf", "vmaf_v1", "xpsnr"))
    monkeypatch.setattr(metrics()["vmaf_v1"], "model", "vmaf_v9.9")
    scores = evaluator.score(pair[1])
    assert scores.values["vmaf"] == expected and "xpsnr" in scores.values
    assert "no model vmaf_v9.9" in scores.remarks["vmaf_v1"]


def test_several_metrics_are_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    pair = [of_planes(planes(one, full=False)) for one in (pictures(), coarse(pictures()))]
    commands = []
    run = filters._run
    monkeypatch.setattr(
        filters, "_run", lambda command, parts: commands.append(command) or run(command, parts)
    )
    assert set(Evaluator(pair[0], ALL).score(pair[1]).values) == {"mse", *ALL}
    assert len(commands) == 1


def test_another_binary_is_another_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = Vmaf.versions()
    ours = find_ffmpeg()
    other = program(
        tmp_path / "other",
        f'case "$*" in *-version*) {ours} "$@" | sed "s/ffmpeg version [^ ]*/ffmpeg version 6.1/";'
        f' exit;; esac\nexec {ours} "$@"',
    )
    monkeypatch.setenv(ffmpeg_binary.VARIABLE, other)
    assert Vmaf.versions() == {**before, "ffmpeg": "6.1"}


def test_scores_do_not_depend_on_what_was_scored_before() -> None:
    rng = np.random.default_rng(0)
    source, *decoded = (image(rng.integers(0, 256, (190, 200, 3), np.uint8)) for _ in range(3))
    shared = Evaluator(source, FIRST_METRICS)
    first = [shared.score(one) for one in decoded]
    assert first == [Evaluator(source, FIRST_METRICS).score(one) for one in decoded]


@pytest.mark.parametrize(
    ("size", "cores", "waits"),
    [((3840, 2160), 2, True), ((1920, 1080), 2, False), ((3840, 2160), 64, False)],
)
def test_large_frames_are_compared_one_clip_at_a_time_on_small_machines(
    size: tuple[int, int], cores: int, waits: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two libvmaf at 3840x2160 took 1.44 GB."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(filters, "available_cores", lambda: cores)
    with filters._turn(Layout("video", YUV420, *size)):
        handle = os.open(tmp_path, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            free = True
        except BlockingIOError:
            free = False
        finally:
            os.close(handle)
    assert free is not waits
