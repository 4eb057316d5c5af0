"""The evaluator: which metrics apply, what is refused, and that streaming changes nothing."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

import bench.metrics.evaluate as evaluate
from bench.errors import CodecError, UsageError
from bench.metrics.evaluate import Evaluator, Scores
from bench.metrics.registry import check_metrics, metrics
from bench.records import FIRST_METRICS
from bench.signals import RGB, YUV420, Layout, Signal, clip, image, vectors

ALL = FIRST_METRICS


def _noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def _filled(scores: Scores) -> set[str]:
    assert not scores.values.keys() & scores.remarks.keys()
    return set(scores.values)


def test_the_first_metrics_are_the_columns_of_a_record() -> None:
    assert tuple(metrics())[: len(FIRST_METRICS)] == FIRST_METRICS
    assert not metrics()["mse"].info.higher_is_better


def test_derived_metrics_are_refused_with_their_source() -> None:
    with pytest.raises(Exception, match="ask for 'ms_ssim'"):
        check_metrics(["ms_ssim_db"], "here")
    with pytest.raises(Exception, match="unknown metric 'msssim'; did you mean"):
        check_metrics(["msssim"], "here")


@pytest.mark.parametrize(
    ("signal", "expected"),
    [
        (image(_noise(200, 180, 3)), "mse psnr_rgb psnr_y psnr_yuv ssim ms_ssim"),
        (image(_noise(160, 300, 3)), "mse psnr_rgb psnr_y psnr_yuv ssim"),
        (image(_noise(20, 10)), "mse psnr_rgb psnr_y"),
        (image(_noise(1, 1, 3)), "mse psnr_rgb psnr_y psnr_yuv"),
        (clip(_noise(3, 64, 64)), "mse psnr_rgb psnr_y ssim"),
        (vectors(np.random.default_rng(0).normal(size=(7, 100))), "mse"),
    ],
)
def test_metrics_that_apply(signal: Signal, expected: str) -> None:
    """VMAF asks ffmpeg, where it applies: tests/system/metrics/test_filters.py has it."""
    large = signal.layout.width >= 176
    asked = [name for name in ALL if name != "vmaf" or not large]
    assert _filled(Evaluator(signal, asked).score(signal)) == set(expected.split())


def test_only_what_was_asked_for_is_computed() -> None:
    signal = image(_noise(200, 200, 3))
    assert _filled(Evaluator(signal, ("ssim",)).score(signal)) == {"mse", "ssim"}
    assert _filled(Evaluator(signal, ("psnr_y",)).score(signal)) == {"mse", "psnr_y"}


def test_identical_pixels_are_infinite() -> None:
    signal = image(_noise(30, 30, 3))
    scores = Evaluator(signal, ALL).score(signal)
    assert scores.values["mse"] == 0
    assert (
        scores.values["psnr_rgb"]
        == scores.values["psnr_y"]
        == scores.values["psnr_yuv"]
        == math.inf
    )
    assert scores.values["ssim"] == 1


def test_an_identical_frame_among_others_scores_one() -> None:
    frames = _noise(2, 30, 30)
    decoded = frames.copy()
    decoded[1] = 255 - decoded[1]
    both = Evaluator(clip(frames), ("ssim",)).score(clip(decoded)).values["ssim"]
    second = Evaluator(clip(frames[1:]), ("ssim",)).score(clip(decoded[1:])).values["ssim"]
    assert second is not None and second < 0
    assert both == pytest.approx((1 + second) / 2, abs=1e-9)


def test_psnr_is_the_mean_over_frames_not_of_the_mean_error() -> None:
    frames = np.zeros((2, 16, 16), np.uint8)
    decoded = frames.copy()
    decoded[0] += 1
    decoded[1] += 10
    scores = Evaluator(clip(frames), ALL).score(clip(decoded))
    assert scores.values["mse"] == 50.5
    assert scores.values["psnr_rgb"] == pytest.approx((48.1308036 + 28.1308036) / 2)
    assert scores.values["psnr_y"] == scores.values["psnr_rgb"]


def test_planes_of_420_sources() -> None:
    layout = Layout("video", YUV420, 5, 3, 2)
    source = _noise(2, 27)
    decoded = source.copy()
    decoded[:, :15] ^= 1
    scores = Evaluator(Signal(layout, lambda: iter(source)), ALL).score(
        Signal(layout, lambda: iter(decoded))
    )
    assert _filled(scores) == {"mse", "psnr_y", "psnr_yuv"}
    assert scores.values["mse"] == pytest.approx(15 / 27)
    assert scores.values["psnr_y"] == pytest.approx(48.1308036)
    assert scores.values["psnr_yuv"] == pytest.approx((6 * 48.1308036 + 200) / 8)


def test_streaming_gives_the_same_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    source, decoded = clip(_noise(5, 170, 166, 3)), clip(_noise(5, 170, 166, 3, seed=1))
    cached = Evaluator(source, ALL[:-1]).score(decoded)
    monkeypatch.setattr(evaluate, "CACHE_BYTES", 0)
    monkeypatch.setattr(evaluate, "STACK_SAMPLES", 200_000)
    streamed = Evaluator(source, ALL[:-1])
    assert streamed._cache is None
    for name in ALL[:-1]:
        value = streamed.score(decoded).values[name]
        assert value == pytest.approx(cached.values[name], abs=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"frames": 3}, "decoded 3 frames of 4"),
        ({"width": 15}, "decoded 15×8 pixels instead of 16×8"),
        ({"format": RGB}, "decoded rgb24 instead of gray"),
    ],
)
def test_other_layouts_are_refused(change: dict[str, object], message: str) -> None:
    frames = _noise(4, 8, 16)
    source = clip(frames)
    layout = replace(source.layout, **change)  # type: ignore[arg-type]
    with pytest.raises(CodecError, match=message):
        Evaluator(source, ALL).score(Signal(layout, lambda: iter(frames)))


@pytest.mark.parametrize(
    ("count", "message"), [(3, "decoded 3 frames of 4"), (5, "more than the 4 frames")]
)
def test_a_decoder_that_miscounts_is_refused(count: int, message: str) -> None:
    source = clip(_noise(4, 8, 16))
    with pytest.raises(CodecError, match=message):
        Evaluator(source, ALL).score(Signal(source.layout, lambda: iter(_noise(count, 8, 16))))


def test_a_frame_of_another_shape_is_refused() -> None:
    source = clip(_noise(1, 8, 16))
    with pytest.raises(CodecError, match=r"frame 1 is uint8 \(8, 8\)"):
        Evaluator(source, ALL).score(Signal(source.layout, lambda: iter(_noise(1, 8, 8))))


def test_frames_of_a_clip() -> None:
    """Frames of mse 0, 1, 4 and 100, by hand."""
    source = np.full((4, 16, 16), 100, np.uint8)
    decoded = source + np.array([0, 1, 2, 10], np.uint8)[:, None, None]
    scores = Evaluator(clip(source), ("psnr_y", "ssim")).score(clip(decoded))
    assert scores.frames is not None
    assert (scores.frames.identical, scores.frames.worst) == (1, 3)
    found = scores.frames.scores
    assert found["mse_max"] == 100 and found["mse_p95"] == pytest.approx(4 + 0.85 * 96)
    assert found["psnr_y_min"] == pytest.approx(28.1308036)
    # the worst, and 0.15 of the step to the next
    assert found["psnr_y_p5"] == pytest.approx(28.1308036 + 0.15 * (42.1102037 - 28.1308036))
    assert set(found) == {f"{n}_{e}" for n in ("psnr_y", "ssim") for e in ("min", "p5")} | {
        "mse_max", "mse_p95",
    }  # fmt: skip
    assert Evaluator(image(source[0]), ("psnr_y",)).score(image(decoded[1])).frames is None


def test_frames_of_an_identical_clip_are_infinite() -> None:
    source = clip(_noise(3, 16, 16))
    frames = Evaluator(source, ("psnr_y",)).score(source).frames
    assert frames is not None and (frames.identical, frames.worst) == (3, None)
    assert frames.scores["psnr_y_min"] == frames.scores["psnr_y_p5"] == math.inf


def test_infinity_says_that_all_samples_are_identical() -> None:
    """Luma is, chroma is not: a record with an infinite value and an error would be damaged."""
    layout = Layout("video", YUV420, 16, 16, 2)
    source = _noise(2, 384)
    decoded = source.copy()
    decoded[:, 300:] ^= 1
    pair = [Signal(layout, lambda frames=one: iter(frames)) for one in (source, decoded)]
    scores = Evaluator(pair[0], ("psnr_y",)).score(pair[1])
    assert scores.values["mse"] > 0 and scores.values["psnr_y"] == 100
    assert scores.frames is not None and scores.frames.scores["psnr_y_min"] == 100
    assert Evaluator(pair[0], ("psnr_y",)).score(pair[0]).values["psnr_y"] == math.inf


@pytest.mark.parametrize("name", ["psnr_y_min", "mse_p95", "ms_ssim_db"])
def test_no_metric_takes_the_name_of_another_ones_column(name: str) -> None:
    from bench.metrics.base import FrameMetric
    from bench.metrics.info import MetricInfo
    from bench.metrics.registry import _add

    info = MetricInfo(id=name, title="", definition="", purpose="", tolerance=1)
    taken = type("Taken", (FrameMetric,), {"info": info})
    with pytest.raises(UsageError, match="is claimed by both"):
        _add(taken)
    assert name not in metrics()
