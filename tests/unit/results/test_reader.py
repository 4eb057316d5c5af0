"""Reading and merging results folders: what is refused, and that the message names it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bench.errors import StoreError, UsageError
from bench.results.reader import read_results
from bench.results.run_info import RunInfo
from tests.unit.report import samples


def _edit(folder: Path, **values: object) -> None:
    path = folder / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_a_folder_of_a_newer_format_is_refused_in_one_line(tmp_path: Path) -> None:
    folder = samples.plain_folder(tmp_path)
    _edit(folder, format=99)
    with pytest.raises(StoreError, match="format 99 is newer") as caught:
        read_results(folder)
    assert "\n" not in str(caught.value)


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"no run\.json"):
        read_results(tmp_path)


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    folder = samples.plain_folder(tmp_path)
    path = folder / "records.csv"
    path.write_text(path.read_text().replace("discarded_bytes", "dropped", 1))
    with pytest.raises(StoreError, match="'discarded_bytes' is missing"):
        read_results(folder)


def test_empty_records_are_refused(tmp_path: Path) -> None:
    folder = samples.plain_folder(tmp_path)
    samples.write_records(folder, [])
    with pytest.raises(StoreError, match="holds no record"):
        read_results(folder)


def test_words_in_a_number_column_are_refused(tmp_path: Path) -> None:
    folder = samples.plain_folder(tmp_path)
    path = folder / "records.csv"
    path.write_text(path.read_text().replace(",28.0,", ",much,", 1))
    with pytest.raises(StoreError, match=r"records\.csv: line 2: psnr_rgb is 'much'"):
        read_results(folder)


def test_a_row_there_twice_is_refused(tmp_path: Path) -> None:
    rows = samples.curve_records("good", 1.0)
    with pytest.raises(StoreError, match="good q=1 on item0 is there twice"):
        read_results(samples.results_folder(tmp_path, [*rows, rows[0]]))


def test_codecs_named_like_missing_values_survive(tmp_path: Path) -> None:
    rows = [samples.record(name, "q=1", "NA", 1.0, 30.0) for name in ("nan", "NULL")]
    results = read_results(samples.results_folder(tmp_path, rows))
    assert results.codecs == ("nan", "NULL")


def _pair(tmp_path: Path, change: object = None) -> list[Path]:
    one = samples.results_folder(tmp_path / "one", samples.curve_records("good", 1.0))
    keep = change if callable(change) else lambda run: run
    two = samples.results_folder(tmp_path / "two", samples.curve_records("dear", 1.5), change=keep)
    return [one, two]


def test_runs_made_alike_become_one(tmp_path: Path) -> None:
    results = read_results(_pair(tmp_path))
    assert results.codecs == ("good", "dear")
    assert len(results.records) == 60
    assert results.run.anchor == "good"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"bench": "9.9"}, "bench disagrees: '0.0' and '9.9'"),
        ({"dataset": "other"}, "dataset disagrees: 'made' and 'other'"),
        ({"dataset_digest": "e" * 64}, "6 images against 6 of the same names but another content"),
        ({"libraries": {"numpy": "2.0"}}, r"libraries\.numpy disagrees: '1.26.4' and '2.0'"),
    ],
)
def test_runs_that_disagree_are_refused_naming_the_field(
    tmp_path: Path, change: dict[str, object], field: str
) -> None:
    def other(run: RunInfo) -> RunInfo:
        return replace(run, **change)  # type: ignore[arg-type]

    with pytest.raises(UsageError, match=field):
        read_results(_pair(tmp_path, other))


@pytest.mark.parametrize("name", ["good", "better"])
def test_points_of_two_parameters_are_no_one_curve(tmp_path: Path, name: str) -> None:
    other = [
        replace(row, codec=name, point=row.point.replace("q=", "qp="))
        for row in samples.curve_records("good", 1.0)
    ]
    one = samples.results_folder(tmp_path / "one", samples.curve_records("good", 1.0))
    two = samples.results_folder(tmp_path / "two", other)
    if name == "good":
        with pytest.raises(UsageError, match="codec good has points of q and of qp, which are no"):
            read_results([one, two])
    else:
        assert read_results([one, two]).codecs == ("good", "better")


def test_searched_rates_join_the_points_of_any_parameter(tmp_path: Path) -> None:
    rows = [
        replace(row, point=row.point.replace("q=", "target_bpp=0."))
        for row in samples.curve_records("good", 1.0)
    ]
    one = samples.results_folder(tmp_path / "one", samples.curve_records("good", 1.0))
    two = samples.results_folder(tmp_path / "two", rows)
    assert len(read_results([one, two]).records) == 60


def _different_items(tmp_path: Path, digests: dict[str, str] | None = None) -> list[Path]:
    """Six items in one run, two of them and one more in the other."""

    def one(run: RunInfo) -> RunInfo:
        return replace(run, item_digests={"item0": "a", "item1": "b"})

    def two(run: RunInfo) -> RunInfo:
        return replace(run, dataset_digest="e" * 64, item_digests=digests or {})

    rows = [row for row in samples.curve_records("dear", 1.5) if row.item in ("item0", "item1")]
    rows += [replace(row, item="another") for row in rows if row.item == "item0"]
    first = samples.curve_records("good", 1.0)
    return [
        samples.results_folder(tmp_path / "one", first, change=one),
        samples.results_folder(tmp_path / "two", rows, change=two),
    ]


def test_runs_over_other_items_are_refused_in_words(tmp_path: Path) -> None:
    said = "6 images against 3, 2 of them in both; give --common to compare on these"
    with pytest.raises(UsageError, match=said):
        read_results(_different_items(tmp_path))


def test_runs_over_other_items_are_compared_on_the_common_ones(tmp_path: Path) -> None:
    results = read_results(_different_items(tmp_path, {"item0": "a"}), common=True)
    assert results.run.items == 2
    assert set(results.records["item"]) == {"item0", "item1"}
    assert len(results.records) == 2 * 2 * 5
    assert "compared on the 2 items that" in " ".join(results.run.dataset_notes)


def test_a_common_item_of_another_content_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the content of item1 disagrees: 'b' and 'c'"):
        read_results(_different_items(tmp_path, {"item1": "c"}), common=True)


def test_runs_without_a_common_item_are_refused(tmp_path: Path) -> None:
    one = samples.results_folder(tmp_path / "one", samples.curve_records("good", 1.0))
    rows = [replace(row, item=f"other{row.item}") for row in samples.curve_records("dear", 1.5)]
    two = samples.results_folder(tmp_path / "two", rows)
    with pytest.raises(UsageError, match="no item that all of them hold"):
        read_results([one, two], common=True)


def test_weights_of_one_codec_must_agree(tmp_path: Path) -> None:
    def weights(value: str) -> object:
        def change(run: RunInfo) -> RunInfo:
            info = replace(run.codecs[0], versions={"weights": value})
            return replace(run, codecs=(info,))

        return change

    rows = samples.curve_records("good", 1.0)
    one = samples.results_folder(tmp_path / "one", rows, change=weights("aa"))  # type: ignore[arg-type]
    two = samples.results_folder(tmp_path / "two", rows, change=weights("bb"))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"codec good: versions\.weights disagrees: 'aa' and 'bb'"):
        read_results([one, two])


def test_a_task_measured_twice_differently_is_refused(tmp_path: Path) -> None:
    rows = samples.curve_records("good", 1.0)
    one = samples.results_folder(tmp_path / "one", rows)
    changed = [replace(row, fingerprint="other") for row in rows]
    two = samples.results_folder(tmp_path / "two", changed)
    with pytest.raises(UsageError, match="fingerprint of good q=1 on item0 disagrees"):
        read_results([one, two])


def test_a_finished_record_replaces_a_failed_one(tmp_path: Path) -> None:
    rows = samples.curve_records("good", 1.0)
    failed = [replace(row, status="failed", reason="killed") for row in rows[:3]]
    one = samples.results_folder(tmp_path / "one", [*failed, *rows[3:]])
    two = samples.results_folder(tmp_path / "two", rows)
    records = read_results([one, two]).records
    assert len(records) == 30
    assert set(records["status"].astype(str)) == {"done"}


def test_versions_of_a_metric_are_never_mixed(tmp_path: Path) -> None:
    old, new = {"libvmaf": "3.0"}, {"libvmaf": "3.2", "model": "m"}

    def made(name: str, codec: str, versions: dict[str, dict[str, str]]) -> Path:
        rows = samples.curve_records(codec, 1.0)
        return samples.results_folder(
            tmp_path / name, rows, change=lambda run: replace(run, metric_versions=versions)
        )

    first, same = made("first", "a", {"ssim": old}), made("same", "b", {"ssim": old})
    assert read_results([first, same]).run.metric_versions == {"ssim": old}
    other = made("other", "c", {"ssim": new})
    says = r"first, .*same and .*other: metric ssim: versions\.libvmaf disagrees: '3.0' and '3.2'"
    with pytest.raises(UsageError, match=says):
        read_results([first, same, other])
    # of a run that does not say it nobody knows: the table then does not, either
    unsaid = made("unsaid", "d", {})
    assert read_results([first, unsaid]).run.metric_versions == {}


def test_columns_of_frames_are_no_metrics(tmp_path: Path) -> None:
    rows = [
        replace(row, frame_scores={"psnr_rgb_min": 20.0, "mse_max": 90.0}, frames_identical=2)
        for row in samples.curve_records("a", 1.0)
    ]
    found = read_results(samples.results_folder(tmp_path, rows))
    assert not {"psnr_rgb_min", "mse_max", "frames_identical", "worst_frame"} & {*found.metrics}
    assert set(found.records["psnr_rgb_min"]) == {20.0}
    assert found.records["worst_frame"].isna().all()
