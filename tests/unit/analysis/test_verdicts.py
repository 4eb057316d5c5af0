"""Odd curves: what has no BD-rate and no verdict, what is left out by name, what stands instead."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from scipy.interpolate import PchipInterpolator

from bench.analysis.bd import Comparison, Curve, bd_rate, compare, compare_all
from bench.analysis.qualities import quality
from tests.unit.analysis.made import grid

PSNR, VMAF, SSIM = quality("psnr_rgb"), quality("vmaf"), quality("ssim")
RATES, QUALITIES = [0.1, 0.2, 0.4, 0.8], [30.0, 35.0, 40.0, 45.0]


def peer(
    anchor: tuple[Sequence[float], Sequence[float]],
    test: tuple[Sequence[float], Sequence[float]],
    method: str = "pchip",
) -> float:
    """The BD-rate of the bjontegaard package."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import bjontegaard
    curves = [np.array(axis) for axis in (*anchor, *test)]
    options = {"require_matching_points": False, "min_overlap": 0}
    return float(bjontegaard.bd_rate(*curves, method, **options))


def has_no_verdict(found: Comparison) -> bool:
    numbers = (found.rate_percent, found.rate_low, found.rate_high)
    return all(map(math.isnan, numbers)) and found.significant is None and not found.conventions


# points and the hull's -38.1 %: Anserwise/Bjontegaard_metric, issue 3
REF = ([0.20, 0.35, 0.60, 1.10], [40.0, 44.0, 47.5, 50.5])
DENTED = ([0.18, 0.497, 0.876, 1.30], [40.5, 49.52, 47.06, 52.0])


def test_a_curve_that_is_not_monotonic_has_only_the_value_of_its_hull() -> None:
    found = compare(grid("ref", *REF, items=6), grid("tst", *DENTED, items=6), PSNR)
    assert has_no_verdict(found) and math.isnan(found.quality_gain)
    kept = [[axis[index] for index in (0, 1, 3)] for axis in DENTED]
    assert found.hull_percent == pytest.approx(peer(REF, (kept[0], kept[1])), abs=1e-7)
    assert found.hull_percent == pytest.approx(-38.08, abs=0.01)
    assert found.warnings == (
        "tst: not monotonic: q=3 has less quality than q=2 at more rate; no BD-rate",
    )


def test_an_anchor_that_is_not_monotonic_is_named_itself() -> None:
    found = compare(grid("ref", *DENTED), grid("tst", *REF), PSNR)
    assert has_no_verdict(found)
    assert found.warnings[-1].startswith("ref: not monotonic: q=3 has less quality than q=2")


def test_a_curve_that_is_worse_in_one_point_saves_nothing_significantly() -> None:
    """Nowhere better and 4 dB worse once: yet PCHIP through the fallen point swings to −6.8 %."""
    rates, whole = [0.1, 0.2, 0.4, 0.8, 1.6], [30.0, 33.0, 36.0, 39.0, 42.0]
    dent = [30.0, 33.0, 36.0, 35.0, 42.0]
    naive = bd_rate(Curve.of(rates, whole), Curve.of(rates, dent))
    assert naive == pytest.approx(-6.78, abs=0.01)
    found = compare(grid("a", rates, whole, items=6), grid("b", rates, dent, items=6), PSNR)
    assert has_no_verdict(found)
    assert found.hull_percent == pytest.approx(0.0, abs=1.0)


def test_many_fallen_points_are_counted() -> None:
    found = compare(
        grid("a", RATES, QUALITIES),
        grid("b", [0.1, 0.2, 0.3, 0.4, 0.5, 0.6], [30.0, 40.0, 39.0, 38.0, 37.0, 36.0]),
        PSNR,
    )
    assert found.warnings[-1].endswith(
        "q=5 has less quality than q=2 at more rate, and 1 more; no BD-rate"
    )


@pytest.mark.parametrize("method", ["pchip", "cubic", "akima"])
def test_a_point_that_is_there_twice_counts_once(method: str) -> None:
    rates, qualities = [0.1, 0.2, 0.2, 0.4, 0.8], [30.5, 35.5, 35.5, 40.5, 45.5]
    twice = grid("tst", rates, qualities, labels=["1", "2", "3", "4", "5"])
    found = compare(grid("ref", RATES, QUALITIES), twice, PSNR)
    once = ([*RATES], [30.5, 35.5, 40.5, 45.5])
    assert found.under("mean", method) == pytest.approx(peer((RATES, QUALITIES), once, method))
    assert "tst: point 2 twice" in found.warnings
    assert not any("monotonic" in text for text in found.warnings)


def test_settings_that_give_the_same_point_are_named() -> None:
    rates, qualities = [0.1, 0.2, 0.2, 0.2, 0.8], [30.5, 35.5, 35.5, 35.5, 45.5]
    labels = ["q=1", "q=2", "q=3", "q=4", "q=5"]
    found = compare(
        grid("ref", RATES, QUALITIES), grid("tst", rates, qualities, labels=labels), PSNR
    )
    assert "tst: q=2 3 times (as q=3, q=4)" in found.warnings


@pytest.mark.parametrize("more", [0.0, 1e-7, -1e-7])
def test_a_point_of_equal_quality_at_more_rate_is_left_out(more: float) -> None:
    """At four times the rate nothing is gained but rounding: without it the curves are equal."""
    plateau = grid("tst", [*RATES, 3.2], [*QUALITIES, 45.0 + more], items=6)
    found = compare(grid("ref", RATES, QUALITIES, items=6), plateau, PSNR)
    assert found.rate_percent == pytest.approx(0.0, abs=1e-9)
    assert found.significant is False
    assert "tst: q=5 left out: no more quality than q=4 at more rate" in found.warnings


def test_similarities_are_equal_on_their_own_axis_in_decibels() -> None:
    """SSIM 0.9990 and 0.99905 are 0.2 dB apart: no plateau, whatever the axis that is asked for."""
    qualities = [0.9, 0.99, 0.999, 0.99905]
    pair = [grid(name, RATES, qualities, column="ssim") for name in ("ref", "tst")]
    found = compare(pair[0], pair[1], SSIM)
    assert not any("no more quality" in text for text in found.warnings)


def test_of_equal_rates_the_better_point_stays() -> None:
    step = grid("tst", [0.1, 0.2, 0.2, 0.4, 0.8], [30.0, 34.0, 35.0, 40.0, 45.0])
    found = compare(grid("ref", RATES, QUALITIES), step, PSNR)
    assert found.rate_percent == pytest.approx(0.0, abs=1e-9)
    assert "tst: q=2 left out: less quality at the rate of q=3" in found.warnings


def test_a_cubic_that_leaves_the_range_of_its_points_is_left_out_by_name() -> None:
    """Points on VMAF's plateau, as in AVM's issue 5216, below what counts as saturated."""
    ref = ([1000.0, 1500.0, 2200.0, 8800.0], [80.0, 88.0, 95.0, 95.15])
    tst = ([0.98 * rate for rate in ref[0]], ref[1])
    fit = np.poly1d(np.polyfit(ref[1], np.log10(ref[0]), 3))
    inside = fit(np.linspace(80.0, 95.15, 1000))
    assert inside.max() > np.log10(8800.0) + 1  # tenfold the largest rate there is
    pair = [grid(name, *curve, column="vmaf") for name, curve in (("ref", ref), ("tst", tst))]
    found = compare(pair[0], pair[1], VMAF)
    assert found.rate_percent == pytest.approx(-2.0, abs=1e-6)
    assert math.isnan(found.under("mean", "cubic"))
    assert math.isnan(found.under("per item", "cubic"))
    assert found.under("mean", "akima") == pytest.approx(-2.0, abs=1e-6)
    for codec in ("ref", "tst"):
        text = f"{codec}: cubic of its mean curve leaves the range of the points, left out"
        assert text in found.left_out
    assert "cubic per item without 1 item, where it leaves the points' range" in found.left_out


def test_a_cubic_that_stays_with_its_points_is_kept() -> None:
    test = ([0.09, 0.21, 0.37, 0.81], [30.3, 35.4, 40.1, 45.2])
    found = compare(grid("ref", RATES, QUALITIES), grid("tst", *test), PSNR)
    expected = peer((RATES, QUALITIES), test, "cubic")
    assert found.under("mean", "cubic") == pytest.approx(expected, abs=1e-7)
    assert found.left_out == ()


def test_saturated_points_of_a_capped_metric_are_left_out_by_name() -> None:
    """Of VMAF 99.9 and more, a tenth from its end, nothing is told apart (Anserwise's issue 3)."""
    ref = grid("ref", [2014.65, 3014.7, 4012.23, 5012.39], [96.622, 99.51432, 99.91607, 99.97751],
               column="vmaf", labels=["1", "2", "3", "4"])  # fmt: skip
    tst = grid("tst", [2054.35, 3067.89, 4000.03, 5096.02], [97.1181, 99.66744, 99.94996, 99.98146],
               column="vmaf", labels=["1", "2", "3", "4"])  # fmt: skip
    found = compare(ref, tst, VMAF)
    left = ([2014.65, 3014.7], [96.622, 99.51432]), ([2054.35, 3067.89], [97.1181, 99.66744])
    assert found.rate_percent == pytest.approx(peer(*left), abs=1e-7)
    for codec in ("ref", "tst"):
        said = "saturated, VMAF above 99.9 of at most 100"
        assert f"{codec}: point 3, point 4 left out: {said}" in found.warnings
        assert f"{codec}: cubic left out, fewer than four points are left" in found.warnings
    assert max(map(abs, found.spread)) < 4


@pytest.mark.parametrize(("column", "value"), [("psnr_rgb", 99.96), ("ssim", 1.0)])
def test_the_end_of_other_metrics_is_no_quality_either(column: str, value: float) -> None:
    start = [90.0, 92.0, 94.0] if column == "psnr_rgb" else [0.9, 0.95, 0.99]
    pair = [grid(name, RATES, [*start, value], column=column) for name in ("ref", "tst")]
    found = compare(pair[0], pair[1], quality("psnr_rgb" if column == "psnr_rgb" else "ssim_db"))
    assert found.defined
    assert any("ref: q=4 left out: saturated" in text for text in found.warnings)


@pytest.mark.parametrize(("start", "percent"), [(41.4, 24.0), (41.1, 26.0)])
def test_below_a_quarter_of_overlap_there_is_no_verdict(start: float, percent: float) -> None:
    """3.6 and 3.9 of the 15 dB that both cover."""
    tst = ([0.05, 0.06, 0.08], [start, 43.4, 45.0])
    ref = grid("ref", RATES, QUALITIES, items=6)
    found = compare(ref, grid("tst", *tst, items=6), PSNR)
    assert found.overlap_percent == pytest.approx(percent)
    expected = peer((RATES, QUALITIES), tst)
    if percent < 25:
        assert has_no_verdict(found)
        # both curves are their hulls
        assert found.hull_percent == pytest.approx(expected, abs=1e-7)
        text = "quality ranges overlap by 24.0 %, below 25 %: no BD-rate"
    else:
        assert found.rate_percent == pytest.approx(expected, abs=1e-7)
        assert found.significant is True and math.isnan(found.hull_percent)
        text = "quality ranges overlap by 26.0 %, below 75 %"
    assert text in found.warnings


def test_a_quality_gain_over_hardly_any_common_rate_is_withheld() -> None:
    """The rates have a twentieth in common, the qualities nearly all."""
    dear = ([0.75, 1.5, 3.0, 6.0], [30.0, 35.0, 40.0, 45.0])
    found = compare(grid("ref", RATES, QUALITIES), grid("tst", *dear), PSNR)
    assert found.rate_percent == pytest.approx(650.0, abs=1e-6)
    assert math.isnan(found.quality_gain)
    assert "rate ranges overlap by less than 25 %: no BD-quality" in found.warnings


def test_a_point_has_the_rate_at_its_quality_and_the_quality_at_its_rate() -> None:
    ref, point = grid("ref", RATES, QUALITIES, items=6), grid("tst", [0.18], [36.0], items=6)
    found = compare(ref, point, PSNR)
    assert has_no_verdict(found) and found.single is not None
    rate_there = 10 ** float(PchipInterpolator(QUALITIES, np.log10(RATES))(36.0))
    quality_there = float(PchipInterpolator(np.log10(RATES), QUALITIES)(np.log10(0.18)))
    assert found.single.rate_percent == pytest.approx(100 * (0.18 / rate_there - 1), abs=1e-9)
    assert found.single.rate_percent == pytest.approx(-21.65, abs=0.005)
    assert found.single.quality_gain == pytest.approx(36.0 - quality_there, abs=1e-9)
    # items alike: the interval has no width
    assert found.single.rate_low == pytest.approx(found.single.rate_percent, abs=1e-6)
    assert found.single.rate_high == pytest.approx(found.single.rate_percent, abs=1e-6)
    back = compare(point, ref, PSNR).single
    assert back is not None
    assert back.rate_percent == pytest.approx(100 * (rate_there / 0.18 - 1), abs=1e-9)
    assert back.quality_gain == pytest.approx(-found.single.quality_gain, abs=1e-12)


def test_the_interval_of_a_point_covers_the_spread_of_items() -> None:
    """Six items that save from 10 to 35 % at one quality."""
    ref, point = grid("ref", RATES, QUALITIES, items=6), grid("tst", [0.2], [35.0], items=6)
    point.bpp[:, 0] = 0.2 * np.array([0.65, 0.7, 0.75, 0.8, 0.85, 0.9])
    found = compare(ref, point, PSNR).single
    assert found is not None
    assert found.rate_percent == pytest.approx(-22.5, abs=1e-9)
    # the t interval of the mean, -22.5 ± 2.571·9.354/√6, of the rates themselves
    assert found.rate_low == pytest.approx(-32.3, abs=0.7)
    assert found.rate_high == pytest.approx(-12.7, abs=0.7)


@pytest.mark.parametrize(
    ("point", "rate", "gain"),
    [((0.18, 29.9), False, True), ((0.9, 36.0), True, False), ((0.9, 46.0), False, False)],
)
def test_a_point_beyond_the_curve_is_not_extrapolated(
    point: tuple[float, float], rate: bool, gain: bool
) -> None:
    found = compare(grid("ref", RATES, QUALITIES), grid("tst", [point[0]], [point[1]]), PSNR)
    single = found.single
    assert (single is not None) == (rate or gain) == found.shown
    if single is not None:
        assert math.isfinite(single.rate_percent) == rate
        assert math.isfinite(single.quality_gain) == gain


def test_two_points_of_equal_quality_are_compared() -> None:
    found = compare(grid("ref", [0.4], [35.0]), grid("tst", [0.3], [35.0]), PSNR)
    assert found.single is not None
    assert found.single.rate_percent == pytest.approx(-25.0, abs=1e-9)
    assert math.isnan(found.single.quality_gain)
    assert not any("overlap" in text for text in found.warnings)
    apart = compare(grid("ref", [0.4], [35.0]), grid("tst", [0.3], [35.1]), PSNR)
    assert apart.single is None


def test_curves_of_one_quality_each_are_points() -> None:
    """However many settings give that quality, the cheapest counts."""
    ref = grid("ref", [0.4, 0.5], [35.0, 35.0])
    found = compare(ref, grid("tst", [0.3, 0.35], [35.0, 35.0]), PSNR)
    assert found.single is not None
    assert found.single.rate_percent == pytest.approx(-25.0, abs=1e-9)


def test_ranges_that_touch_are_not_said_to_be_apart() -> None:
    upper = grid("tst", [0.4, 0.8, 1.6], [45.0, 50.0, 55.0])
    found = compare(grid("ref", RATES, QUALITIES), upper, PSNR)
    assert has_no_verdict(found) and found.single is not None
    assert found.single.rate_percent == pytest.approx(-50.0, abs=1e-9)
    assert "30.00–45.00 and 45.00–55.00 have one value in common; no BD-rate" in found.warnings[-1]
    apart = compare(
        grid("ref", RATES, QUALITIES), grid("tst", [1.0, 2.0, 4.0], [46.0, 50.0, 55.0]), PSNR
    )
    assert "do not overlap; no BD-rate" in apart.warnings[-1]


def test_deltas_of_opposite_sign_are_remarked() -> None:
    """Cheaper where qualities are common, worse where rates are: two slopes that cross."""
    cross = ([0.05, 0.1, 0.2, 0.4], [31.0, 32.5, 34.0, 35.5])
    found = compare(grid("ref", RATES, QUALITIES), grid("tst", *cross), PSNR)
    assert found.rate_percent < 0 and found.quality_gain < 0
    assert (
        "BD-rate and BD-quality disagree: it saves bits over the common qualities and loses "
        "quality over the common rates"
    ) in found.warnings
    turned = compare(grid("ref", *cross), grid("tst", RATES, QUALITIES), PSNR)
    assert turned.rate_percent > 0 and turned.quality_gain > 0
    assert any("it costs bits" in text and "gains quality" in text for text in turned.warnings)
    plain = compare(grid("ref", RATES, QUALITIES), grid("tst", RATES, QUALITIES), PSNR)
    assert not any("disagree" in text for text in plain.warnings)


def test_without_headers_the_payloads_are_compared() -> None:
    """Payloads a tenth smaller; the anchor's headers of 0.06 bits hide it behind −33 %."""
    with_headers = [rate + 0.06 for rate in RATES]
    ref = grid("ref", with_headers, QUALITIES, headers=0.06)
    tst = grid("tst", [0.9 * rate + 0.001 for rate in RATES], QUALITIES, headers=0.001)
    found = compare(ref, tst, PSNR)
    assert found.rate_percent < -25
    assert found.without_headers_percent == pytest.approx(-10.0, abs=1e-9)
    # (0.06/0.16 + 0.06/0.26 + 0.06/0.46 + 0.06/0.86) / 4 = 0.2015
    assert "ref: headers are 20 % of its rate" in found.warnings
    assert not any(text.startswith("tst: headers") for text in found.warnings)


def test_headers_that_are_little_or_untold_are_not_taken_off() -> None:
    ref = grid("ref", RATES, QUALITIES, headers=0.01)
    few = compare(ref, grid("tst", RATES, QUALITIES, headers=0.01), PSNR)
    assert math.isnan(few.without_headers_percent)
    heavy = grid("ref", [rate + 0.06 for rate in RATES], QUALITIES, headers=0.06)
    found = compare(heavy, grid("tst", RATES, QUALITIES), PSNR)
    assert math.isnan(found.without_headers_percent)
    assert "tst: its header bytes are not told: no BD-rate without them" in found.warnings


def test_items_with_odd_curves_are_left_out_of_the_mean_per_item() -> None:
    """Three items save 10, 20 and 30 %; one more has a dented curve, and one lies elsewhere."""
    ref, tst = (grid(name, RATES, QUALITIES, items=5) for name in ("ref", "tst"))
    tst.bpp[:] = np.array(RATES) * np.array([0.9, 0.8, 0.7, 1.0, 1.0])[:, None]
    tst.values["psnr_rgb"][3] = [30.0, 35.0, 33.0, 45.0]
    tst.values["psnr_rgb"][4] += 16.0
    found = compare(ref, tst, PSNR)
    assert found.under("per item") == pytest.approx(-20.0, abs=1e-9)
    assert [math.isfinite(rate) for _, rate in found.item_rates] == [True] * 3 + [False] * 2
    assert "tst: per item without 1 item, whose curve is not monotonic" in found.left_out
    assert "per item without 1 of 5 items, which do not overlap" in found.left_out


def test_the_matrix_has_no_number_where_there_is_no_headline() -> None:
    grids = [grid("ref", *REF), grid("dented", *DENTED), grid("one", [0.3], [42.0])]
    matrix = compare_all([*grids, grid("same", *REF)], PSNR)
    assert matrix.rates[3][0] == 0.0 and matrix.rates[0][3] == 0.0
    withheld = [matrix.rates[row][0] for row in (1, 2)] + list(matrix.rates[0][1:3])
    assert all(map(math.isnan, withheld))


def test_the_hull_that_is_asked_for_has_a_verdict() -> None:
    ref, tst = grid("ref", *REF, items=6), grid("tst", *DENTED, items=6)
    found = compare(ref, tst, PSNR, hull=True)
    assert found.rate_percent == pytest.approx(-38.08, abs=0.01)
    assert found.significant is True
    assert "tst: q=3 is not on the convex hull, left out" in found.warnings


@pytest.mark.parametrize("more", [0.0003, 0.01, 0.04])
@pytest.mark.parametrize("side", ["test", "anchor"])
def test_a_flat_end_is_left_out_by_name(more: float, side: str) -> None:
    """Four times the rate for less than the metric's tolerance, 0.05 dB: PCHIP's slope beside such
    a point made −6.5 % [−7.9, −5.1] of a curve against itself."""
    plain = grid("a", RATES, QUALITIES, items=6)
    flat = grid("b", [*RATES, 3.2], [*QUALITIES, 45.0 + more], items=6)
    found = compare(*((plain, flat) if side == "test" else (flat, plain)), PSNR)
    assert found.rate_percent == pytest.approx(0.0, abs=1e-9)
    assert found.significant is False
    assert f"b: q=5 left out: {more:.2g} more than q=4 for 4 times its rate" in found.warnings


def test_dense_points_are_no_flat_end() -> None:
    """A tenth more rate for 0.04 dB is how a dense ladder looks."""
    dense = grid("b", [0.1, 0.2, 0.4, 0.8, 0.88], [30.0, 35.0, 40.0, 45.0, 45.04])
    found = compare(grid("a", RATES, QUALITIES), dense, PSNR)
    assert not any("left out" in text for text in found.warnings)


def test_conventions_of_two_signs_are_remarked() -> None:
    """Items of which one gains as much rate as the other loses in percent: the mean curves save,
    the mean per item costs."""
    shape = np.array([0.1, 0.2, 0.4, 0.8])
    anchor, test = (
        replace(grid(name, RATES, QUALITIES, items=2), bpp=np.stack([one * shape, two * shape]))
        for name, one, two in (("a", 1.0, 10.0), ("b", 1.5, 8.0))
    )
    found = compare(anchor, test, PSNR)
    # (1.5 + 8) / (1 + 10) of the rate; +50 and −20 %
    assert found.under("mean") == pytest.approx(100 * (9.5 / 11 - 1))
    assert found.under("per item") == pytest.approx(15.0, abs=1e-6)
    assert any(text.startswith("conventions disagree in sign: ") for text in found.warnings)
