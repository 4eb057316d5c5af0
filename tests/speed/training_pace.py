"""How many steps a second the training of a network does here, by threads, batch and layout. Trains
nothing and writes nothing; says on stderr which network it is at."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import torch

from bench.cards import CodecCard
from bench.codecs.support.weights import MODEL
from bench.errors import BenchError
from bench.learned.training.loop import Trainer
from bench.learned.training.pace import AUTO, FULL, LAST, PLAIN, arrange, synchronise
from bench.learned.training.request import TrainRequest, make_trainer

_SECONDS = 1.5
_LEAST_STEPS = 2


@dataclass(frozen=True, slots=True, order=True)
class Way:
    """One way to train."""

    threads: int
    layout: str

    def __str__(self) -> str:
        return f"{self.threads} thread{'s' * (self.threads > 1)}, {self.layout}"


Pace = dict[int, dict[Way, float]]
"""Samples a second of a network by batch and way."""


def measure(cards: Iterable[CodecCard], request: TrainRequest) -> str:
    """A Markdown table of one network of each kind; what cannot be measured says why below it.

    Threads are 1, or ``request.threads``, and all cores; batches half the card's, the card's and
    twice as many; of a GPU there are no threads to vary. A step is all of it but its data, in
    float32 unless ``request.precision`` is another.
    """
    rows: dict[str, Pace] = {}
    failed = []
    for network in (each for card in cards for each in kinds(card)):
        print(f"{network.title}: measuring", file=sys.stderr, flush=True)
        try:
            rows[network.title] = _pace(network, request)
        except BenchError as error:
            failed.append(f"{network.title}: not measured: {error}")
    machine = f"{request.device}, {os.cpu_count()} cores, torch {torch.__version__}"
    title = f"# Pace of training on {machine}\n"
    return "\n".join([title, *_table(rows), *("\n" + each for each in failed), ""])


def _table(rows: Mapping[str, Pace]) -> Iterator[str]:
    """Bold: the most samples a second and thread of a network."""
    ways = sorted({way for pace in rows.values() for found in pace.values() for way in found})
    yield "Made by `make pace`: samples a second; steps a second are this divided by the batch.\n"
    yield f"| network | batch |{''.join(f' {way} |' for way in ways)}"
    yield f"| --- | ---: |{' ---: |' * len(ways)}"
    for title, pace in rows.items():
        most = max(rate / way.threads for found in pace.values() for way, rate in found.items())
        for batch, found in pace.items():
            cells = []
            for way in ways:
                mark = "**" if found[way] / way.threads == most else ""
                cells.append(f" {mark}{found[way]:.3g}{mark} |")
            yield f"| {title} | {batch} |{''.join(cells)}"


@dataclass(frozen=True, slots=True)
class Network:
    """A network of a card; ``point`` where it is that of a point, ``part`` where it is a part."""

    card: CodecCard
    point: str | None = None
    part: str | None = None

    @property
    def title(self) -> str:
        """Codec and network."""
        return f"{self.card.path.stem}/{self.point or self.part or MODEL}"


def kinds(card: CodecCard) -> Iterator[Network]:
    """The networks of a card, of those that differ in the point alone the first."""
    if card.training.get("per") == "point":
        yield Network(card, point=str(card.ladder[0]))
    elif "task" in card.training:
        yield Network(card)
    yield from (Network(card, part=part) for part in card.training.get("parts", {}))


def _pace(network: Network, request: TrainRequest) -> Pace:
    asked = replace(request, point=network.point, part=network.part)
    kept, pace = torch.get_num_threads(), Pace()
    try:
        whole = make_trainer(network.card, asked)
        card = whole.settings.batch
        for batch in sorted({max(1, card // 2), card, 2 * card}):
            trainer = whole if batch == card else make_trainer(
                network.card, replace(asked, batch=batch)
            )  # fmt: skip
            pace[batch] = {
                way: batch * _steps_per_second(trainer, way)
                for threads in _threads(trainer.options.device, request)
                for way in (Way(threads, PLAIN), Way(threads, LAST))
            }
    finally:
        torch.set_num_threads(kept)
    return pace


def _threads(device: torch.device, request: TrainRequest) -> list[int]:
    if device.type != "cpu":
        return [1]
    return sorted({request.threads or 1, os.cpu_count() or 1})


def _steps_per_second(trainer: Trainer[object], way: Way) -> float:
    """Of the fastest step: others were disturbed."""
    torch.set_num_threads(way.threads)
    trainer.precision = FULL if trainer.precision == AUTO else trainer.precision
    arrange(trainer.kernels(), way.layout)
    batch, device = trainer.next_batch(), trainer.options.device
    best, total, steps = float("inf"), 0.0, 0
    trainer.train_step(batch)
    while total < _SECONDS or steps < _LEAST_STEPS:
        synchronise(device)
        start = time.perf_counter()
        trainer.train_step(batch)
        synchronise(device)
        seconds = time.perf_counter() - start
        best, total, steps = min(best, seconds), total + seconds, steps + 1
    return 1 / best
