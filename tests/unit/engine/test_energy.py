"""Joules from a made-up powercap tree, and where they go."""

import csv
from pathlib import Path

import pytest

from bench.analysis.curves import mean_curves
from bench.engine.energy import Counter, Meter, counters, scores
from bench.engine.timing import repeated
from bench.results.reader import read_results
from bench.results.table import FILE
from tests.unit.report import samples


def _powercap(root: Path, **folders: tuple[str, int, int]) -> Path:
    for name, (title, energy, highest) in folders.items():
        folder = root / name.replace("_", ":").replace("rapl", "intel-rapl")
        folder.mkdir(parents=True)
        (folder / "name").write_text(title + "\n")
        (folder / "energy_uj").write_text(f"{energy}\n")
        (folder / "max_energy_range_uj").write_text(f"{highest}\n")
    return root


def test_packages_count_and_their_parts_do_not_count_twice(tmp_path: Path) -> None:
    root = _powercap(
        tmp_path, rapl_0=("package-0", 5_000_000, 10_000_000), rapl_1=("package-1", 7, 10),
        rapl_0_0=("core", 1, 10), rapl_2=("psys", 9_000_000, 10_000_000),
    )  # fmt: skip
    (root / "intel-rapl:1" / "max_energy_range_uj").unlink()
    found = counters(root)
    assert [one.name for one in found] == ["RAPL package-0", "RAPL package-1"]
    meter = Meter.started(found)
    assert meter is not None
    (root / "intel-rapl:0" / "energy_uj").write_text("8500000\n")
    assert meter.joules() == pytest.approx(3.5)
    # the count went past its end: 10 − 8.5 J and what it shows now
    meter = Meter.started(found)
    assert meter is not None
    (root / "intel-rapl:0" / "energy_uj").write_text("500000\n")
    assert meter.joules() == pytest.approx(2.0)


def test_without_counters_there_is_no_energy(tmp_path: Path) -> None:
    assert counters(tmp_path / "none") == ()
    assert Meter.started(()) is None
    assert repeated(lambda: 1, 2)[1].joules is None
    assert scores(None, None) == {}


def test_joules_are_the_mean_of_the_timed_calls() -> None:
    spent = [0]

    def call() -> int:
        spent[0] += 3_000_000
        return spent[0]

    _, timed = repeated(call, 4, (Counter("made up", lambda: spent[0]),))
    assert timed.joules == pytest.approx(3.0)


def test_columns_are_there_only_where_measured(tmp_path: Path) -> None:
    plain, counted = tmp_path / "plain", tmp_path / "counted"
    for folder, more in ((plain, {}), (counted, {"decode_joules": 2.5})):
        folder.mkdir()
        rows = [samples.record("good", f"q={q}", f"item{i}", q, 30.0 + q, **more)
                for q in (1, 2) for i in range(2)]  # fmt: skip
        samples.results_folder(folder, rows)
    heads = []
    for folder in (plain, counted):
        with (folder / FILE).open() as file:
            heads.append(next(csv.reader(file)))
    assert "decode_joules" not in heads[0] and heads[1][-1] == "decode_joules"
    assert "decode_joules" not in mean_curves(read_results(plain))
    results = read_results(counted)
    assert "decode_joules" not in results.metrics
    assert mean_curves(results)["decode_joules"].tolist() == [2.5, 2.5]
