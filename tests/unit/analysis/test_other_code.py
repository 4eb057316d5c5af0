"""Curves, BD-rates and their intervals against values by hand, NumPy and SciPy: nothing here asks
the code that is tested for what it should say."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
from scipy.interpolate import PchipInterpolator

from bench.analysis.bd import Comparison, compare
from bench.analysis.bootstrap import Sample, bd_rate_interval
from bench.analysis.curves import grids, mean_curves
from bench.analysis.deltas import Curve, bd_quality, bd_rate
from bench.analysis.qualities import quality
from bench.records import Record
from bench.results.reader import read_results
from tests.unit.report import samples

PSNR = quality("psnr_rgb")
STEPS = range(5)


def _by_scipy(
    anchor: tuple[list[float], list[float]], test: tuple[list[float], list[float]]
) -> float:
    """BD-rate in percent of (rates, qualities): mean distance of two PCHIP curves."""
    low = max(min(anchor[1]), min(test[1]))
    high = min(max(anchor[1]), max(test[1]))
    areas = [PchipInterpolator(q, np.log10(r)).integrate(low, high) for r, q in (anchor, test)]
    return float(100 * (10 ** ((areas[1] - areas[0]) / (high - low)) - 1))


def _compared(folder: Path, records: list[Record]) -> Comparison:
    measured = grids(read_results(samples.results_folder(folder, records)))
    return compare(measured["good"], measured["other"], PSNR)


def test_the_pooled_curve_counts_all_bits_over_all_pixels(tmp_path: Path) -> None:
    """A small picture costs half, one with three times its pixels the same as before: the mean of
    rates is 0.75 of the other's, all bits over all pixels (0.5 + 3) / 4 = 0.875 of it."""
    rows = []
    for step in STEPS:
        for item, height, factor in (("small", 64, 0.5), ("large", 192, 1.0)):
            size = {"width": 128, "height": height, "mse": 650.25 / 2**step}
            for codec, rate in (("good", 0.25 * 2**step), ("other", factor * 0.25 * 2**step)):
                count = round(rate * 128 * height / 8)  # whole by choice of the sizes
                psnr = 10 * math.log10(65025 / size["mse"])
                rows.append(
                    samples.record(codec, f"q={step}", item, rate, psnr, bytes=count, **size)
                )
    found = _compared(tmp_path, rows)
    assert found.under("mean") == pytest.approx(-25.0, abs=1e-9)
    for method in ("pchip", "cubic", "akima"):
        assert found.under("pooled", method) == pytest.approx(-12.5, abs=1e-9)
    assert found.under("per item") == pytest.approx(-25.0, abs=1e-9)  # of −50 % and 0 %


def test_an_item_without_common_qualities_counts_nothing_in_the_mean_of_items(
    tmp_path: Path,
) -> None:
    """−50 % and 0 % are −25 %; with the item whose curves share no quality as 0 % they would be
    −16.7 %."""
    rows = []
    for step in STEPS:
        rate, psnr = 0.25 * 2**step, 28.0 + 3 * step
        flat = 34.0 + 0.1 * step
        for item, factor, theirs, ours in (
            ("half", 0.5, psnr, psnr),
            ("same", 1.0, psnr, psnr),
            ("apart", 1.0, flat, flat + 1),
        ):
            rows.append(samples.record("good", f"q={step}", item, rate, theirs))
            rows.append(samples.record("other", f"q={step}", item, factor * rate, ours))
    found = _compared(tmp_path, rows)
    assert found.under("per item") == pytest.approx(-25.0, abs=1e-9)
    by_item = dict(found.item_rates)
    assert by_item["half"] == pytest.approx(-50.0, abs=1e-9)
    assert by_item["same"] == pytest.approx(0.0, abs=1e-9)
    assert math.isnan(by_item["apart"])
    assert "per item without 1 of 3 items, which do not overlap" in found.left_out


def test_of_two_points_of_equal_quality_the_cheaper_stays() -> None:
    curve = Curve.of([0.4, 0.25, 0.5, 1.0, 2.0], [30.0, 30.0, 33.0, 36.0, 39.0])
    assert curve.sorted("quality").rate.tolist() == [0.25, 0.5, 1.0, 2.0]
    anchor = ([0.3, 0.6, 1.2, 2.4], [30.0, 33.0, 36.0, 39.0])
    expected = _by_scipy(anchor, ([0.25, 0.5, 1.0, 2.0], [30.0, 33.0, 36.0, 39.0]))
    assert expected == pytest.approx(-100 / 6)
    assert bd_rate(Curve.of(*anchor), curve) == pytest.approx(expected, abs=1e-9)


def test_of_two_points_of_equal_rate_the_better_stays() -> None:
    curve = Curve.of([0.25, 0.5, 0.5, 1.0, 2.0], [30.0, 31.0, 33.0, 36.0, 39.0])
    assert curve.sorted("rate").quality.tolist() == [30.0, 33.0, 36.0, 39.0]
    anchor = Curve.of([0.25, 0.5, 1.0, 2.0], [29.0, 32.0, 35.0, 38.0])
    assert bd_quality(anchor, curve) == pytest.approx(1.0, abs=1e-9)


def test_intervals_of_a_curve_are_those_of_the_normal_distribution(tmp_path: Path) -> None:
    """Half of the 95 % interval of a mean: 1.96 standard errors."""
    rates, psnrs = (4.0, 2.0, 3.5), (28.13, 35.12, 31.0)
    rows = [
        samples.record("good", "q=1", f"item{n}", rate, psnr)
        for n, (rate, psnr) in enumerate(zip(rates, psnrs, strict=True))
    ]
    curve = mean_curves(read_results(samples.results_folder(tmp_path, rows))).iloc[0]
    for name, values in (("bpp", rates), ("psnr_rgb", psnrs)):
        error = scipy.stats.sem(values)
        low, high = scipy.stats.norm.interval(0.95, np.mean(values), error)
        assert curve[f"{name}_interval"] == pytest.approx((high - low) / 2, rel=1e-4)
    # by hand: deviations of 0.83, −1.17 and 0.33, 1.96 · √(2.1667 / 2 / 3)
    assert curve["bpp_interval"] == pytest.approx(1.17779, abs=1e-4)


def _scaled(costs: list[float]) -> Sample:
    """Items with the same qualities whose rates double at each of five points."""
    bpp = np.outer(costs, 2.0 ** np.arange(5))
    return Sample(bpp, np.tile(28.0 + 3.0 * np.arange(5), (len(costs), 1)))


def test_each_end_of_an_interval_is_the_wider_of_expanded_percentile_and_jackknife() -> None:
    """The BD-rate of scaled items is the ratio of mean rates, so that all 6⁶ equally likely draws
    can be enumerated. One item that saves 90 % draws the lower percentile far out, and the upper
    end is the jackknife's."""
    costs = np.array([1.0, 1.05, 1.1, 0.95, 0.9, 0.1])
    low, high = bd_rate_interval(_scaled([1.0] * 6), _scaled([*costs]), PSNR, resamples=200_000)
    draws = np.array(list(itertools.product(costs, repeat=6))).mean(axis=1)
    # Hesterberg 2015, section 5.3: the normal quantile of √(n / (n − 1)) · t
    tail = scipy.stats.norm.cdf(math.sqrt(6 / 5) * scipy.stats.t.ppf(0.025, 5))
    percentile = np.quantile(draws, [tail, 1 - tail])
    left_out = np.log10((costs.sum() - costs) / 5)
    error = math.sqrt(5 / 6 * ((left_out - left_out.mean()) ** 2).sum())
    half = scipy.stats.t.ppf(0.975, 5) * error
    jackknife = costs.mean() * 10.0 ** np.array([-half, half])
    # by either rule alone: 38 % to 107 % and 55 % to 131 % of the rate
    assert [*percentile, *jackknife] == pytest.approx([0.3833, 1.0667, 0.5502, 1.3132], abs=1e-3)
    assert low == pytest.approx(100 * (percentile[0] - 1), abs=0.5)
    assert high == pytest.approx(100 * (jackknife[1] - 1), abs=1e-6)


@pytest.mark.parametrize(("wide", "defined"), [(2, False), (3, True)])
def test_an_interval_needs_95_of_100_resamples_with_common_qualities(
    wide: int, defined: bool
) -> None:
    """A resample of eight items has a BD-rate if any of the wide ones is in it: without two of them
    are (6/8)⁸ = 10 % of the resamples, without three (5/8)⁸ = 2.3 %."""
    narrow = 30.0 + 0.01 * np.arange(5)
    both = [20.0 + 8.0 * np.arange(5)] * wide
    rates = np.tile(2.0 ** np.arange(5), (8, 1))
    anchor = Sample(rates, np.array(both + [narrow] * (8 - wide)))
    test = Sample(0.9 * rates, np.array(both + [narrow + 1] * (8 - wide)))
    bounds = bd_rate_interval(anchor, test, PSNR)
    assert [math.isfinite(bound) for bound in bounds] == [defined, defined]
