"""The trials of `bench doctor --robustness`: that they see what does not hold, and say it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from bench.bitstreams import leb128
from bench.cli import main
from bench.doctor.robustness import fuzz, report
from bench.doctor.robustness.mutations import mutate
from bench.doctor.robustness.report import Result, describe
from bench.doctor.robustness.targets import Target, parsers
from bench.doctor.robustness.terminals import _looks
from bench.doctor.robustness.trial import Ended, Finding, Room, Trial

_QUICK = ("jpeg", "jpeg2000", "png", "webp", "source.png", "source.tif", "ivf", "bpg", "varints",
          "frames", "side-info", "y4m", "source.y4m")  # fmt: skip


def test_the_same_seed_gives_the_same_bytes() -> None:
    seeds = (b"one stream", b"another stream of more bytes")
    first, again = ([mutate(seeds, random.Random(n)) for n in range(200)] for _ in range(2))
    assert first == again
    assert len(set(first)) > 150


@pytest.mark.parametrize("name", _QUICK)
def test_parsers_take_hostile_bytes(name: str, tmp_path: Path) -> None:
    found = fuzz._try(parsers()[name](), 0.1, 2, tmp_path)
    assert found["faults"] == []
    assert list(tmp_path.iterdir()) == []


def test_a_parser_that_trusts_a_length_is_found(tmp_path: Path) -> None:
    def trusting(data: bytes) -> int:
        length, position = leb128.read_varint(data, 0)
        return data[position : position + length][length - 1]

    found = fuzz._try(Target("trusting", trusting, lambda: (b"\3abc",)), 0.1, 2, tmp_path)
    assert any("IndexError in test_robustness.py:trusting" in one for one in found["faults"])
    assert (tmp_path / "trusting-0.bin").is_file()


def test_hangs_and_deaths_leave_their_payload(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the process that is started, as a crash in a library would be."""
    room = Room(tmp_path, seconds=0.1)
    assert fuzz.fuzz("parser", "varints", room).faults == ()
    monkeypatch.setattr(fuzz, "finish", lambda process: _died(process, tmp_path))
    assert "died with status -11" in fuzz.fuzz("parser", "varints", room).faults[0]
    assert (tmp_path / "payloads" / "varints.bin").read_bytes() == b"evil"


def _died(process: object, folder: Path) -> Ended:
    process.wait()  # type: ignore[attr-defined]
    last = fuzz._Last(folder / "payloads" / "varints.bin")
    last.keep(b"evil")
    return Ended(-11, "", "")


def test_ends_that_a_user_would_complain_about() -> None:
    assert Ended(0, "fine", "").faults("run", 0) == []
    assert Ended(2, "", "bench: one line\n").faults("run", 0, 2) == []
    assert Ended(2, "", "one\ntwo\n").faults("run", 2) == ["run: 2 lines of error"]
    assert (
        Ended(1, "", "Traceback\nKeyError: 1\n")
        .faults("run", 1)[0]
        .startswith("run: a traceback (KeyError")
    )
    assert Ended(None, "", "").faults("run", 0) == ["run: hung"]


def test_a_table_wider_than_the_terminal_is_seen() -> None:
    assert _looks("bd", "│ " + "x" * 60, 40, False) == ["bd: a table of 62 columns"]
    assert _looks("bd", "\x1b[31mred", 40, True) == ["bd: colours"]
    assert _looks("bd", "a long sentence " * 9, 40, True) == []


def test_the_page_says_what_held_and_what_did_not(tmp_path: Path) -> None:
    def result(title: str, *faults: str, skipped: str = "") -> Result:
        finding = Finding(7, "kills", faults, "a note", skipped)
        return Result(Trial(title, "nothing lost", lambda room: finding), finding, 2.4)

    page = describe(
        [result("kills"), result("damage", "lost 3"), result("cluster", skipped="no dask")],
        Room(tmp_path, 3),
    )
    assert "1 of 3 trials held, 1 could not be tried." in page
    assert "| kills | 7 kills | nothing lost | yes; a note | 2 |" in page
    assert "| damage | 7 kills | nothing lost | **no**: 1 faults; a note | 2 |" in page
    assert "- damage: lost 3" in page
    assert "Not tried: cluster. The first of them: no dask" in page


@pytest.mark.parametrize(("faults", "status"), [((), 0), (("lost",), 1)])
def test_the_command(
    faults: tuple[str, ...], status: int, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def call(room: Room) -> Finding:
        assert room.folder.is_dir() and room.seconds == 0.5
        return Finding(1, "runs", faults)

    others = Trial("a check", "all of it", lambda room: Finding(1, "checks", ("never tried",)))
    monkeypatch.setattr(report, "trials", lambda: (Trial("a run", "all of it", call), others))
    monkeypatch.setattr(report.tempfile, "mkdtemp", lambda **_: str(tmp_path / "room"))
    monkeypatch.setattr(report, "_free", lambda place: 0)
    assert main(["doctor", "--robustness", "0.5", "--trials", "run"]) == status
    said = capsys.readouterr()
    assert "| a run | 1 runs |" in said.out and "a run: " in said.err
    assert (tmp_path / "room").exists() == bool(faults)
