"""BD deltas: published anchors, properties and what must never be compared silently."""

from __future__ import annotations

import csv
import math
import warnings
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.analysis.bd import compare, compare_all
from bench.analysis.curves import Grid, grids
from bench.analysis.deltas import Curve, bd_quality, bd_rate, hull_points
from bench.analysis.interpolation import METHODS
from bench.analysis.overlays import PUBLISHED
from bench.analysis.qualities import quality
from bench.records import Record
from bench.results.reader import read_results
from tests.unit.report import samples

PSNR = quality("psnr_rgb")


@pytest.fixture(scope="module")
def published() -> dict[str, Curve]:
    points: dict[str, list[tuple[float, float]]] = defaultdict(list)
    with (PUBLISHED / "kodak.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            points[row["codec"]].append((float(row["bpp"]), float(row["psnr_rgb"])))
    return {
        name: Curve.of([r for r, _ in rows], [q for _, q in rows]) for name, rows in points.items()
    }


@pytest.mark.parametrize(
    ("codec", "percent"),
    [
        ("jpeg", 208.5), ("webp", 78.8), ("bmshj2018-factorized", 68.1),
        ("bmshj2018-hyperprior", 30.5), ("mbt2018", 11.0), ("cheng2020-attn", 5.5),
    ],
)  # fmt: skip
def test_published_kodak_curves_against_vtm(
    published: dict[str, Curve], codec: str, percent: float
) -> None:
    assert bd_rate(published["vtm"], published[codec]) == pytest.approx(percent, abs=0.3)


def test_deltas_equal_those_of_the_bjontegaard_package(published: dict[str, Curve]) -> None:
    """To rounding: both integrate the same piecewise polynomials in double precision."""
    with warnings.catch_warnings():
        # importing it loads pyplot, whose backend warnings are not ours
        warnings.simplefilter("ignore")
        import bjontegaard
    options = {"require_matching_points": False, "min_overlap": 0}
    anchor = published["vtm"].sorted("quality")
    for name, curve in published.items():
        test = curve.sorted("quality")
        pair = (anchor.rate, anchor.quality, test.rate, test.quality)
        for method in METHODS:
            rate = bjontegaard.bd_rate(*pair, method, **options)
            assert bd_rate(anchor, test, method) == pytest.approx(rate, abs=1e-8), name
            quality = bjontegaard.bd_psnr(*pair, method, **options)
            assert bd_quality(anchor, test, method) == pytest.approx(quality, abs=1e-9), name


def test_a_rate_factor_is_found_exactly() -> None:
    rate, quality = [0.25, 0.5, 1.0, 2.0], [28.0, 31.0, 34.0, 37.0]
    test = Curve.of([0.8 * r for r in rate], quality)
    for method in METHODS:
        assert bd_rate(Curve.of(rate, quality), test, method) == pytest.approx(-20.0, abs=1e-6)
    # 3 dB an octave: a fifth fewer bits are 3·log2(1.25) dB
    assert bd_quality(Curve.of(rate, quality), test) == pytest.approx(3 * math.log2(1.25), abs=1e-6)


steps = st.lists(st.tuples(st.floats(0.05, 2.0), st.floats(0.2, 5.0)), min_size=4, max_size=8)


def _curve(pairs: list[tuple[float, float]], start: float) -> Curve:
    log_rate = np.cumsum([step for step, _ in pairs])
    quality = np.cumsum([gain for _, gain in pairs])
    quality = start + 20.0 * (quality - quality[0]) / (quality[-1] - quality[0])
    return Curve(np.exp(log_rate - 2.0), quality)


@settings(deadline=None)
@given(pairs=steps)
def test_a_curve_against_itself_is_zero(pairs: list[tuple[float, float]]) -> None:
    curve = _curve(pairs, 25.0)
    for method in METHODS:
        assert bd_rate(curve, curve, method) == 0.0
        assert bd_quality(curve, curve, method) == 0.0


@settings(deadline=None)
@given(one=steps, two=steps, shift=st.floats(-10.0, 10.0))
def test_exchange_inverts_the_ratio(
    one: list[tuple[float, float]], two: list[tuple[float, float]], shift: float
) -> None:
    a, b = _curve(one, 25.0), _curve(two, 25.0 + shift)
    for method in ("pchip", "akima"):
        there, back = bd_rate(a, b, method), bd_rate(b, a, method)
        assert math.log1p(there / 100) + math.log1p(back / 100) == pytest.approx(0, abs=1e-9)


def test_hull_leaves_the_dented_point_out() -> None:
    curve = Curve.of([1.0, 2.0, 3.0, 4.0, 5.0], [30.0, 33.0, 33.1, 36.0, 35.0])
    assert hull_points(curve) == [0, 1, 3]


def _grids(folder: Path, records: list[Record]) -> dict[str, Grid]:
    return grids(read_results(samples.results_folder(folder, records)))


def test_conventions_interval_and_items_of_a_plain_pair(tmp_path: Path) -> None:
    measured = grids(read_results(samples.plain_folder(tmp_path)))
    found = compare(measured["good"], measured["dear"], PSNR)
    assert found.rate_percent == pytest.approx(50.0, abs=1e-6)
    assert len(found.conventions) == 9
    assert found.rate_low <= 50.0 <= found.rate_high
    assert found.significant is True
    assert found.overlap_percent == pytest.approx(100.0)
    assert [item for item, _ in found.item_rates] == [f"item{i}" for i in range(6)]
    assert found.warnings == ()


def test_averaging_conventions_differ_where_items_do(tmp_path: Path) -> None:
    """Two items, saving half and nothing: the means of rates and of ratios cannot agree."""
    rows = []
    for index in range(5):
        quality = 28.0 + 3 * index
        for item, rate in (("cheap", 0.25), ("dear", 1.0)):
            factor = 0.5 if item == "cheap" else 1.0
            rows.append(samples.record("good", f"q={index}", item, rate * 2**index, quality))
            rows.append(
                samples.record("other", f"q={index}", item, factor * rate * 2**index, quality)
            )
    measured = _grids(tmp_path, rows)
    found = compare(measured["good"], measured["other"], PSNR)
    # mean rates 1.25 and 1.125; per item −50 % and 0 %
    assert found.under("mean") == pytest.approx(-10.0, abs=1e-6)
    assert found.under("per item") == pytest.approx(-25.0, abs=1e-6)
    assert found.spread[0] == pytest.approx(-25.0, abs=1e-4)
    assert found.spread[1] == pytest.approx(-10.0, abs=1e-4)


def test_missing_items_are_left_out_of_both_and_said(tmp_path: Path) -> None:
    rows = samples.curve_records("good", 1.0) + [
        row
        for row in samples.curve_records("dear", 1.5)
        if (row.item, row.point) != ("item3", "q=2")
    ]
    measured = _grids(tmp_path, rows)
    found = compare(measured["good"], measured["dear"], PSNR)
    assert found.items == 5
    assert found.rate_percent == pytest.approx(50.0, abs=0.01)
    assert "over 5 of 6 items: the others are missing in one of the two" in found.warnings


def test_a_point_that_mostly_failed_is_dropped_not_its_items(tmp_path: Path) -> None:
    rows = samples.curve_records("good", 1.0) + [
        row
        for row in samples.curve_records("dear", 1.5)
        if row.point != "q=5" or row.item == "item0"
    ]
    measured = _grids(tmp_path, rows)
    found = compare(measured["good"], measured["dear"], PSNR)
    assert found.items == 6
    assert "dear: q=5 left out, done on 1 of 6 items" in found.warnings


@pytest.mark.parametrize(("done", "kept"), [(2, False), (3, True)])
def test_a_point_done_on_half_the_items_stays(tmp_path: Path, done: int, kept: bool) -> None:
    rows = samples.curve_records("good", 1.0) + [
        row
        for row in samples.curve_records("dear", 1.5)
        if row.point != "q=5" or row.item in [f"item{i}" for i in range(done)]
    ]
    measured = _grids(tmp_path, rows)
    found = compare(measured["good"], measured["dear"], PSNR)
    left_out = f"dear: q=5 left out, done on {done} of 6 items"
    assert (left_out not in found.warnings) == kept
    assert found.items == (done if kept else 6)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (samples.curve_records("other", 1.0, points=1), "a curve of one point"),
        (
            [
                samples.record("other", f"q={q}", f"item{i}", 1.0 + q, 80.0 + q)
                for q in range(5)
                for i in range(6)
            ],
            "do not overlap",
        ),
        (
            [
                samples.record("other", "mode=only", f"item{i}", 12.0, math.inf, mse=0.0)
                for i in range(6)
            ],
            "no lossy point",
        ),
        (
            [samples.record("other", f"q={q}", "elsewhere", 1.0 + q, 30.0 + q) for q in range(5)],
            "other",
        ),
    ],
    ids=["one-point", "no-overlap", "lossless", "other-items"],
)
def test_what_cannot_be_compared_says_why(tmp_path: Path, rows: list[Record], words: str) -> None:
    measured = _grids(tmp_path, samples.curve_records("good", 1.0) + rows)
    found = compare(measured["good"], measured["other"], PSNR)
    assert not found.defined
    assert math.isnan(found.rate_low)
    assert found.significant is None
    assert words in found.warnings[-1]


def test_doubtful_curves_are_compared_with_a_warning(tmp_path: Path) -> None:
    dented = [
        samples.record("other", f"q={q}", f"item{i}", rate, psnr)
        for i in range(6)
        for q, (rate, psnr) in enumerate([(0.3, 29.0), (0.6, 34.0), (1.2, 32.0)])
    ]
    measured = _grids(tmp_path, samples.curve_records("good", 1.0) + dented)
    found = compare(measured["good"], measured["other"], PSNR)
    text = " | ".join(found.warnings)
    assert not found.defined
    assert "3 points, below the usual four" in text
    assert "not monotonic" in text
    assert "below 75 %" in text
    on_hull = compare(measured["good"], measured["other"], PSNR, hull=True)
    assert on_hull.defined
    assert any("not on the convex hull" in note for note in on_hull.warnings)
    assert not any("not monotonic" in note for note in on_hull.warnings)


def test_infinite_psnr_in_a_lossy_point_is_capped_and_said(tmp_path: Path) -> None:
    rows = samples.curve_records("good", 1.0)
    rows += [
        row if (row.item, row.point) != ("item0", "q=5") else samples.record(
            "dear", "q=5", "item0", 6.0, math.inf, mse=0.0)
        for row in samples.curve_records("dear", 1.5)
    ]  # fmt: skip
    measured = _grids(tmp_path, rows)
    found = compare(measured["good"], measured["dear"], PSNR)
    assert found.defined
    assert "dear: 1 infinite PSNR counted as 100 dB" in found.warnings


def test_errors_are_compared_as_decibels(tmp_path: Path) -> None:
    """mse falls with quality; its axis must not turn the sign of the result."""
    measured = grids(read_results(samples.plain_folder(tmp_path)))
    found = compare(measured["good"], measured["cheap"], quality("mse"))
    assert found.rate_percent == pytest.approx(-20.0, abs=0.1)


def test_matrix_is_antisymmetric_in_log_ratios(tmp_path: Path) -> None:
    measured = grids(read_results(samples.plain_folder(tmp_path)))
    lossy = [measured[name] for name in ("good", "dear", "cheap")]
    matrix = compare_all(lossy, PSNR)
    logs = np.log1p(np.array(matrix.rates) / 100)
    assert np.allclose(logs, -logs.T, atol=1e-9)
    # row against column: dear costs half as much again as good
    assert matrix.rates[1][0] == pytest.approx(50.0, abs=1e-6)
