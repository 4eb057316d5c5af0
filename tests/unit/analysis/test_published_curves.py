"""Published curves beside a run: compared on its items, paired where they can be, else refused."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from bench.analysis.bd import Comparison
from bench.analysis.table import BdTable, bd_table
from bench.errors import UsageError
from bench.records import Record
from bench.report import build
from tests.unit.report import samples

RATES = {"dear": 1.25, "good": 1.0}


def records(items: int = 6) -> list[Record]:
    return [
        row
        for name, factor in RATES.items()
        for row in samples.curve_records(name, factor, items=items)
    ]


def run(folder: Path, items: int = 6) -> Path:
    return samples.results_folder(folder / "run", records(items))


def per_item(folder: Path, factor: float, names: list[str], items: int = 6) -> str:
    """The table that a system with ``factor`` times the rates of ``good`` would publish."""
    lines = ["item,point,bpp,psnr_rgb"]
    for row in samples.curve_records("theirs", factor, items=items):
        name = names[int(row.item.removeprefix("item"))]
        lines.append(f"{name},{row.point},{row.bpp!r},{row.scores['psnr_rgb']!r}")
    path = folder / "theirs.csv"
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def means(folder: Path, factor: float, extra: str = "") -> str:
    rows = samples.curve_records("theirs", factor)
    lines = ["name,bpp,psnr_rgb"]
    for point in dict.fromkeys(row.point for row in rows):
        of = [row for row in rows if row.point == point]
        bpp = sum(row.bpp for row in of if row.bpp is not None) / len(of)
        psnr = sum(row.scores["psnr_rgb"] for row in of) / len(of)
        lines.append(f"theirs,{bpp!r},{psnr!r}")
    (folder / "means.csv").write_text("\n".join(lines) + "\n")
    (folder / "means.toml").write_text(extra)
    return str(folder / ("means.toml" if extra else "means.csv"))


def found(table: BdTable, codec: str = "theirs [published]") -> Comparison:
    comparison = table.find(codec, "psnr_rgb")
    assert comparison is not None
    return comparison


NAMES = [f"pictures/item{index}.png" for index in range(6)]


def test_single_items_are_paired_with_ours_and_get_our_interval(tmp_path: Path) -> None:
    """A system that publishes what ``dear`` measured is as far away, with the same interval."""
    table = bd_table(run(tmp_path), overlays=[per_item(tmp_path, 1.25, NAMES)])
    theirs, ours = found(table), found(table, "dear")
    assert theirs.rate_percent == pytest.approx(25.0)
    assert (theirs.rate_low, theirs.rate_high) == (ours.rate_low, ours.rate_high)
    assert theirs.significant is True
    assert theirs.item_rates == ours.item_rates
    assert theirs.under("per item") == ours.under("per item")


def test_pairing_is_by_name_and_not_by_order(tmp_path: Path) -> None:
    turned = per_item(tmp_path, 1.25, NAMES[::-1])
    theirs = found(bd_table(run(tmp_path), overlays=[turned]))
    assert theirs.rate_percent == pytest.approx(25.0)
    assert dict(theirs.item_rates)["item0"] != pytest.approx(25.0, abs=1)


def test_a_table_of_more_items_is_cut_to_the_runs(tmp_path: Path) -> None:
    theirs = found(bd_table(run(tmp_path, 4), overlays=[per_item(tmp_path, 1.25, NAMES)]))
    assert (theirs.items, theirs.rate_percent) == (4, pytest.approx(25.0))


def test_a_table_of_other_items_is_drawn_only(tmp_path: Path) -> None:
    path = per_item(tmp_path, 1.25, [*NAMES[:-1], "other.png"])
    theirs = found(bd_table(run(tmp_path), overlays=[path]))
    assert not theirs.defined
    assert theirs.warnings == ("drawn only: its table has 5 of the 6 items of this run",)


def test_means_have_a_rate_and_no_interval(tmp_path: Path) -> None:
    theirs = found(bd_table(run(tmp_path), overlays=[means(tmp_path, 1.25, "items = 6")]))
    assert theirs.rate_percent == pytest.approx(25.0)
    assert theirs.significant is None
    assert theirs.item_rates == ()
    assert {convention.averaging for convention in theirs.conventions} == {"mean"}
    assert theirs.warnings == ()


def test_means_over_nobody_says_what_are_compared_and_it_is_said(tmp_path: Path) -> None:
    theirs = found(bd_table(run(tmp_path), overlays=[means(tmp_path, 1.25)]))
    assert theirs.rate_percent == pytest.approx(25.0)
    assert theirs.warnings == (
        "theirs [published]: its items are not stated: taken as the 6 of this run",
    )


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ("items = 24", "drawn only: means over 24 items; this run has 6"),
        ('dataset = "kodak"', "drawn only: of data set kodak, this run's is made"),
    ],
)
def test_means_over_other_items_are_drawn_only(tmp_path: Path, extra: str, words: str) -> None:
    folder = run(tmp_path)
    built = build(folder, overlays=[means(tmp_path, 1.25, extra)])
    assert found(built.content.bd).warnings == (words,)
    assert words in (folder / "table.md").read_text(encoding="utf-8")
    label = "theirs (24 images)" if "24" in extra else "theirs (other images)"
    from bench.report.plots import published_name

    assert published_name(built.content, built.content.extras[0]) == label


def test_means_are_not_compared_with_a_part_of_their_data_set(tmp_path: Path) -> None:
    """A run of six of Kodak's 24 pictures: a mean without a number of items is of the whole set."""
    kodak = samples.results_folder(
        tmp_path / "run", records(), change=lambda run: samples.replace(run, dataset="kodak")
    )
    for overlay in ("published", means(tmp_path, 1.25)):
        comparisons = bd_table(kodak, overlays=[overlay]).comparisons
        theirs = [one for one in comparisons if one.codec.endswith("[published]")]
        assert theirs
        assert all("drawn only: means over 24" in one.warnings[0] for one in theirs)


def test_means_are_not_compared_with_a_codec_that_failed_on_an_item(tmp_path: Path) -> None:
    kept = [row for row in records() if (row.codec, row.item) != ("good", "item5")]
    folder = samples.results_folder(tmp_path / "run", kept, items=6)
    theirs = found(bd_table(folder, overlays=[means(tmp_path, 1.25, "items = 6")]))
    assert not theirs.defined
    assert "is a mean over 6 items, complete are 5" in theirs.warnings[-1]


def test_a_published_curve_may_be_the_anchor(tmp_path: Path) -> None:
    overlay = means(tmp_path, 1.25, "items = 6")
    for name in ("theirs", "theirs [published]"):
        table = bd_table(run(tmp_path), anchor=name, overlays=[overlay])
        assert found(table, "good").rate_percent == pytest.approx(-20.0)
    other = means(tmp_path, 1.25, "items = 24")
    with pytest.raises(UsageError, match="is no anchor: drawn only"):
        bd_table(tmp_path / "run", anchor="theirs", overlays=[other])


def test_the_tables_of_a_report_hold_them_marked(tmp_path: Path) -> None:
    folder = run(tmp_path)
    build(folder, overlays=[means(tmp_path, 1.25, "items = 6")])
    with (folder / "bd.csv").open(encoding="utf-8") as file:
        rows = {(row["codec"], row["metric"]): row for row in csv.DictReader(file)}
    assert float(rows["theirs [published]", "psnr_rgb"]["bd_rate"]) == pytest.approx(25.0)
    assert ("theirs [published]", "ms_ssim_db") not in rows
    with (folder / "bd_matrix.csv").open(encoding="utf-8") as file:
        cells = {(row["codec"], row["anchor"]): row["bd_rate"] for row in csv.DictReader(file)
                 if row["metric"] == "psnr_rgb"}  # fmt: skip
    assert float(cells["dear", "theirs [published]"]) == pytest.approx(0.0, abs=1e-9)
    assert float(cells["good", "theirs [published]"]) == pytest.approx(-20.0)
    text = (folder / "table.md").read_text(encoding="utf-8")
    assert "## Published curves, not measured here" in text
    assert "[published]: numbers of others, not measured here." in text


def test_the_two_tables_at_hand(bench_data: Path) -> None:
    """Cool-chic's numbers of each picture are its means, and are compared with an interval."""
    root = Path(__file__).resolve().parents[3]
    shared = bench_data.parent / "reference"
    if not shared.is_dir():
        pytest.skip(f"no reference tables in {shared}")
    overlays = [str(shared / "coolchic_kodak_v5.csv"), str(shared / "kodak_published.csv")]
    table = bd_table(root / "results" / "kodak", "x265", "psnr_rgb", overlays=overlays)
    paired, mean = found(table, "cool-chic-5.0 [published]"), found(table, "vtm [published]")
    ours = bd_table(root / "results" / "kodak", "x265", "psnr_rgb", overlays=["published"])
    same = found(ours, "cool-chic-5.0 [published]")
    assert paired.rate_percent == pytest.approx(same.rate_percent, abs=0.05)
    assert paired.rate_low < paired.rate_percent < paired.rate_high < 0
    assert mean.defined
    assert mean.significant is None
