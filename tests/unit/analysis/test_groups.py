"""Items of one source: how they are told, kept and drawn."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.analysis.bd import Comparison, compare
from bench.analysis.bootstrap import Sample, bd_rate_interval, drawn_by_groups, too_few_groups
from bench.analysis.curves import grids
from bench.analysis.qualities import quality
from bench.report.content import collect
from bench.report.footnote import footnote
from bench.report.remarks import warnings_of
from bench.results.reader import read_results
from tests.unit.analysis.made import grid
from tests.unit.report import samples

PSNR = quality("psnr_rgb")
RATES, QUALITIES = [0.1, 0.2, 0.4, 0.8], [30.0, 35.0, 40.0, 45.0]


def factors(values: list[float]) -> tuple[Sample, Sample]:
    """A pair whose items need these parts of the anchor's rate at every quality."""
    rate, place = (np.tile(np.array(axis), (len(values), 1)) for axis in (RATES, QUALITIES))
    return Sample(rate, place), Sample(rate * np.array(values)[:, None], place)


def width(pair: tuple[Sample, Sample], groups: tuple[str, ...] = ()) -> float:
    low, high = bd_rate_interval(*pair, PSNR, groups=groups)
    return high - low


EFFECTS = [0.7, 0.8, 0.9, 0.75, 0.85, 0.95]


def test_copies_of_six_clips_say_no_more_than_the_six() -> None:
    """Ten copies each: drawn alone they are ten times as many, by groups as wide as before."""
    copies = factors([value for value in EFFECTS for _ in range(10)])
    groups = tuple(f"g{place}" for place in range(6) for _ in range(10))
    alone = width(factors(EFFECTS))
    assert width(copies, groups) == pytest.approx(alone, rel=0.03)
    assert width(copies) < 0.4 * alone


def test_the_interval_of_groups_is_at_least_the_t_interval_of_their_means() -> None:
    """Leaving out groups of equal size is leaving out their means: t(5)·s/√6 of the mean factor,
    in logarithms, where the interval is made."""
    copies = factors([value for value in EFFECTS for _ in range(3)])
    groups = tuple(f"g{place}" for place in range(6) for _ in range(3))
    low, high = bd_rate_interval(*copies, PSNR, groups=groups)
    mean, error = np.mean(EFFECTS), np.std(EFFECTS, ddof=1) / np.sqrt(6)
    assert low <= 100 * (mean * np.exp(-2.5706 * error / mean) - 1) + 0.1
    assert high >= 100 * (mean * np.exp(2.5706 * error / mean) - 1) - 0.1
    assert high - low < 1.2 * 100 * 2 * 2.5706 * error


def test_items_are_drawn_within_their_groups() -> None:
    """Groups alike whose two items differ: the mean of a group is drawn with s/√2 of 0.2, that of
    six groups with 0.2/√12 or 5.8 %, 2·1.96 of it wide."""
    pair = factors([0.6, 1.0] * 6)
    groups = tuple(f"g{place}" for place in range(6) for _ in range(2))
    # means of group means: the expanded percentile of six groups lies further out than 1.96
    assert 2 * 1.96 * 5.8 < width(pair, groups) < 2 * 3.2 * 5.8


def test_groups_of_one_item_are_items() -> None:
    pair = factors(EFFECTS)
    plain = bd_rate_interval(*pair, PSNR)
    assert bd_rate_interval(*pair, PSNR, groups=tuple("abcdef")) == plain
    assert bd_rate_interval(*pair, PSNR, groups=("",) * 6) == plain


def test_groups_of_unequal_size_cover_the_truth() -> None:
    """Productions differ more than their clips: intervals over items are far too narrow."""
    generator = np.random.default_rng(7)
    sizes = [2, 3, 4, 5, 6, 7, 8, 9]
    groups = tuple(f"g{place}" for place, size in enumerate(sizes) for _ in range(size))
    covered = {"groups": 0, "items": 0}
    for _ in range(60):
        values = [
            0.8 + effect + noise
            for effect, size in zip(generator.normal(0, 0.1, len(sizes)), sizes, strict=True)
            for noise in generator.normal(0, 0.02, size)
        ]
        pair = factors(values)
        for name, drawn in (("groups", groups), ("items", ())):
            low, high = bd_rate_interval(*pair, PSNR, groups=drawn, resamples=500)
            covered[name] += low <= -20.0 <= high
    assert covered["groups"] >= 53  # 88 % and more of 60
    assert covered["items"] < 45


@pytest.mark.parametrize(
    ("groups", "drawn", "few"),
    [
        ((), False, False),
        (("a",) * 8, False, True),
        (("a", "b", "c") * 3, False, True),
        (("a", "b", "c", "d") * 2, True, False),
        (("a", "a", "", "", ""), True, False),
        (("a", "b", "c"), False, False),
    ],
)
def test_groups_are_drawn_from_four_on(groups: tuple[str, ...], drawn: bool, few: bool) -> None:
    assert drawn_by_groups(groups) == drawn
    assert too_few_groups(groups) == few


def of_groups(groups: tuple[str, ...]) -> Comparison:
    ref, tst = (grid(name, RATES, QUALITIES, items=len(groups), groups=groups) for name in "ab")
    tst.bpp[:] = tst.bpp * (0.8 + 0.02 * np.arange(len(groups)))[:, None]
    return compare(ref, tst, PSNR)


def test_one_production_is_drawn_by_items_and_said() -> None:
    found = of_groups(("00002",) * 8)
    plain = of_groups(("",) * 8)
    assert (found.rate_low, found.rate_high) == (plain.rate_low, plain.rate_high)
    assert found.warnings == (
        "all items are of one group (00002): the interval draws items and says nothing of other "
        "groups",
    )
    assert of_groups(("a", "b") * 4).warnings[0].startswith("all items are of 2 groups:")
    assert plain.warnings == of_groups(("a", "b", "c", "d") * 2).warnings == ()


def test_the_interval_of_a_comparison_is_by_groups() -> None:
    wide, narrow = of_groups(tuple("aabbccdd")), of_groups(("",) * 8)
    assert wide.rate_high - wide.rate_low > 1.2 * (narrow.rate_high - narrow.rate_low)


def test_missing_items_take_their_group_along() -> None:
    groups = ("a", "a", "b", "b", "c", "c", "d", "d")
    ref, tst = (grid(name, RATES, QUALITIES, items=8, groups=groups) for name in "ab")
    tst.bpp[0, 0] = math.nan
    cut = tst.take(np.arange(8) > 0, slice(None))
    assert cut.groups == groups[1:]
    assert compare(ref, tst, PSNR).items == 7


def test_a_report_reads_groups_and_says_how_it_drew(tmp_path: Path) -> None:
    records = [*samples.curve_records("good", 1.0, items=8),
               *samples.curve_records("dear", 1.5, items=8, noise=0.3)]  # fmt: skip
    said = {}
    for name, count in (("four", 4), ("one", 1)):
        grouped = [
            replace(row, group=f"g{int(row.item.removeprefix('item')) % count}") for row in records
        ]
        folder = samples.results_folder(tmp_path / name, grouped)
        measured = grids(read_results(folder))
        assert measured["good"].groups == tuple(f"g{place % count}" for place in range(8))
        content = collect(folder)
        said[name] = warnings_of(content), " ".join(footnote(content))
    drawn = "paired bootstrap over groups of images and images in them"
    few = (
        "all items are of one group (g0): the interval draws items and says nothing of other groups"
    )
    assert drawn in said["four"][1] and drawn not in said["one"][1]
    assert few in said["one"][0] and few not in said["four"][0]
    assert sum("group" in text for text in said["one"][0]) == 1


def test_records_without_groups_have_none(tmp_path: Path) -> None:
    folder = samples.plain_folder(tmp_path)
    table = folder / "records.csv"
    before = pd.read_csv(table)
    assert before["group"].isna().all()
    before.drop(columns="group").to_csv(table, index=False)
    assert grids(read_results(folder))["good"].groups == ()
