"""Each trial of `make robustness` holds on a harness that does, and says what does not on
one with a fault planted. The harness is played here; the trials themselves start the real one."""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from bench.results.store import FILE
from tests.robustness import clusters, folders, runs, terminals, trainings, weights
from tests.robustness.trial import Ended, Finding, Hung, Room

PICTURES = 4
ROWS = [f"png,only,p{number},done" for number in range(PICTURES)]
BUSY = Ended(2, "", "bench: another run is writing here\n")
TRACE = Ended(1, "", "Traceback (most recent call last):\nKeyError: 'bpp'\n")


class Harness:
    """Plays `bench`: a run leaves ``rows``; what ends how is planted by the first two words."""

    def __init__(self) -> None:
        self.rows = list(ROWS)
        self.ends: dict[str, list[Ended]] = {}
        self.runs = 0
        self.spoils_from = 99
        """The run, counted from 0, from which on a row is lost."""

    def call(self, *words: object, env: object = None) -> Ended:
        name = str(words[0])
        if name == "run":
            out = Path(str(words[words.index("--out") + 1]))
            out.mkdir(parents=True, exist_ok=True)
            rows = self.rows if self.runs < self.spoils_from else self.rows[1:]
            self.runs += 1
            (out / "records.csv").write_text("\n".join(["codec,point,item,status", *rows, ""]))
            (out / FILE).write_bytes(bytes(999))
        planted = self.ends.get(name, [])
        if planted:
            return planted.pop(0)
        return Ended(0, "4 of them kept from before", "")

    @contextlib.contextmanager
    def running(self, *words: object) -> Iterator[SimpleNamespace]:
        ended = self.call(*words)
        yield SimpleNamespace(poll=lambda: 0, send_signal=lambda number: None, ended=ended)


@pytest.fixture
def harness(monkeypatch: pytest.MonkeyPatch) -> Harness:
    played = Harness()
    for module in (runs, folders, clusters, terminals, trainings):
        for name, fake in (
            ("call", played.call), ("running", played.running),
            ("finish", lambda process, limit=0: process.ended),
        ):  # fmt: skip
            if hasattr(module, name):
                monkeypatch.setattr(module, name, fake)
    monkeypatch.setattr(runs.time, "sleep", lambda seconds: None)
    return played


def room(folder: Path) -> Room:
    return Room(folder, 1, 1, pictures=PICTURES, disturbed=PICTURES)


def said(finding: Finding, words: str) -> None:
    assert any(words in fault for fault in finding.faults), finding.faults


def test_two_runs(harness: Harness, tmp_path: Path) -> None:
    ended = Ended(0, "", "")
    harness.ends["run"] = [ended, ended, BUSY, BUSY]
    held = runs.two_runs(room(tmp_path / "good"))
    assert held.faults == () and held.times == 3 and held.note.startswith("2 ")
    harness.ends["run"] = [ended, ended, TRACE, Ended(2, "", "bench: database is locked\n")]
    harness.runs, harness.spoils_from = 0, 1
    found = runs.two_runs(room(tmp_path / "bad"))
    said(found, "a traceback (KeyError")
    said(found, "refused otherwise: bench: database is locked")
    said(found, "3 records for 4, 1 of them missing")


def test_readers(harness: Harness, tmp_path: Path) -> None:
    assert runs.readers(room(tmp_path / "good")).faults == ()
    harness.ends["report"] = [TRACE]
    said(runs.readers(room(tmp_path / "bad")), "report: a traceback")


def test_kills(harness: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "stored", lambda out: PICTURES)
    assert runs.kills(room(tmp_path / "good")).faults == ()
    counts = iter([3, 1, *[2] * 10])
    monkeypatch.setattr(runs, "stored", lambda out: next(counts))
    found = runs.kills(room(tmp_path / "bad"))
    said(found, "a kill lost 2 records")
    said(found, "the run after the kills did not keep 2: 4 of them kept")


def test_damage(harness: Harness, tmp_path: Path) -> None:
    held = runs.damage(room(tmp_path / "good"))
    assert held.faults == () and held.times == len(runs._DAMAGES)
    harness.runs, harness.spoils_from = 0, 5
    said(runs.damage(room(tmp_path / "bad")), "after the store was cut: 3 records for 4")


def test_no_round_begins_after_the_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.robustness import trial

    clock = iter(range(0, 1000, 40))
    monkeypatch.setattr(trial.time, "monotonic", lambda: next(clock))
    assert list(Room(tmp_path, repeats=50, bound=100).rounds()) == [0, 1, 2]
    assert list(Room(tmp_path, repeats=1, bound=0).rounds(9)) == [0]


def test_a_run_that_stores_nothing_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "LIMIT", -1.0)
    with pytest.raises(Hung, match="0 records within"):
        runs.wait_for_records(SimpleNamespace(poll=lambda: None), tmp_path)  # type: ignore[arg-type]


def test_folders(harness: Harness, tmp_path: Path) -> None:
    assert folders.many_pictures(room(tmp_path / "many")).faults == ()
    assert folders.other_numpy(room(tmp_path / "numpy")).faults == ()
    harness.rows = ROWS[1:]
    said(folders.many_pictures(room(tmp_path / "less")), "3 records for 4 pictures")
    harness.rows, harness.runs, harness.spoils_from = list(ROWS), 0, 1
    harness.ends["run"] = [Ended(0, "", "")] * 2
    found = folders.other_numpy(room(tmp_path / "forgotten"))
    said(found, "nothing of records.csv was continued")
    said(found, "the run elsewhere: 3 records for 4")


@pytest.fixture
def dask(monkeypatch: pytest.MonkeyPatch) -> None:
    process = SimpleNamespace(send_signal=lambda number: None, wait=lambda: 0)

    @contextlib.contextmanager
    def cluster(folder: Path) -> Iterator[SimpleNamespace]:
        folder.mkdir(parents=True)
        yield SimpleNamespace(
            address="tcp://played", processes=[process], schedule=lambda: process,
            work=lambda env=None: process,
        )  # fmt: skip

    monkeypatch.setattr(clusters, "_cluster", cluster)
    monkeypatch.setattr(clusters, "find_spec", lambda name: object())


@pytest.mark.usefixtures("dask")
def test_clusters(harness: Harness, tmp_path: Path) -> None:
    lost = Ended(2, "", "bench: lost the scheduler\n")
    ended = Ended(0, "", "")
    harness.ends["run"] = [ended, lost, ended]
    held = clusters.cluster_kills(room(tmp_path / "good"))
    assert held.faults == () and "1 named the loss" in held.note
    harness.ends["run"] = [ended, TRACE, ended]
    harness.runs, harness.spoils_from = 0, 2
    found = clusters.cluster_kills(room(tmp_path / "bad"))
    said(found, "the run that lost its scheduler: a traceback")
    said(found, "after worker and scheduler were killed: 3 records")


@pytest.mark.usefixtures("dask")
def test_workers(harness: Harness, tmp_path: Path) -> None:
    refused = [Ended(2, "", f"bench: a worker has {one} 0\n") for one in ("numpy", "bench")]
    missing = Ended(1, "", "bench-trial-copy: not found")
    harness.ends["run"] = [*refused, missing]
    harness.rows = ["copy,only,p0,skipped"]
    assert clusters.other_workers(room(tmp_path / "good")).faults == ()
    harness.rows = list(ROWS)
    found = clusters.other_workers(room(tmp_path / "bad"))
    said(found, "workers with another numpy: exit 0")
    said(found, "workers with another bench: not named")
    said(found, "a worker without the program: tasks were done")
    said(found, "a worker without the program: it is not named")


def test_trainings(harness: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = SimpleNamespace(ended=Ended(2, "", "gaussian-ae/d10: step 400\nbench: File too large\n"))
    monkeypatch.setattr(trainings, "start", lambda *words, before=None: full)
    monkeypatch.setattr(trainings, "_weights", lambda folder: {"d10": b"same"})
    assert trainings.trainings(room(tmp_path / "good")).faults == ()
    full.ended = TRACE
    monkeypatch.setattr(trainings, "_weights", lambda folder: {"d10": folder.name.encode()})
    found = trainings.trainings(room(tmp_path / "bad"))
    said(found, "other weights although it was stopped")
    said(found, "other weights after the stops")
    said(found, "a training on a full disk: a traceback")
    said(found, "other weights after a full disk")


def test_weights_that_are_taken_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blown = tmp_path / "blown"
    assert weights._checkpoints(tmp_path / "net.pt", blown) == []

    def trusting(path: str) -> object:
        return pickle.loads(pickle.dumps(weights._Bomb(blown)))

    monkeypatch.setattr(weights, "read_states", trusting)
    found = weights._checkpoints(tmp_path / "net.pt", blown)
    assert found == ["a network's checkpoint: was taken", "a checkpoint's pickle was run"]
    codec = SimpleNamespace(check_available=lambda: None)
    monkeypatch.setattr(weights, "build_codec", lambda card: codec)
    monkeypatch.setattr(weights, "payloads", lambda card, codec: ())
    card = SimpleNamespace(id="net")
    assert weights._load(card, "shapes") == "net, shapes: was taken"  # type: ignore[arg-type]
    monkeypatch.setattr(weights, "payloads", _raise_key_error)
    assert "KeyError" in (weights._load(card, "missing") or "")  # type: ignore[arg-type]


def _raise_key_error(card: object, codec: object) -> None:
    raise KeyError("0.5.about")


def test_terminals(harness: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def shown(text: str) -> Callable[..., Ended]:
        return lambda columns, changes, cwd, *words: Ended(0, text, "")

    monkeypatch.setattr(terminals, "_on_terminal", shown("│ 1 │"))
    held = terminals.terminals(room(tmp_path / "good"))
    assert held.faults == () and held.note == "on 5 of 5 kinds of terminals"
    monkeypatch.setattr(terminals, "_on_terminal", shown("│" + 60 * " " + "│ \x1b[31mred"))
    found = terminals.terminals(room(tmp_path / "bad"))
    said(found, "on 40 columns, no colour, ASCII: a table of")
    said(found, "no colour: colours")
