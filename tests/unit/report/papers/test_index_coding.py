from dataclasses import replace
from pathlib import Path

import pytest

from bench.learned.pages.index_coding import write
from bench.records import Record
from bench.report.content import collect
from bench.results.run_info import RunInfo
from tests.unit.report.samples import record, results_folder, suite

LADDER = ("codes=2", "codes=4", "codes=8", "codes=16")


def _records(codec: str, factor: float, *, estimate: bool = True) -> list[Record]:
    return [
        record(
            codec, point, f"item{item}", factor * 0.125 * (place + 1), 20.0 + 3 * place + item,
            bpp_estimated=factor * 0.124 * (place + 1) if estimate else None,
        )
        for place, point in enumerate(LADDER)
        for item in range(3)
    ]  # fmt: skip


def _folder(path: Path, records: list[Record], coders: dict[str, str]) -> Path:
    def with_settings(run: RunInfo) -> RunInfo:
        settings = {name: {"coder": coder} if coder else {} for name, coder in coders.items()}
        return replace(
            run, codecs=tuple(replace(info, settings=settings[info.id]) for info in run.codecs)
        )

    return results_folder(path, records, anchor=None, change=with_settings)


def test_the_page_has_each_coder_and_the_share_of_the_context_model(tmp_path: Path) -> None:
    coders = {"x265": "", "qcae": "context", "qcae:coder=zlib": "zlib",
              "qcae:coder=fixed": "fixed"}  # fmt: skip
    records = [
        *_records("x265", 0.9),
        *_records("qcae", 0.3),
        *_records("qcae:coder=zlib", 0.8, estimate=False),
        *_records("qcae:coder=fixed", 1.0),
    ]
    folder = _folder(tmp_path, records, coders)
    path = write(collect(folder), folder, suite()).path
    assert path is not None
    page = path.read_text()
    assert "| 2 | " in page and "| 0.1250 | 0.1000 | 0.0375 | 0.0372 | 30.0 % |" in page
    assert "MSE falls strictly with K over all 4 codebooks: yes." in page
    assert "at most 30.0 % of the fixed-length bits" in page
    assert "qcae against x265: BD-rate -66.7 %" in page
    assert "Lowest rate of qcae: 0.0375 bpp at 21.00 dB (codes=2)." in page


def test_a_page_is_only_written_where_all_coders_were_measured(tmp_path: Path) -> None:
    folder = _folder(tmp_path, _records("qcae", 0.3), {"qcae": "context"})
    page = write(collect(folder), folder, suite())
    assert page.path is None
    assert page.missing == "index_coding.md: qcae was not measured with coder fixed, zlib"


@pytest.mark.parametrize("worse", ["codes=4"])
def test_an_error_that_does_not_fall_is_said(tmp_path: Path, worse: str) -> None:
    coders = {"qcae": "context", "qcae:coder=zlib": "zlib", "qcae:coder=fixed": "fixed"}
    records = [
        replace(each, scores={**each.scores, "mse": 9e3}) if each.point == worse else each
        for name in coders
        for each in _records(name, 0.5)
    ]
    folder = _folder(tmp_path, records, coders)
    path = write(collect(folder), folder, suite()).path
    assert path is not None and "codebooks: no." in path.read_text()
