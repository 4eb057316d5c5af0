"""Runs a suite: probes the codecs, measures what is left, stores it, and leaves the tables.

Decides the order and the limits; what a task is lies in measure.py, where results go in store.py.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from pebble import ProcessExpired

from bench.cards import CodecCard
from bench.datasets.base import Item
from bench.engine.campaign import Campaign
from bench.engine.describe import describe_codec, describe_run
from bench.engine.measure import (
    Added,
    Portion,
    WorkSpec,
    measure_tasks,
    probe,
    start_worker,
    with_layout,
)
from bench.engine.metrics import Chosen, applying, choose_metrics
from bench.engine.plan import Key, Plan, Probe, make_plan
from bench.engine.proofs import Evidence, Finding, Proofs
from bench.engine.schedule import Schedule
from bench.engine.walls import walls_of
from bench.engine.workers import LocalPool, Pool, scratch_folder
from bench.errors import BenchError, UsageError
from bench.metrics.base import Scores
from bench.records import Record, Status, Stored, Task
from bench.results.gallery import Gallery
from bench.results.store import TABLE, Store
from bench.stopping import StopSignals

_PROBE_SECONDS = 120.0
_LOOK_SECONDS = 0.1
"""How often a run that waits for its workers looks whether it was told to stop."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a campaign is carried out; times in seconds."""

    out: Path
    jobs: int
    timeout: float = 600.0
    device: str = "cpu"
    fresh: bool = False
    keep: int = 0
    """Of how many items the streams and reconstructions are kept."""
    repeats: int = 0
    """Of ``--timing``: how often each call is timed, one task at a time on a pinned core."""
    cluster: str | None = None
    """Address of a Dask scheduler whose workers are used instead of this machine's."""
    command: tuple[str, ...] = ()


class Progress(Protocol):
    """Where a run says how far it is."""

    def begin(self, total: int, finished: int) -> None:
        """Called once, with all tasks of the run and those that are stored already."""

    def advance(self, tasks: int, failed: int, seconds_left: float | None) -> None:
        """Called when tasks are over, ``failed`` of them without a result."""

    def say(self, line: str) -> None:
        """One line that the user should read."""


@dataclass(slots=True)
class Outcome:
    """What a run came to."""

    total: int = 0
    finished_before: int = 0
    done: int = 0
    failed: int = 0
    skipped: int = 0
    added: int = 0
    """Stored records to which metrics were added."""
    refuted: int = 0
    """Streams that a fresh process decoded to other pixels."""
    interrupted: bool = False
    workers: int = 1
    """How many tasks ran at the same time."""
    reasons: dict[str, int] = field(default_factory=dict)

    @property
    def exit_status(self) -> int:
        return 1 if self.failed or self.refuted or self.interrupted else 0


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


def _run(
    campaign: Campaign,
    options: RunOptions,
    items: Sequence[Item],
    progress: Progress,
    stop: StopSignals,
) -> Outcome:
    started = datetime.now(UTC)
    with Store(options.out, fresh=options.fresh) as store:
        store.claim(suite=campaign.suite.id, dataset=campaign.suite.dataset)
        metrics = choose_metrics(campaign.suite.metrics, store, progress.say)
        campaign = replace(campaign, suite=replace(campaign.suite, metrics=metrics.names))
        if store.repaired is not None:
            progress.say(
                f"the results store was damaged: {store.repaired} records were saved, "
                "the rest is measured again"
            )
        if store.restored:
            progress.say(f"{store.restored} records of {options.out / TABLE} are continued")
        dropped = store.set_items([(item.name, item.digest) for item in items])
        if dropped:
            progress.say(f"{dropped} records of items whose content changed are measured again")
        outcome = _measure_all(campaign, options, items, store, progress, metrics, stop)
        damaged = store.drop_damaged()
        if damaged and not outcome.interrupted:
            progress.say(f"{damaged} stored records were damaged; they are measured again")
            again = _measure_all(campaign, options, items, store, progress, metrics, stop)
            outcome = replace(again, done=outcome.done, finished_before=outcome.finished_before)
        store.export_csv(options.out / TABLE)
        Gallery(options.out).write_index(store.records())
        describe_run(
            campaign,
            items,
            store,
            options.command or tuple(sys.argv),
            started,
            workers=outcome.workers,
            repeats=options.repeats,
            cluster=options.cluster is not None,
        ).write(options.out)
    return outcome


def _measure_all(
    campaign: Campaign,
    options: RunOptions,
    items: Sequence[Item],
    store: Store,
    progress: Progress,
    metrics: Chosen,
    stop: StopSignals,
) -> Outcome:
    with (
        scratch_folder(options.out) as scratch,
        closing(
            _Runner(campaign, options, items, scratch, store, progress, metrics, stop)
        ) as runner,
    ):
        return runner.run()


class _Runner:
    """The state of one run in progress: workers, schedule, and payloads awaiting their check."""

    def __init__(
        self,
        campaign: Campaign,
        options: RunOptions,
        items: Sequence[Item],
        scratch: Path,
        store: Store,
        progress: Progress,
        metrics: Chosen,
        stop: StopSignals,
    ) -> None:
        self.metrics, self.stop = metrics, stop
        self.campaign, self.options, self.items = campaign, options, items
        self.store, self.progress = store, progress
        self.outcome = Outcome()
        cluster = None
        if options.cluster is not None:
            from bench.engine.cluster import ClusterPool

            cluster = ClusterPool(options.cluster)
        self.workers = self.outcome.workers = options.jobs if cluster is None else cluster.workers
        self.cards = {card.id: card for card in campaign.codecs}
        usable = [item for item in items if item.problem is None]
        self.spec = WorkSpec(
            suite=campaign.suite.id,
            dataset=campaign.suite.dataset,
            loader=campaign.loader,
            items={item.name: item for item in items},
            codecs=self.cards,
            metrics=campaign.suite.metrics,
            device=options.device,
            # a cluster's workers may share machines with anything
            parallel=self.workers if cluster is None else max(2, self.workers),
            evidence=frozenset(item.name for item in usable[:1]),
            keep=frozenset(item.name for item in usable[: options.keep]),
            repeats=options.repeats,
        )
        self.pool: Pool
        if cluster is None:
            walls = walls_of(campaign.loader, campaign.codecs, (options.out, scratch))
            self.pool = LocalPool(
                options.jobs, start_worker, (self.spec,), scratch=scratch, walls=walls
            )
        else:
            self.pool = cluster
            cluster.start(self.spec)
        self.gallery = Gallery(options.out)
        self.schedule = Schedule((), self.workers)
        self.running: dict[Future[Portion], tuple[Task, ...]] = {}
        self.reads: dict[str, tuple[Path, ...]] = {}
        self.proofs = Proofs(self.pool, self.cards, options.device, options.timeout)

    def close(self) -> None:
        if self.running or self.proofs.running:
            self.pool.kill()
        else:
            self.pool.close()

    def run(self) -> Outcome:
        try:
            plan = self._plan()
            self.progress.begin(self.outcome.total, self.outcome.finished_before)
            self._measure(plan)
        except KeyboardInterrupt:
            self.outcome.interrupted = True
            self.progress.say("stopped; what was finished is kept, the same command continues")
        return self.outcome

    def _register(self, pairs: Sequence[tuple[CodecCard, Probe]]) -> None:
        """Tells the store whose results the folder shows from now on."""
        known = {info.id: info for info in self.store.codecs()}
        infos = [describe_codec(card, found) for card, found in pairs]
        for index, (info, (_, found)) in enumerate(zip(infos, pairs, strict=True)):
            if found.unavailable is not None and info.id in known:
                # what was measured while it was available keeps the versions of then
                infos[index] = replace(known[info.id], ladder=info.ladder)
        self.store.set_codecs(infos, add_points=self.campaign.extends)
        unseen = [] if self.campaign.extends else sorted(known.keys() - self.cards.keys())
        if unseen:
            self.progress.say(
                f"not in the suite and so not in its report: {', '.join(unseen)}; "
                "name them with --codecs to see them again"
            )

    def _plan(self) -> Plan:
        """Asks the codecs what they are, registers them and plans; skips what cannot run."""
        futures = [
            self.pool.submit(probe, card, self.options.device, timeout=_PROBE_SECONDS)
            for card in self.campaign.codecs
        ]
        for future in futures:
            self._await([future])
        pairs = [
            (card, _probe_result(card, future))
            for card, future in zip(self.campaign.codecs, futures, strict=True)
        ]
        self.reads = {found.codec: found.reads for _, found in pairs}
        able = [(card, found) for card, found in pairs if found.unavailable is None]
        self._register(pairs)
        stored = self.store.done(repeats=self.options.repeats)
        done = {
            key: mark
            for key, mark in stored.items()
            if key[2] not in self.spec.keep or self.gallery.holds(*key)
        }
        plan = make_plan(
            able, self.items, done, lacking=self._lacking(), earlier=self.metrics.earlier
        )
        if plan.stale:
            self.store.drop(plan.stale)
            self.progress.say(
                f"{len(plan.stale)} stored records come from another version, card, weights "
                "or device; they are measured again"
            )
        self.outcome.finished_before = plan.finished
        self.outcome.total = sum(len(card.ladder) for card in self.campaign.codecs) * len(
            self.items
        )
        for card, found in pairs:
            if found.unavailable is not None:
                self._skip(card, found.unavailable, stored)
        return plan

    def _lacking(self) -> dict[Key, tuple[tuple[str, ...], Stored]]:
        """What stored records lack of the metrics that can run here and apply to their items."""
        able = {item.name: applying(item, self.metrics.able) for item in self.items}
        found = {}
        for key, (names, stored) in self.store.lacking(self.metrics.able).items():
            lacks = tuple(name for name in names if name in able.get(key[2], ()))
            if lacks:
                found[key] = (lacks, replace(stored, kept=self.gallery.stream(*key)))
        return found

    def _skip(
        self, card: CodecCard, reason: str, stored: Mapping[tuple[str, str, str], str]
    ) -> None:
        self.progress.say(f"{card.id} skipped: {reason}")
        self._keep(
            [
                self._blank(Task(card.id, point, item.name, ""), "skipped", reason)
                for item in self.items
                for point in card.ladder
                if (card.id, str(point), item.name) not in stored
            ]
        )

    def _blank(self, task: Task, status: Status, reason: str) -> Record:
        record = Record(
            suite=self.spec.suite,
            dataset=self.spec.dataset,
            item=task.item,
            codec=task.codec,
            point=str(task.point),
            status=status,
            reason=reason,
            fingerprint=task.fingerprint,
        )
        layout = self.spec.items[task.item].layout
        return record if layout is None else with_layout(record, layout)

    def _measure(self, plan: Plan) -> None:
        problems = {item.name: item.problem for item in self.items if item.problem is not None}
        self._keep([self._blank(t, "failed", problems[t.item]) for t in plan.tasks
                    if t.item in problems])  # fmt: skip
        tasks = [task for task in plan.tasks if task.item not in problems]
        self.proofs.expect(filter(self._proved, tasks), self.reads)
        self.schedule = Schedule(tasks, self.workers)
        while self._feed() or self.running or self.proofs.running:
            self._await([*self.running, *self.proofs.running])
            for portion in [future for future in self.running if future.done()]:
                self._collect(portion)
            for check in [future for future in self.proofs.running if future.done()]:
                self._judge(check)

    def _await(self, futures: Sequence[Future[Any]]) -> None:
        """Waits until one of the futures is over. Raises KeyboardInterrupt when the run is to stop:
        only here, for raised by the handler of the signal it could leave a lock of the pool held.
        """
        done: set[Future[Any]] = set()
        while not done:
            if self.stop.received:
                raise KeyboardInterrupt
            done, _ = wait(futures, timeout=_LOOK_SECONDS, return_when=FIRST_COMPLETED)

    def _feed(self) -> bool:
        """Hands portions to the workers so that each has one running and one waiting."""
        while len(self.running) < 2 * self.workers:
            portion = self.schedule.next_portion()
            if not portion:
                break
            future = self.pool.submit(measure_tasks, portion, timeout=self.options.timeout)
            self.running[future] = portion
        return bool(self.running)

    def _collect(self, future: Future[Portion]) -> None:
        portion = self.running.pop(future)
        try:
            result = future.result()
        except FutureTimeoutError:
            limit = f"no result within {self.options.timeout:g} s; raise --timeout"
            self._blame(portion, "timeout", limit)
            return
        except ProcessExpired as error:
            self._blame(portion, "failed", f"the worker process died ({_cause(error)})")
            return
        self.schedule.finished(portion, result.seconds)
        for entry in result.measured:
            if entry.keepsake is not None:
                self.gallery.add(entry.keepsake)
        self._keep([entry.record for entry in result.measured])
        self._add(result.added)
        evidence = [entry.evidence for entry in result.measured if entry.evidence is not None]
        self._prove(portion, evidence)

    def _blame(self, portion: tuple[Task, ...], status: Status, reason: str) -> None:
        """One task alone gets the blame; of several, each is tried alone."""
        if len(portion) > 1:
            self.schedule.retry_alone(portion)
            return
        (task,) = portion
        if task.lacks:
            self._add([Added(task, Scores({}, dict.fromkeys(task.lacks, reason)))])
        else:
            self._keep([self._blank(task, status, reason)])
        self._prove(portion, [])

    def _prove(self, portion: tuple[Task, ...], evidence: Sequence[Evidence]) -> None:
        self.proofs.arrived(list(filter(self._proved, portion)), evidence)
        timed = self.options.repeats > 0
        if not (timed and (len(self.schedule) or self.running)):  # timed tasks have nobody beside
            self.proofs.start()

    def _proved(self, task: Task) -> bool:
        """Whether a fresh process is to decode the stream of this task, too."""
        return task.item in self.spec.evidence and not task.lacks

    def _add(self, found: Sequence[Added]) -> None:
        for entry in found:
            self.store.add_scores(entry.task.key, entry.scores.values, entry.scores.remarks)
            self.outcome.added += 1
        self.progress.advance(len(found), 0, self.schedule.seconds_left())

    def _judge(self, future: Future[list[Finding]]) -> None:
        verdicts = self.proofs.judge(future)
        for verdict in verdicts:
            if not verdict.passed:
                self.outcome.refuted += 1
                self.progress.say(f"{verdict.codec} {verdict.point}: {verdict.detail}")
        self.store.add((), verdicts)

    def _keep(self, records: list[Record]) -> None:
        self.store.add(records)
        for record in records:
            if record.status == "done":
                self.outcome.done += 1
                continue
            if record.status == "skipped":
                self.outcome.skipped += 1
            else:
                self.outcome.failed += 1
            reason = f"{record.codec}: {record.reason}"
            self.outcome.reasons[reason] = self.outcome.reasons.get(reason, 0) + 1
        failed = sum(record.status in ("failed", "timeout") for record in records)
        self.progress.advance(len(records), failed, self.schedule.seconds_left())


def _probe_result(card: CodecCard, future: Future[Probe]) -> Probe:
    """What a codec said of itself, or why it could not; one broken codec does not stop the others.

    A wrong card or value is the user's to correct and is raised.
    """
    try:
        return future.result()
    except BenchError:
        raise
    except FutureTimeoutError:
        reason = f"did not start within {_PROBE_SECONDS:g} s"
    except ProcessExpired as error:
        reason = f"its process died while starting ({_cause(error)})"
    except Exception as error:  # a third party's codec may raise anything
        reason = f"cannot start: {type(error).__name__}: {error}"
    reason = f"{reason}; try python -m bench doctor --codec {card.id}"
    return Probe(card.id, {}, unavailable=reason)


def _cause(error: ProcessExpired) -> str:
    import signal

    code = getattr(error, "exitcode", None)
    if isinstance(code, int) and code < 0:
        return f"killed by {signal.Signals(-code).name}; out of memory?"
    return f"exit status {code}"
