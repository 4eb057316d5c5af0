"""Runs a suite: measures what is left, stores it, and leaves the tables.

Decides the order and the limits. measure.py measures a task, prepare.py plans what is left, and
run_log.py stores results.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from pebble import ProcessExpired

from bench.codecs.support.frame_progress import Coding, codings
from bench.datasets.base import Item
from bench.engine.added_metrics import without_metrics
from bench.engine.campaign import Campaign
from bench.engine.describe import describe_run
from bench.engine.fresh_decode import DecodedPayload, FreshDecodes
from bench.engine.hidden_paths import hidden_paths_of
from bench.engine.measure import measure_tasks, start_worker
from bench.engine.metrics import Chosen, choose_metrics
from bench.engine.prepare import (
    hopeless_tasks,
    plan_tasks,
    probe_codecs,
    register,
    tasks_of_streams,
)
from bench.engine.run_log import Outcome, Progress, RunLog
from bench.engine.schedule import Schedule
from bench.engine.work import Portion, WorkSpec
from bench.errors import UsageError
from bench.processes.interrupts import StopSignals
from bench.processes.pool import LocalPool, Pool, cause_of_death, scratch_folder
from bench.records import Status, Task
from bench.results.run_folder import RunFolder
from bench.results.run_info import read_run
from bench.results.store import Store

# how often a run that waits for its workers checks whether it was told to stop
_LOOK_SECONDS = 0.1
# how often it says how far clips in the works are
_TELL_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a campaign is carried out; times in seconds."""

    out: Path
    jobs: int
    timeout: float = 600.0
    timeout_frames: int | None = None
    """Clips of more frames have as much longer; None: the limit is that of all."""
    device: str = "cpu"
    fresh: bool = False
    keep: int = 0
    """Of how many items the streams and reconstructions are kept."""
    keep_streams: bool = False
    """Whether the streams of all items are kept."""
    streams_only: bool = False
    """Codes nothing: the suite's metrics are added to the records of the folder from streams."""
    repeats: int = 0
    """Of ``--timing``: how often each call is timed, one task at a time on a pinned core."""
    cluster: str | None = None
    """Address of a Dask scheduler whose workers are used instead of this machine's."""
    command: tuple[str, ...] = ()

    def limit(self, frames: int) -> float:
        """The seconds after which the task of a clip of so many frames is given up."""
        usual = self.timeout_frames or frames
        return self.timeout * max(1.0, frames / usual)


def run(campaign: Campaign, options: RunOptions, progress: Progress) -> Outcome:
    """Measures what ``options.out`` does not hold yet and writes records.csv and run.json.

    Every finished task is stored at once. Raises UsageError or StoreError before anything is
    measured if the folder or the data do not fit. SIGINT, SIGTERM and SIGHUP end it with its
    tables written; before there is anything to write they raise KeyboardInterrupt.
    """
    with StopSignals() as stop:
        with stop.interrupting():
            items = campaign.loader.items()
        if not items:
            raise UsageError(f"suite {campaign.suite.id}: the data set has no items")
        return _run(campaign, options, items, progress, stop)


@dataclass(frozen=True, slots=True)
class _Job:
    """A run with all that it works on."""

    campaign: Campaign
    options: RunOptions
    items: Sequence[Item]
    folder: RunFolder
    progress: Progress
    metrics: Chosen
    stop: StopSignals


def _run(
    campaign: Campaign,
    options: RunOptions,
    items: Sequence[Item],
    progress: Progress,
    stop: StopSignals,
) -> Outcome:
    started = datetime.now(UTC)
    with RunFolder(options.out, fresh=options.fresh) as folder:
        store = folder.store
        store.claim(suite=campaign.suite.id, dataset=campaign.suite.dataset)
        earlier = read_run(options.out) if options.streams_only else None
        asked = campaign.suite.metrics
        metrics = choose_metrics(asked, store, progress.say, only_asked=earlier is not None)
        campaign = replace(campaign, suite=replace(campaign.suite, metrics=metrics.names))
        if store.repaired is not None:
            progress.say(
                f"the results store was damaged: {store.repaired} records were saved, "
                "the rest is measured again"
            )
        if store.restored:
            progress.say(f"{store.restored} records of {folder.table} are continued")
        if earlier is not None:
            earlier.refuse_other_items({item.name: item.digest for item in items})
        else:
            _set_items(store, items, progress)
        job = _Job(campaign, options, items, folder, progress, metrics, stop)
        outcome = _measure_all(job)
        damaged = folder.write_table()
        if damaged and not outcome.interrupted:
            progress.say(f"{damaged} stored records were damaged; they are measured again")
            again = _measure_all(job)
            outcome = replace(again, done=outcome.done, finished_before=outcome.finished_before)
            folder.write_table()
        info = earlier and earlier.with_metrics(store.metrics())
        info = info or describe_run(
            campaign,
            items,
            store,
            options.command or tuple(sys.argv),
            started,
            workers=outcome.workers,
            repeats=options.repeats,
            cluster=options.cluster is not None,
        )
        folder.finish(info)
    return outcome


def _set_items(store: Store, items: Sequence[Item], progress: Progress) -> None:
    dropped = store.set_items([(item.name, item.digest) for item in items])
    if dropped:
        progress.say(f"{dropped} records of items whose content changed are measured again")
    store.set_groups({item.name: item.group for item in items})


def _measure_all(job: _Job) -> Outcome:
    with scratch_folder(job.options.out) as scratch, closing(_Runner(job, scratch)) as runner:
        return runner.run()


class _Runner:
    """The state of one run in progress: workers, schedule, and payloads awaiting their check."""

    def __init__(self, job: _Job, scratch: Path) -> None:
        campaign, options = job.campaign, job.options
        self.job, self.options = job, options
        self._told = time.monotonic()
        self._codings: Callable[[], list[Coding]] = partial(codings, scratch)
        cluster = None
        if options.cluster is not None:
            from bench.engine.cluster import ClusterPool

            cluster = ClusterPool(options.cluster)
            self._codings = cluster.codings
        self.workers = options.jobs if cluster is None else cluster.workers
        usable = [item for item in job.items if item.problem is None]
        self.spec = WorkSpec(
            suite=campaign.suite.id,
            dataset=campaign.suite.dataset,
            loader=campaign.loader,
            items={item.name: item for item in job.items},
            codecs={card.id: card for card in campaign.codecs},
            metrics=campaign.suite.metrics,
            device=options.device,
            # a cluster's workers may share machines with anything
            parallel=self.workers if cluster is None else max(2, self.workers),
            decode_again=frozenset(item.name for item in usable[:1]),
            keep=frozenset(item.name for item in usable[: options.keep]),
            keep_streams=options.keep_streams,
            streams_only=options.streams_only,
            repeats=options.repeats,
            shared=scratch if cluster is None else None,
        )
        self.pool: Pool
        if cluster is None:
            hidden = hidden_paths_of(campaign.loader, campaign.codecs, (options.out, scratch))
            self.pool = LocalPool(
                options.jobs, start_worker, (self.spec,), scratch=scratch, hidden=hidden
            )
        else:
            self.pool = cluster
            cluster.start(self.spec)
        self.schedule, self.apart = Schedule((), self.workers), frozenset[str]()
        self.running: dict[Future[Portion], tuple[Task, ...]] = {}
        self.fresh_decodes = FreshDecodes(
            self.pool, self.spec.codecs, options.device, options.timeout
        )
        store, progress = job.folder.store, job.progress
        self.log = RunLog(self.spec, store, progress, lambda: self.schedule.seconds_left())
        self.log.outcome.workers = self.workers

    def close(self) -> None:
        if self.log.outcome.interrupted or self.running or self.fresh_decodes.running:
            self.pool.kill()
        else:
            self.pool.close()

    def run(self) -> Outcome:
        try:
            self._measure(self._plan())
        except KeyboardInterrupt:
            self.log.stop()
        return self.log.outcome

    def _plan(self) -> Iterable[Task]:
        """Asks the codecs what they are and returns the tasks that are left and can be done."""
        job, say = self.job, self.job.progress.say
        if self.options.streams_only:
            found, lost = tasks_of_streams(job.items, self.spec, job.metrics, job.folder, say)
            self.log.begin(len(found), 0)
            self.log.outcome.failed += lost
            return found
        pool, known = self.pool, job.folder.store.codecs()
        device = self.options.device
        pairs = probe_codecs(job.campaign.codecs, pool, device, self._await, known, job.items)
        register(job.campaign, pairs, job.folder.store, say)
        plan = plan_tasks(pairs, job.items, self.spec, job.metrics, job.folder, say)
        total = sum(len(card.ladder) * len(job.items[: card.items]) for card in job.campaign.codecs)
        self.log.begin(total, plan.finished)
        for status, blank in hopeless_tasks(pairs, job.items, job.folder.store, say).items():
            self.log.keep_blank(blank, status)
        problems = {item.name: item.problem for item in job.items if item.problem is not None}
        hopeless = [(task, problems[task.item]) for task in plan.tasks if task.item in problems]
        self.log.keep_blank(hopeless, "failed")
        tasks = [task for task in plan.tasks if task.item not in problems]
        reads = {found.codec: found.reads for _, found in pairs}
        self.apart = frozenset(found.codec for _, found in pairs if found.apart)
        self.fresh_decodes.expect(filter(self._is_decoded_again, tasks), reads)
        return tasks

    def _measure(self, tasks: Iterable[Task]) -> None:
        self.schedule = Schedule(tasks, self.workers, self.apart)
        while self._feed() or self.running or self.fresh_decodes.running:
            self._await([*self.running, *self.fresh_decodes.running])
            for portion in [future for future in self.running if future.done()]:
                self._collect(portion)
            for check in [future for future in self.fresh_decodes.running if future.done()]:
                self.log.judge(self.fresh_decodes.judge(check))
            self._start_fresh_decodes()

    def _await(self, futures: Sequence[Future[Any]]) -> None:
        """Waits until one of the futures is over. Raises KeyboardInterrupt when the run is to stop:
        only here, for raised by the handler of the signal it could leave a lock of the pool held.
        """
        done: set[Future[Any]] = set()
        while not done:
            if self.job.stop.received:
                raise KeyboardInterrupt
            done, _ = wait(futures, timeout=_LOOK_SECONDS, return_when=FIRST_COMPLETED)
            if time.monotonic() - self._told >= _TELL_SECONDS:
                self._told = time.monotonic()
                self.job.progress.working(self._codings())

    def _feed(self) -> bool:
        """Hands portions to the workers so that each has one running and one waiting."""
        while len(self.running) < 2 * self.workers:
            portion = self.schedule.next_portion()
            if not portion:
                break
            future = self.pool.submit(measure_tasks, portion, timeout=self._limit(portion))
            self.running[future] = portion
        return bool(self.running)

    def _limit(self, portion: tuple[Task, ...]) -> float:
        """The seconds after which a portion is given up: longer clips have more."""
        layouts = [self.spec.items[task.item].layout for task in portion]
        return self.options.limit(max((one.frames for one in layouts if one), default=1))

    def _collect(self, future: Future[Portion]) -> None:
        portion = self.running.pop(future)
        try:
            result = future.result()
        except FutureTimeoutError:
            limit = f"no result within {self._limit(portion):g} s; raise --timeout"
            self._blame(portion, "timeout", limit)
            return
        except ProcessExpired as error:
            self._blame(portion, "failed", f"the worker process died ({cause_of_death(error)})")
            return
        self.schedule.finished(portion, result.seconds)
        for kept in result.kept:
            self.job.folder.kept.add(kept)
        self.log.keep(result.records)
        self.log.add(result.added)
        self.log.judge(result.verdicts)
        for codec, files in result.code.items():
            self.job.folder.store.add_code(codec, files)
        self._decode_again(portion, result.payloads)

    def _blame(self, portion: tuple[Task, ...], status: Status, reason: str) -> None:
        """One task alone gets the blame; of several, each is tried alone."""
        if len(portion) > 1:
            self.schedule.retry_alone(portion)
            return
        (task,) = portion
        if task.stored is not None:
            self.log.add([without_metrics(task, reason)])
        else:
            self.log.keep_blank([(task, reason)], status)
        self._decode_again(portion, [])

    def _decode_again(self, portion: tuple[Task, ...], payloads: Sequence[DecodedPayload]) -> None:
        self.fresh_decodes.arrived(list(filter(self._is_decoded_again, portion)), payloads)

    def _start_fresh_decodes(self) -> None:
        timed = self.options.repeats > 0
        if not (timed and (len(self.schedule) or self.running)):  # timed tasks have nobody beside
            self.fresh_decodes.start(max(0, self.workers - len(self.running)))

    def _is_decoded_again(self, task: Task) -> bool:
        """Whether a fresh process is to decode the stream of this task, too."""
        return task.item in self.spec.decode_again and task.stored is None
