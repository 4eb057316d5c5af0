"""The bootstrap interval: coverage of the truth and what it needs."""

from __future__ import annotations

import math

import numpy as np

from bench.analysis.bootstrap import Sample, bd_rate_interval
from bench.analysis.interpolation import Curves, average_differences
from bench.analysis.qualities import quality

PSNR = quality("psnr_rgb")


def _population(items: int, generator: np.random.Generator) -> tuple[Sample, Sample]:
    """Items that differ in difficulty far more than the codecs do, as pictures do."""
    steps = np.arange(5)
    hard = generator.normal(0, 0.5, (items, 1))
    anchor = 0.25 * 2.0**steps * np.exp(hard)
    ratio = np.exp(generator.normal(-0.2, 0.15, (items, 1)))
    noise = generator.normal(0, 0.2, (2, items, 5))
    quality = 28 + 3 * steps - 2 * hard
    return Sample(anchor, quality + noise[0]), Sample(anchor * ratio, quality + noise[1])


def _rate(pair: tuple[Sample, Sample]) -> float:
    curves = [Curves(s.values.mean(0)[None], np.log10(s.bpp.mean(0))[None]) for s in pair]
    return float(100 * (10 ** average_differences(curves[0], curves[1])[0] - 1))


def test_interval_covers_the_truth_in_93_of_100_experiments() -> None:
    generator = np.random.default_rng(11)
    truth = _rate(_population(200_000, generator))
    covered = 0
    for _ in range(100):
        low, high = bd_rate_interval(*_population(24, generator), PSNR, resamples=1000)
        covered += low <= truth <= high
    assert covered >= 93
    # an interval that always covers would say nothing
    assert covered < 100


def test_equal_codecs_give_an_interval_of_zero_width() -> None:
    anchor, _ = _population(24, np.random.default_rng(1))
    assert bd_rate_interval(anchor, anchor, PSNR) == (0.0, 0.0)


def test_one_item_has_no_interval() -> None:
    pair = _population(1, np.random.default_rng(1))
    assert all(math.isnan(bound) for bound in bd_rate_interval(*pair, PSNR))


def test_pairing_makes_the_interval_narrow() -> None:
    """The codecs see the same items: their common difficulty must cancel."""
    anchor, test = _population(24, np.random.default_rng(2))
    low, high = bd_rate_interval(anchor, test, PSNR)
    shuffled = np.random.default_rng(3).permutation(24)
    loose = bd_rate_interval(anchor, Sample(test.bpp[shuffled], test.values[shuffled]), PSNR)
    assert high - low < 0.5 * (loose[1] - loose[0])
