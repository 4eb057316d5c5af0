"""Which metrics a check judges: their versions, their order, where they are saturated."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from bench.check.axes import Tolerances, judge
from bench.check.baseline import read_measurements
from bench.records import Record
from bench.results.run_info import RunInfo
from tests.unit.check.sides import INFO, RUN, at, by, checked, recoded, scores, side

Versions = Mapping[str, Mapping[str, str]]


def with_vmaf(record: Record) -> Record:
    return replace(record, scores={**record.scores, "vmaf": 60 + 5 * int(record.point[-1])})


def higher_vmaf(record: Record) -> Record:
    """What another model says of the same streams."""
    return replace(record, scores={**record.scores, "vmaf": 79.9 + 4 * int(record.point[-1])})


def of_versions(versions: Versions, *names: str) -> RunInfo:
    return replace(RUN, metrics=names or ("vmaf", "psnr_rgb"), metric_versions=versions)


OLD = {"vmaf": {"libvmaf": "2.3.1", "model": "vmaf_v0.6.1"}}
NEW = {"vmaf": {"libvmaf": "3.2.0", "model": "vmaf_v0.6.1"}}


def test_a_metric_of_another_version_is_not_judged_and_named(tmp_path: Path) -> None:
    """The fault that went unseen: another libvmaf was an improvement of 19.9."""
    old = side(tmp_path / "old", with_vmaf, run=of_versions(OLD))
    new = side(tmp_path / "new", higher_vmaf, run=of_versions(NEW))
    report = checked(old, new)
    assert (report.codecs[0].outcome, report.exit_status) == ("no change", 0)
    assert "not judged: vmaf (another version: libvmaf 2.3.1 → 3.2.0)" in report.notes
    assert "vmaf" not in report.notes[0]
    alike = side(tmp_path / "alike", higher_vmaf, run=of_versions(OLD))
    assert checked(old, alike).codecs[0].outcome == "improvement"
    assert checked(new, side(tmp_path / "lower", with_vmaf, run=of_versions(NEW))).exit_status == 1


@pytest.mark.parametrize(
    "other",
    [
        {"libvmaf": "2.3.1", "model": "vmaf_4k_v0.6.1"},
        {"libvmaf": "2.3.1"},
        {"libvmaf": "2.3.1", "model": "vmaf_v0.6.1", "ffmpeg": "7.0"},
    ],
)
def test_another_model_is_another_version(tmp_path: Path, other: Mapping[str, str]) -> None:
    old = side(tmp_path / "old", with_vmaf, run=of_versions(OLD))
    new = side(tmp_path / "new", higher_vmaf, run=of_versions({"vmaf": other}))
    assert checked(old, new).notes[1].startswith("not judged: vmaf (another version: ")


@pytest.mark.parametrize("unknown", ["old", "new"])
def test_a_version_that_one_side_does_not_tell_is_named(tmp_path: Path, unknown: str) -> None:
    told = {"old": ({}, NEW), "new": (OLD, {})}[unknown]
    old = side(tmp_path / "old", with_vmaf, run=of_versions(told[0]))
    new = side(tmp_path / "new", with_vmaf, run=of_versions(told[1]))
    where = {"old": "the baseline", "new": "these results"}[unknown]
    report = checked(old, new)
    line = f"judged although their version is not known on both sides: vmaf (in {where})"
    assert line in report.notes
    assert report.exit_status == 0
    lower = at("", "", lambda one: replace(one, scores={**one.scores, "vmaf": 50.0}))
    worse = checked(old, side(tmp_path / "worse", lower, run=of_versions(told[1])))
    assert worse.exit_status == 1
    assert any(cause.startswith("vmaf: libvmaf ") for cause in worse.codecs[0].causes)


def test_where_nothing_is_left_to_judge_nothing_was_compared(tmp_path: Path) -> None:
    def vmaf_alone(record: Record) -> Record:
        return replace(record, scores={"vmaf": 80.0})

    old = side(tmp_path / "old", vmaf_alone, run=of_versions(OLD, "vmaf"))
    new = side(tmp_path / "new", vmaf_alone, run=of_versions(NEW, "vmaf"))
    report = checked(old, new)
    assert (report.codecs[0].outcome, report.exit_status) == ("not comparable", 2)
    assert "no metric that both sides hold" in report.codecs[0].points[0].detail
    assert checked(old, side(tmp_path / "same", vmaf_alone, run=of_versions(OLD))).exit_status == 0


@pytest.mark.parametrize(
    ("asked", "first"),
    [
        (("vmaf", "psnr_rgb"), "vmaf"),
        (("psnr_rgb", "vmaf"), "psnr_rgb"),
        (("ssim", "psnr_rgb"), "ssim"),
        (("mse", "ssim"), "ssim"),
        (("mse",), "psnr_rgb"),
    ],
)
def test_the_bd_rate_is_that_of_the_first_metric_of_the_run(
    tmp_path: Path, asked: tuple[str, ...], first: str
) -> None:
    """Errors are not: every record has one, and a PSNR stands beside it."""
    run = of_versions({}, *asked)
    sides = [side(tmp_path / name, with_vmaf, run=run) for name in ("old", "new")]
    assert checked(*sides).notes[0].endswith(f"BD-rate of {first} (0.5 %)")


def test_the_first_metric_is_that_of_the_run_and_not_of_the_baseline(tmp_path: Path) -> None:
    old = side(tmp_path / "old", with_vmaf, run=of_versions({}, "psnr_rgb", "vmaf"))
    new = side(tmp_path / "new", with_vmaf, run=of_versions({}, "vmaf", "psnr_rgb"))
    assert "BD-rate of vmaf" in checked(old, new).notes[0]
    plain = side(tmp_path / "plain", with_vmaf, run=None)
    assert "BD-rate of psnr_rgb" in checked(old, plain).notes[0]
    assert "BD-rate of psnr_rgb" in checked(plain, plain).notes[0]


def similar(similarity: float, record: Record) -> Record:
    return replace(recoded(record), scores={**record.scores, "ssim": similarity})


def test_what_lies_above_the_saturation_of_a_metric_is_not_seen(tmp_path: Path) -> None:
    """SSIM is saturated at 50 dB: 0.99999. From 60 to 56 dB is rounding, from 60 to 47 is not."""
    old = side(tmp_path / "old", lambda one: similar(1 - 1e-6, one))
    above = checked(old, side(tmp_path / "above", lambda one: similar(1 - 2.5e-6, one)))
    assert (above.codecs[0].outcome, above.exit_status) == ("no change", 0)
    below = checked(old, side(tmp_path / "below", lambda one: similar(1 - 2e-5, one)))
    assert below.exit_status == 1
    # as far as the saturation: 10·log10(2e-5/1e-5) = 3.01 dB, not 13
    assert "ssim -3.01 dB (tolerance 0.05 dB)" in below.codecs[0].points[0].detail


def test_saturated_points_are_left_out_of_the_bd_rate(tmp_path: Path) -> None:
    """SSIM is saturated at 50 dB, which both sides reach at q=5 for a few bits more or less: a
    plateau, on which a BD-rate would mean nothing."""
    run = replace(RUN, metrics=("ssim",))

    def near_lossless(record: Record) -> Record:
        return similar(1 - 1e-7, record) if record.point == "q=5" else record

    def larger(record: Record) -> Record:
        one = near_lossless(record)
        return replace(one, bytes=2 * (one.bytes or 0)) if one.point == "q=5" else one

    old = side(tmp_path / "old", near_lossless, run=run)
    (codec,) = (report := checked(old, side(tmp_path / "new", larger, run=run))).codecs
    assert codec.bd_rate is not None and codec.bd_rate.mean == pytest.approx(0, abs=1e-9)
    assert "jpeg: BD-rate without q=5: saturated" in report.notes
    assert codec.points[-1].outcome == "regression", "twice the bits are seen at the point itself"


def test_three_points_below_saturation_are_no_curve(tmp_path: Path) -> None:
    def near_lossless(record: Record) -> Record:
        return similar(1 - 1e-7, record) if record.point in ("q=4", "q=5") else record

    run = replace(RUN, metrics=("ssim",))
    old = side(tmp_path / "old", near_lossless, run=run)
    new = side(tmp_path / "new", lambda one: by(0.01)(one) if one.point == "q=1" else
               near_lossless(one), run=run)  # fmt: skip
    report = checked(old, new)
    assert report.codecs[0].bd_rate is None
    assert "jpeg: no BD-rate: 3 points are left, it needs 4" in report.notes


def test_a_curve_that_is_not_monotonic_has_no_bd_rate(tmp_path: Path) -> None:
    def dip(record: Record) -> Record:
        return replace(record, scores=scores(28.0)) if record.point == "q=4" else record

    old = side(tmp_path / "old", dip)
    new = side(tmp_path / "new", lambda one: by(0.2)(dip(one)))
    report = checked(old, new)
    assert report.codecs[0].bd_rate is None
    assert "jpeg: no BD-rate of psnr_rgb: the new curve is not monotonic" in report.notes


def test_curves_that_hardly_overlap_have_no_bd_rate(tmp_path: Path) -> None:
    """12 dB of range, moved by 11: they share 1 of 23 dB."""
    report = checked(side(tmp_path / "old"), side(tmp_path / "new", by(11)))
    assert report.codecs[0].bd_rate is None
    assert "jpeg: no BD-rate of psnr_rgb: the curves overlap by 4.3 % only" in report.notes
    assert report.codecs[0].outcome == "improvement", "every point has more quality"


def test_items_without_a_bd_rate_are_counted(tmp_path: Path) -> None:
    new = side(tmp_path / "new", at("", "c", by(13)))
    report = checked(side(tmp_path / "old"), new)
    assert "jpeg: BD-rate over 5 of 6 items: the others do not overlap" in report.notes


def test_an_item_with_other_content_is_named_among_more_items(tmp_path: Path) -> None:
    digests = {**RUN.item_digests, "c": "1" * 16, "g": "2" * 16}
    more = replace(RUN, item_digests=digests, items=7, dataset_digest="e" * 64)
    report = checked(side(tmp_path / "old"), side(tmp_path / "new", run=more))
    assert report.exit_status == 2
    assert report.problems == (
        "the content of 1 of 6 items of data set 'd' differs from the baseline's (c)",
    )


def test_what_differs_in_the_identity_of_a_codec_is_a_cause(tmp_path: Path) -> None:
    info = replace(
        INFO,
        versions={"lib": "2.0", "weights q=1": "a" * 64},
        settings={"preset": "slow"},
        source={"reference": "ITU-T T.81"},
        lossless=True,
        device="cpu AVX2",
    )
    run = replace(RUN, codecs=(info,), bench="2", libraries={"lib": "2.0", "numpy": "2"})
    (codec,) = checked(side(tmp_path / "old"), side(tmp_path / "new", by(-1), run=run)).codecs
    assert codec.causes == (
        "lib 1.0 → 2.0",
        "weights q=1 (none) → aaaaaaaaaaaa",
        "setting preset (none) → slow",
        "card: lossless False → True",
        "card: reference (none) → ITU-T T.81",
        "device (none) → cpu AVX2",
        "numpy (none) → 2",
        "bench 1 → 2",
    )


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            {"/a/net.py": "1", "/a/layers.py": "2"},
            {"/b/net.py": "1", "/b/layers.py": "3"},
            "layers.py",
        ),
        ({"/a/net.py": "1"}, {"/a/net.py": "2", "/a/layers.py": "3"}, "layers.py, net.py"),
        (
            {"/a/x/net.py": "1", "/a/y/net.py": "2"},
            {"/a/x/net.py": "1", "/a/y/net.py": "3"},
            "net.py",
        ),
    ],
)
def test_files_of_code_that_changed_are_the_first_cause(
    tmp_path: Path, old: dict[str, str], new: dict[str, str], says: str
) -> None:
    """By name: the same repository in another folder is no change. What stands for all files in
    the versions is not told besides."""
    runs = [
        replace(RUN, codecs=(replace(INFO, code=code, versions={"lib": "1.0", "code": mark}),))
        for code, mark in ((old, "a" * 64), (new, "b" * 64))
    ]
    (codec,) = checked(
        side(tmp_path / "old", run=runs[0]), side(tmp_path / "new", by(-1), run=runs[1])
    ).codecs
    assert codec.causes == (f"code changed: {says}",)


def test_the_axes_stand_in_the_order_of_the_run(tmp_path: Path) -> None:
    one = read_measurements(side(tmp_path / "one", with_vmaf, run=of_versions({}, "vmaf", "ssim")))
    found = judge(one, one, Tolerances())
    assert [axis.id for axis in found.axes] == ["vmaf", "ssim", "mse", "psnr_rgb"]
