"""The committed tables follow from the committed records, to the byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.cards import load_registry
from bench.report.content import collect
from bench.report.tables import write_bd, write_curves, write_markdown

RESULTS = Path(__file__).resolve().parents[2] / "results"


@pytest.mark.parametrize("suite", ["kodak", "cifar10-batch"])
def test_tables_of_a_committed_run_are_those_of_its_records(suite: str, tmp_path: Path) -> None:
    content = collect([RESULTS / suite], registry=load_registry())
    for write in (write_curves, write_bd, write_markdown):
        write(content, tmp_path)
    for name in ("curves.csv", "curves.tsv", "bd.csv", "bd_matrix.csv", "table.md"):
        assert (tmp_path / name).read_bytes() == (RESULTS / suite / name).read_bytes(), name
