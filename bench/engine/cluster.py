"""Workers on other machines: a Dask cluster with the interface of `bench.processes.pool.LocalPool`.

A Dask worker hands each task to a local pool of its own, so that time limits and crashes are the
same as in a local run. Results come back to the coordinator, which alone writes them.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Future, wait
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from multiprocessing import current_process
from pathlib import Path
from threading import Event
from typing import Any, TypeVar, cast
from uuid import uuid4

import numpy as np
from pebble import ProcessExpired

from bench.cards import CodecCard, builtin_folder, plugins
from bench.codecs.foreign.places import modules_of
from bench.codecs.support.frame_progress import Coding, codings
from bench.datasets.base import Item, Loader, holds
from bench.engine.hidden_paths import hidden_paths_of
from bench.engine.measure import measure_tasks, start_worker
from bench.engine.work import WorkSpec
from bench.errors import BenchError, StoreError, Unavailable, UsageError
from bench.processes.isolation import module_places
from bench.processes.pool import LocalPool
from bench.records import Task
from bench.signals import Frame, Layout, PixelFormat, Signal

try:
    from distributed import Client, KilledWorker, WorkerPlugin, get_worker
    from distributed.versions import VersionMismatchWarning
except ImportError as error:
    raise UsageError("--cluster needs dask.distributed: pip install 'bench-rd[cluster]'") from error

_CONNECT_SECONDS = 10
_LOOK_SECONDS = 0.5
"""How often a worker that waits for its pool looks whether its run still lasts."""
_TELL_SECONDS = 2.0
"""How often a worker tells how far its clips are; what is older than five times that is over."""
_GRACE_SECONDS = 60.0
"""What a task may take beyond its time limit, such as starting a process on a busy machine."""
# callbacks of a Dask worker that sample its threads a hundred times a second; the threads only wait
# for our pool
_PROFILER = ("profile", "profile-cycle")
_NEVER = 1e9
# set by Dask's nanny for its worker, so that freed memory goes back to the system at once; our
# pool's processes allocate the same planes again for each task and would fault in every page anew
_MALLOC_VARIABLE = "MALLOC_TRIM_THRESHOLD_"
# libraries that log a lost scheduler with tracebacks; the command says it in one line
_TALKATIVE = ("distributed", "tornado", "asyncio")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Job:
    """A call for a worker's pool of a run."""

    run: str
    call: Callable[..., object]
    arguments: tuple[object, ...]
    timeout: float
    fresh: bool

    @property
    def portion(self) -> tuple[Task, ...]:
        """The tasks that the call measures, if it does."""
        return cast(tuple[Task, ...], self.arguments[0]) if self.call is measure_tasks else ()


@dataclass(frozen=True, slots=True)
class _Shipped:
    """An item's samples on their way from the coordinator to a worker."""

    item: Item
    layout: Layout
    samples: Frame


@dataclass(frozen=True, slots=True)
class _Answer:
    """What came of a call on a worker: its value, or why there is none."""

    value: object = None
    timeout: bool = False
    died: tuple[str, int | None] | None = None
    # items whose data the worker of this address does not have
    lacking: tuple[str, ...] = ()
    worker: str = ""


class ShippedLoader:
    """A loader that takes what the coordinator sent from a folder, all else from its own files."""

    def __init__(self, loader: Loader, folder: Path) -> None:
        self._loader, self._folder = loader, folder

    def items(self) -> Sequence[Item]:
        return self._loader.items()

    def notes(self) -> tuple[str, ...]:
        return self._loader.notes()

    def has(self, item: Item) -> bool:
        """Whether the item can be loaded here."""
        return self._path(item).is_file() or holds(self._loader, item)

    def load(self, item: Item) -> Signal:
        path = self._path(item)
        if not path.is_file():
            return self._loader.load(item)
        samples = np.load(path, mmap_mode="r", allow_pickle=False)
        facts = json.loads(path.with_suffix(".json").read_text())
        kind = PixelFormat(**facts["format"])
        layout = Layout(**{**facts, "format": kind, "fps": Fraction(facts["fps"])})
        return Signal(layout, lambda: iter(samples))

    def keep(self, shipped: _Shipped) -> None:
        """Writes an item's layout, then its samples, whose file says that both are there."""
        path = self._path(shipped.item)
        facts = asdict(shipped.layout) | {"fps": str(shipped.layout.fps)}
        path.with_suffix(".json").write_text(json.dumps(facts))
        temporary = path.with_suffix(".new.npy")
        np.save(temporary, shipped.samples, allow_pickle=False)
        temporary.replace(path)

    def _path(self, item: Item) -> Path:
        mark = hashlib.sha256(f"{item.name} {item.digest}".encode()).hexdigest()[:32]
        return self._folder / f"{mark}.npy"


class ClusterPool:
    """The workers of a Dask cluster. ``workers`` is how many tasks run at the same time."""

    def __init__(self, address: str) -> None:
        """Raises UsageError if no scheduler answers or no worker has joined it."""
        connect = cast(Callable[..., Any], Client)
        for name in (*_TALKATIVE, *logging.root.manager.loggerDict):
            if name.partition(".")[0] in _TALKATIVE:  # each has a level of its own
                logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        try:
            with warnings.catch_warnings():
                # Dask's table of versions that differ; ``_check_versions`` says it in a line
                warnings.simplefilter("ignore", VersionMismatchWarning)
                self._client = connect(address, timeout=_CONNECT_SECONDS, set_as_default=False)
            self._client.wait_for_workers(1, timeout=_CONNECT_SECONDS)
        except (OSError, TimeoutError, ValueError) as error:
            raise UsageError(
                f"--cluster {address}: no scheduler with a worker answers ({error}); start "
                "`dask scheduler` and `dask worker ADDRESS` and give the address it prints"
            ) from error
        self.workers = sum(self._client.nthreads().values())
        # runs share the workers, and each has a pool of its own there
        self._run = f"bench-{uuid4().hex[:16]}"
        self._spec: WorkSpec | None = None
        self._waiting: set[Any] = set()
        self._told: dict[str, tuple[float, list[Coding]]] = {}

    def start(self, spec: WorkSpec) -> None:
        """Prepares the workers of now and later for a run. Raises UsageError where a worker has
        other library versions, or where no worker offers what a codec needs."""
        self._spec = spec
        self._check_versions(describe_versions)
        self._check_versions(describe_code, _modules_of(spec))
        self._check_metrics(spec.metrics)
        self._check_resources(spec)
        self._client.subscribe_topic(self._run, self._hear)
        self._client.register_plugin(_WorkerSide(self._run, spec), name=self._run)

    def _hear(self, event: tuple[object, Mapping[str, Any]]) -> None:
        """Called in a thread of the client with what a worker told."""
        told = event[1]
        self._told[told["worker"]] = time.monotonic(), [Coding(**one) for one in told["codings"]]

    def codings(self) -> list[Coding]:
        """What the workers code, by what they told last; the longest first."""
        now = time.monotonic()
        found = [
            replace(one, seconds=one.seconds + now - at)
            for at, told in list(self._told.values())
            for one in told
            if now - at < 5 * _TELL_SECONDS
        ]
        return sorted(found, key=lambda one: -one.seconds)

    def _check_versions(
        self, describe: Callable[..., Mapping[str, str]], *arguments: object
    ) -> None:
        ours = describe(*arguments)
        for worker, theirs in self._client.run(describe, *arguments).items():
            for name in sorted({*ours, *theirs}):
                if ours.get(name) != theirs.get(name):
                    raise UsageError(
                        f"--cluster: worker {worker} has {name} {theirs.get(name)}, this machine "
                        f"{ours.get(name)}; install the same versions everywhere"
                    )

    def _check_metrics(self, names: Sequence[str]) -> None:
        """Values of one metric never come from two versions of it; what a worker lacks is a remark
        in its records."""
        ours = describe_metrics(names)
        for worker, theirs in self._client.run(describe_metrics, names).items():
            for name in ours.keys() & theirs.keys():
                if ours[name] != theirs[name]:
                    raise UsageError(
                        f"--cluster: worker {worker} computes metric {name} with {theirs[name]}, "
                        f"this machine with {ours[name]}; install the same versions everywhere"
                    )

    def _check_resources(self, spec: WorkSpec) -> None:
        offers = [
            info.get("resources", {})
            for info in self._client.scheduler_info(n_workers=-1)["workers"].values()
        ]
        for card in spec.codecs.values():
            for name, amount in needs(card, spec.device).items():
                if not any(offer.get(name, 0) >= amount for offer in offers):
                    raise UsageError(
                        f"--cluster: no worker offers {name}={amount:g} for codec {card.id}; start "
                        f"one with `dask worker ADDRESS --resources {name}={amount:g}`"
                    )

    def submit(self, call: Callable[..., T], *arguments: object, timeout: float) -> Future[T]:
        """As `LocalPool.submit`, on any worker that offers what the codec needs."""
        return self._submit(_Job(self._run, call, arguments, timeout, fresh=False))

    def submit_fresh(self, call: Callable[..., T], *arguments: object, timeout: float) -> Future[T]:
        """As `LocalPool.submit_fresh`, on any worker."""
        return self._submit(_Job(self._run, call, arguments, timeout, fresh=True))

    def _submit(self, job: _Job) -> Future[Any]:
        outer: Future[object] = Future()
        outer.set_running_or_notify_cancel()
        self._send(outer, job, ())
        return outer

    def _send(self, outer: Future[object], job: _Job, shipped: Sequence[Any]) -> None:
        """``shipped`` are Dask's futures of samples that lie on a worker already."""
        assert self._spec is not None
        card = self._card(job)
        resources = dict(needs(card, self._spec.device)) if card is not None else None
        inner = self._client.submit(_execute, job, list(shipped), pure=False, resources=resources)
        self._waiting.add(inner)
        inner.add_done_callback(lambda done: self._answer(outer, job, done))

    def _card(self, job: _Job) -> CodecCard | None:
        assert self._spec is not None
        if job.portion:
            return self._spec.codecs[job.portion[0].codec]
        return next((one for one in job.arguments if isinstance(one, CodecCard)), None)

    def _answer(self, outer: Future[object], job: _Job, inner: Any) -> None:
        """Called in a thread of the client when a call is over."""
        self._waiting.discard(inner)
        try:
            answer: _Answer = inner.result(timeout=_CONNECT_SECONDS)
            if answer.lacking:
                self._send(outer, job, self._ship(answer.lacking, answer.worker))
            elif answer.timeout:
                outer.set_exception(FutureTimeoutError())
            elif answer.died is not None:
                outer.set_exception(_expired(*answer.died))
            else:
                outer.set_result(answer.value)
        except KilledWorker as error:
            outer.set_exception(_expired(f"the machines of this task died: {error}", None))
        except BenchError as error:
            outer.set_exception(error)
        except Exception as error:  # whatever a worker raises, or the loss of the scheduler
            outer.set_exception(
                error
                if inner.status == "error"
                else StoreError(
                    f"--cluster: lost the scheduler ({type(error).__name__}); what was finished is "
                    "kept, the same command continues"
                )
            )

    def _ship(self, names: Sequence[str], worker: str) -> Sequence[Any]:
        """Sends items to a worker over a connection of its own: through the scheduler, which holds
        what it passes on in memory, go only their names."""
        assert self._spec is not None
        items = [self._spec.items[name] for name in names]
        signals = [self._spec.loader.load(item) for item in items]
        shipped = [
            _Shipped(item, signal.layout, signal.array())
            for item, signal in zip(items, signals, strict=True)
        ]
        found: Sequence[Any] = self._client.scatter(
            shipped, workers=[worker], direct=True, hash=False
        )
        return found

    def close(self) -> None:
        """Ends this run on the workers, which stay; nothing of it is left there."""
        if self._spec is not None and self._client.status == "running":
            with suppress(ValueError):  # a scheduler that was started again knows nothing of it
                self._client.unregister_worker_plugin(self._run)
        self._client.close()

    def kill(self) -> None:
        """As ``close``, with tasks still running."""
        self._client.cancel(list(self._waiting), force=True)
        self.close()


def needs(card: CodecCard, device: str) -> Mapping[str, float]:
    """The worker resources of a codec's tasks; its GPU only where the run asks for one."""
    return {
        name: amount for name, amount in card.resources.items() if name != "gpu" or device == "cuda"
    }


def _expired(message: str, exit_status: int | None) -> ProcessExpired:
    make = cast(Callable[..., ProcessExpired], ProcessExpired)
    return make(message, exit_status)


def describe_versions() -> dict[str, str]:
    """Versions that must agree between the coordinator and its workers."""
    import bench
    from bench.machine import library_versions

    return {"bench": bench.__version__, **library_versions()}


def describe_code(modules: Sequence[str]) -> dict[str, str]:
    """Digests of the source of bench and of modules by name, where they are; nothing is imported.
    A release of one version is the same everywhere, but a checkout may not be."""
    found = {}
    for name in ("bench", *modules):
        digest = hashlib.sha256()
        for place in module_places(name)[:1]:
            files = sorted(place.rglob("*.py")) if place.is_dir() else [place]
            for path in files:
                digest.update(f"{path.relative_to(place.parent)}\0".encode() + path.read_bytes())
            found[f"code of {name}"] = digest.hexdigest()[:12]
    return found


def _modules_of(spec: WorkSpec) -> list[str]:
    """The packages of adapters, models and metrics that are not ours, but plug-in files: their text
    comes from the coordinator."""
    named = {name for card in spec.codecs.values() for name in modules_of(card)}
    for group in ("bench.codecs", "bench.metrics"):
        named |= {entry.module for entry in plugins.entry_points(group)}
    tops = {name.partition(":")[0].partition(".")[0] for name in named}
    return sorted(tops - {"bench"} - {plugin.name for plugin in plugins.loaded()})


def describe_metrics(names: Sequence[str]) -> dict[str, str]:
    """Versions of what is behind the values of metrics, of those that can run here. Plug-ins are
    not among them: their text comes from the coordinator."""
    from bench.metrics.registry import metrics

    found = {}
    for name in names:
        if name not in metrics() or plugins.version(metrics()[name].__module__):
            continue
        try:
            metrics()[name].check_available()
        except Unavailable:
            continue
        versions = metrics()[name].versions()
        found[name] = ", ".join(f"{part} {text}" for part, text in versions.items())
    return found


class _WorkerSide(WorkerPlugin):
    """What a Dask worker keeps of a run: a local pool with as many processes as it has threads."""

    def __init__(self, run: str, spec: WorkSpec) -> None:
        self.name, self.spec = run, spec

    def setup(self, worker: Any) -> None:
        """Called by Dask on every worker, also on those that join later."""
        self.worker, self.told_at = worker, 0.0
        self.ended = Event()
        self.folder = Path(worker.local_directory) / self.name
        self.folder.mkdir(exist_ok=True)
        self.loader = ShippedLoader(self.spec.loader, self.folder)
        self.loadable: set[str] = set()
        spec = replace(
            self.spec,
            loader=self.loader,
            codecs={name: _local_card(card) for name, card in self.spec.codecs.items()},
        )
        self.intervals = _set_intervals(worker, dict.fromkeys(_PROFILER, _NEVER))
        # A nanny starts its Dask worker as a daemonic process, and multiprocessing refuses to start
        # children from one, because nobody would end them. The flag is cleared: ``teardown`` ends
        # the pool of this worker, and where the worker is killed instead, its pool's processes
        # notice the closed pipe and end by themselves (``orphans.die_when_closed``).
        current_process()._config["daemon"] = False  # type: ignore[attr-defined]
        os.environ.pop(_MALLOC_VARIABLE, None)
        hidden = hidden_paths_of(self.spec.loader, spec.codecs.values(), (self.folder,))
        self.pool = LocalPool(
            worker.state.nthreads, start_worker, (spec,), scratch=self.folder, hidden=hidden
        )

    def teardown(self, worker: Any) -> None:
        """Called by Dask when the run or the worker ends."""
        import shutil

        self.ended.set()
        _set_intervals(worker, self.intervals)
        self.pool.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def finish(self, job: _Job, called: Future[object]) -> _Answer:
        """What comes of a call, whose wait ends with this run, or where the pool has lost it."""
        limit = time.monotonic() + job.timeout * (1 + self.pool.workers) + _GRACE_SECONDS
        while not wait([called], _LOOK_SECONDS).done:
            if self.ended.is_set() or time.monotonic() > limit:
                why = "its run has ended" if self.ended.is_set() else "its pool does not answer"
                return _Answer(died=(why, None))
            self.tell()
        try:
            return _Answer(called.result())
        except FutureTimeoutError:
            return _Answer(timeout=True)
        except (BrokenExecutor, CancelledError):
            return _Answer(died=("its run has ended", None))
        except ProcessExpired as error:
            return _Answer(died=(str(error), error.exitcode))

    def tell(self) -> None:
        """Tells the coordinator, not too often, how far the clips in the works are."""
        now = time.monotonic()
        if now - self.told_at >= _TELL_SECONDS and (found := codings(self.folder)):
            self.told_at = now
            told = {"worker": self.worker.address, "codings": [asdict(one) for one in found]}
            self.worker.log_event(self.name, told)

    def lacking(self, items: Sequence[str]) -> tuple[str, ...]:
        """Those of the items that this worker cannot load by itself."""
        for name in items:
            if name not in self.loadable and self.loader.has(self.spec.items[name]):
                self.loadable.add(name)
        return tuple(name for name in items if name not in self.loadable)


def _set_intervals(worker: Any, milliseconds: Mapping[str, float]) -> dict[str, float]:
    """Changes how often a Dask worker does something, if it does; returns what it was."""
    before = {}
    for name, interval in milliseconds.items():
        callback = worker.periodic_callbacks.get(name)
        if callback is None:
            continue
        if callback.callback_time == interval:  # it rests for another run, which will wake it
            continue
        before[name] = callback.callback_time
        runs = callback.is_running()
        callback.stop()
        callback.callback_time = interval
        if runs:
            callback.start()
    return before


def _local_card(card: CodecCard) -> CodecCard:
    """The card as this machine has it, where the project lies in another folder here."""
    ours = builtin_folder("codecs") / card.path.name
    return replace(card, path=ours) if not card.path.exists() and ours.exists() else card


def _execute(job: _Job, shipped: Sequence[_Shipped]) -> _Answer:
    """Runs on a Dask worker: hands a call to the worker's pool and waits for it."""
    worker = get_worker()
    side = worker.plugins.get(job.run)
    if not isinstance(side, _WorkerSide):
        return _Answer(died=("its run has ended", None))
    for one in shipped:
        side.loader.keep(one)
    names = list(dict.fromkeys(task.item for task in job.portion))
    if not shipped and (lacking := side.lacking(names)):
        return _Answer(lacking=lacking, worker=worker.address)
    arguments = [_local_card(one) if isinstance(one, CodecCard) else one for one in job.arguments]
    submit = side.pool.submit_fresh if job.fresh else side.pool.submit
    return side.finish(job, submit(job.call, *arguments, timeout=job.timeout))
