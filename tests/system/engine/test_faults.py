"""The engine under kills, full disks, broken codecs, lost data and a corrupted store.

After each of them the next run completes, every finished result is there once, the tables equal
those of an undisturbed run, and neither a process nor a temporary file is left.
"""

import csv
import hashlib
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from bench.results.store import FILE, Store
from tests.fakes import PATIENCE, write_cards
from tests.robustness.runs import kills, stored
from tests.robustness.trial import Room

_TIMES = ("encode_seconds", "decode_seconds", "encode_cpu_seconds", "decode_cpu_seconds")
_MARK = "BENCH_TEST_MARK"


def command(cards: Path, out: Path, *words: object) -> list[str]:
    return [
        sys.executable, "-m", "bench", "run", "--suite", "noise", "--cards", str(cards),
        "--out", str(out), "--jobs", "2", "--no-report", *map(str, words),
    ]  # fmt: skip


def numbers(out: Path) -> list[dict[str, str]]:
    """records.csv without its times."""
    with (out / "records.csv").open() as file:
        rows = list(csv.DictReader(file))
    return [{key: value for key, value in row.items() if key not in _TIMES} for row in rows]


def scratch(out: Path) -> Path:
    mark = hashlib.sha256(str(out.resolve()).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"bench-{os.getuid()}-{mark}"


def _serves_tests(process: psutil.Process) -> bool:
    """Whether it is the tests' own fork server or what it keeps, which stay for later tests."""
    own = process.ppid() == os.getpid() and "multiprocessing" in " ".join(process.cmdline())
    return own or process.pid == os.getpid()


def marked_processes(mark: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(_MARK) == mark and not _serves_tests(process):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


@pytest.fixture
def mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Marks all processes that a test starts; none of them may be left afterwards."""
    monkeypatch.setenv(_MARK, str(tmp_path))
    yield str(tmp_path)
    _, left = psutil.wait_procs(marked_processes(str(tmp_path)), PATIENCE)
    assert left == []


def undisturbed(cards: Path, out: Path, *words: object) -> list[dict[str, str]]:
    subprocess.run(command(cards, out, *words), check=True, stdout=subprocess.DEVNULL)
    return numbers(out)


def stored_some(process: subprocess.Popen[str] | subprocess.Popen[bytes], out: Path) -> int:
    """Waits until a run has stored its first records; how many it has."""
    while process.poll() is None and not stored(out):
        time.sleep(0.005)
    return stored(out)


def test_twelve_kills_at_random_moments_lose_and_double_nothing(tmp_path: Path, mark: str) -> None:
    """By day; `make robustness` kills five times as often."""
    found = kills(Room(tmp_path, repeats=1))
    assert found.faults == () and found.times > 0


@pytest.fixture
def own_temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A temporary folder that no other run of this machine tidies; short, as sockets want it."""
    with tempfile.TemporaryDirectory(prefix="b-") as folder:
        monkeypatch.setenv("TMPDIR", folder)
        monkeypatch.setattr(tempfile, "tempdir", folder)
        yield


@pytest.mark.nightly
def test_scratch_of_a_killed_run_is_removed_by_a_run_into_another_folder(
    tmp_path: Path, own_temporary: None, mark: str
) -> None:
    gates = [tmp_path / "gate0", tmp_path / "gate1"]
    outs = [tmp_path / "killed", tmp_path / "alive"]
    runs = []
    for out, gate in zip(outs, gates, strict=True):
        cards = write_cards(tmp_path / f"cards-{out.name}", gate=(3, gate))
        runs.append(subprocess.Popen(command(cards, out), stdout=subprocess.DEVNULL))
        assert stored_some(runs[-1], out)
    workers = psutil.Process(runs[0].pid).children(recursive=True)
    runs[0].kill()
    runs[0].wait()
    psutil.wait_procs(workers, PATIENCE)
    assert [scratch(out).exists() for out in outs] == [True, True]
    undisturbed(write_cards(tmp_path / "cards"), tmp_path / "next")
    assert [scratch(out).exists() for out in outs] == [False, True]
    gates[1].touch()
    assert runs[1].wait(PATIENCE) == 0


@contextmanager
def _full_disk(out: Path) -> Iterator[None]:
    """A tmpfs of 300 kB at ``out`` where mounting is allowed."""
    out.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(out)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("needs the right to mount a tmpfs; the file size limit is tested without")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(out)], check=True)


def test_a_full_disk_is_named_and_the_next_run_continues(tmp_path: Path, mark: str) -> None:
    cards, out = write_cards(tmp_path / "cards", count=500), tmp_path / "out"
    with _full_disk(out):
        full = subprocess.run(command(cards, out), capture_output=True, text=True)
        assert full.returncode == 2
        assert full.stderr.count("\n") == 1 and "free space or choose another --out" in full.stderr
        before = stored(out)
        assert 0 < before < 2000
        subprocess.run(["mount", "-o", "remount,size=20m", str(out)], check=True)
        with Store(out) as store:  # a first item without its proof is measured again
            before -= len(store.unjudged(["noise0"]))
        done = subprocess.run(command(cards, out), stdout=subprocess.PIPE, text=True, check=True)
        assert f"{before} of them kept from before" in done.stdout
        found = numbers(out)
    assert found == undisturbed(cards, tmp_path / "undisturbed")
    assert not scratch(out).exists()


@pytest.mark.nightly
def test_a_limit_on_file_size_is_survived_like_a_full_disk(tmp_path: Path, mark: str) -> None:
    cards, out = write_cards(tmp_path / "cards", count=500), tmp_path / "out"

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

    full = subprocess.run(command(cards, out), capture_output=True, text=True, preexec_fn=limit)
    assert (full.returncode, "Traceback" in full.stderr) == (2, False)
    assert undisturbed(cards, out) == undisturbed(cards, tmp_path / "undisturbed")


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("killed", "the worker process died (killed by SIGKILL; out of memory?)"),
        ("memory", "MemoryError: Unable to allocate 512"),
        ("garbage", "AttributeError"),
    ],
)
def test_a_broken_codec_hurts_only_its_own_tasks(
    tmp_path: Path, mark: str, fault: str, says: str
) -> None:
    cards, out = write_cards(tmp_path / "cards"), tmp_path / "out"
    words = ("--codecs", f"coarse,coarse:bits=4,fault={fault},on=2")
    run = subprocess.run(command(cards, out, *words), capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (1, "")
    found = {(row["codec"], row["item"]): row for row in numbers(out) if row["point"] == "bits=4"}
    assert says in found[f"coarse:fault={fault},on=2", "noise2"]["reason"]
    assert [found["coarse", f"noise{n}"]["status"] for n in range(4)] == ["done"] * 4


def test_a_codec_that_cannot_start_does_not_stop_the_others(tmp_path: Path, mark: str) -> None:
    cards, out = write_cards(tmp_path / "cards"), tmp_path / "out"
    run = subprocess.run(
        command(cards, out, "--codecs", "coarse,coarse:fault=constructor"),
        capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 1
    reasons = {row["codec"]: row["reason"] for row in numbers(out)}
    assert reasons["coarse"] == ""
    assert (
        "RuntimeError: cannot be built; try python -m bench doctor"
        in reasons["coarse:fault=constructor"]
    )


@pytest.mark.nightly
def test_what_is_no_longer_available_does_not_replace_what_was_measured(
    tmp_path: Path, mark: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cards, out = write_cards(tmp_path / "cards"), tmp_path / "out"
    first = undisturbed(cards, out)
    monkeypatch.setenv("FAKE_ABSENT", "1")
    assert undisturbed(cards, out) == first


def _pictures(folder: Path, count: int) -> None:
    folder.mkdir()
    for n in range(count):
        pixels = np.random.default_rng(n).integers(0, 256, (48, 64), dtype=np.uint8)
        pixels[0, 0] = n
        Image.fromarray(pixels).save(folder / f"p{n:03d}.png")


@pytest.mark.nightly
def test_a_data_set_removed_during_a_run_fails_tasks_and_no_more(tmp_path: Path, mark: str) -> None:
    data, out, gate = tmp_path / "pictures", tmp_path / "out", tmp_path / "gate"
    cards = write_cards(tmp_path / "cards", gate=(12, gate))
    _pictures(data, 24)
    words = [sys.executable, "-m", "bench", "run", "--input", str(data), "--codecs", "coarse",
             "--cards", str(cards), "--jobs", "1", "--no-report", "--out"]  # fmt: skip
    process = subprocess.Popen([*words, str(out)], stdout=subprocess.DEVNULL)
    assert stored_some(process, out)
    data.rename(tmp_path / "elsewhere")
    gate.touch()
    assert process.wait(PATIENCE) == 1
    status = {(row["item"], row["status"]) for row in numbers(out)}
    assert ("p000", "done") in status and ("p023", "failed") in status
    gone = subprocess.run([*words, str(out)], capture_output=True, text=True)
    assert gone.returncode == 2 and str(data) in gone.stderr
    (tmp_path / "elsewhere").rename(data)
    for folder in (out, tmp_path / "undisturbed"):
        subprocess.run([*words, str(folder)], check=True, stdout=subprocess.DEVNULL)
    assert numbers(out) == numbers(tmp_path / "undisturbed")


@pytest.mark.nightly
@pytest.mark.parametrize("place", ["start", "middle", "everywhere"])
def test_a_store_corrupted_during_a_run_is_repaired_by_the_next(
    tmp_path: Path, mark: str, place: str
) -> None:
    out, gate = tmp_path / "out", tmp_path / "gate"
    cards = write_cards(tmp_path / "cards", count=150, gate=(120, gate))
    process = subprocess.Popen(
        command(cards, out), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    while process.poll() is None and stored(out) < 200:
        time.sleep(0.02)
    _corrupt(out / FILE, place)
    assert process.poll() is None
    gate.touch()
    _, said = process.communicate(timeout=PATIENCE)
    assert "Traceback" not in said
    for _ in range(2):
        again = subprocess.run(command(cards, out), stdout=subprocess.PIPE, text=True, check=True)
    assert "600 tasks, 600 of them kept from before" in again.stdout
    found = numbers(out)
    assert len({(r["codec"], r["point"], r["item"]) for r in found}) == len(found) == 600
    assert found == undisturbed(cards, tmp_path / "undisturbed")


def _corrupt(path: Path, place: str) -> None:
    noise = random.Random(1).randbytes(64)
    size = path.stat().st_size
    places = {"start": [0], "middle": [size // 2], "everywhere": range(5000, size, 20_000)}[place]
    with path.open("r+b") as file:
        for start in places:
            file.seek(start)
            file.write(noise)


def test_the_second_of_two_runs_into_one_folder_says_so_at_once(tmp_path: Path, mark: str) -> None:
    out, gate = tmp_path / "out", tmp_path / "gate"
    cards = write_cards(tmp_path / "cards", gate=(3, gate))
    first = subprocess.Popen(command(cards, out), stdout=subprocess.DEVNULL)
    assert stored_some(first, out)
    second = subprocess.run(command(cards, out), capture_output=True, text=True)
    assert first.poll() is None
    assert (second.returncode, second.stdout) == (2, "")
    assert "another run is writing here" in second.stderr
    gate.touch()
    assert first.wait(PATIENCE) == 0
    assert stored(out) == 16
