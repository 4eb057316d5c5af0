from dataclasses import replace
from pathlib import Path

import pytest

from bench.provenance import RunInfo, Verdict
from bench.report.content import collect, footnote
from bench.report.tables import signed
from tests.report.samples import curve_records, results_folder


@pytest.mark.parametrize(
    ("value", "text"),
    [(12.34, "+12.3"), (-4.46, "−4.5"), (float("nan"), "–"), (2.3e99, "> 9999")],
)
def test_a_delta_is_short_whatever_a_fit_gave(value: float, text: str) -> None:
    assert signed(value) == text


def test_the_footnote_says_how_far_the_proofs_were_isolated(tmp_path: Path) -> None:
    def judged(run: RunInfo) -> RunInfo:
        kinds = [("q=1", True, "isolated"), ("q=2", False, "isolated"), ("q=3", True, "")]
        verdicts = [
            Verdict("fresh_decode", "good", point, "item0", passed, isolation=kind)
            for point, passed, kind in kinds
        ]
        return replace(run, verdicts=tuple(verdicts))

    folder = results_folder(tmp_path, curve_records("good", 1.0), change=judged)
    said = " ".join(footnote(collect(folder)))
    assert "1 of 2 streams gave the same pixels in a fresh process (isolated)." in said
    assert "1 of 1 streams" in said and "(how far it was isolated is not recorded)" in said
