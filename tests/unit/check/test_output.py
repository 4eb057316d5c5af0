"""What a check prints: Markdown, JUnit XML, GitHub annotations, and the command's exit status."""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from bench.check.output import github_annotations, junit, markdown, verdict_line
from bench.cli import main
from tests.unit.check.test_compare import checked, folder, same, shift


def test_markdown_names_codec_cause_and_points(tmp_path: Path) -> None:
    text = markdown(checked(folder(tmp_path / "old"), folder(tmp_path / "new", shift(db=-1))))
    assert text.startswith("### ❌ Rate-distortion check: unknown-suite\n")
    assert "| jpeg | ❌ regression | +" in text
    assert (
        "| jpeg | q=1 | regression | +0.000 % | psnr\\_rgb -1.25 dB | psnr\\_rgb -1.25 dB" in text
    )
    assert "In brackets what counts as no change; paired over 6 items." in text


def test_a_codec_name_cannot_start_markup(tmp_path: Path) -> None:
    evil = "<img src=x>|[a](b)@team"
    report = checked(
        folder(tmp_path / "old", codec=evil), folder(tmp_path / "new", shift(db=-1), codec=evil)
    )
    text = markdown(report)
    assert "<img" not in text and "\n| &lt;img src=x&gt;\\|\\[a\\](b)\\@team | ❌" in text
    cases = ElementTree.fromstring(junit(report)).findall(".//testcase")
    assert cases[0].get("classname") == f"bench.check.{evil}"


def test_junit_has_a_case_a_point_and_counts_its_failures(tmp_path: Path) -> None:
    report = checked(folder(tmp_path / "old"), folder(tmp_path / "new", shift(db=-1, only="q=2")))
    suite = ElementTree.fromstring(junit(report)).find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("6", "2", "0")
    failed = [case.get("name") for case in suite if case.find("failure") is not None]
    assert failed == ["q=2", "BD-rate"]
    message = suite.find("testcase/failure")
    assert message is not None and "likely cause: no version" in (message.text or "")


def test_annotations_are_one_escaped_line_each(tmp_path: Path) -> None:
    report = checked(
        folder(tmp_path / "old"), folder(tmp_path / "new", shift(bits_percent=2, only="q=2"))
    )
    first = github_annotations(report).splitlines()[0]
    assert first.startswith("::error title=regression%3A jpeg q=2::bits +2.50 %25 (tolerance")


def test_problems_are_errors_everywhere(tmp_path: Path) -> None:
    old = folder(tmp_path / "old")
    new = folder(tmp_path / "new", digest="e" * 64)
    report = checked(old, new)
    assert verdict_line(report).startswith("cannot compare: the content of data set 'd' differs")
    assert github_annotations(report).startswith("::error title=cannot compare::")
    suite = ElementTree.fromstring(junit(report)).find("testsuite")
    assert suite is not None and suite.get("errors") == "1"


@pytest.mark.parametrize(("db", "status"), [(0.0, 0), (-1.0, 1), (1.0, 0)])
def test_the_command_prints_writes_and_exits(
    tmp_path: Path, db: float, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    old = folder(tmp_path / "old")
    new = folder(tmp_path / "new", shift(db=db) if db else same)
    files = ["--markdown", str(tmp_path / "out.md"), "--junit", str(tmp_path / "out.xml")]
    assert main(["check", str(new), "--against", str(old), *files, "--github"]) == status
    assert (tmp_path / "out.md").read_text().startswith("### ")
    ElementTree.parse(tmp_path / "out.xml")
    printed = capsys.readouterr().out
    assert re.search(r"1 (no change|regression|improvement) of 1 codecs over 6 items", printed)
    assert ("::error" in printed) == (status == 1)


def test_a_codec_with_several_settings_is_compared_by_its_id(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "x265:params=bframes=0:scenecut=0,preset=fast"
    old, new = (str(folder(tmp_path / which, codec=name)) for which in ("old", "new"))
    assert main(["check", new, "--against", old, "--codecs", name]) == 0
    assert "no change of 1 codecs over 6 items" in capsys.readouterr().out


def test_a_missing_baseline_is_bad_usage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = folder(tmp_path / "new")
    assert main(["check", str(new), "--against", str(tmp_path / "none")]) == 2
    assert "no such file; give a results folder" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_only_update_writes_a_baseline(tmp_path: Path) -> None:
    old, base = folder(tmp_path / "old"), tmp_path / "base"
    new = folder(tmp_path / "new", shift(db=-1))
    against = ["--against", str(base)]
    assert main(["check", str(old), *against, "--update"]) == 0
    before = (base / "records.csv").read_bytes()
    assert main(["check", str(new), *against]) == 1
    assert (base / "records.csv").read_bytes() == before
    assert main(["check", str(new), *against, "--update"]) == 0
    assert main(["check", str(new), *against]) == 0
    assert main(["check", str(new), *against, "--tolerance-db", "-1"]) == 2
