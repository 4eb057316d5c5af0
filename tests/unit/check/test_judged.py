"""A check judges every metric that both sides hold, and says which it judged."""

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from bench.check.axes import Tolerances
from bench.check.baseline import read_measurements, write_baseline
from bench.check.compare import CheckReport, compare
from bench.records import FIRST_METRICS, Record, columns_of
from bench.results.run_info import CodecInfo, RunInfo
from bench.results.table import FILE, cells, write_records

POINTS = ("crf=20", "crf=27", "crf=34", "crf=41")
ITEMS = tuple(f"clip{i}" for i in range(4))
BLANK = Record(
    suite="s", dataset="d", item="", codec="c", point="", status="done", width=64, height=64,
    frames=8, channels=3,
)  # fmt: skip
Scores = dict[str, float]


def clip_scores(step: int, item: int) -> Scores:
    """As of a 4:2:0 clip: no psnr_rgb, no SSIM."""
    quality = 42.0 - 3 * step + 0.3 * item
    return {
        "mse": 255**2 / 10 ** (quality / 10), "psnr_y": quality, "psnr_yuv": quality + 1,
        "vmaf": 95.0 - 12 * step + item,
    }  # fmt: skip


def picture_scores(step: int, item: int) -> Scores:
    quality = 42.0 - 3 * step + 0.3 * item
    similarity = 1 - 10 ** (-quality / 20)
    return {
        **{"mse": 255**2 / 10 ** (quality / 10), "psnr_rgb": quality, "psnr_y": quality + 1},
        **{"psnr_yuv": quality + 1, "ssim": similarity, "ms_ssim": similarity},
    }


def folder(path: Path, scores: object, change: object = None, metrics: object = None) -> Path:
    """Results of one codec; ``change`` maps the scores of a record to others."""
    path.mkdir()
    assert callable(scores)
    records = []
    for step, point in enumerate(POINTS):
        for index, item in enumerate(ITEMS):
            found = scores(step, index)
            found = change(found, index) if callable(change) else found
            own = {"bytes": 4000 // 2**step, "bitstream_sha256": f"{step}{index}".ljust(64, "0")}
            records.append(replace(BLANK, point=point, item=item, scores=found, **own))
    columns = columns_of(FIRST_METRICS)
    write_records(path / FILE, (cells(one, columns) for one in records), columns)
    RunInfo(
        bench="1", suite="s", suite_title="", dataset="d", dataset_title="", media="video",
        dataset_notes=(), dataset_digest="d" * 64, items=len(ITEMS),
        metrics=tuple(metrics or scores(0, 0)), anchor=None,
        codecs=(CodecInfo("c", "c", {}, POINTS, True, False, {}),), command=(), machine={},
        libraries={}, jobs=1, timing="", started="", finished="",
    ).write(path)  # fmt: skip
    return path


def checked(old: Path, new: Path) -> CheckReport:
    return compare(read_measurements(new), read_measurements(old), Tolerances())


@pytest.mark.parametrize(
    ("scores", "metric", "fault"),
    [
        *((picture_scores, name, -0.3) for name in ("psnr_rgb", "psnr_y", "psnr_yuv")),
        *((picture_scores, name, -0.02) for name in ("ssim", "ms_ssim")),
        (picture_scores, "mse", 4.0),
        (clip_scores, "mse", 4.0),
        (clip_scores, "psnr_y", -0.3),
        (clip_scores, "psnr_yuv", -9.0),
        (clip_scores, "vmaf", -0.5),
    ],
)
def test_each_metric_alone_turns_the_check_red(
    tmp_path: Path, scores: object, metric: str, fault: float
) -> None:
    def worse(found: Scores, index: int) -> Scores:
        return {**found, metric: found[metric] + fault * (1 + 0.1 * index)}

    old = folder(tmp_path / "old", scores)
    report = checked(old, folder(tmp_path / "new", scores, worse))
    assert report.exit_status == 1
    points = report.codecs[0].points
    assert points and all(metric in point.detail for point in points)
    assert checked(old, old).exit_status == 0


def test_what_was_judged_is_said(tmp_path: Path) -> None:
    old = folder(tmp_path / "old", clip_scores)
    report = checked(old, old)
    assert report.notes == (
        "judged: bits (0.1 %), mse (0.05 dB), psnr_y (0.05 dB), psnr_yuv (0.05 dB), "
        "vmaf (0.1), BD-rate of psnr_y (0.5 %)",
    )


def without(name: str, only: int | None = None) -> object:
    def change(found: Scores, index: int) -> Scores:
        gone = only is None or index == only
        return {key: value for key, value in found.items() if key != name or not gone}

    return change


def test_a_metric_that_one_side_lacks_is_named(tmp_path: Path) -> None:
    old = folder(tmp_path / "old", clip_scores, without("vmaf"), ("psnr_y",))
    new = folder(tmp_path / "new", clip_scores)
    assert "not judged: vmaf (not in the baseline)" in checked(old, new).notes
    assert checked(old, new).exit_status == 0
    fewer = folder(tmp_path / "fewer", clip_scores, without("vmaf"), ("psnr_y", "psnr_yuv"))
    assert "not judged: vmaf (not in these results)" in checked(new, fewer).notes
    assert checked(new, fewer).exit_status == 0


def test_a_metric_that_was_asked_for_and_is_gone_is_no_success(tmp_path: Path) -> None:
    old = folder(tmp_path / "old", clip_scores)
    report = checked(old, folder(tmp_path / "new", clip_scores, without("vmaf")))
    assert (report.judged.lost, report.exit_status) == (("vmaf",), 2)
    report = checked(old, folder(tmp_path / "some", clip_scores, without("vmaf", only=2)))
    assert report.exit_status == 2
    assert report.codecs[0].points[0].detail == "vmaf: measured before, now without a value"


def test_a_tolerance_of_one_metric(tmp_path: Path) -> None:
    def lower(found: Scores, index: int) -> Scores:
        return {**found, "vmaf": found["vmaf"] - 0.5 - 0.01 * index}

    old = read_measurements(folder(tmp_path / "old", clip_scores))
    new = read_measurements(folder(tmp_path / "new", clip_scores, lower))
    assert compare(new, old, Tolerances()).exit_status == 1
    assert compare(new, old, Tolerances.of({}, {"vmaf": 1.0})).exit_status == 0
    assert compare(new, old, Tolerances(quality_db=9.0)).exit_status == 1


def test_webp_of_the_committed_results_with_its_luma_spoilt(tmp_path: Path) -> None:
    """The fault that went unseen: 3 dB off every psnr_y."""
    results = Path(__file__).parents[3] / "results" / "kodak"
    with (results / FILE).open() as file:
        rows = [row for row in csv.DictReader(file) if row["codec"] == "webp"]
    assert rows

    def write(path: Path, by: float) -> Path:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            for row in rows:
                writer.writerow({**row, "psnr_y": float(row["psnr_y"]) - by})
        return path

    old, same = write(tmp_path / "old.csv", 0), write(tmp_path / "same.csv", 0)
    assert checked(old, same).exit_status == 0
    report = checked(old, write(tmp_path / "new.csv", 3))
    assert report.exit_status == 1
    assert "psnr_y -3.00 dB" in report.codecs[0].points[0].detail


def test_a_baseline_keeps_every_metric(tmp_path: Path) -> None:
    old = folder(tmp_path / "old", clip_scores)
    write_baseline(old, tmp_path / "base")
    assert checked(tmp_path / "base", old).exit_status == 0
    assert "vmaf (0.1)" in checked(tmp_path / "base", old).notes[0]


def test_worst_frames_are_no_metric_of_a_check(tmp_path: Path) -> None:
    old = folder(tmp_path / "old", clip_scores)
    path = tmp_path / "old" / FILE
    lines = path.read_text().splitlines()
    lines = [f"{lines[0]},psnr_y_min", *(f"{line},{20 + i}" for i, line in enumerate(lines[1:]))]
    new = tmp_path / "new"
    new.mkdir()
    (new / FILE).write_text("\n".join(lines) + "\n")
    (new / "run.json").write_text((old / "run.json").read_text())
    report = checked(old, new)
    assert report.exit_status == 0 and not report.judged.left_out
    write_baseline(new, tmp_path / "baseline")
    assert checked(tmp_path / "baseline", new).exit_status == 0
