"""The harness's own arithmetic on this machine against literal values worked out by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from bench.datasets.base import Item
from bench.doctor.signatures import Fault
from bench.metrics.base import Scores
from bench.signals import Frame, Signal, clip, image

Convert = Callable[[Frame], Frame]
Score = Callable[[Signal, Signal], Scores]

_BROKEN = "reinstall bench-rd in a fresh environment; if it stays, report it with this output"
_RED: Mapping[str, tuple[int, int, int]] = {
    # Y', Cb, Cr of RGB (255, 0, 0): ITU-R BT.709-6 and BT.601-7, full range and limited
    "right": (54, 99, 255),
    "truncation instead of rounding": (54, 98, 255),
    "BT.601 for BT.709": (76, 85, 255),
    "limited for full range": (63, 102, 240),
}


def rounding_fault(round_to_uint8: Convert) -> Fault | None:
    """8-bit rounding: to nearest, then clipped."""
    values = np.array([-3.0, 0.4, 1.6, 99.5001, 254.7, 300.0])
    found = [int(value) for value in round_to_uint8(values)]
    if found == [0, 0, 2, 100, 255, 255]:
        return None
    cut = found[2] == 1
    return Fault(
        "truncation instead of rounding" if cut else "rounding",
        f"{', '.join(f'{v:g}' for v in values)} became {found}, expected 0, 0, 2, 100, 255, 255",
        _BROKEN,
    )


def colour_matrix_fault(rgb_to_yuv: Convert) -> Fault | None:
    """The conversion of pure red, which tells matrix, range and rounding apart."""
    red = np.array([[[255, 0, 0]]], np.uint8)
    found = tuple(int(value) for value in np.asarray(rgb_to_yuv(red)).reshape(3))
    if found == _RED["right"]:
        return None
    name = min(_RED, key=lambda key: sum(abs(a - b) for a, b in zip(_RED[key], found, strict=True)))
    return Fault(
        name if name != "right" else "colour matrix",
        f"red became Y'CbCr {found}, expected {_RED['right']}",
        _BROKEN,
    )


def psnr_fault(score: Score) -> Fault | None:
    """PSNR of an error of one level: 10·log10(255²) = 48.1308 dB."""
    black = np.full((32, 32, 3), 100, np.uint8)
    found = score(image(black), image(black + np.uint8(1))).get("psnr_rgb")
    if found is not None and abs(found - 48.1308) < 1e-3:
        return None
    return Fault("PSNR", f"an error of one level gives {found} dB, expected 48.1308", _BROKEN)


def averaging_fault(score: Score) -> Fault | None:
    """Two frames with errors of 1 and 2 levels: the mean of 48.1308 and 42.1102 dB is 45.1205;
    the PSNR of their mean MSE, 2.5, would be 44.1514."""
    frames = np.full((2, 32, 32, 3), 100, np.uint8)
    decoded = frames + np.array([1, 2], np.uint8)[:, None, None, None]
    found = score(clip(frames), clip(decoded)).get("psnr_rgb")
    if found is not None and abs(found - 45.1205) < 1e-3:
        return None
    pooled = found is not None and abs(found - 44.1514) < 1e-3
    return Fault(
        "PSNR of the mean MSE reported as the mean PSNR" if pooled else "averaging over frames",
        f"frames of 48.1308 and 42.1102 dB average to {found}, expected 45.1205",
        _BROKEN,
    )


def ssim_fault(score: Score) -> Fault | None:
    """SSIM of flat 10 against flat 12: (2·10·12 + C1)/(10² + 12² + C1), C1 = (0.01·255)², is
    0.984032 (Wang et al. 2004, equation 13); a data range of 1 would give 0.983607.
    Single precision alone costs up to 3e-5 on flat pictures."""
    flat = np.full((32, 32, 3), 10, np.uint8)
    found = score(image(flat), image(flat + np.uint8(2))).get("ssim")
    if found is not None and abs(found - 0.984032) < 1e-4:
        return None
    return Fault("SSIM", f"flat 10 against 12 gives {found}, expected 0.984032", _BROKEN)


def bit_counting_fault(rate: Callable[[Signal], tuple[int, float]]) -> Fault | None:
    """Bits per pixel of a picture of 5×3, from the bytes of its payload; ``rate`` measures it and
    returns both. Padded to 8×8 the same bytes would read 0.23 of it."""
    size, found = rate(image(np.arange(45, dtype=np.uint8).reshape(3, 5, 3)))
    expected = 8 * size / 15
    if abs(found - expected) < 1e-9:
        return None
    padded = [
        n for n in (2, 4, 8, 16, 32, 64)
        if abs(found * (-(-5 // n) * n * -(-3 // n) * n) - 8 * size) < 1e-6
    ]  # fmt: skip
    return Fault(
        "padding counted as pixels" if padded else "bit counting",
        f"{size} bytes for 5×3 pixels read {found:.4f} bits per pixel, expected {expected:.4f}",
        _BROKEN,
    )


class OnePicture:
    """A data set of one signal in memory."""

    def __init__(self, signal: Signal) -> None:
        self.signal = signal
        self.item = Item("pattern", "pattern", signal.layout)

    def items(self) -> tuple[Item, ...]:
        return (self.item,)

    def load(self, item: Item) -> Signal:
        return self.signal

    def notes(self) -> tuple[str, ...]:
        return ()


def measured_rate(signal: Signal) -> tuple[int, float]:
    """Bytes and bits per pixel of a signal as the engine records them, with the `none` codec."""
    from bench.cards import load_registry
    from bench.engine.measure import Worker
    from bench.engine.work import WorkSpec
    from bench.records import Task

    card = load_registry().codec("none")
    loader = OnePicture(signal)
    spec = WorkSpec("doctor", "doctor", loader, {"pattern": loader.item}, {card.id: card}, ("mse",))
    record = Worker(spec).measure(Task(card.id, card.ladder[0], "pattern", "")).record
    return record.bytes or 0, record.bpp or 0.0


def arithmetic_faults() -> list[tuple[str, Fault | None]]:
    """Every check of this module on the harness as it is installed, by what it is about."""
    from bench.colour import rgb_to_yuv, round_to_uint8
    from bench.metrics.evaluate import Evaluator

    def score(reference: Signal, decoded: Signal) -> Scores:
        return Evaluator(reference, ("mse", "psnr_rgb", "ssim")).score(decoded)

    return [
        ("rounding to 8 bits", rounding_fault(round_to_uint8)),
        ("colour matrix and range", colour_matrix_fault(rgb_to_yuv)),
        ("PSNR", psnr_fault(score)),
        ("SSIM", ssim_fault(score)),
        ("averaging over frames", averaging_fault(score)),
        ("bits per pixel", bit_counting_fault(measured_rate)),
    ]
