"""What a task costs besides its codec, from a hundred to a hundred thousand of them, and what a
store of a million records costs to resume, as Markdown."""

from __future__ import annotations

import os
import resource
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.cards import CodecCard
from bench.cards.suites import Suite
from bench.datasets.base import Item
from bench.engine.campaign import Campaign
from bench.engine.plan import Probe, codec_fingerprint, item_fingerprint, make_plan
from bench.engine.run import RunOptions, run
from bench.engine.run_log import Silence
from bench.machine import describe_machine
from bench.records import Point, Record
from bench.results.store import Store
from bench.signals import GRAY, Layout, Signal, image
from tests.speed.million import Taken, commands_on, table

_SIDE = 16
_PREDICTED_WORKERS = 100
WORKERS = (1, 2)


class Tiny:
    """``count`` gray pictures of 16×16, so small that the harness is all that costs."""

    def __init__(self, count: int) -> None:
        self.count = count

    def items(self) -> Sequence[Item]:
        layout = Layout("image", GRAY, _SIDE, _SIDE)
        return [Item(f"{n:06d}", str(n), layout) for n in range(self.count)]

    def load(self, item: Item) -> Signal:
        return image(np.full((_SIDE, _SIDE), int(item.name) % 256, np.uint8))

    def notes(self) -> tuple[str, ...]:
        return ()


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of one run of ``tasks`` on ``workers``."""

    tasks: int
    workers: int
    wall_seconds: float
    coordinator_cpu_seconds: float

    @property
    def task_seconds(self) -> float:
        return self.wall_seconds / self.tasks


def measure_cost(card: CodecCard, tasks: int, workers: int) -> Cost:
    """Runs ``tasks`` tasks of a codec from start to tables."""
    suite = Suite("scaling", "tiny", "Tiny pictures", (card.id,), ("psnr_rgb",))
    campaign = Campaign(suite, (card,), Tiny(tasks), "image", "Tiny pictures")
    with tempfile.TemporaryDirectory() as folder:
        cpu, wall = time.process_time(), time.perf_counter()
        outcome = run(campaign, RunOptions(Path(folder), workers), Silence())
        cost = Cost(tasks, workers, time.perf_counter() - wall, time.process_time() - cpu)
    assert outcome.done == tasks, f"{outcome.done} of {tasks} tasks done"
    return cost


@dataclass(frozen=True, slots=True)
class Resume:
    """Seconds to open a full store and plan, of wall and of CPU, and the peak memory in MiB."""

    records: int
    open_seconds: float
    plan_seconds: float
    cpu_seconds: float
    left: int
    peak_mebibytes: float


def measure_resume(records: int, codecs: int = 10, points: int = 10) -> Resume:
    """Fills a store with ``records`` and plans the run that would continue it."""
    ladder = tuple(Point("quality", 5 + 5 * n) for n in range(points))
    names = [f"made-up-{n}" for n in range(codecs)]
    cards = [
        (
            CodecCard(name, Path(f"{name}.toml"), name, "none:None", ("image",), ladder=ladder),
            Probe(name, {"library": "1"}),
        )
        for name in names
    ]
    items = Tiny(records // (codecs * points)).items()
    with tempfile.TemporaryDirectory() as folder:
        with Store(Path(folder)) as store:
            for card, probe in cards:
                mark = codec_fingerprint(card, probe)
                store.add(
                    _record(card.id, str(point), item.name, item_fingerprint(mark, item))
                    for item in items
                    for point in card.ladder
                )
        start, cpu = time.perf_counter(), time.process_time()
        with Store(Path(folder)) as store:
            opened = time.perf_counter()
            plan = make_plan(cards, items, store.done())
            planned = time.perf_counter()
            cpu = time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Resume(records, opened - start, planned - opened, cpu, len(plan.tasks), peak)


def _record(codec: str, point: str, item: str, fingerprint: str) -> Record:
    return Record(
        suite="scaling", dataset="tiny", item=item, codec=codec, point=point, status="done",
        width=_SIDE, height=_SIDE, frames=1, channels=1, bytes=100, header_bytes=10,
        discarded_bytes=0, bpp=3.125,
        scores={"mse": 10.5, "psnr_rgb": 37.9187, "psnr_y": 37.9187, "ssim": 0.98765},
        encode_seconds=0.001234, decode_seconds=0.000987, bitstream_sha256="0" * 64,
        parallel=2, encode_cpu_seconds=0.0012, decode_cpu_seconds=0.0009, fingerprint=fingerprint,
    )  # fmt: skip


def describe(costs: Sequence[Cost], resume: Resume, taken: Sequence[Taken]) -> str:
    """The tables and the prediction as Markdown."""
    machine = describe_machine()
    load = os.getloadavg()[0]
    lines = [
        "# What the harness costs",
        "",
        "Made by `make scaling`: the `none` codec on gray pictures of 16×16,",
        "from the start of a run to its records.csv, so that nearly all time is the harness's own.",
        f"{machine['processor']}, {machine['cores']} cores, load average {load:.1f} at the end.",
        "",
        "| tasks | workers | seconds | ms a task | tasks/s | coordinator, CPU ms a task |",
        "| ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {c.tasks:,} | {c.workers} | {c.wall_seconds:.2f} | {1e3 * c.task_seconds:.3f} "
        f"| {c.tasks / c.wall_seconds:.0f} | {1e3 * c.coordinator_cpu_seconds / c.tasks:.3f} |"
        for c in costs
    ]
    lines += ["", *_efficiency(costs), *_prediction(costs)]
    lines += [
        "",
        f"A store of {resume.records:,} records is opened and checked in "
        f"{resume.open_seconds:.1f} s and a resume planned in {resume.plan_seconds:.1f} s more "
        f"({resume.left} tasks left): {resume.cpu_seconds:.1f} s of CPU in all, "
        f"with a peak of {resume.peak_mebibytes:.0f} MiB.",
        "",
        "What the tables of a run cost: 50 codecs at 20 points, commands as typed, on a folder "
        "without figures. `check` compares with as large a run, all of whose streams are others.",
        "",
        *table(taken),
    ]
    return "\n".join(lines) + "\n"


def _efficiency(costs: Sequence[Cost]) -> list[str]:
    lines = []
    for tasks in sorted({cost.tasks for cost in costs}):
        by_workers = {cost.workers: cost.wall_seconds for cost in costs if cost.tasks == tasks}
        for workers in sorted(set(by_workers) - {1}):
            percent = 100 * by_workers[1] / (workers * by_workers[workers])
            lines.append(f"- {tasks:,} tasks: {workers} workers at {percent:.0f} % efficiency")
    return lines


def _prediction(costs: Sequence[Cost]) -> list[str]:
    largest = max(costs, key=lambda cost: (cost.tasks, cost.workers))
    each = largest.coordinator_cpu_seconds / largest.tasks
    busy = _PREDICTED_WORKERS * each
    return [
        "",
        f"The coordinator alone plans, receives and stores: {1e3 * each:.3f} ms of CPU a task. It "
        f"keeps {_PREDICTED_WORKERS} workers busy as long as a task takes {1e3 * busy:.0f} ms or "
        f"more; at 1 s a task it is {100 * busy:.1f} % occupied, and the prediction is an "
        f"efficiency of {100 * min(1.0, 1 - busy / (1 + busy)):.0f} % or better.",
    ]


def scaling_report(
    card: CodecCard,
    tasks: Sequence[int],
    workers: Sequence[int] = WORKERS,
    *,
    records: int,
    tables: Sequence[int] = (),
) -> str:
    """Measures all sizes with a codec that does next to nothing, which takes minutes on an idle
    machine; Markdown."""
    measure_cost(card, 1, 1)  # imports and the like, which would count as the first size's
    costs = [measure_cost(card, count, each) for count in tasks for each in workers]
    return describe(costs, measure_resume(records), commands_on(tables))
