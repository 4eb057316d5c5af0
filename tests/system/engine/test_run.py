"""The engine on fake codecs that crash, hang, lie or are not there."""

import csv
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import pytest

from bench.cards import load_registry
from bench.cards.codec_specs import split_codecs
from bench.cli import main
from bench.datasets.base import DataOptions
from bench.engine.campaign import suite_campaign
from bench.engine.run import RunOptions, run
from bench.engine.run_log import Outcome
from bench.errors import StoreError
from bench.processes.pool import LocalPool, scratch_name
from bench.results.store import Store
from tests.fakes import PATIENCE, hurry_only, write_cards
from tests.system.engine.test_faults import command, stored_some


class Silent:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def begin(self, total: int, finished: int) -> None:
        pass

    def advance(self, tasks: int, failed: int, seconds_left: float | None) -> None:
        pass

    def working(self, codings: object) -> None:
        pass

    def say(self, line: str) -> None:
        self.lines.append(line)


def measure(
    cards: Path, out: Path, codecs: str = "coarse", *, limit: int | None = None, **options: object
) -> tuple[Outcome, list[str]]:
    campaign = suite_campaign(
        load_registry([cards]), "noise", split_codecs(codecs), DataOptions(limit=limit)
    )
    progress = Silent()
    settings = {"jobs": 2, **options}
    outcome = run(campaign, RunOptions(out, **settings), progress)  # type: ignore[arg-type]
    return outcome, progress.lines


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "records.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.fixture
def cards(tmp_path: Path) -> Path:
    return write_cards(tmp_path / "cards")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def test_a_run_measures_everything_once_and_the_second_nothing(cards: Path, out: Path) -> None:
    outcome, _ = measure(cards, out)
    assert (outcome.done, outcome.exit_status) == (16, 0)
    first = (out / "records.csv").read_bytes()
    again, _ = measure(cards, out)
    assert (again.done, again.finished_before) == (0, 16)
    assert (out / "records.csv").read_bytes() == first


def test_groups_reach_the_records_and_change_no_measurement(cards: Path, out: Path) -> None:
    """Records that were measured before the data set told groups get them and stay."""
    measure(cards, out)
    before = rows(out)
    assert {row["group"] for row in before} == {""}
    grouped = write_cards(cards.with_name("grouped"), groups=2)
    outcome, _ = measure(grouped, out)
    assert (outcome.done, outcome.finished_before) == (0, 16)
    after = rows(out)
    assert {(row["item"], row["group"]) for row in after} == {
        ("noise0", "g0"), ("noise1", "g1"), ("noise2", "g0"), ("noise3", "g1"),
    }  # fmt: skip
    assert [row | {"group": ""} for row in after] == before
    fresh = out.with_name("fresh")
    measure(grouped, fresh, "coarse:fault=raise,on=3")
    assert {row["group"] for row in rows(fresh) if row["status"] == "failed"} == {"g1"}


def test_bits_and_distortion_are_counted_right(cards: Path, out: Path) -> None:
    measure(cards, out, "coarse:bits=8")
    (row, *_) = rows(out)
    assert float(row["bpp"]) == 8 * (5 + 16 * 16) / (16 * 16)
    assert (row["bytes"], row["header_bytes"], row["psnr_rgb"]) == ("261", "5", "inf")


def test_every_point_of_the_first_item_is_decoded_by_a_fresh_process(
    cards: Path, out: Path
) -> None:
    measure(cards, out)
    verdicts = json.loads((out / "run.json").read_text())["verdicts"]
    assert [(v["point"], v["item"], v["passed"]) for v in verdicts] == [
        (f"bits={bits}", "noise0", True) for bits in (1, 2, 4, 6)
    ]


def test_a_decoder_that_depends_on_its_process_is_refuted(cards: Path, out: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from tests import fakes\n"
        "fakes.os.getpid = lambda: 1\n"
        "from bench.engine.measure import Worker\n"
        "from bench.engine.work import WorkSpec\n"
        "from bench.engine.fresh_decode import fresh_decode\n"
        "from bench.cards import load_registry\n"
        "from bench.codecs.build import select\n"
        "from bench.records import Task\n"
        "from bench.datasets.base import DataOptions\n"
        "card = select(load_registry([Path(sys.argv[1])]), 'coarse:bits=4,fault=stateful')\n"
        "loader = fakes.Noise(None, {}, DataOptions())\n"
        "items = {item.name: item for item in loader.items()}\n"
        "spec = WorkSpec('s', 'd', loader, items, {card.id: card}, ('mse',),"
        " decode_again=frozenset(['noise0']))\n"
        "coded = Worker(spec).measure(Task(card.id, card.ladder[0], 'noise0', 'f')).payload\n"
        "fakes.os.getpid = lambda: 4\n"
        "print([found.detail for found in fresh_decode(card, 'cpu', [coded])])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(cards)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "['a fresh process decodes it to other pixels']"


@pytest.mark.parametrize(
    ("fault", "status", "says"),
    [
        ("raise", "failed", "ValueError: fake trouble"),
        ("crash", "failed", "the worker process died (crashed (SIGSEGV)"),
        ("hang", "timeout", "no result within 1.5 s; raise --timeout"),
    ],
)
def test_trouble_with_one_item_hurts_only_its_tasks(
    cards: Path, out: Path, monkeypatch: pytest.MonkeyPatch, fault: str, status: str, says: str
) -> None:
    hurry_only(monkeypatch, LocalPool, "noise2")
    outcome, _ = measure(cards, out, f"coarse:bits=4,fault={fault},on=2", timeout=1.5)
    found = {row["item"]: (row["status"], row["reason"]) for row in rows(out)}
    assert found["noise2"][0] == status
    assert says in found["noise2"][1]
    assert [found[f"noise{n}"][0] for n in (0, 1, 3)] == ["done"] * 3
    assert outcome.exit_status == 1


def test_a_picture_of_another_size_is_a_failure_not_a_number(cards: Path, out: Path) -> None:
    outcome, _ = measure(cards, out, "coarse:bits=4,fault=shrink")
    assert {row["status"] for row in rows(out)} == {"failed"}
    assert {row["psnr_rgb"] for row in rows(out)} == {""}
    assert "16×15 pixels instead of 16×16" in rows(out)[0]["reason"]
    assert outcome.exit_status == 1


def test_what_is_missing_is_skipped_with_its_cure(cards: Path, out: Path) -> None:
    outcome, lines = measure(cards, out, "coarse,coarse:fault=absent")
    skipped = [row for row in rows(out) if row["status"] == "skipped"]
    assert len(skipped) == 16
    assert skipped[0]["reason"] == "the fake binary is missing; install fake-tools"
    assert any("install fake-tools" in line for line in lines)
    assert (outcome.done, outcome.exit_status) == (16, 0)


def test_a_failure_is_tried_again_by_the_next_run(cards: Path, out: Path) -> None:
    measure(cards, out, "coarse:bits=4,fault=raise,on=2")
    outcome, _ = measure(cards, out, "coarse:bits=4,fault=raise,on=2")
    assert (outcome.finished_before, outcome.failed) == (3, 1)


def test_more_items_and_more_codecs_continue_a_run(cards: Path, out: Path) -> None:
    measure(cards, out, limit=2)
    outcome, _ = measure(cards, out, "coarse,coarse:flag=set")
    assert (outcome.finished_before, outcome.done) == (8, 24)


def test_records_of_another_codec_version_are_measured_again(
    cards: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure(cards, out)
    script = (
        "import sys; from pathlib import Path; from tests.system.engine.test_run import measure\n"
        "outcome, lines = measure(Path(sys.argv[1]), Path(sys.argv[2]))\n"
        "print(outcome.done, lines[0])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(cards), str(out)],
        env={**os.environ, "FAKE_VERSION": "2"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.startswith("16 16 stored records come from another version")


def test_data_that_changed_are_measured_again(tmp_path: Path, out: Path) -> None:
    measure(write_cards(tmp_path / "one"), out)
    outcome, lines = measure(write_cards(tmp_path / "two", salt="new"), out)
    assert outcome.done == 16
    assert lines == ["16 records of items whose content changed are measured again"]


def test_a_folder_in_use_is_refused_at_once(cards: Path, out: Path) -> None:
    with Store(out), pytest.raises(StoreError, match="another run is writing here"):
        measure(cards, out)


def _started(cards: Path, out: Path) -> subprocess.Popen[str]:
    """A run in a process of its own that has stored some of its records."""
    process = subprocess.Popen(
        command(cards, out),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert stored_some(process, out), process.communicate()
    return process


def test_a_killed_run_is_continued_to_the_same_tables(tmp_path: Path, out: Path) -> None:
    gate = tmp_path / "gate"
    cards = write_cards(tmp_path / "cards", count=20, gate=(12, gate))
    process = _started(cards, out)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    with Store(out) as store:  # a first item without its proof is measured again
        before = len(store.done()) - len(store.unjudged(["noise0"]))
    gate.touch()
    outcome, _ = measure(cards, out)
    assert outcome.finished_before + outcome.done == 80
    assert 80 > outcome.finished_before == before
    assert len({(r["codec"], r["point"], r["item"]) for r in rows(out)}) == len(rows(out)) == 80


def test_a_proof_that_a_killed_run_left_out_is_made_up(
    cards: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The record of a first item was stored and its run killed before a fresh process had decoded
    the stream: of that point the item is measured again, and nothing else is."""
    words = ["run", "--suite", "noise", "--codecs", "coarse", "--cards", str(cards), "--jobs", "1"]
    words += ["--out", str(out), "--no-report"]
    assert main(words) == 0
    with closing(sqlite3.connect(out / "records.sqlite", isolation_level=None)) as db:
        verdicts = set(db.execute("SELECT codec, point, item FROM verdicts"))
        lost = min(verdicts)
        db.execute("DELETE FROM verdicts WHERE point = ?", (lost[1],))
    capsys.readouterr()
    assert main([*words, "--plan"]) == 0
    assert "1 to measure" in capsys.readouterr().out
    outcome, _ = measure(cards, out)
    assert (outcome.done, outcome.finished_before) == (1, 15)
    with closing(sqlite3.connect(out / "records.sqlite")) as db:
        assert set(db.execute("SELECT codec, point, item FROM verdicts")) == verdicts
    assert main([*words, "--plan"]) == 0
    assert "all measured" in capsys.readouterr().out


@pytest.mark.usefixtures("as_at_a_terminal")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("times", [1, 3])
def test_a_stopped_run_keeps_what_is_finished_and_says_so(
    tmp_path: Path, out: Path, number: signal.Signals, times: int
) -> None:
    cards = write_cards(tmp_path / "cards", count=20, gate=(12, tmp_path / "gate"))
    process = _started(cards, out)
    for _ in range(times):
        process.send_signal(number)
        time.sleep(0.03)
    said, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert "Traceback" not in errors
    assert not list(Path(tempfile.gettempdir()).glob(f"{scratch_name(out)}*"))
    assert "stopped; what was finished is kept, the same command continues" in said
    assert 0 < len(rows(out)) < 80


@pytest.mark.usefixtures("as_at_a_terminal")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_what_is_told_to_the_whole_group_ends_the_run_in_order(
    tmp_path: Path, out: Path, number: signal.Signals
) -> None:
    """A terminal that closes and a batch system tell all its processes, also the one that workers
    are forked from, without which no worker could be replaced."""
    cards = write_cards(tmp_path / "cards", count=20, gate=(12, tmp_path / "gate"))
    process = _started(cards, out)
    os.killpg(process.pid, number)
    said, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert "Traceback" not in errors
    assert "stopped; what was finished is kept, the same command continues" in said
    assert 0 < len(rows(out)) < 80


def test_timing_repeats_each_call_alone_and_says_how(cards: Path, out: Path) -> None:
    outcome, _ = measure(cards, out, "coarse", jobs=1, repeats=4)
    assert outcome.exit_status == 0
    assert outcome.done == len(rows(out)) == 16
    for row in rows(out):
        assert (row["repeats"], row["parallel"]) == ("4", "1")
        assert float(row["encode_spread_seconds"]) >= 0
        assert float(row["encode_seconds"]) > 0
        assert float(row["decode_cpu_seconds"]) >= 0
    facts = json.loads((out / "run.json").read_text())
    assert facts["timing"].startswith("Times are medians of 4 calls after one that is not counted")
    assert len(facts["verdicts"]) == 4


def test_times_without_enough_repeats_are_taken_again_and_others_kept(
    cards: Path, out: Path
) -> None:
    measure(cards, out, "coarse:bits=4")
    outcome, _ = measure(cards, out, "coarse:bits=4", jobs=1, repeats=3)
    assert (outcome.done, outcome.finished_before) == (4, 0)
    outcome, _ = measure(cards, out, "coarse:bits=4")
    assert (outcome.done, outcome.finished_before) == (0, 4)
    assert {row["repeats"] for row in rows(out)} == {"3"}
