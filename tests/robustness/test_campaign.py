"""The campaign of `make robustness`: that it sees what does not hold, and says it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from bench.bitstreams import leb128
from bench.errors import UsageError
from tests.robustness import campaign, fuzz
from tests.robustness import page as pages
from tests.robustness.__main__ import main
from tests.robustness.mutations import mutate
from tests.robustness.page import Page, Row, describe
from tests.robustness.targets import Target, parsers
from tests.robustness.trial import Ended, Finding, Hung, Room, Trial

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
    assert any("IndexError in test_campaign.py:trusting" in one for one in found["faults"])
    assert (tmp_path / "trusting-0.bin").is_file()


def test_hangs_and_deaths_leave_their_payload(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the process that is started, as a crash in a library would be."""
    room = Room(tmp_path, seconds=0.1)
    assert fuzz.fuzz("parser", "varints", room).faults == ()
    monkeypatch.setattr(fuzz, "finish", lambda process, limit: _died(process, tmp_path))
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


def _row(title: str, *faults: str, skipped: str = "", code: str = "abc", budget: float = 3) -> Row:
    return Row(title, 7, "kills", faults, "a note", skipped, budget, 2.4, 4, 1.5, code, "a CPU")


def _trials(*titles: str) -> list[Trial]:
    return [Trial(one, "nothing lost", lambda room: Finding(7, "kills")) for one in titles]


def test_the_page_says_what_held_and_what_did_not() -> None:
    rows = [_row("kills"), _row("damage", "lost 3"), _row("cluster", skipped="no dask")]
    trials = _trials("damage", "kills", "cluster", "never")
    page = describe({row.title: row for row in rows}, trials)
    assert "1 of 2 trials held; 2 were not tried." in page
    assert "| kills | 7 kills | nothing lost | yes; a note | 2 |" in page
    assert "| damage | 7 kills | nothing lost | **no**: 1 faults; a note | 2 |" in page
    assert "- damage: lost 3" in page
    assert "Not tried: cluster: no dask." in page
    assert "Not tried: never: no command tried them yet." in page
    assert "code abc, on a CPU: 3 s a target, at most 4 at a time" in page


def test_a_page_is_filled_by_several_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "code_digest", lambda: "abc")
    kills, damage = trials = _trials("kills", "damage")
    Page(tmp_path / "p.md").add(_row("kills"), trials)
    page = Page(tmp_path / "p.md")
    assert page.is_answered(kills, 3) and not page.is_answered(kills, 60)
    assert not page.is_answered(damage, 3)
    page.add(_row("damage", "lost 3"), trials)
    page.add(_row("damage"), trials)
    again = Page(tmp_path / "p.md")
    assert again.rows["damage"].faults == ("lost 3",), "of one code what did not hold stays"
    assert not again.is_answered(damage, 3)
    again.add(_row("damage", code="mended"), trials)
    assert again.rows["damage"].holds
    assert "(code: mended)" in (tmp_path / "p.md").read_text()
    assert not again.is_answered(damage, 3), "this is not the code that held"
    (tmp_path / "p.json").write_text("[{}]")
    with pytest.raises(UsageError, match="not the findings of a page"):
        Page(tmp_path / "p.md")


def test_a_trial_that_hangs_or_breaks_has_not_held(tmp_path: Path) -> None:
    def hang(room: Room) -> Finding:
        raise Hung("run: hung, killed after 600 s")

    def broken(room: Room) -> Finding:
        raise KeyError("out")

    for call, words in ((hang, "run: hung"), (broken, "broke off: KeyError: 'out'")):
        found = campaign._attempt(Trial("one", "all", call), Room(tmp_path))
        assert words in found.faults[0]


@pytest.mark.parametrize(("faults", "status"), [((), 0), (("lost",), 1)])
def test_the_command(
    faults: tuple[str, ...], status: int, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def call(room: Room) -> Finding:
        assert room.folder.is_dir() and room.seconds == 0.5
        return Finding(1, "runs", faults)

    others = Trial("a check", "all of it", lambda room: Finding(1, "checks", ("never tried",)))
    monkeypatch.setattr(campaign, "trials", lambda: (Trial("a run", "all of it", call), others))
    monkeypatch.setattr(campaign.tempfile, "mkdtemp", lambda **_: str(tmp_path / "room"))
    monkeypatch.setattr(campaign, "_free", lambda place: 0)
    page = tmp_path / "page.md"
    words = ["0.5", "--trials", "run", "--page", str(page)]
    assert main(words) == status
    said = capsys.readouterr()
    assert "| a run | 1 runs |" in said.out and "a run: " in said.err
    assert (tmp_path / "room").exists() == bool(faults)
    assert page.read_text() == said.out
    assert main(["--trials", "nothing like it"]) == 2
