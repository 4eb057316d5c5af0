"""The remarks of a report: one line a codec, nothing twice."""

from __future__ import annotations

from pathlib import Path

from bench.report.content import collect
from bench.report.remarks import warnings_of
from bench.report.tables import delta, point_table
from tests.unit.report import samples


def test_what_is_wrong_under_all_metrics_is_said_once(tmp_path: Path) -> None:
    """``short`` covers a part of the qualities, which differs between the metrics."""
    records = [
        *samples.curve_records("good", 1.0, points=6),
        *samples.curve_records("short", 1.2, points=3),
        *samples.curve_records("fine", 0.9, points=6),
    ]
    content = collect(samples.results_folder(tmp_path, records))
    assert len(content.axes) == 3
    # 6 of 15 dB are shared, whatever the metric: SSIM and MS-SSIM in dB are straight in PSNR here
    assert list(warnings_of(content)) == [
        "short: 3 points, below the usual four; quality ranges overlap by 40.0 %, below 75 %"
    ]


def test_what_is_wrong_under_one_metric_names_it(tmp_path: Path) -> None:
    records = samples.curve_records("good", 1.0) + samples.curve_records("dented", 1.2)
    dent = [
        samples.record(r.codec, r.point, r.item, r.bpp or 0.0, 34.0, ssim=0.935)
        for r in records
        if (r.codec, r.point) == ("dented", "q=3")
    ]
    rest = [r for r in records if (r.codec, r.point) != ("dented", "q=3")]
    found = list(warnings_of(collect(samples.results_folder(tmp_path, rest + dent))))
    assert found == [
        "dented: not monotonic: q=3 has less quality than q=2 at more rate; no BD-rate (SSIM)"
    ]


def test_a_doubt_about_the_anchor_is_not_repeated_for_every_codec(tmp_path: Path) -> None:
    records = [
        *samples.curve_records("good", 1.0, points=3),
        *samples.curve_records("one", 1.2, points=3),
        *samples.curve_records("two", 1.3, points=3),
    ]
    found = list(warnings_of(collect(samples.results_folder(tmp_path, records))))
    assert found == [f"{name}: 3 points, below the usual four" for name in ("good", "one", "two")]


def test_two_or_three_images_are_too_few_for_an_interval(tmp_path: Path) -> None:
    for items in (2, 3, 4):
        records = [
            *samples.curve_records("good", 1.0, items=items),
            *samples.curve_records("dear", 1.5, items=items, noise=1.0),
        ]
        content = collect(samples.results_folder(tmp_path / str(items), records))
        cell = delta(content.bd.find("dear", "psnr_rgb"))
        said = f"too few images for an interval: {items}"
        assert ("[" in cell) == (items == 4), cell
        assert (said in warnings_of(content)) == (items < 4)
        assert "n.s." not in cell
        assert sum("interval" in text for text in warnings_of(content)) == (items < 4)


def test_points_are_listed_by_rate(tmp_path: Path) -> None:
    records = samples.curve_records("good", 1.0) + samples.curve_records("dear", 1.5)
    folder = samples.results_folder(tmp_path, records[::-1], anchor="good")
    _, rows = point_table(collect(folder))
    assert [(row[0], row[1]) for row in rows] == [
        (codec, f"q={q}") for codec in ("dear", "good") for q in range(1, 6)
    ]
