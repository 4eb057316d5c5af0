"""One item of a deterministic codec: what the mean over items hides and a check does not."""

from dataclasses import replace
from pathlib import Path

import pytest

from bench.check.axes import Tolerances
from bench.check.baseline import write_baseline
from bench.records import Record
from tests.unit.check.sides import ITEMS, RUN, at, by, checked, scores, side

LIMIT = 0.05
"""dB: the tolerance of PSNR, SSIM and MSE in the table of metrics."""


def test_a_loss_on_one_item_is_a_regression_with_item_point_and_values(tmp_path: Path) -> None:
    report = checked(side(tmp_path / "old"), side(tmp_path / "new", at("q=3", "c", by(-0.06))))
    (codec,) = report.codecs
    outcomes = {point.point: point.outcome for point in codec.points}
    assert outcomes.pop("q=3") == "regression" and set(outcomes.values()) == {"no change"}
    assert (codec.outcome, report.exit_status) == ("regression", 1)
    # 27 + 3·2 + 0.37·2 = 33.74 dB
    assert codec.points[2].detail == (
        "item c: psnr_rgb 33.74 → 33.68 (-0.060 dB); tolerance 0.05 dB; also mse; "
        "the streams of 1 of 6 items changed (c)"
    )
    mean = codec.points[2].shift("psnr_rgb")
    assert mean is not None and mean.mean == pytest.approx(0.01) and not mean.worse


def test_the_loss_of_one_metric_alone_is_found(tmp_path: Path) -> None:
    def blurred(record: Record) -> Record:
        return replace(record, scores={**record.scores, "ssim": 0.97})

    report = checked(side(tmp_path / "old"), side(tmp_path / "new", at("q=3", "a", blurred)))
    # 1 − 10^(−33/20) = 0.977613; 10·log10(0.03/0.022387) = 1.271 dB
    assert report.codecs[0].points[2].detail == (
        "item a: ssim 0.977613 → 0.97 (-1.27 dB); tolerance 0.05 dB"
    )
    assert report.exit_status == 1


def test_a_loss_that_other_items_make_up_for_is_a_regression(tmp_path: Path) -> None:
    """Two items lose what two others gain: the mean does not move at all."""

    def traded(record: Record) -> Record | None:
        gain = {"a": -0.2, "b": 0.2, "c": -0.3, "d": 0.3}.get(record.item)
        return record if gain is None else by(gain)(record)

    report = checked(side(tmp_path / "old"), side(tmp_path / "new", traded))
    point = report.codecs[0].points[0]
    mean = point.shift("psnr_rgb")
    assert mean is not None and abs(mean.mean) < 1e-9
    assert (point.outcome, report.exit_status, point.losing) == ("regression", 1, ("a", "c"))
    assert point.detail.startswith("item c: ")
    assert "2 items lose more than the tolerance" in point.detail


@pytest.mark.parametrize(("decibels", "status"), [(-LIMIT, 0), (-LIMIT - 0.001, 1)])
def test_the_limit_is_the_tolerance_of_the_metric(
    tmp_path: Path, decibels: float, status: int
) -> None:
    new = side(tmp_path / "new", at("q=1", "a", by(decibels)))
    old = side(tmp_path / "old")
    assert checked(old, new).exit_status == status
    write_baseline(old, tmp_path / "base")
    assert checked(tmp_path / "base", new).exit_status == status, "ten digits change nothing"
    assert checked(old, new, Tolerances(quality_db=0.5)).exit_status == 0
    strict = Tolerances.of({}, {"psnr_rgb": 0.0})
    assert checked(old, new, strict).exit_status == 1
    assert checked(tmp_path / "base", side(tmp_path / "same"), strict).exit_status == 0


def test_a_gain_on_one_item_is_reported_as_a_change(tmp_path: Path) -> None:
    report = checked(side(tmp_path / "old"), side(tmp_path / "new", at("q=3", "c", by(0.2))))
    (codec,) = report.codecs
    assert (codec.outcome, report.exit_status) == ("changed", 0)
    # 255²/10^3.374 = 27.484, 255²/10^3.394 = 26.247; 1 − 10^(−33.74/20) = 0.979441
    assert codec.points[2].detail == (
        "the streams of 1 of 6 items changed (c); bits +0.000 %; "
        "item c: psnr_rgb 33.74 → 33.94 (+0.200 dB); item c: ssim 0.979441 → 0.979909 (+0.100 dB); "
        "item c: mse 27.484 → 26.247 (+0.200 dB)"
    )


def test_a_gain_from_the_same_stream_is_reported_too(tmp_path: Path) -> None:
    def decoded_better(record: Record) -> Record:
        return replace(record, scores=scores(record.scores["psnr_rgb"] + 0.2))

    new = side(tmp_path / "new", at("q=3", "c", decoded_better))
    (codec,) = checked(side(tmp_path / "old"), new).codecs
    assert codec.points[2].outcome == "changed"
    assert "item c: psnr_rgb 33.74 → 33.94 (+0.200 dB)" in codec.points[2].detail


def test_one_item_of_a_codec_that_varies_is_given_more_room(tmp_path: Path) -> None:
    """Its limit is ten tolerances: 0.5 dB."""
    varying = replace(RUN, codecs=(replace(RUN.codecs[0], deterministic=False),))
    old = side(tmp_path / "old", run=varying)
    little = side(tmp_path / "little", at("q=3", "c", by(-0.4)), run=varying)
    much = side(tmp_path / "much", at("q=3", "c", by(-0.6)), run=varying)
    assert checked(old, little).exit_status == 0
    assert checked(old, much).exit_status == 1


def test_a_better_curve_of_the_others_excuses_no_item(tmp_path: Path) -> None:
    """All items save 20 % of their bits for 0.1 dB; one of them keeps its bits and loses 0.1 dB."""

    def cheaper(record: Record) -> Record:
        found = by(-0.1)(record)
        assert found is not None
        return replace(found, bytes=round(0.8 * (record.bytes or 0)))

    def one_keeps(record: Record) -> Record | None:
        return by(-0.1)(record) if record.item == ITEMS[5] else cheaper(record)

    old = side(tmp_path / "old")
    all_of_them = checked(old, side(tmp_path / "all", cheaper))
    assert (all_of_them.codecs[0].outcome, all_of_them.exit_status) == ("improvement", 0)
    report = checked(old, side(tmp_path / "new", one_keeps))
    assert report.codecs[0].bd_rate is not None and report.codecs[0].bd_rate.better
    assert (report.codecs[0].outcome, report.exit_status) == ("regression", 1)


def test_a_failure_is_found_behind_a_gap(tmp_path: Path) -> None:
    def lost(record: Record) -> Record | None:
        if record.point != "q=1" or record.item in ITEMS[2:]:
            return record
        if record.item == "a":
            return None
        return replace(record, status="failed", bytes=None, scores={}, reason="broken")

    report = checked(side(tmp_path / "old"), side(tmp_path / "new", lost))
    assert report.codecs[0].points[0].detail == (
        "failed on 2 of 6 items, measured before: b: broken"
    )
    assert report.exit_status == 1
