"""Metrics in a report: empty cells, disagreement in rank, and axes of metrics that fall."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.analysis.qualities import quality
from bench.figures.style import STYLES
from bench.metrics import registry
from bench.metrics.basics import PsnrY
from bench.records import Record
from bench.report.content import collect
from bench.report.html.page import page_data
from bench.report.pgfplots import pgfplots
from bench.report.plots import curve_plot
from bench.report.remarks import warnings_of
from bench.report.tables import point_table
from tests.unit.report import samples

FALLING = replace(
    PsnrY.info, id="distance", title="Distance", unit="", higher_is_better=False, cap=float("inf")
)


@pytest.fixture(autouse=True)
def _table(monkeypatch: pytest.MonkeyPatch) -> None:
    made = type("Distance", (PsnrY,), {"info": FALLING})
    monkeypatch.setattr(registry, "_table", {**registry.metrics(), "distance": made})


def scored(rows: list[Record], factor: float) -> list[Record]:
    """With a distance that falls as PSNR rises."""
    return [
        replace(row, scores={**row.scores, "distance": factor * (60 - row.scores["psnr_rgb"]) / 60})
        for row in rows
    ]


def folder(path: Path, *curves: list[Record]) -> Path:
    def change(run: object) -> object:
        return replace(run, metrics=("psnr_rgb", "distance"))  # type: ignore[type-var]

    rows = [row for curve in curves for row in curve]
    return samples.results_folder(path, rows, change=change)  # type: ignore[arg-type]


def test_a_metric_that_falls_has_its_axis_turned(tmp_path: Path) -> None:
    """At equal rate ``near`` has a smaller distance: it needs less rate."""
    good = scored(samples.curve_records("good", 1.0), 1.0)
    near = scored(samples.curve_records("near", 1.0), 0.9)
    content = collect(folder(tmp_path, good, near))
    found = content.bd.find("near", "distance")
    assert found is not None and found.rate_percent < -10 and found.quality_gain > 0
    columns, rows = point_table(content)
    assert columns[-1] == "Distance" and float(rows[0][-1]) > 0

    axis = quality("distance")
    axes = samples.draw_curves(content, axis, STYLES["paper"]).axes[0]
    assert axes.get_ylabel() == "Distance, less is better"
    assert axes.yaxis.get_major_formatter()(-0.25, None) == "0.25"
    plot = curve_plot(content, axis)
    assert plot is not None
    text = pgfplots(axis, plot, STYLES["paper"], {"good": "good.dat", "near": "near.dat"})
    assert "y dir=reverse" in text and ",-0." not in text

    data = page_data(content)
    metric = next(each for each in data["metrics"] if each["id"] == "distance")
    assert metric["falling"] and metric["purpose"] == FALLING.purpose
    assert all(point["values"]["distance"] > 0 for point in data["codecs"][0]["points"])


def test_metrics_that_disagree_about_the_leader_say_so_in_one_line(tmp_path: Path) -> None:
    good = scored(samples.curve_records("good", 1.0), 1.0)
    other = scored(samples.curve_records("other", 1.2), 0.8)
    found = [line for line in warnings_of(collect(folder(tmp_path, good, other))) if "rank" in line]
    assert found == [
        "The metrics disagree in rank: least rate is needed by good in PSNR-RGB; by other in "
        "−Distance"
    ]


def test_two_that_change_places_behind_the_leader_are_named(tmp_path: Path) -> None:
    best = scored(samples.curve_records("good", 0.7), 0.8)
    one = scored(samples.curve_records("one", 1.0), 1.0)
    two = scored(samples.curve_records("two", 1.15), 0.85)
    lines = warnings_of(collect(folder(tmp_path, best, one, two)))
    found = [line for line in lines if "rank" in line]
    assert found == [
        "The metrics disagree in rank: one is ahead of two in PSNR-RGB, behind in −Distance"
    ]


def test_metrics_that_agree_say_nothing(tmp_path: Path) -> None:
    good = scored(samples.curve_records("good", 1.0), 1.0)
    dear = scored(samples.curve_records("dear", 1.3), 1.1)
    assert not any("rank" in line for line in warnings_of(collect(folder(tmp_path, good, dear))))


def test_empty_cells_are_one_line_a_metric(tmp_path: Path) -> None:
    rows = scored(samples.curve_records("good", 1.0), 1.0)
    missing = {"distance": "its weights are missing", "vmaf": "not defined on images"}
    rows[:7] = [replace(row, remarks=missing) for row in rows[:7]]
    rows[7] = replace(rows[7], remarks={"distance": "ValueError: odd"})
    found = warnings_of(collect(folder(tmp_path, rows)))
    assert "distance: no value on 8 of 30 records (its weights are missing)" in found
    assert "vmaf: no value on 7 of 30 records (not defined on images)" in found


def test_the_page_says_what_a_metric_is_good_for(tmp_path: Path) -> None:
    content = collect(samples.plain_folder(tmp_path))
    assert all(metric["purpose"] for metric in page_data(content)["metrics"])
    assert not np.isnan(content.curves["ssim_db"]).all()


def test_an_estimate_far_from_the_stream_is_one_line_a_codec(tmp_path: Path) -> None:
    sound = scored(samples.curve_records("sound", 1.0), 1.0)
    said = {"rate": "800 bytes by the likelihoods, 1000 in the strings"}
    apart = scored(samples.curve_records("apart", 1.1), 1.0)
    apart[1:] = [replace(row, remarks=said) for row in apart[1:]]
    found = [
        line for line in warnings_of(collect(folder(tmp_path, sound, apart))) if "estimated" in line
    ]
    assert found == [
        f"apart: estimated and measured rate differ by more than headers and 5 % on "
        f"{len(apart) - 1} of {len(apart)} records ({apart[1].point} on {apart[1].item}: "
        f"{said['rate']})"
    ]


def test_an_estimate_that_is_no_number_is_an_empty_cell_with_its_reason(tmp_path: Path) -> None:
    rows = scored(samples.curve_records("net", 1.0), 1.0)
    said = {"bpp_estimated": "the likelihoods give inf bits"}
    rows[0] = replace(rows[0], bpp_estimated=None, remarks=said)
    assert (
        f"bpp_estimated: no value on 1 of {len(rows)} records (the likelihoods give inf bits)"
        in warnings_of(collect(folder(tmp_path, rows)))
    )


def test_two_points_that_give_the_same_are_remarked(tmp_path: Path) -> None:
    rows = scored(samples.curve_records("net", 1.0), 1.0)
    points = list(dict.fromkeys(row.point for row in rows))

    def copied(row: Record) -> Record:
        """The second point with the sizes and scores of the first."""
        twin = next(r for r in rows if (r.item, r.point) == (row.item, points[0]))
        return replace(twin, point=row.point) if row.point == points[1] else row

    found = [
        line
        for line in warnings_of(collect(folder(tmp_path, [copied(row) for row in rows])))
        if "one measurement" in line
    ]
    assert len(found) == 1 and found[0].startswith(f"net: {points[0]} and {points[1]} gave streams")
    assert not any(
        "one measurement" in line for line in warnings_of(collect(folder(tmp_path / "b", rows)))
    )
