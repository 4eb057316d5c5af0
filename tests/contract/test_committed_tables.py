"""The numbers of the committed tables follow from the committed records, to the last digit."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from bench.cards import load_registry
from bench.report.content import collect
from bench.report.tables import write_bd, write_curves

RESULTS = Path(__file__).resolve().parents[2] / "results"


@pytest.mark.parametrize("suite", ["kodak", "cifar10-batch"])
def test_tables_of_a_committed_run_are_those_of_its_records(suite: str, tmp_path: Path) -> None:
    content = collect([RESULTS / suite], registry=load_registry())
    for write in (write_curves, write_bd):
        write(content, tmp_path)
    for name in ("curves.csv", "bd.csv", "bd_matrix.csv"):
        new, old = (_rows(folder / name) for folder in (tmp_path, RESULTS / suite))
        assert len(new) == len(old)
        for one, other in zip(new, old, strict=True):
            assert {key: one[key] for key in other if key != "warnings"} == {
                key: text for key, text in other.items() if key != "warnings"
            }


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
