"""Every row of the table of outcomes in docs/checks.md, carried out by the command itself."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from bench.cli import main
from bench.records import Record
from bench.results.run_info import RunInfo
from tests.unit.check.sides import INFO, ITEMS, RUN, Change, at, by, recoded, side

PAGE = Path(__file__).parents[3] / "docs" / "checks.md"
VARYING = replace(RUN, codecs=(replace(INFO, deterministic=False),))
WORSE, BETTER = by(-0.3), by(0.3)


def same(record: Record) -> Record:
    return record


def skipped(record: Record) -> Record:
    return replace(record, status="skipped", bytes=None, scores={}, reason="no encoder")


def failed(record: Record) -> Record:
    return replace(skipped(record), status="failed", reason="exit 1")


def estimated(record: Record) -> Record:
    return replace(
        record, bytes=None, bitstream_sha256=None, rate="estimated",
        bpp_estimated=8 * (record.bytes or 0) / 4096,
    )  # fmt: skip


def bytes_more(count: int) -> Change:
    return lambda one: replace(recoded(one), bytes=(one.bytes or 0) + count)


def moved(record: Record) -> Record:
    """A fifth less bits for 0.1 dB."""
    found = by(-0.1)(record)
    assert found is not None
    return replace(found, bytes=round(0.8 * (record.bytes or 0)))


def gone(record: Record) -> None:
    return None


def scoreless(name: str) -> Change:
    return lambda one: replace(one, scores={k: v for k, v in one.scores.items() if k != name})


def versions(number: str, *metrics: str) -> RunInfo:
    return replace(RUN, metric_versions={name: {"program": number} for name in metrics})


ALL = ("mse", "psnr_rgb", "ssim")


@dataclass(frozen=True)
class Case:
    """What stands on either side, and what is said of it."""

    says: str
    new: Change = same
    old: Change = same
    run: RunInfo = RUN
    old_run: RunInfo = RUN
    codecs: tuple[str, ...] = ("jpeg",)
    old_codecs: tuple[str, ...] = ("jpeg",)
    words: tuple[str, ...] = ()
    spoil: Callable[[Path], object] = lambda folder: None


CASES: dict[str, tuple[Case, ...]] = {
    "the same streams and numbers": (Case("1 no change of 1 codecs over 6 items"),),
    "numbers within the tolerances, of a codec that is not deterministic": (
        Case("1 no change of 1 codecs", by(-0.001), run=VARYING, old_run=VARYING),
    ),
    "other streams of a deterministic codec for the same bits and quality": (
        Case("1 same numbers, other streams of 1 codecs over 6 items; 30 of 30 streams", recoded),
    ),
    "other streams of a deterministic codec within the tolerances": (
        Case("1 changed of 1 codecs over 6 items; 30 of 30 streams changed", by(-0.001)),
    ),
    "a gain beyond the tolerance on single items of a deterministic codec": (
        Case("1 changed of 1 codecs over 6 items; 1 of 30", at("q=2", "c", BETTER)),
    ),
    "fewer bits or more quality on the mean, or a better BD-rate": (
        Case("1 improvement of", BETTER),
        Case("1 improvement of", bytes_more(-2000)),
        Case("1 improvement of", by(0.04)),
    ),
    "a point that moved along a better curve": (Case("1 improvement of", moved),),
    "a codec or a point that the baseline lacks": (
        Case("1 no change, 1 new of 2 codecs", codecs=("jpeg", "webp")),
        Case("1 new of 1 codecs", old=at("q=2", "", gone)),
    ),
    "items or records that the baseline lacks": (
        Case("1 items are not in the baseline and were left out", old=at("", "c", gone)),
        Case("1 records that the baseline lacks were left out", old=at("q=2", "c", gone)),
    ),
    "fewer items of a codec because its suite now says so": (
        Case(
            "2 of the baseline's 6 items were left out",
            lambda one: None if one.item in ITEMS[4:] else one,
            run=replace(RUN, codecs=(replace(INFO, items=4),)),
        ),
    ),
    "no hash of a stream on one side": (
        Case("have no hash of their stream", lambda one: replace(one, bitstream_sha256=None)),
        Case("have no hash", old=lambda one: replace(one, bitstream_sha256="")),
    ),
    "a metric that one side was not asked for": (
        Case("not judged: ssim (not in the baseline)", old=scoreless("ssim")),
        Case(
            "not judged: ssim (not in these results)",
            scoreless("ssim"),
            run=replace(RUN, metrics=("psnr_rgb",)),
        ),
    ),
    "a metric of another version, beside others": (
        Case("not judged: ssim (another", run=versions("2", "ssim"), old_run=versions("1", "ssim")),
    ),
    "a metric whose version one side does not tell": (
        Case("version is not known on both sides: ssim (in the ba", run=versions("2", "ssim")),
        Case("version is not known on both sides: ssim (in these", old_run=versions("1", "ssim")),
    ),
    "`--update`, whatever changed": (
        Case("baseline replaced", WORSE, words=("--update",)),
        Case("baseline replaced", at("q=1", "", gone), words=("--update",)),
    ),
    "more bits or less quality on the mean, beyond the tolerance and beyond chance": (
        Case("1 regression of", WORSE),
        Case("1 regression of", WORSE, run=VARYING, old_run=VARYING),
        Case("1 regression of", bytes_more(2000)),
    ),
    "one item of a deterministic codec that loses more than a metric's tolerance": (
        Case("item c: psnr_rgb 30.74 → 30.64", at("q=2", "c", by(-0.1))),
    ),
    "one item of another codec that is worse by ten tolerances": (
        Case("item c: psnr_rgb", at("q=2", "c", by(-0.6)), run=VARYING, old_run=VARYING),
    ),
    "more bytes on every item of a deterministic codec for the same pixels": (
        Case("same pixels for 1 more bytes an item", bytes_more(1)),
    ),
    "a worse BD-rate, though every point is within its tolerances": (
        Case("1 regression of", by(-0.04)),
    ),
    "a record that failed or timed out and was measured before": (
        Case("failed on 1 of 6 items", at("q=2", "c", failed)),
        Case(
            "timeout on 1 of 6 items",
            at("q=2", "c", lambda one: replace(failed(one), status="timeout")),
        ),
    ),
    "a regression beside anything of the rows below": (
        Case("1 regression of", lambda one: None if one.point == "q=1" else WORSE(one)),
    ),
    "a rate that is measured on one side and estimated or reported on the other": (
        Case("1 not comparable of 1 codecs", estimated),
        Case("1 not comparable of 1 codecs", old=estimated),
        Case("1 not comparable of 1 codecs", lambda one: replace(one, rate="reported")),
    ),
    "no metric left that both sides measured in the same way": (
        Case("1 not comparable of", run=versions("2", *ALL), old_run=versions("1", *ALL)),
    ),
    "a codec, a point or a record that was not measured, or was skipped": (
        Case("1 missing of 2 codecs", old_codecs=("jpeg", "webp")),
        Case("1 missing of", at("q=1", "", gone)),
        Case("1 missing of", at("q=1", "c", gone)),
        Case("1 missing of", at("q=1", "c", skipped)),
    ),
    "a metric that was asked for and has no value any more": (
        Case("missing metrics: ssim", scoreless("ssim")),
        Case("1 missing of", at("q=1", "c", scoreless("ssim"))),
    ),
    "items of the baseline that no codec was measured on": (
        Case("cannot compare: 1 of the baseline's 6 items", at("", "c", gone)),
    ),
    "another data set, or items with another content or size": (
        Case("cannot compare: data set 'e'", lambda one: replace(one, dataset="e")),
        Case("the content of", run=replace(RUN, item_digests=dict.fromkeys(ITEMS, "1" * 16))),
        Case("2048 pixels, the baseline has 4096", lambda one: replace(one, width=32)),
    ),
    "a file that is missing or damaged": (
        Case("no such file", spoil=lambda folder: (folder / "records.csv").unlink()),
        Case("is missing", spoil=lambda folder: (folder / "records.csv").write_text("a,b\n")),
        Case("cannot be read", spoil=lambda folder: (folder / "run.json").write_text("{")),
    ),
    "an unknown codec, tolerance or option": (
        Case("no 'jpge' in either side", words=("--codecs", "jpge")),
        Case("unknown key 'psnr'", words=("--tolerance", "psnr=1")),
        Case("no option --strict", words=("--strict",)),
    ),
}
"""By the first cell of a row: what it means."""


def rows() -> dict[str, tuple[str, int]]:
    """The table's rows: outcome and exit status by what a check finds."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    start = lines.index("| what a check finds | outcome | exit status |") + 2
    found = {}
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        what, outcome, status = (cell.strip() for cell in line.strip("|").split("|"))
        found[what] = (outcome, int(status))
    return found


def test_the_table_has_a_case_for_each_row() -> None:
    assert list(rows()) == list(CASES)


@pytest.mark.parametrize(
    ("row", "case"),
    [
        pytest.param(row, case, id=f"{row[:40]}-{number}")
        for row, found in CASES.items()
        for number, case in enumerate(found)
    ],
)
def test_the_command_ends_as_the_table_says(
    tmp_path: Path, row: str, case: Case, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("COLUMNS", "400")
    old = side(tmp_path / "old", case.old, run=case.old_run, codecs=case.old_codecs)
    new = side(tmp_path / "new", case.new, run=case.run, codecs=case.codecs)
    case.spoil(new)
    words = ["check", str(new), "--against", str(old), *case.words]
    try:
        status = main(words)
    except SystemExit as end:  # as argparse ends on words that it does not know
        status = int(str(end.code))
    printed = capsys.readouterr()
    assert case.says in printed.out + printed.err
    assert status == rows()[row][1]
    outcome = rows()[row][0].removesuffix(", with a remark")
    assert outcome == "error" or outcome in printed.out
