"""What stands for a rate and for a stream: estimates, the words of others, hashes that are gone."""

from dataclasses import replace
from pathlib import Path

import pytest

from bench.check.baseline import write_baseline
from bench.cli import main
from bench.records import Record
from tests.unit.check.sides import INFO, ITEMS, RUN, at, by, checked, recoded, side


def estimated(record: Record) -> Record:
    """The same rate as an estimate: 8·bytes/4096 bits per pixel, and no stream."""
    bpp = 8 * (record.bytes or 0) / 4096
    return replace(
        record, bytes=None, header_bytes=None, bitstream_sha256=None, bpp_estimated=bpp,
        rate="estimated",
    )  # fmt: skip


def reported(record: Record) -> Record:
    return replace(record, rate="reported", bitstream_sha256=None)


def same(record: Record) -> Record:
    return record


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (same, estimated, "the rate is estimated here and measured in the baseline"),
        (estimated, same, "the rate is measured here and estimated in the baseline"),
        (same, reported, "the rate is reported here and measured in the baseline"),
        (reported, estimated, "the rate is estimated here and reported in the baseline"),
    ],
)
@pytest.mark.parametrize("deterministic", [True, False])
def test_rates_of_two_kinds_are_never_compared(
    tmp_path: Path, old: object, new: object, says: str, deterministic: bool
) -> None:
    run = replace(RUN, codecs=(replace(INFO, deterministic=deterministic),))
    assert callable(old) and callable(new)
    report = checked(side(tmp_path / "old", old, run=run), side(tmp_path / "new", new, run=run))
    (codec,) = report.codecs
    assert (codec.outcome, report.exit_status, codec.bd_rate) == ("not comparable", 2, None)
    assert {point.detail for point in codec.points} == {f"{says} on 6 of 6 items (a)"}
    assert codec.causes == (), "no number changed that could have one"


def test_one_estimate_among_measured_rates_is_named(tmp_path: Path) -> None:
    report = checked(side(tmp_path / "old"), side(tmp_path / "new", at("q=2", "c", estimated)))
    outcomes = {point.point: point.outcome for point in report.codecs[0].points}
    assert outcomes == {
        "q=1": "no change", "q=2": "not comparable", "q=3": "no change", "q=4": "no change",
        "q=5": "no change",
    }  # fmt: skip
    assert report.codecs[0].points[1].detail.endswith("on 1 of 6 items (c)")
    assert report.exit_status == 2


def test_estimates_are_compared_with_estimates_and_said_to_be_no_streams(tmp_path: Path) -> None:
    old = side(tmp_path / "old", estimated)
    report = checked(old, side(tmp_path / "new", estimated))
    assert (report.codecs[0].outcome, report.exit_status) == ("no change", 0)
    assert {point.detail for point in report.codecs[0].points} == {
        "same numbers; 6 of 6 items have no hash"
    }
    assert "jpeg: 30 of 30 records in these results are estimates, no streams" in report.notes

    def dearer(record: Record) -> Record:
        one = estimated(record)
        return replace(one, bpp_estimated=1.02 * (one.bpp_estimated or 0))

    report = checked(old, side(tmp_path / "dearer", dearer))
    assert report.exit_status == 1
    assert report.codecs[0].points[0].detail == "bits +2.00 % (tolerance 0.1 %)"


def test_a_baseline_of_estimates_stays_one(tmp_path: Path) -> None:
    write_baseline(side(tmp_path / "results", estimated), tmp_path / "base")
    assert checked(tmp_path / "base", side(tmp_path / "new", estimated)).exit_status == 0
    assert checked(tmp_path / "base", side(tmp_path / "measured")).exit_status == 2


def test_the_command_ends_with_2_where_an_estimate_meets_a_measurement(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = side(tmp_path / "old"), side(tmp_path / "new", estimated)
    files = ["--markdown", str(tmp_path / "out.md"), "--junit", str(tmp_path / "out.xml")]
    assert main(["check", str(new), "--against", str(old), "--github", *files]) == 2
    printed = capsys.readouterr().out
    assert "1 not comparable of 1 codecs over 6 items" in printed
    assert "::error title=not comparable%3A jpeg q=1::the rate is estimated here" in printed
    assert "| jpeg | ⛔ not comparable |" in (tmp_path / "out.md").read_text()
    assert 'errors="5"' in (tmp_path / "out.xml").read_text()


def unhashed(record: Record) -> Record:
    return replace(record, bitstream_sha256=None)


@pytest.mark.parametrize("sides", ["old", "new", "both"])
def test_an_empty_hash_equals_no_hash(tmp_path: Path, sides: str) -> None:
    old = side(tmp_path / "old", unhashed if sides != "new" else same)
    new = side(tmp_path / "new", unhashed if sides != "old" else same)
    report = checked(old, new)
    point = report.codecs[0].points[0]
    assert (point.identical, point.changed, report.exit_status) == (0, (), 0)
    assert point.detail == "same numbers; 6 of 6 items have no hash"
    where = {"old": ["the baseline"], "new": ["these results"]}
    assert [line for line in report.notes if line.startswith("jpeg: ")] == [
        f"jpeg: 30 of 30 records in {name} have no hash of their stream: compared by numbers"
        for name in where.get(sides, ["these results", "the baseline"])
    ]


def test_other_numbers_without_a_hash_are_no_same_bitstreams(tmp_path: Path) -> None:
    """0.01 dB less is within the tolerance; the same stream could not decode to it."""

    def lower(record: Record) -> Record:
        found = by(-0.01)(record)
        assert found is not None
        return unhashed(found)

    report = checked(side(tmp_path / "old", unhashed), side(tmp_path / "new", lower))
    assert {point.outcome for point in report.codecs[0].points} == {"changed"}
    assert all("6 of 6 items have no hash" in point.detail for point in report.codecs[0].points)


def test_a_hash_that_is_cut_short_equals_no_hash(tmp_path: Path) -> None:
    def cut(record: Record) -> Record:
        return replace(record, bitstream_sha256=(record.bitstream_sha256 or "")[:15])

    report = checked(side(tmp_path / "old"), side(tmp_path / "new", cut))
    assert report.codecs[0].points[0].identical == 0
    assert "jpeg: 30 of 30 records in these results have no hash" in report.notes[-1]


def test_other_streams_are_named_and_counted_though_no_number_moved(tmp_path: Path) -> None:
    old = side(tmp_path / "old")
    report = checked(old, side(tmp_path / "new", at("q=2", "b", recoded)))
    assert (report.codecs[0].outcome, report.exit_status) == ("same numbers, other streams", 0)
    point = report.codecs[0].points[1]
    assert (point.identical, point.changed) == (5, ("b",))
    assert point.detail == (
        "bits and quality are the same, the streams of 1 of 6 items are not (b)"
    )


@pytest.mark.parametrize(
    ("decibels", "outcome"), [(-0.01, "changed"), (0.3, "improvement"), (-0.3, "regression")]
)
def test_other_streams_are_named_beside_every_other_outcome(
    tmp_path: Path, decibels: float, outcome: str, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = side(tmp_path / "old"), side(tmp_path / "new", by(decibels))
    (codec,) = checked(old, new).codecs
    assert {point.outcome for point in codec.points} == {outcome}
    assert all(
        "the streams of 6 of 6 items changed (a, b, c, …)" in point.detail for point in codec.points
    )
    main(["check", str(new), "--against", str(old)])
    assert "of 1 codecs over 6 items; 30 of 30 streams changed" in capsys.readouterr().out


def test_streams_that_change_from_run_to_run_are_no_finding(tmp_path: Path) -> None:
    run = replace(RUN, codecs=(replace(INFO, deterministic=False),))
    report = checked(side(tmp_path / "old", run=run), side(tmp_path / "new", recoded, run=run))
    assert {point.detail for point in report.codecs[0].points} == {
        "within tolerance on 6 of 6 items: bits +0.000 %"
    }
    assert (report.codecs[0].outcome, report.exit_status) == ("no change", 0)


def test_without_run_json_nobody_knows_what_is_deterministic(tmp_path: Path) -> None:
    old, new = side(tmp_path / "old", run=None), side(tmp_path / "new", recoded, run=None)
    line = (
        "jpeg: compared by numbers, not by hash: no run.json says whether the codec is "
        "deterministic"
    )
    assert line in checked(old, new).notes
    assert "streams" in checked(side(tmp_path / "run"), new).codecs[0].outcome


def test_a_codec_that_is_deterministic_on_one_side_only_is_named(tmp_path: Path) -> None:
    other = replace(RUN, codecs=(replace(INFO, deterministic=False),))
    report = checked(side(tmp_path / "old"), side(tmp_path / "new", recoded, run=other))
    assert (
        "jpeg: compared by numbers, not by hash: deterministic in the baseline only, says run.json"
    ) in report.notes


def test_records_that_the_baseline_lacks_are_counted(tmp_path: Path) -> None:
    def without(record: Record) -> Record | None:
        return None if record.item == ITEMS[3] and record.point == "q=2" else record

    report = checked(side(tmp_path / "old", without), side(tmp_path / "new"))
    assert "jpeg: 1 records that the baseline lacks were left out" in report.notes
    assert report.exit_status == 0
