"""Metrics against the libraries that they agree with, side by side; run by `make speed`."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytorch_msssim
import skimage.data
import torch
from numpy.typing import NDArray
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from bench.metrics.evaluate import Evaluator
from bench.signals import clip, image


def best(call: Callable[[], object], rounds: int = 7) -> float:
    """The shortest wall time of a few rounds, in seconds."""
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def say(what: str, ours: float, theirs: float) -> None:
    print(f"\n{what}: {ours * 1e3:.2f} ms against {theirs * 1e3:.2f} ms, {theirs / ours:.1f} ×")


def _noisy(samples: NDArray[np.uint8]) -> NDArray[np.uint8]:
    noise = np.random.default_rng(0).normal(0, 12, samples.shape)
    return np.clip(samples + noise, 0, 255).astype(np.uint8)


def _scikit(one: NDArray[np.uint8], other: NDArray[np.uint8], axis: int | None) -> float:
    return float(
        structural_similarity(one, other, gaussian_weights=True, sigma=1.5, data_range=255,
                              use_sample_covariance=False, channel_axis=axis)
    )  # fmt: skip


def test_clip_against_scikit_image_frame_by_frame() -> None:
    source = skimage.data.camera()[100:420, 100:164].reshape(-1, 64, 64).repeat(4, axis=0)
    decoded = _noisy(source)
    evaluator, signal = Evaluator(clip(source), ("psnr_rgb", "ssim")), clip(decoded)
    ours = best(lambda: evaluator.score(signal))
    theirs = best(lambda: [_scikit(a, b, None) for a, b in zip(source, decoded, strict=True)])
    say("PSNR and SSIM of a clip of 64×64×20 gray, scikit-image's SSIM", ours, theirs)
    assert theirs / ours >= 5


def test_picture_against_scikit_image_and_pytorch_msssim() -> None:
    source = skimage.data.astronaut()
    decoded = _noisy(source)
    evaluator = Evaluator(image(source), ("psnr_rgb", "ssim", "ms_ssim"))
    signal = image(decoded)

    def reference() -> None:
        peak_signal_noise_ratio(source, decoded)
        _scikit(source, decoded, 2)
        planes = [torch.from_numpy(one).permute(2, 0, 1)[None].float() for one in (source, decoded)]
        with torch.inference_mode():
            pytorch_msssim.ms_ssim(*planes, data_range=255)

    ours, theirs = best(lambda: evaluator.score(signal)), best(reference)
    say("PSNR, SSIM and MS-SSIM of 512×512 RGB, scikit-image and pytorch-msssim", ours, theirs)
    assert theirs / ours >= 5


def test_five_metrics_of_a_kodak_picture(kodak_folder: Path) -> None:
    """Every comparison of a run with an image suite's default metrics; the source's own side is
    prepared once for all points."""
    source = np.asarray(Image.open(min(kodak_folder.glob("kodim*.png"))))
    decoded = _noisy(source)
    names = ("psnr_rgb", "psnr_y", "psnr_yuv", "ssim", "ms_ssim")
    evaluator, signal = Evaluator(image(source), names), image(decoded)

    def reference() -> None:
        peak_signal_noise_ratio(source, decoded)
        _scikit(source, decoded, 2)
        planes = [torch.from_numpy(one).permute(2, 0, 1)[None].float() for one in (source, decoded)]
        with torch.inference_mode():
            pytorch_msssim.ms_ssim(*planes, data_range=255)

    ours, theirs = best(lambda: evaluator.score(signal), 30), best(reference, 5)
    say("five metrics of 768×512 RGB, scikit-image and pytorch-msssim for three", ours, theirs)
    assert theirs / ours >= 10
    floats = source.astype(np.float32)
    blurs = best(lambda: [cv2.GaussianBlur(floats, (11, 11), 1.5) for _ in range(5)], 30)
    say(
        "the same, five Gaussian filters of OpenCV, which SSIM at one scale is made of", ours, blurs
    )
    assert ours <= blurs


def test_thumbnails() -> None:
    source = skimage.data.astronaut()[100:132, 200:232].copy()
    decoded = _noisy(source)
    evaluator, signal = Evaluator(image(source), ("psnr_rgb", "ssim")), image(decoded)
    ours = best(lambda: evaluator.score(signal), 500)
    theirs = best(lambda: _scikit(source, decoded, 2), 50)
    say("PSNR and SSIM of 32×32 RGB, scikit-image's SSIM", ours, theirs)
    assert theirs / ours >= 3
