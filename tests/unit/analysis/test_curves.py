"""Curves: averaging conventions with values worked out by hand."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from bench.analysis.curves import CURVE_COLUMNS, mean_curves
from bench.results.reader import read_results
from tests.unit.report import samples


def test_columns_begin_as_the_contract_says() -> None:
    contract = (
        "suite,codec,point,items,bpp,bpp_pooled,bpp_estimated,mse,psnr_rgb,psnr_rgb_pooled,psnr_y,"
        "psnr_yuv,ssim,ms_ssim,ms_ssim_db,vmaf,encode_seconds,decode_seconds"
    )
    assert CURVE_COLUMNS[:18] == tuple(contract.split(","))


def test_means_and_pools_of_two_items_of_different_size(tmp_path: Path) -> None:
    rows = [
        samples.record("a", "q=1", "small", 4.0, 28.13, width=10, height=10, bytes=50,
                       mse=100.0, ms_ssim=0.9, ssim=0.8),
        samples.record("a", "q=1", "large", 2.0, 35.12, width=30, height=10, bytes=75,
                       mse=20.0, ms_ssim=0.98, ssim=0.9),
    ]  # fmt: skip
    curve = mean_curves(read_results(samples.results_folder(tmp_path, rows))).iloc[0]
    assert curve["items"] == 2
    assert curve["bpp"] == pytest.approx(3.0)
    assert curve["bpp_pooled"] == pytest.approx(8 * 125 / 400)
    assert curve["psnr_rgb"] == pytest.approx(31.625)
    # (100·100 + 20·300) / 400 = 40
    assert curve["psnr_rgb_pooled"] == pytest.approx(10 * math.log10(255**2 / 40))
    assert curve["ms_ssim_db"] == pytest.approx(-10 * math.log10(0.06))
    assert curve["ssim_db"] == pytest.approx(-10 * math.log10(0.15))


def test_infinite_psnr_counts_as_100_db_and_is_counted(tmp_path: Path) -> None:
    rows = [
        samples.record("a", "q=1", "one", 4.0, math.inf, mse=0.0),
        samples.record("a", "q=1", "two", 4.0, 40.0),
    ]
    curve = mean_curves(read_results(samples.results_folder(tmp_path, rows))).iloc[0]
    assert curve["psnr_rgb"] == pytest.approx(70.0)
    assert curve["psnr_rgb_infinite"] == 1


def test_failed_items_are_counted_and_never_averaged(tmp_path: Path) -> None:
    rows = samples.curve_records("a", 1.0, points=2)
    failed = samples.record("a", "q=2", "item5", 1.0, 30.0)
    bare = {"bytes": None, "bpp": None, "scores": {}}
    failed = samples.replace(failed, status="timeout", reason="over 10 s", **bare)
    rows = [row for row in rows if (row.point, row.item) != ("q=2", "item5")] + [failed]
    curves = mean_curves(read_results(samples.results_folder(tmp_path, rows)))
    assert curves["items"].tolist() == [6, 5]
    assert curves["items_failed"].tolist() == [0, 1]
    assert curves["items_expected"].tolist() == [6, 6]


def test_a_point_without_any_finished_item_stays_empty(tmp_path: Path) -> None:
    rows = samples.curve_records("a", 1.0, points=1)
    failed = samples.replace(
        samples.record("a", "q=9", "item0", 1.0, 30.0), status="failed", reason="crashed"
    )
    curves = mean_curves(read_results(samples.results_folder(tmp_path, [*rows, failed])))
    last = curves.iloc[1]
    assert (last["point"], last["items"], last["items_failed"]) == ("q=9", 0, 1)
    assert math.isnan(last["bpp"])
    assert math.isnan(last["psnr_rgb_pooled"])


def test_points_keep_the_order_of_the_ladder(tmp_path: Path) -> None:
    rows = [samples.record("a", f"q={q}", "one", q / 100, 20.0 + q / 10) for q in (5, 100, 20)]
    curves = mean_curves(read_results(samples.results_folder(tmp_path, rows)))
    assert curves["point"].tolist() == ["q=5", "q=100", "q=20"]


def test_worst_frames_of_all_clips(tmp_path: Path) -> None:
    rows = [
        samples.replace(
            samples.record("a", "q=1", item, 4.0, 40.0, frames=8, bytes=24576),
            frame_scores={"psnr_rgb_min": least, "psnr_rgb_p5": least + 1, "mse_max": most},
            frames_identical=count,
        )
        for item, least, most, count in (("one", 30.0, 65.0, 2), ("two", 12.5, 4000.0, 0))
    ]
    rows.append(samples.record("a", "q=2", "one", 2.0, 38.0, frames=8, bytes=12288))
    curves = mean_curves(read_results(samples.results_folder(tmp_path, rows)))
    first, second = (curves.iloc[place] for place in range(2))
    assert (first["psnr_rgb_min"], first["mse_max"], first["frames_identical"]) == (12.5, 4000, 2)
    assert math.isnan(second["psnr_rgb_min"]) and math.isnan(second["frames_identical"])
    assert tuple(curves.columns) == (*CURVE_COLUMNS, "psnr_rgb_min", "mse_max")
