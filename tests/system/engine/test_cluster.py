"""A Dask cluster on loopback: same results as a local run, also when a worker is killed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.command import bench
from tests.fakes import PATIENCE, code_until, hurry_only, write_cards, written
from tests.system.engine.test_faults import command, mark, numbers, stored_some, undisturbed
from tests.system.engine.test_run import measure

pytest.importorskip("distributed")
from distributed import Client
from pebble import ProcessExpired

from bench.engine.cluster import _MALLOC_VARIABLE, _NEVER, ClusterPool
from bench.engine.work import WorkSpec
from bench.errors import StoreError, UsageError
from tests.speed.scaling import Tiny

__all__ = ["mark"]
ROOT = Path(__file__).parents[3]


@dataclass
class Cluster:
    """A scheduler and worker processes, started as Dask's documentation says."""

    folder: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self) -> str:
        file = self.folder / "scheduler.json"
        self._dask(
            "scheduler", "--port", "0", "--host", "127.0.0.1", "--no-dashboard",
            "--scheduler-file", str(file),
        )  # fmt: skip
        # Dask makes the file first and fills it later
        while not written(file) and self.processes[0].poll() is None:
            time.sleep(0.05)
        self.address = str(json.loads(file.read_text())["address"])
        return self.address

    def start_again(self) -> None:
        """Another scheduler in the place of the first, which was killed."""
        self.processes[0].wait(PATIENCE)
        self._dask("scheduler", "--no-dashboard", "--host", self.address)
        self.processes[0] = self.processes.pop()

    def add_worker(
        self,
        *words: str,
        nanny: str = "--no-nanny",
        cwd: Path | None = None,
        packages: Path | None = None,
    ) -> subprocess.Popen[bytes]:
        """Returns when the worker has joined, however long this machine takes to start one."""
        local = self.folder / f"worker{len(self.processes)}"
        process = self._dask(
            "worker", self.address, "--nthreads", "1", "--no-dashboard", "--host", "127.0.0.1",
            "--local-directory", str(local), nanny, *words, cwd=cwd, packages=packages,
        )  # fmt: skip
        with Client(self.address, set_as_default=False, timeout=PATIENCE) as client:
            client.wait_for_workers(len(self.processes) - 1, timeout=PATIENCE)
        return process

    def _dask(
        self, *words: str, cwd: Path | None = None, packages: Path | None = None
    ) -> subprocess.Popen[bytes]:
        log = (self.folder / f"log{len(self.processes)}").open("wb")
        places = (packages, ROOT, os.environ["PYTHONPATH"])
        root = os.pathsep.join(map(str, filter(None, places)))
        process = subprocess.Popen(
            [sys.executable, "-m", "dask", *words], stdout=log, stderr=log, cwd=cwd,
            env={**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        self.processes.append(process)
        return process

    def stop(self) -> None:
        """Workers first: one told to stop while its scheduler goes may wait for its own end."""
        for group in (self.processes[1:], self.processes[:1]):
            for process in group:
                process.terminate()
            for process in group:
                process.wait(PATIENCE)


@pytest.fixture
def cluster(tmp_path: Path, mark: str) -> Iterator[Cluster]:
    folder = tmp_path / "dask"
    folder.mkdir()
    cluster = Cluster(folder)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE)


def test_two_workers_one_killed_give_the_results_of_a_local_run(
    tmp_path: Path, cluster: Cluster
) -> None:
    out, gate = tmp_path / "out", tmp_path / "gate"
    cards = write_cards(tmp_path / "cards", count=200, gate=(199, gate))
    first = cluster.add_worker()
    cluster.add_worker(nanny="--nanny")
    process = subprocess.Popen(
        command(cards, out, "--cluster", cluster.address), stdout=subprocess.PIPE, text=True
    )
    assert stored_some(process, out)
    first.send_signal(signal.SIGKILL)
    assert process.poll() is None
    gate.touch()
    assert process.wait(PATIENCE) == 0
    found = numbers(out)
    parallel = {row.pop("parallel") for row in found}
    local = undisturbed(cards, tmp_path / "local")
    assert {row.pop("parallel") for row in local} == {"2"} and parallel == {"2"}
    assert found == local
    assert len(found) == 800


@pytest.mark.nightly
def test_two_runs_at_once_share_the_workers_and_end_each_for_itself(
    tmp_path: Path, cluster: Cluster
) -> None:
    """The first waits for its last item until the second has come and gone."""
    first, second, gate = tmp_path / "first", tmp_path / "second", tmp_path / "gate"
    waiting = write_cards(tmp_path / "waiting", count=40, gate=(39, gate))
    cards = write_cards(tmp_path / "cards", count=40)
    cluster.add_worker("--nthreads", "2")
    process = subprocess.Popen(
        command(waiting, first, "--cluster", cluster.address), stdout=subprocess.PIPE, text=True
    )
    assert stored_some(process, first)
    done = run(*command(cards, second, "--cluster", cluster.address))
    assert (done.returncode, done.stderr) == (0, "")
    assert process.poll() is None
    gate.touch()
    assert process.wait(PATIENCE) == 0
    assert len(numbers(first)) == len(numbers(second)) == 160
    with Client(cluster.address, set_as_default=False) as client:
        (plugins,) = client.run(lambda dask_worker: list(dask_worker.plugins)).values()
    assert not [name for name in plugins if name.startswith("bench")]


def test_a_wait_in_a_worker_ends_with_its_run(cluster: Cluster) -> None:
    """A pool that was ended answers no call of its own accord."""
    cluster.add_worker()
    pool = ClusterPool(cluster.address)
    pool.start(WorkSpec("s", "d", Tiny(1), {}, {}, ()))
    called = pool.submit(time.sleep, 10 * PATIENCE, timeout=20 * PATIENCE)
    with Client(cluster.address, set_as_default=False) as client:
        while not any(client.processing().values()):
            time.sleep(0.05)
        client.unregister_worker_plugin(pool._run)
        with pytest.raises(ProcessExpired, match="its run has ended"):
            called.result(PATIENCE)
    pool.close()


def test_a_worker_tells_how_far_a_clip_is(tmp_path: Path, cluster: Cluster) -> None:
    cluster.add_worker()
    pool = ClusterPool(cluster.address)
    pool.start(WorkSpec("s", "d", Tiny(1), {}, {}, ()))
    over = tmp_path / "over"
    called = pool.submit(code_until, over, timeout=PATIENCE)
    while not (found := pool.codings()):
        assert not called.done(), called.exception()
        time.sleep(0.05)
    (one,) = found
    assert (one.codec, one.point, one.item) == ("vtm", "qp=22", "Pass")
    assert (one.done, one.frames) == (3, 8) and one.seconds > 0
    over.touch()
    called.result(PATIENCE)
    pool.close()
    pool._told = {"worker": (time.monotonic() - 60, found)}
    assert pool.codings() == []  # nobody has told it for a minute


@pytest.mark.parametrize(
    "nanny", ["--no-nanny", pytest.param("--nanny", marks=pytest.mark.nightly)]
)
def test_a_worker_whose_scheduler_was_killed_leaves_or_rejoins(
    cluster: Cluster, nanny: str
) -> None:
    """With a call in progress, which ends with the worker's run."""
    worker = cluster.add_worker(nanny=nanny)
    pool = ClusterPool(cluster.address)
    pool.start(WorkSpec("s", "d", Tiny(1), {}, {}, ()))
    called = pool.submit(time.sleep, 10 * PATIENCE, timeout=20 * PATIENCE)
    while not any(pool._client.processing().values()):
        time.sleep(0.05)
    cluster.processes[0].kill()
    with pytest.raises(StoreError, match="lost the scheduler"):
        called.result(PATIENCE)
    pool.close()
    assert joins_or_leaves(cluster, worker)


def joins_or_leaves(cluster: Cluster, worker: subprocess.Popen[bytes]) -> bool:
    """Whether a worker ends, or is there for a scheduler that is started again in the old place."""
    cluster.start_again()
    with Client(cluster.address, set_as_default=False, timeout=PATIENCE) as client:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if worker.poll() is not None or client.nthreads():
                return True
            time.sleep(0.1)
    return False


def test_samples_go_to_a_worker_past_the_scheduler(tmp_path: Path, cluster: Cluster) -> None:
    """Three clips of 6 MB each on a worker that lacks them: what is submitted has no samples."""
    data = tmp_path / "clips"
    data.mkdir()
    for n in range(3):
        with (data / f"c{n}_320x200_25.yuv").open("wb") as file:
            file.write(bytes([n]) * (320 * 200 * 3 // 2 * 60))  # whose streams are small
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    cluster.add_worker(cwd=elsewhere)
    words = ["run", "--input", "clips", "--codecs", "zlib", "--metrics", "mse", "--no-report",
             "--out", str(tmp_path / "out"), "--cluster", cluster.address]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", COUNTED, *words], cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{os.environ['PYTHONPATH']}"}, timeout=PATIENCE,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(numbers(tmp_path / "out")) == 3
    sizes = [int(line.split()[1]) for line in done.stdout.splitlines() if "submitted" in line]
    assert len(sizes) >= 6 and max(sizes) < 100_000


COUNTED = """
import pickle, sys
from distributed import Client, Future
submit = Client.submit
def counted(client, call, job, shipped, **words):
    assert all(isinstance(one, Future) for one in shipped)
    print("submitted", len(pickle.dumps(job)))
    return submit(client, call, job, shipped, **words)
Client.submit = counted
from bench.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.nightly
def test_a_crash_and_a_hang_on_a_worker_hurt_only_their_tasks(
    tmp_path: Path, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cards, out = write_cards(tmp_path / "cards"), tmp_path / "out"
    cluster.add_worker()
    hurry_only(monkeypatch, ClusterPool, "noise1")
    codecs = "coarse:bits=4,fault=crash,on=2,coarse:bits=4,fault=hang,on=1"
    outcome, _ = measure(cards, out, codecs, cluster=cluster.address, timeout=2)
    assert outcome.exit_status == 1
    status = {(row["codec"], row["item"]): (row["status"], row["reason"]) for row in numbers(out)}
    assert "crashed (SIGSEGV)" in status["coarse:fault=crash,on=2", "noise2"][1]
    assert status["coarse:fault=hang,on=1", "noise1"][0] == "timeout"
    assert [found[0] for found in status.values()].count("done") == 6


@pytest.mark.nightly
def test_a_worker_without_the_data_gets_them_from_the_coordinator(
    tmp_path: Path, cluster: Cluster
) -> None:
    """The path of the input is relative: the worker, in another folder, does not find it."""
    data = tmp_path / "here" / "pictures"
    data.mkdir(parents=True)
    for n in range(3):
        pixels = np.random.default_rng(n).integers(0, 256, (40, 56, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(data / f"p{n}.png")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    cluster.add_worker(cwd=elsewhere)
    tables = []
    for words in ((), ("--cluster", cluster.address)):
        out = tmp_path / f"out{len(words)}"
        done = subprocess.run(
            [sys.executable, "-m", "bench", "run", "--input", "pictures", "--codecs", "jpeg,png",
             "--jobs", "2", "--out", str(out), *words],
            cwd=data.parent, capture_output=True, text=True,
            env={**os.environ, "PYTHONPATH": f"{ROOT}:{os.environ['PYTHONPATH']}"},
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        tables.append(numbers(out))
    assert tables[0] == tables[1]
    assert {row["status"] for row in tables[1]} == {"done"}
    assert not list(cluster.folder.rglob("*.npy"))


def test_a_cluster_that_does_not_answer_or_cannot_is_named(
    tmp_path: Path, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.engine.cluster._CONNECT_SECONDS", 0.5)
    cards, out = write_cards(tmp_path / "cards"), tmp_path / "out"
    card = cards / "codecs" / "coarse.toml"
    card.write_text(card.read_text() + "[resources]\nfpga = 1\n")
    done = bench(*command(cards, out, "--cluster", "tcp://127.0.0.1:9")[3:])
    assert done.returncode == 2
    assert "no scheduler with a worker answers" in done.stderr and done.stderr.count("\n") == 1
    cluster.add_worker()
    done = bench(*command(cards, out, "--cluster", cluster.address)[3:])
    assert done.returncode == 2 and "no worker offers fpga=1 for codec coarse" in done.stderr
    cluster.add_worker("--resources", "fpga=1")
    done = run(*command(cards, out, "--cluster", cluster.address))
    assert done.returncode == 0, done.stderr


def test_a_worker_with_another_version_or_other_code_is_refused_in_one_line(
    tmp_path: Path, cluster: Cluster
) -> None:
    """Of another package; then of one version, but with another text: of the project, or of the
    adapter that a card names here and that lies elsewhere there."""
    there, here, packages = (tmp_path / name for name in ("there", "here", "packages"))
    info = packages / "numpy-9.9.9.dist-info"
    for folder in (here, info):
        folder.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 9.9.9\n")
    shutil.copytree(ROOT / "bench", there / "bench", ignore=shutil.ignore_patterns("__pycache__"))
    adapter = "from bench.fakes import Coarse\n"
    for folder in (here, there):
        (folder / "plain.py").write_text(adapter)
    cards = write_cards(tmp_path / "cards")
    card = cards / "codecs" / "coarse.toml"
    card.write_text(card.read_text().replace("bench.fakes:Coarse", "plain:Coarse"))
    for changed, path, says in (
        (None, packages, "has numpy 9.9.9"),
        (there / "plain.py", there, " has code of plain "),
        (there / "bench" / "errors.py", there, " has code of bench "),
    ):
        if changed:
            changed.write_text(changed.read_text() + "# edited\n")
        worker = cluster.add_worker(cwd=there, packages=path)
        words = command(cards, tmp_path / "out", "--cluster", cluster.address)
        done = bench(*words[3:], folder=here)
        assert done.returncode == 2
        assert says in done.stderr and done.stderr.count("\n") == 1
        worker.terminate()
        worker.wait(PATIENCE)
        cluster.processes.remove(worker)


def test_learned_codecs_ask_for_a_gpu_where_the_run_is_on_one() -> None:
    from bench.cards import load_registry
    from bench.engine.cluster import needs

    registry = load_registry()
    learned = [registry.codec(name) for name in ("hyperprior", "mbt2018", "gaussian-ae")]
    assert [needs(card, "cuda") for card in learned] == [{"gpu": 1}] * 3
    assert [needs(card, "cpu") for card in learned] == [{}] * 3
    assert needs(registry.codec("jpeg"), "cuda") == {}


def test_timing_on_a_cluster_is_refused(tmp_path: Path) -> None:
    cards = write_cards(tmp_path / "cards")
    words = ("--cluster", "tcp://127.0.0.1:9", "--timing")
    done = bench(*command(cards, tmp_path / "out", *words)[3:])
    assert done.returncode == 2
    assert "--timing needs this machine to itself" in done.stderr


@pytest.mark.nightly
def test_plug_ins_reach_a_worker_that_does_not_see_them(tmp_path: Path, cluster: Cluster) -> None:
    """A metric and a codec of one file, which lies nowhere near the worker."""
    from tests.system.engine.test_added_metrics import PLUGIN

    plugin = tmp_path / "here" / "mine.py"
    plugin.parent.mkdir()
    plugin.write_text(PLUGIN)
    cards, out = write_cards(tmp_path / "cards"), tmp_path / "out"
    for card in (*cards.glob("codecs/*.toml"), *cards.glob("datasets/*.toml")):
        text = card.read_text().replace("bench.fakes:Coarse", "mine:Wavering")
        card.write_text(text.replace("bench.fakes:Noise", "mine:MoreNoise"))
    away = tmp_path / "away"
    away.mkdir()
    cluster.add_worker(cwd=away)
    words = ("--cluster", cluster.address, "--plugin", str(plugin), "--metrics", "largest")
    done = run(*command(cards, out, *words))
    assert (done.returncode, done.stderr) == (0, "")
    import csv

    with (out / "records.csv").open() as file:
        values = [float(row["largest"]) for row in csv.DictReader(file)]
    assert len(values) == 16 and min(values) > 0


@pytest.mark.nightly
def test_dasks_profiler_rests_while_a_run_lasts_and_goes_on_after_it(cluster: Cluster) -> None:
    def profiling(dask_worker: Any) -> tuple[float, bool]:
        callback = dask_worker.periodic_callbacks["profile"]
        return callback.callback_time, callback.is_running()

    cluster.add_worker()
    with Client(cluster.address, set_as_default=False) as client:
        (before,) = client.run(profiling).values()
        pool = ClusterPool(cluster.address)
        pool.start(WorkSpec("s", "d", Tiny(1), {}, {}, ()))
        (during,) = client.run(profiling).values()
        cluster.add_worker()
        late = set(client.run(profiling).values())
        pool.close()
        after = set(client.run(profiling).values())
    assert before[0] < 1000 and before[1]
    assert during == (_NEVER, True) and late == {during}
    assert after == {before}


@pytest.mark.nightly
def test_processes_of_a_worker_keep_the_memory_they_take_again(cluster: Cluster) -> None:
    """What Dask's nanny tells the allocator of its worker is not for those that code."""
    cluster.add_worker(nanny="--nanny")
    with Client(cluster.address, set_as_default=False) as client:
        (told,) = client.run(os.getenv, _MALLOC_VARIABLE).values()
    pool = ClusterPool(cluster.address)
    pool.start(WorkSpec("s", "d", Tiny(1), {}, {}, ()))
    heard = pool.submit(os.getenv, _MALLOC_VARIABLE, timeout=PATIENCE).result()
    pool.close()
    assert told and heard is None


def test_a_worker_with_another_version_of_a_metric_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What only one side can compute is a remark in the records, no refusal."""
    from bench.engine import cluster as module

    ours = {"vmaf": "libvmaf 3.2, model m", "lpips_alex": "torch 2"}
    monkeypatch.setattr(module, "describe_metrics", lambda names: ours)
    answers = {"tcp://there:1": {"vmaf": "libvmaf 3.0, model m", "ssim": ""}}
    pool = object.__new__(ClusterPool)
    pool._client = type("Client", (), {"run": lambda self, call, names: answers})()
    says = (
        r"worker tcp://there:1 computes metric vmaf with libvmaf 3.0, model m, this machine with "
        r"libvmaf 3.2"
    )
    with pytest.raises(UsageError, match=says):
        pool._check_metrics(("vmaf",))
    answers["tcp://there:1"]["vmaf"] = ours["vmaf"]
    pool._check_metrics(("vmaf",))


def test_versions_of_metrics_that_can_run_here() -> None:
    from bench.engine.cluster import describe_metrics
    from bench.metrics.registry import versions_of

    found = describe_metrics(("vmaf", "psnr_rgb", "unheard_of"))
    assert found["psnr_rgb"] == "" and "unheard_of" not in found
    assert found["vmaf"].endswith("model vmaf_v0.6.1")
    assert all(version in found["vmaf"] for version in versions_of("vmaf").values())
