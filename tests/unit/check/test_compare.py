"""Verdicts of a check on measurements written by hand: each outcome, each exit status."""

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.check.axes import Tolerances
from bench.check.baseline import read_measurements, write_baseline
from bench.check.compare import CheckReport, compare
from bench.check.paired import Shift
from bench.errors import StoreError, UsageError
from bench.results.run_info import CodecInfo, RunInfo

Row = dict[str, object]
Change = Callable[[Row], Row | None]
COLUMNS = (
    "suite dataset item codec point status width height frames bytes header_bytes mse psnr_rgb "
    "psnr_y ssim ms_ssim bitstream_sha256 reason"
).split()
"""Those of the first baselines, which are read on."""
POINTS = ("q=1", "q=2", "q=3", "q=4", "q=5")
ITEMS = tuple(f"item{i}" for i in range(6))


def same(row: Row) -> Row:
    return row


def folder(
    path: Path,
    change: Change = same,
    *,
    codec: str = "jpeg",
    deterministic: bool = True,
    versions: dict[str, str] | None = None,
    device: str = "",
    digest: str = "d" * 64,
    limit: int | None = None,
) -> Path:
    """A results folder: bits double from point to point, PSNR grows by 3 dB; items differ."""
    path.mkdir()
    with (path / "records.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for p, point in enumerate(POINTS):
            for i, item in enumerate(ITEMS):
                psnr = 27.0 + 3 * p + 0.37 * i
                row: Row = dict.fromkeys(COLUMNS, "")
                row |= {
                    "suite": "unknown-suite", "dataset": "d", "item": item, "codec": codec,
                    "point": point, "status": "done", "width": 64, "height": 64, "frames": 1,
                    "bytes": 20000 * 2**p + 900 * i, "header_bytes": 20, "psnr_rgb": psnr,
                    "ms_ssim": 1 - 10 ** (-psnr / 20), "bitstream_sha256": f"{p}{i}".ljust(64, "0"),
                }  # fmt: skip
                changed = change(row)
                if changed is not None:
                    writer.writerow(changed)
    info = CodecInfo(
        codec, codec, {}, POINTS, deterministic, False, versions or {"lib": "1.0"}, device=device,
        items=limit,
    )  # fmt: skip
    RunInfo(
        bench="1", suite="unknown-suite", suite_title="", dataset="d", dataset_title="",
        media="image", dataset_notes=(), dataset_digest=digest, items=len(ITEMS),
        metrics=("psnr_rgb",), anchor=None, codecs=(info,), command=(), machine={},
        libraries={"pillow": "12"}, jobs=1, timing="", started="", finished="",
        item_digests=dict.fromkeys(ITEMS, "0" * 16),
    ).write(path)  # fmt: skip
    return path


def checked(old: Path, new: Path, **options: object) -> CheckReport:
    return compare(
        read_measurements(new), read_measurements(old), Tolerances(), **options  # type: ignore[arg-type]
    )  # fmt: skip


def recoded(row: Row) -> Row:
    return row | {"bitstream_sha256": "f" * 64}


def shift(*, bits_percent: float = 0.0, db: float = 0.0, only: str = "") -> Change:
    def change(row: Row) -> Row:
        if only and only not in (row["item"], row["point"]):
            return row
        # items move by different amounts, so that the test has a variance to judge
        spread = 1 + 0.1 * ITEMS.index(str(row["item"]))
        size = round(int(str(row["bytes"])) * (1 + bits_percent * spread / 100))
        psnr = float(str(row["psnr_rgb"])) + db * spread
        return recoded(row) | {"bytes": size, "psnr_rgb": psnr, "ms_ssim": 1 - 10 ** (-psnr / 20)}

    return change


@pytest.mark.parametrize(
    ("change", "outcome", "status", "says"),
    [
        (same, "no change", 0, "same bitstreams"),
        (recoded, "same numbers, other streams", 0, "the streams of 6 of 6 items are not"),
        (shift(bits_percent=0.05, db=-0.001), "changed", 0, "bits +0.06"),
        (shift(bits_percent=2), "regression", 1, "bits +2.50 % (tolerance 0.1 %)"),
        (shift(db=-0.2), "regression", 1, "psnr_rgb -0.250 dB (tolerance 0.05 dB)"),
        (shift(bits_percent=-8, db=-0.5), "regression", 1, "psnr_rgb -0.625 dB"),
        (shift(bits_percent=-3), "improvement", 0, "bits -3.75 %"),
        (shift(db=0.3), "improvement", 0, "psnr_rgb +0.375 dB"),
    ],
)
def test_each_outcome_is_told(
    tmp_path: Path, change: Change, outcome: str, status: int, says: str
) -> None:
    report = checked(folder(tmp_path / "old"), folder(tmp_path / "new", change))
    (codec,) = report.codecs
    assert (codec.outcome, report.exit_status) == (outcome, status)
    assert codec.points and all(says in point.detail for point in codec.points)


def test_one_more_header_byte_is_found_although_it_is_far_below_the_tolerance(
    tmp_path: Path,
) -> None:
    def longer(row: Row) -> Row:
        return recoded(row) | {
            "bytes": int(str(row["bytes"])) + 1,
            "header_bytes": int(str(row["header_bytes"])) + 1,
        }

    for deterministic in (True, False):
        report = checked(
            folder(tmp_path / f"old{deterministic}", deterministic=deterministic),
            folder(tmp_path / f"new{deterministic}", longer, deterministic=deterministic),
        )
        assert report.exit_status == 1
        assert "same pixels for 1 more header bytes an item" in report.codecs[0].points[0].detail


def test_the_same_stream_that_decodes_worse_is_blamed_on_the_decoder(tmp_path: Path) -> None:
    def truncated(row: Row) -> Row:
        return row | {"psnr_rgb": float(str(row["psnr_rgb"])) - 0.3}

    report = checked(folder(tmp_path / "old"), folder(tmp_path / "new", truncated))
    assert "the decoder or its colour path changed" in report.codecs[0].points[0].detail


def test_one_broken_item_is_not_hidden_by_the_mean(tmp_path: Path) -> None:
    def broken(row: Row) -> Row:
        if row["item"] != "item3":
            return row
        return recoded(row) | {"psnr_rgb": float(str(row["psnr_rgb"])) - 4}

    report = checked(folder(tmp_path / "old"), folder(tmp_path / "new", broken))
    (codec,) = report.codecs
    mean = codec.points[0].shift("psnr_rgb")
    assert mean is not None and not mean.significant
    assert codec.points[0].detail == (
        "item item3: psnr_rgb 28.11 → 24.11 (-4.00 dB); tolerance 0.05 dB; "
        "the streams of 1 of 6 items changed (item3)"
    )
    assert report.exit_status == 1


def test_noise_without_direction_stays_green(tmp_path: Path) -> None:
    """±0.2 dB that cancel over items are beyond the tolerance of one item, but not significant."""

    def noisy(row: Row) -> Row:
        sign = 1 if ITEMS.index(str(row["item"])) % 2 else -0.7
        return recoded(row) | {"psnr_rgb": float(str(row["psnr_rgb"])) + 0.4 * sign}

    old = folder(tmp_path / "old", deterministic=False)
    report = checked(old, folder(tmp_path / "new", noisy, deterministic=False))
    assert report.codecs[0].points[0].outcome == "no change"


def test_small_shifts_that_add_up_are_a_regression_of_the_curve(tmp_path: Path) -> None:
    """0.0375 dB at 3 dB an octave is 0.87 % of rate: below 0.05 dB, above 0.5 % BD-rate."""
    report = checked(folder(tmp_path / "old"), folder(tmp_path / "new", shift(db=-0.03)))
    (codec,) = report.codecs
    assert {point.outcome for point in codec.points} == {"changed"}
    assert codec.bd_rate is not None and codec.bd_rate.mean == pytest.approx(0.87, abs=0.05)
    assert (codec.outcome, report.exit_status) == ("regression", 1)


def test_a_point_that_moved_along_a_better_curve_is_no_regression(tmp_path: Path) -> None:
    report = checked(
        folder(tmp_path / "old"), folder(tmp_path / "new", shift(bits_percent=-20, db=-0.1))
    )
    assert (report.codecs[0].outcome, report.exit_status) == ("improvement", 0)
    assert "moved along a better curve" in report.codecs[0].points[0].detail


def test_missing_and_new_are_told_and_cannot_be_compared(tmp_path: Path) -> None:
    def renamed(row: Row) -> Row:
        return row | {"point": "q=9"} if row["point"] == "q=5" else row

    report = checked(folder(tmp_path / "old"), folder(tmp_path / "new", renamed))
    outcomes = {point.point: point.outcome for point in report.codecs[0].points}
    assert (outcomes["q=5"], outcomes["q=9"]) == ("missing", "new")
    assert (report.codecs[0].outcome, report.exit_status) == ("missing", 2)


@pytest.mark.parametrize(
    ("status", "outcome", "code"), [("failed", "regression", 1), ("skipped", "missing", 2)]
)
def test_what_was_measured_before_and_no_longer_is(
    tmp_path: Path, status: str, outcome: str, code: int
) -> None:
    def lost(row: Row) -> Row:
        gone = {"bytes": "", "psnr_rgb": "", "ms_ssim": "", "reason": "no x265"}
        return row | gone | {"status": status} if row["item"] == "item2" else row

    report = checked(folder(tmp_path / "old"), folder(tmp_path / "new", lost))
    assert (report.codecs[0].outcome, report.exit_status) == (outcome, code)
    assert "item2: no x265" in report.codecs[0].points[0].detail


@pytest.mark.parametrize(
    ("change", "digest", "says"),
    [
        (lambda row: None if row["item"] == "item5" else row, "d", "1 of the baseline's 6 items"),
        (lambda row: row | {"dataset": "kodak"}, "d", "data set 'kodak', the baseline's is 'd'"),
        (same, "e", "the content of data set 'd' differs"),
        (lambda row: row | {"width": 32}, "d", "2048 pixels, the baseline has 4096"),
    ],
)
def test_other_data_cannot_be_compared(
    tmp_path: Path, change: Change, digest: str, says: str
) -> None:
    old = folder(tmp_path / "old", digest="d" * 64)
    report = checked(old, folder(tmp_path / "new", change, digest=digest * 64))
    assert says in report.problems[0]
    assert (report.exit_status, report.codecs) == (2, ())


def test_more_items_than_the_baseline_are_left_out(tmp_path: Path) -> None:
    old = folder(tmp_path / "old", lambda row: None if row["item"] == "item5" else row)
    report = checked(old, folder(tmp_path / "new"))
    assert (report.exit_status, report.items) == (0, 5)
    assert report.notes[0] == "1 items are not in the baseline and were left out"


def test_what_changed_around_the_codec_is_the_likely_cause(tmp_path: Path) -> None:
    old = folder(tmp_path / "old", versions={"libwebp": "1.4.0", "weights q=1": "a" * 64})
    new = folder(
        tmp_path / "new", shift(db=-1), versions={"libwebp": "1.5.0", "weights q=1": "b" * 64}
    )
    assert checked(old, new).codecs[0].causes == (
        "libwebp 1.4.0 → 1.5.0",
        "weights q=1 aaaaaaaaaaaa → bbbbbbbbbbbb",
    )


def test_without_any_change_of_version_the_code_is_the_cause(tmp_path: Path) -> None:
    report = checked(folder(tmp_path / "old"), folder(tmp_path / "new", shift(db=-1)))
    assert "the code of the adapter or the harness" in report.codecs[0].causes[0]


def test_a_baseline_keeps_all_that_a_check_needs(tmp_path: Path) -> None:
    results = folder(tmp_path / "results")
    write_baseline(results, tmp_path / "base")
    assert checked(tmp_path / "base", results).exit_status == 0
    write_baseline(results, tmp_path / "base.csv")
    report = checked(tmp_path / "base.csv", folder(tmp_path / "new", shift(db=-1)))
    assert report.exit_status == 1
    assert report.codecs[0].causes == ("versions are unknown: one side has no run.json",)
    first = (tmp_path / "base.csv").read_text().splitlines()[1]
    assert first.endswith(",,27,,,,0.9553316408,,0000000000000000,")


def test_only_the_named_codecs_are_compared(tmp_path: Path) -> None:
    old = folder(tmp_path / "old")
    new = folder(tmp_path / "new", codec="webp")
    assert checked(old, new).exit_status == 2
    assert checked(old, new, codecs=["webp"]).exit_status == 0
    with pytest.raises(UsageError, match="did you mean jpeg"):
        checked(old, new, codecs=["jpge"])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "column 'item' is missing"),
        ("item,codec,point,status,bytes\n", "holds no record"),
        ("item,codec,point,status,bytes\na,b,c,done,x\n", "line 2"),
        ("item,codec,point,status,bytes\na,b\n", "line 2 is cut short"),
        ("item,codec,point,status,bytes\na,b,c,done,1\na,b,c,done,1\n", "is there twice"),
        ("item,codec,point,status,bytes,psnr_rgb\na,b,c,done,1,nan\n", "psnr_rgb is nan"),
    ],
)
def test_a_damaged_table_is_refused(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "records.csv").write_text(text)
    with pytest.raises(StoreError, match=says):
        read_measurements(tmp_path)


def test_a_missing_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no such file"):
        read_measurements(tmp_path / "nothing")


def test_tolerances_of_the_command_line_win_over_the_card() -> None:
    card = {"quality_db": 0.2, "bits_percent": 1.0}
    found = Tolerances.of(card, {"quality_db": 0.1, "bits_percent": None})
    assert found == Tolerances(0.5, 0.1, 1.0)
    with pytest.raises(UsageError, match="unknown key 'qualty_db'; did you mean quality_db"):
        Tolerances.of({"qualty_db": 1}, {})
    with pytest.raises(UsageError, match="bits_percent is -1"):
        Tolerances.of({}, {"bits_percent": -1})


def test_wider_tolerances_turn_a_regression_into_no_change(tmp_path: Path) -> None:
    new = read_measurements(folder(tmp_path / "new", shift(db=-0.2)))
    old = read_measurements(folder(tmp_path / "old"))
    wide = replace(Tolerances(), quality_db=0.5, bd_rate_percent=20.0)
    assert compare(new, old, wide).exit_status == 0


def test_the_paired_test_is_the_t_test() -> None:
    """scipy.stats.ttest_1samp([1, 2, 3, 4], 0): t = 3.8730, p = 0.0305."""
    assert bits(1.0, 2.0, 3.0, 4.0).p_value == pytest.approx(0.0305, abs=1e-4)
    assert bits(1.0, 2.0).p_value is None
    assert bits(0.5, 0.5, 0.5).p_value == 0.0
    assert bits(0.0, 0.0, 0.0, 0.0, 0.0).p_value == 1.0


def bits(*values: float) -> Shift:
    return Shift("bits", "%", [str(i) for i in range(len(values))], np.array(values), 0.1)


@settings(deadline=None)
@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=20))
def test_a_shift_is_never_worse_and_better(values: list[float]) -> None:
    found = bits(*values)
    assert not (found.worse and found.better)
    assert found.worst >= found.mean - 1e-9


@pytest.mark.parametrize("there", ["cpu AVX2", ""])
def test_another_device_is_compared_by_numbers_and_says_so(tmp_path: Path, there: str) -> None:
    def longer(row: Row) -> Row:
        return row | {"bytes": int(str(row["bytes"])) + 1, "bitstream_sha256": "f" * 64}

    old = folder(tmp_path / "old", device=there)
    elsewhere = checked(old, folder(tmp_path / "elsewhere", longer, device="cpu AVX512"))
    assert elsewhere.exit_status == 0
    (note,) = [line for line in elsewhere.notes if line.startswith("jpeg: ")]
    assert "by numbers, not by hash: computed on cpu AVX512" in note
    here = checked(old, folder(tmp_path / "here", longer, device=there))
    assert here.exit_status == 1, "on one device a byte more for the same pixels is a regression"
    assert not [line for line in here.notes if line.startswith("jpeg: ")]


def test_items_on_which_the_suite_no_longer_measures_a_codec_are_not_missing(
    tmp_path: Path,
) -> None:
    """The suite says so in run.json; without its word they are."""

    def first(row: Row) -> Row | None:
        return row if row["item"] in ITEMS[:4] else None

    old = folder(tmp_path / "old")
    report = checked(old, folder(tmp_path / "new", first, limit=4))
    assert (report.exit_status, report.problems) == (0, ())
    assert {(point.items, point.outcome) for point in report.codecs[0].points} == {(4, "no change")}
    assert (
        "jpeg: 2 of the baseline's 6 items were left out: its suite measures it on the first 4 only"
        in report.notes
    )
    assert checked(old, folder(tmp_path / "lost", first)).exit_status == 2
    lost = folder(tmp_path / "less", lambda row: first(row) if row["item"] != ITEMS[2] else None,
                  limit=4)  # fmt: skip
    assert checked(old, lost).exit_status == 2


def test_a_baseline_over_fewer_items_of_a_codec_is_compared_on_these(tmp_path: Path) -> None:
    def first(row: Row) -> Row | None:
        return row if row["item"] in ITEMS[:2] else None

    old = folder(tmp_path / "old", first, limit=2)
    report = checked(old, folder(tmp_path / "new", limit=5))
    assert report.exit_status == 0
    assert {point.items for point in report.codecs[0].points} == {2}
